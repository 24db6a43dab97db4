"""What is said: each text tells its number."""

CHARACTERS = 100
_DIGITS = 16


def text_of(number: int, characters: int = CHARACTERS) -> str:
    return f"{number:0{_DIGITS}d}".ljust(characters, ".")


def number_in(text: str | bytes) -> int:
    return int(text[:_DIGITS])
