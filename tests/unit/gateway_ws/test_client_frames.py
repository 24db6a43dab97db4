"""What clients send is read as websockets would read it, however it is cut into pieces on its way."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Opcode
from websockets.utils import apply_mask

from contracts.frames import MAX_FRAME_BYTES
from gateway_ws.protocol import EXTENSION, UVICORN_OPTIONS, GatewayProtocol

_FIN = 0x80
_WHOLE_TEXT = _FIN | Opcode.TEXT
_HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class _ByWebsocketsAlone(GatewayProtocol):
    def data_received(self, data: bytes) -> None:
        WebSocketsSansIOProtocol.data_received(self, data)


class _Transport(asyncio.Transport):
    """Writes to memory."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += b"" if self._closing else bytes(data)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    abort = close

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


class _Outcome(NamedTuple):
    """`messages` has None for each that is no text; `written` is all that was sent after the handshake; `refused` says
    whether something broke the protocol, `open` whether more would be heard."""

    messages: list[str | None]
    written: bytes
    refused: bool
    open: bool


async def _accept(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    scope["extensions"][EXTENSION].hand_over(scope["state"]["messages"].append)


async def _outcome(protocol_class: type[GatewayProtocol], pieces: Sequence[bytes], *, early: bytes = b"") -> _Outcome:
    """Of what comes in these pieces, or `early`, with the handshake."""
    config = uvicorn.Config(_accept, log_config=None, **UVICORN_OPTIONS | {"ws_ping_interval": None})
    messages: list[str | None] = []
    protocol, transport = protocol_class(config, ServerState(), {"messages": messages}), _Transport()
    protocol.connection_made(transport)
    protocol.data_received(_HANDSHAKE + early)
    await asyncio.gather(*protocol.tasks)
    transport.written = b""
    for piece in pieces:
        if not transport.is_closing():
            protocol.data_received(piece)
    outcome = _Outcome(messages, transport.written, protocol.close_sent, protocol.is_open)
    protocol.connection_lost(None)
    return outcome


def _frame(first_byte: int, payload: bytes, mask: bytes | None = b"mask") -> bytes:
    size, masked = len(payload), 0 if mask is None else 0x80
    if size < 126:
        head = bytes([first_byte, masked | size])
    elif size < 65536:
        head = bytes([first_byte, masked | 126]) + size.to_bytes(2)
    else:
        head = bytes([first_byte, masked | 127]) + size.to_bytes(8)
    return head + (payload if mask is None else mask + apply_mask(payload, mask))


_PAYLOADS = st.one_of(
    st.text(max_size=8).map(str.encode),
    st.binary(max_size=8),
    st.sampled_from([125, 126, 127, 300]).map(lambda size: b"x" * size),
)
_MASKS = st.binary(min_size=4, max_size=4)
_TEXT = st.builds(_frame, st.just(_WHOLE_TEXT), _PAYLOADS, _MASKS)
_CONTROL = st.builds(_frame, st.sampled_from([_FIN | Opcode.PING, _FIN | Opcode.PONG]), st.binary(max_size=8), _MASKS)
_IN_FRAGMENTS = st.tuples(
    st.builds(_frame, st.sampled_from([Opcode.TEXT, Opcode.BINARY]), _PAYLOADS, _MASKS),
    st.one_of(_CONTROL, st.just(b"")),
    st.builds(_frame, st.just(_FIN | Opcode.CONT), _PAYLOADS, _MASKS),
).map(b"".join)
_SENT = st.lists(st.one_of(_TEXT, _CONTROL, _IN_FRAGMENTS), max_size=5).map(b"".join)
_END = st.builds(_frame, st.integers(0, 255), _PAYLOADS, st.one_of(_MASKS, st.none()))
"""Of the connection, mostly: hardly any of these may stand there."""


@given(
    sent=_SENT,
    end=st.one_of(st.just(b""), _END, st.just(_frame(_FIN | Opcode.CLOSE, (1000).to_bytes(2)))),
    afterwards=_SENT,
    places=st.sets(st.integers(1, 400), max_size=8),
)
def test_frames_are_read_as_websockets_reads_them_byte_by_byte(
    sent: bytes, end: bytes, afterwards: bytes, places: set[int]
) -> None:
    stream = sent + end + afterwards
    ends = [*sorted(place for place in places if place < len(stream)), len(stream)]
    pieces = [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    bytes_alone = [bytes([byte]) for byte in stream]

    async def compare() -> None:
        expected = await _outcome(_ByWebsocketsAlone, bytes_alone)
        for outcome in (await _outcome(GatewayProtocol, bytes_alone), await _outcome(GatewayProtocol, pieces)):
            # what comes to websockets together with a fault may be heard or not
            assert not outcome.open if expected.refused else outcome == expected

    asyncio.run(compare())


async def test_the_longest_text_is_read_and_one_byte_more_is_refused() -> None:
    longest = await _outcome(GatewayProtocol, [_frame(_WHOLE_TEXT, b"x" * MAX_FRAME_BYTES)])
    longer = await _outcome(GatewayProtocol, [_frame(_WHOLE_TEXT, b"x" * (MAX_FRAME_BYTES + 1))])

    assert longest.messages == ["x" * MAX_FRAME_BYTES]
    assert (longer.messages, longer.written[2:4]) == ([], (1009).to_bytes(2))


async def test_who_speaks_before_they_are_answered_is_understood() -> None:
    # to who begins to read in its middle, what follows is a frame as well
    frame = _frame(_WHOLE_TEXT, b"early", mask=b"\x81\x80\x81\x80")

    for told in range(1, len(frame) + 1):
        pieces = [frame[told:], _frame(_WHOLE_TEXT, b"later")]
        outcome = await _outcome(GatewayProtocol, pieces, early=frame[:told])
        assert outcome.messages == ["early", "later"]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([_frame(Opcode.TEXT, b"begun"), _frame(_WHOLE_TEXT, b"another")], id="amid another's fragments"),
        pytest.param([_frame(_WHOLE_TEXT, b"unmasked", mask=None)], id="without a mask"),
    ],
)
async def test_a_text_is_refused(pieces: Sequence[bytes]) -> None:
    outcome = await _outcome(GatewayProtocol, pieces)

    assert (outcome.messages, outcome.refused) == ([], True)


async def test_what_comes_together_with_a_close_frame_and_after_it_is_not_heard() -> None:
    goodbye = _frame(_FIN | Opcode.CLOSE, (1000).to_bytes(2))

    outcome = await _outcome(GatewayProtocol, [_frame(_WHOLE_TEXT, b"last") + goodbye + _frame(_WHOLE_TEXT, b"later")])

    assert (outcome.messages, outcome.open) == (["last"], False)
