"""As much of WebSocket (RFC 6455) as a client on a blocking socket needs."""

import os
import socket
from base64 import b64encode

_TEXT, _PONG, _FINAL, _MASKED = 0x1, 0xA, 0x80, 0x80
CLOSE, PING = _FINAL | 0x8, _FINAL | 0x9
"""The first bytes of these frames."""

_UP_TO_16_BITS, _UP_TO_64_BITS = 126, 127


def upgrade(connection: socket.socket, target: str) -> None:
    """Asks for a WebSocket at that path, and reads the answer but no byte beyond. Raises ConnectionError: refused."""
    connection.sendall(upgrade_request(target))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += receive(connection, 1)
    if not head.startswith(b"HTTP/1.1 101 "):
        raise ConnectionError(f"{target} answered: {head.decode(errors='replace')}")


def upgrade_request(target: str) -> bytes:
    return (
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}\r\n\r\n"
    ).encode()


def pong_frame(payload: bytes) -> bytes:
    """As a client answers a ping, with the key of zeros."""
    return bytes((_FINAL | _PONG, _MASKED | len(payload))) + bytes(4) + payload


def text_frame(text: str, *, masked: bool) -> bytes:
    """As a client sends it, or as a server does. Masked with the key of zeros, which leaves the payload as it is."""
    payload = text.encode()
    size = len(payload)
    mask, key = (_MASKED, bytes(4)) if masked else (0, b"")
    if size < _UP_TO_16_BITS:
        head = bytes((_FINAL | _TEXT, mask | size))
    elif size < 1 << 16:
        head = bytes((_FINAL | _TEXT, mask | _UP_TO_16_BITS)) + size.to_bytes(2)
    else:
        head = bytes((_FINAL | _TEXT, mask | _UP_TO_64_BITS)) + size.to_bytes(8)
    return head + key + payload


def receive_text(connection: socket.socket) -> str:
    """The next frame of a server, which must be a whole text. Raises ConnectionError: it is not."""
    kind, size = receive(connection, 2)
    if kind != _FINAL | _TEXT:
        raise ConnectionError(f"not a text: {kind:#x}")
    if size == _UP_TO_16_BITS:
        size = int.from_bytes(receive(connection, 2))
    elif size == _UP_TO_64_BITS:
        size = int.from_bytes(receive(connection, 8))
    return receive(connection, size).decode()


def receive(connection: socket.socket, size: int) -> bytes:
    """So many bytes and no more. Raises ConnectionError: it ended before."""
    received = b""
    while len(received) < size:
        if not (chunk := connection.recv(size - len(received))):
            raise ConnectionError(f"ended after {received!r}")
        received += chunk
    return received
