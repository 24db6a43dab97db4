"""What everybody who listens to the same thing is sent, byte by byte."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable

from bench.load.frames import is_control, payload_of

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

    def take(self, position: int, chunk: bytes) -> tuple[int, bytes]:
        """The position after what came at `position`, and the rest of the chunk, from a control frame on: that is said
        to one receiver alone, and no part of the transcript. Raises `Differs`."""
        known = len(self._data) - position
        if known >= len(chunk):
            if self._data.startswith(chunk, position):
                return position + len(chunk), b""
        elif self._data.startswith(chunk[:known], position):
            self._data += chunk[known:]
            return self._cut()
        return self._take_until_control(position, chunk)

    def frames_until(self, position: int, after: int) -> int:
        """How many frames are whole at a position, `after` of which are known to be."""
        return bisect_right(self.ends, position, after)

    def _cut(self) -> tuple[int, bytes]:
        """Find the frames in what has been added. Returns as `take` does."""
        start = self.ends[-1] if self.ends else 0
        while start < len(self._data):
            if is_control(self._data[start]):
                own = bytes(self._data[start:])
                del self._data[start:]
                return start, own
            if (payload := payload_of(self._data, start)) is None:
                break
            begin, start = payload
            self.ends.append(start)
            number = self._number_of(bytes(self._data[begin:start]))
            self.numbers.append(number)
            self.messages.append((self.messages[-1] if self.messages else 0) + (number != NO_MESSAGE))
        return len(self._data), b""

    def _take_until_control(self, position: int, chunk: bytes) -> tuple[int, bytes]:
        """As `take`, where the chunk differs from what is known."""
        ends = self.ends[bisect_left(self.ends, position) :]
        for end in [0, *ends] if position == 0 else ends:
            taken = end - position
            if taken < len(chunk) and is_control(chunk[taken]) and self._data.startswith(chunk[:taken], position):
                return end, chunk[taken:]
        raise Differs(f"at byte {position}")
