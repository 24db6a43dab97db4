"""The floor in Python: one frame, written to every subscriber's file descriptor by a bare `os.write`, and nothing else.

No WebSocket server for anything but measuring beside: handshakes and writes block, nobody is read but the publisher,
and the answer to a handshake lacks the proof (Sec-WebSocket-Accept) that the benchmark's clients do not look at.
"""

import os
import select
import socket
import sys

_TEXT = 0x81
_SIZES_THAT_FOLLOW = {126: 2, 127: 8}
_UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def main() -> None:
    subscribers: list[int] = []
    publishers: dict[int, bytearray] = {}
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096) as listener:
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        while True:
            for ready, _ in poll.poll():
                if ready == listener.fileno():
                    connection, path = accept(listener)
                    if path == b"/publish":
                        publishers[connection] = bytearray()
                        poll.register(connection, select.POLLIN)
                    else:
                        subscribers.append(connection)
                elif received := os.read(ready, 1 << 16):
                    publishers[ready] += received
                    if whole := frames(publishers[ready]):
                        broadcast(b"".join(whole), subscribers)
                else:
                    poll.unregister(ready)
                    del publishers[ready]
                    os.close(ready)


def accept(listener: socket.socket) -> tuple[int, bytes]:
    """A connection and the path that it asked for."""
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096) or b" \r\n\r\n"
    connection.sendall(_UPGRADED)
    return connection.detach(), head.split(b" ", 2)[1]


def frames(unread: bytearray) -> list[bytes]:
    """Takes whole frames out of what a publisher has sent; gives each text as a server sends it, unmasked."""
    taken = []
    while len(unread) >= 2:
        size, start = unread[1] & 0x7F, 2
        if size in _SIZES_THAT_FOLLOW:
            start += _SIZES_THAT_FOLLOW[size]
            size = int.from_bytes(unread[2:start])
        end = start + 4 + size
        if len(unread) < end:
            break
        if unread[0] == _TEXT:
            key = (unread[start : start + 4] * (size // 4 + 1))[:size]
            clear = int.from_bytes(unread[start + 4 : end]) ^ int.from_bytes(key)
            taken.append(bytes((_TEXT, unread[1] & 0x7F)) + unread[2:start] + clear.to_bytes(size))
        del unread[:end]
    return taken


def broadcast(data: bytes, subscribers: list[int]) -> None:
    write, gone = os.write, []
    for subscriber in subscribers:
        try:
            write(subscriber, data)
        except OSError:
            gone.append(subscriber)
    for subscriber in gone:
        subscribers.remove(subscriber)
        os.close(subscriber)


if __name__ == "__main__":
    main()
