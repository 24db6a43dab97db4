"""The words of a text, by which it is found. Pure: all databases are given the same ones, and so find the same."""

import re
import unicodedata

LONGEST_WORD = 64
"""In characters. Of a longer word its beginning stands for it."""

SHORTEST_BEGINNING = 2
"""In characters. A shorter word is sought whole only: of all words there are, too many begin with one letter."""

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
_ASCII_WORD = re.compile(r"[a-z0-9]+")  # what all of the rest comes to where there is nothing else
# more marks than any letter has (30: UAX 15, Stream-Safe Text Format). To normalize a run of them, Python sorts it by
# insertion, so that a text of nothing else would take time by the square of its length
_MORE_MARKS = re.compile(r"(?<=[^\w\s]{30})[^\w\s]+")


def words(text: str) -> list[str]:
    """The words of a text in their order: runs of letters, digits and vowel signs, in whatever case, width and accents.

    Scripts without spaces have words of one letter each. A word has up to `LONGEST_WORD` characters and is its own only
    word. It holds neither a space nor anything that a query language of a database could take for its own.

    Takes time in proportion to the text, whatever is in it.
    """
    if text.isascii():
        return [word[:LONGEST_WORD] for word in _ASCII_WORD.findall(text.lower())]
    letters = text.translate(_TABLE).casefold()
    folded = unicodedata.normalize("NFKC", _MORE_MARKS.sub("", letters))
    return [word[:LONGEST_WORD] for word in _WORD.findall(folded)]


def is_beginning(word: str) -> bool:
    """Whether a word that is sought last stands for all that begin so, too."""
    return len(word) >= SHORTEST_BEGINNING


class _Table(dict[int, int | str]):
    """What becomes of each code point: what is kept of its decomposition (NFKD). It fills itself as texts need it.

    One by one, so that accents are gone before anything is put in order. Of what becomes a space only ASCII is
    remembered: it is most of Unicode, and the rest no more than some 10 MB.
    """

    def __missing__(self, code: int) -> int | str:
        character = chr(code)
        kept = "".join(map(_kept, unicodedata.normalize("NFKD", character)))
        if kept == " " and not character.isascii():
            return kept
        # the number that is there already, where it does as well as a string of its own
        self[code] = code if kept == character else kept
        return self[code]


def _kept(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cf", "Me") or unicodedata.combining(character) >= _FIRST_ACCENT or _selects_variant(character):
        return ""
    return character if category[0] in "LNM" else " "


def _selects_variant(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


_TABLE = _Table()
