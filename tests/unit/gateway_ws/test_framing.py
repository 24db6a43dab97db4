"""Frames that are made once for everybody."""

import pytest
from websockets.frames import Frame, Opcode

from gateway_ws.protocol import text_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_prepared_frame_is_what_the_library_would_have_sent(size: int) -> None:
    payload = b"x" * size

    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)
