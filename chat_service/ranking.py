"""How well a message answers a search. Pure."""

from collections import Counter
from collections.abc import Sequence

from chat_service.words import is_beginning

MAX_SCORE = 0xFFFF
_WHOLE = 0x8000
_PHRASE = 0x4000
_OFTEN = _PHRASE - 1


def score(sought: Sequence[str], found: str) -> int:
    """The higher the better, up to `MAX_SCORE`. `found` are a message's words with spaces between, `sought` some that
    it has; of the last it may have but words that begin so, if it `is_beginning`.

    Best is a message that has the last word whole; then one that has all of them side by side, in order; then the one
    in which they stand most often.
    """
    spaced = f" {found} "
    counts = Counter(found.split(" "))
    *others, last = sought
    begun = is_beginning(last)
    whole = _WHOLE if last in counts else 0
    phrase = _PHRASE if f" {' '.join(sought)}{'' if begun else ' '}" in spaced else 0
    times = spaced.count(f" {last}") if begun else counts[last]
    times += sum(counts[word] for word in set(others))
    return whole | phrase | min(times, _OFTEN)
