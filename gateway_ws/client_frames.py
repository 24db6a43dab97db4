"""Client frames as nearly all of them come: texts, whole and masked, and control frames (RFC 6455, section 5.2).

websockets' parser, which knows all the others, takes three times as long for one.

What is used of uvicorn's class beyond its public face: `conn`, `handshake_initiated`, `frames`, `curr_msg_data_type`,
`send_receive_event_to_app`.
"""

from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Opcode, apply_mask  # type: ignore[attr-defined]
from websockets.protocol import State

_FIN = _MASKED = 0x80
_MASK_BYTES = 4
_TWO_BYTES_OF_SIZE = 126

_WHOLE_TEXT: Final = _FIN | Opcode.TEXT
_COMMON = frozenset({_WHOLE_TEXT, *(_FIN | opcode for opcode in (Opcode.CLOSE, Opcode.PING, Opcode.PONG))})


class Uncommon(Exception):
    """Another kind of frame, or none at all."""


def payload_at(data: bytes, start: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `start` begins, right after its mask, and where it ends; None until all of it
    is there. Raises `Uncommon`, also for a frame of 64 KiB and more."""
    if len(data) < start + 2:
        return None
    size = data[start + 1] - _MASKED
    if data[start] not in _COMMON or not 0 <= size <= _TWO_BYTES_OF_SIZE:
        raise Uncommon
    begin = start + 2
    if size == _TWO_BYTES_OF_SIZE:
        begin += 2
        size = int.from_bytes(data[start + 2 : begin])
    begin += _MASK_BYTES
    return (begin, begin + size) if begin + size <= len(data) else None


class CommonFramesProtocol(WebSocketsSansIOProtocol):
    """Leaves to websockets what is not common: everything from the first such frame on."""

    _reads_common = False
    _unread = b""

    def data_received(self, data: bytes) -> None:
        if self.conn.state is State.CONNECTING:
            # who speaks before they are answered is read by websockets alone
            self._reads_common = not self.handshake_initiated and data.endswith(b"\r\n\r\n")
        elif self._reads_common:
            data = self._read_common(self._unread + data)
        if data:
            super().data_received(data)

    def _read_common(self, data: bytes) -> bytes:
        """What is not all there is kept. Returns what is left for websockets."""
        start = 0
        try:
            while self.conn.state is State.OPEN:
                place = payload_at(data, start)
                if place is None:
                    self._unread = data[start:]
                    return b""
                self._read_frame(data, start, *place)
                _, start = place
        except Uncommon:
            pass
        self._reads_common, self._unread = False, b""
        return data[start:]

    def _read_frame(self, data: bytes, start: int, payload_start: int, end: int) -> None:
        if data[start] == _WHOLE_TEXT:
            payload = apply_mask(data[payload_start:end], data[payload_start - _MASK_BYTES : payload_start])
            self.curr_msg_data_type, self.frames = "text", [payload]
            self.send_receive_event_to_app()
        else:
            super().data_received(data[start:end])
