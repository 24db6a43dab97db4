"""Frames out of a stream of bytes that a WebSocket server has sent (RFC 6455, sections 5.2 and 5.5)."""

import socket

from bench.peers.websocket import CLOSE, PING, pong_frame

_CONTROL = 0x8


def payload_of(data: bytes | bytearray, start: int) -> tuple[int, int] | None:
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


def missing_of(data: bytes | bytearray) -> int:
    """How many bytes of the frame that this begins are missing, as far as can be told: 0 if it is whole."""
    if len(data) < 2:
        return 2 - len(data)
    length = data[1]
    head = 2 + {126: 2, 127: 8}.get(length, 0)
    if length >= 126:
        if len(data) < head:
            return head - len(data)
        length = int.from_bytes(data[2:head])
    return head + length - len(data)


def is_control(first_byte: int) -> bool:
    """Of a frame: whether it is said to one connection alone, as are pings and the close."""
    return bool(first_byte & _CONTROL)


def hear_control(sock: socket.socket, first_byte: int, payload: bytes) -> int | None:
    """Answers a ping. Returns the code of a close."""
    if first_byte == PING:
        sock.sendall(pong_frame(payload))
    return int.from_bytes(payload[:2]) if first_byte == CLOSE else None
