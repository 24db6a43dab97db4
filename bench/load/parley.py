"""Parley's WebSocket interface, as the load generator speaks it."""

import json
import os
import socket
import time
from array import array
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from bench.load.frames import hear_control, is_control, payload_of
from bench.load.receiver import Ended
from bench.load.texts import number_in
from bench.load.transcript import NO_MESSAGE
from bench.peers.websocket import receive_text, text_frame, upgrade

_EVENT, _ACK, _POSTED = b'{"type":"event"', b'{"type":"ack"', b'"kind":"message.posted"'
_TEXT, _ID = b'"text":"', b'"id":"'
_MOST_BYTES = 256 * 1024
_ANSWERS_WITHIN_S = 60


def connect(
    base_url: str, token: str, resume: dict[str, int] | None = None, sock: socket.socket | None = None
) -> tuple[socket.socket, Any]:
    """A connection that has been welcomed, and the welcome: no byte after it has been read. `sock` is one that is not
    connected yet."""
    address = urlsplit(base_url)
    sock = sock or socket.socket()
    sock.settimeout(_ANSWERS_WITHIN_S)
    sock.connect((address.hostname or "", address.port or 80))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    upgrade(sock, "/ws")
    hello = {"type": "hello", "token": token} | ({"resume": resume} if resume else {})
    sock.sendall(text_frame(json.dumps(hello), masked=True))
    welcome = json.loads(receive_text(sock))
    if welcome["type"] != "welcome":
        raise ConnectionError(str(welcome))
    return sock, welcome


def send_frame(room_id: UUID, number: int, text: str) -> bytes:
    """The command's id tells the message's number, and no other room's."""
    command_id = UUID(int=room_id.int >> 64 << 64 | number)
    command = f'{{"type":"send","id":"{command_id}","room_id":"{room_id}","text":"{text}"}}'
    return text_frame(command, masked=True)


def number_of(payload: bytes) -> int:
    """Of the message that an event posts."""
    if not (payload.startswith(_EVENT) and _POSTED in payload):
        return NO_MESSAGE
    start = payload.index(_TEXT) + len(_TEXT)
    return number_in(payload[start:])


class Sender:
    """A member who talks: reads acks, and passes over what the others read. `acked` are the numbers of the messages, as
    they were acked, and `times` when."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.acked = array("q")
        self.times = array("d")
        self._data = bytearray()

    def read(self) -> None:
        """Raises `Ended`, and `AssertionError` for what is neither an ack nor an event."""
        chunk = os.read(self.sock.fileno(), _MOST_BYTES)
        now = time.monotonic()
        if not chunk:
            raise Ended
        self._data += chunk
        for payload in self._payloads():
            if payload.startswith(_ACK):
                start = payload.index(_ID) + len(_ID)
                self.acked.append(int(payload[start + 19 : start + 36].replace(b"-", b""), 16))
                self.times.append(now)
            elif not payload.startswith(_EVENT):
                raise AssertionError(payload.decode())

    def _payloads(self) -> Iterator[bytes]:
        end = 0
        while (where := payload_of(self._data, end)) is not None:
            first_byte = self._data[end]
            begin, end = where
            payload = bytes(self._data[begin:end])
            if is_control(first_byte):
                hear_control(self.sock, first_byte, payload)
            else:
                yield payload
        del self._data[:end]
