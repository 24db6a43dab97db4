"""What may stand nowhere, in all the ways in which it could be written."""

import base64
import binascii
import hashlib
import json
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote, quote_plus


def writings(text: str) -> frozenset[bytes]:
    """Ways to write it, in lower case: as it is, percent-encoded, escaped as in JSON or Python, in hexadecimal, in
    base64 wherever it stands in what was encoded, and hashed without a key, which anybody can do again."""
    return frozenset(written.lower() for form in _forms(text) for written in _writings(form))


def found_in(data: bytes, sought: frozenset[bytes]) -> list[bytes]:
    """Those that stand in it, whatever the case."""
    lower = data.lower()
    return [written for written in sought if written in lower]


def _forms(text: str) -> Iterator[str]:
    """Folding what is escaped does not fold what the escapes stand for."""
    yield from {text, text.lower(), text.upper(), text.casefold(), text.title(), unicodedata.normalize("NFC", text)}


def _writings(text: str) -> Iterator[bytes]:
    data = text.encode()
    yield data
    yield quote(text, safe="").encode()
    yield quote_plus(text, safe="@").encode()
    yield json.dumps(text)[1:-1].encode()
    yield binascii.hexlify(data)
    for digest in (hashlib.md5, hashlib.sha1, hashlib.sha256):
        hashed = digest(data).digest()
        yield binascii.hexlify(hashed)
        yield base64.b64encode(hashed).rstrip(b"=")
    for offset in range(3):
        yield from _base64_at(offset, data)


def _base64_at(offset: int, data: bytes) -> Iterator[bytes]:
    """The characters that tell of it alone, when so many bytes, of three, stand before it."""
    begin = -(-offset * 8 // 6)
    end = (offset + len(data)) * 8 // 6
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(bytes(offset) + data)[begin:end]
