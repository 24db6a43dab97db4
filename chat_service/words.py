"""The words of a text, by which it is found. Pure: all databases are given the same ones, and so find the same."""

import re
import unicodedata

LONGEST_WORD = 64
"""In characters. Of a longer word its beginning stands for it."""

_FIRST_ACCENT = 10
"""The lowest combining class (UAX 44) of accents, points and tones. Below it are the signs that make another letter of
the one before: nukta, virama, the voicing marks of kana; at 0 are the vowel signs of Indic scripts."""

# Thai, Lao, Myanmar, Khmer, Han, kana, Bopomofo: what is written without spaces between words
_UNSPACED = (
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3021-\u3029\u3031-\u30ff\u3100-\u312f\u31a0-\u31ff"
    "\u3400-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\U0001aff0-\U0001b2ff\U00020000-\U0003ffff"
)
# of what the table below leaves, `\w` are letters and numbers, and what is neither that nor a space is a mark
_WORD = re.compile(rf"[{_UNSPACED}][^\w\s]*|(?:(?![{_UNSPACED}])\w[^\w\s]*)+")


def words(text: str) -> list[str]:
    """The words of a text in their order: runs of letters, digits and vowel signs, in whatever case, width and accents.

    Scripts without spaces have words of one letter each. A word has up to `LONGEST_WORD` characters and is its own only
    word. It holds neither a space nor anything that a query language of a database could take for its own.
    """
    letters = unicodedata.normalize("NFKD", text).translate(_TABLE)
    folded = unicodedata.normalize("NFKC", letters.casefold())
    return [word[:LONGEST_WORD] for word in _WORD.findall(folded)]


class _Table(dict[int, str | None]):
    """What becomes of each code point: itself, a space, or nothing. It fills itself as texts need it."""

    def __missing__(self, code: int) -> str | None:
        self[code] = kept = _kept(chr(code))
        return kept


def _kept(character: str) -> str | None:
    category = unicodedata.category(character)
    if category in ("Cf", "Me") or unicodedata.combining(character) >= _FIRST_ACCENT or _selects_variant(character):
        return None
    return character if category[0] in "LNM" else " "


def _selects_variant(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


_TABLE = _Table()
