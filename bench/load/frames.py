"""WebSocket frames as a client writes and reads them (RFC 6455, section 5.2)."""

import struct

_NO_MASK = bytes(4)
"""A masking key of zeros leaves the payload as it is."""


def text_frame(payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return struct.pack("!BB", 0x81, 0x80 | length) + _NO_MASK + payload
    if length < 65536:
        return struct.pack("!BBH", 0x81, 0xFE, length) + _NO_MASK + payload
    return struct.pack("!BBQ", 0x81, 0xFF, length) + _NO_MASK + payload


def payload_of(data: bytearray, start: int) -> tuple[int, int] | None:
    """Where the payload of the unmasked frame that begins at `start` begins and ends; None if it is not whole."""
    available = len(data) - start
    if available < 2:
        return None
    length, begin = data[start + 1], start + 2
    if length == 126:
        if available < 4:
            return None
        length, begin = int.from_bytes(data[start + 2 : start + 4]), start + 4
    elif length == 127:
        if available < 10:
            return None
        length, begin = int.from_bytes(data[start + 2 : start + 10]), start + 10
    return (begin, begin + length) if len(data) >= begin + length else None
