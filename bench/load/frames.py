"""Frames out of a stream of bytes that a WebSocket server has sent (RFC 6455, section 5.2)."""


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
