"""TCP connections to other parts: one that was cut off is given up while somebody still waits.

Left alone the kernel sends again for a quarter of an hour, more and more seldom, so that a connection notices late that
the other end is gone, and also that it is back.
"""

import socket

UNHEARD_S = 6
"""Seconds for which the other end's kernel gives no sign of life, or takes nothing more. Of a process that is merely
stopped it takes what its buffers hold."""

SocketOption = tuple[int, int, int]

OPTIONS: tuple[SocketOption, ...] = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (
            ("TCP_KEEPIDLE", UNHEARD_S // 2),
            ("TCP_KEEPINTVL", 1),
            ("TCP_KEEPCNT", UNHEARD_S // 2),
            ("TCP_USER_TIMEOUT", UNHEARD_S * 1000),
        )
        if hasattr(socket, name)  # not every system has all of them
    ),
)
"""See tcp(7) and RFC 5482."""


def give_up_when_unheard(connection: socket.socket) -> None:
    """A socket that is no TCP connection, such as a Unix socket, stays as it is."""
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        for option in OPTIONS:
            connection.setsockopt(*option)
