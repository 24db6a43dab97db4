"""What everybody who listens to the same thing is sent, byte by byte."""

from array import array
from bisect import bisect_right
from collections.abc import Callable

from bench.load.frames import payload_of

NO_MESSAGE = -1

NumberOf = Callable[[bytes], int]
"""The number of the message that a frame's payload carries, or `NO_MESSAGE`."""


class Differs(Exception):
    """Somebody was sent something else than those before: lost, doubled, out of order or another thing."""


class Transcript:
    """Whoever is ahead writes it, and everybody else is held to it: so each byte of each receiver is checked, and each
    frame is parsed once. `numbers` are those of its frames, which end at `ends`; `messages` is how many of them, up to
    each, were messages."""

    def __init__(self, number_of: NumberOf) -> None:
        self.numbers = array("q")
        self.messages = array("q")
        self.ends: list[int] = []
        self._number_of = number_of
        self._data = bytearray()

    def take(self, position: int, chunk: bytes) -> int:
        """The position after the chunk that came at `position`. Raises `Differs`."""
        known = len(self._data) - position
        if known < len(chunk):
            chunk, beyond = chunk[:known], chunk[known:]
        else:
            beyond = b""
        if not self._data.startswith(chunk, position):
            raise Differs(f"at byte {position}")
        if beyond:
            self._data += beyond
            self._cut()
        return position + len(chunk) + len(beyond)

    def frames_until(self, position: int, after: int) -> int:
        """How many frames are whole at a position, `after` of which are known to be."""
        return bisect_right(self.ends, position, after)

    def _cut(self) -> None:
        start = self.ends[-1] if self.ends else 0
        while (payload := payload_of(self._data, start)) is not None:
            begin, start = payload
            self.ends.append(start)
            number = self._number_of(bytes(self._data[begin:start]))
            self.numbers.append(number)
            self.messages.append((self.messages[-1] if self.messages else 0) + (number != NO_MESSAGE))
