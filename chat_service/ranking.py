"""How well a message answers a search. Pure."""

from collections.abc import Sequence

MAX_SCORE = 0xFFFF
_WHOLE = 0x8000
_PHRASE = 0x4000
_OFTEN = _PHRASE - 1


def score(sought: Sequence[str], found: str) -> int:
    """The higher the better, up to `MAX_SCORE`. `found` are a message's words with spaces between, `sought` some that
    it has; of the last it may have but words that begin so.

    Best is a message that has the last word whole; then one that has all of them side by side, in order; then the one
    in which they stand most often.
    """
    spaced = f" {found} "
    *others, last = sought
    whole = _WHOLE if f" {last} " in spaced else 0
    phrase = _PHRASE if f" {' '.join(sought)}" in spaced else 0
    each = found.split(" ")
    times = spaced.count(f" {last}") + sum(each.count(word) for word in set(others))
    return whole | phrase | min(times, _OFTEN)
