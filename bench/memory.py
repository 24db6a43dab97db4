"""What the gateway holds for each connection that is in, and idle (P5)."""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.load.arrivals import Hello, let_in
from bench.load.loop import Loop
from bench.load.parley import number_of
from bench.load.receiver import Receiver
from bench.load.transcript import Transcript
from bench.processes import allow_files, memory_bytes
from bench.servers.parley import Parley, services

CONNECTIONS = 1_000, 3_000, 10_000
USERS = 200
ROOMS_EACH = 5
_ROOM_MEMBERS = 20
_SETTLED_S = 3.0
_OTHER_FILES = 500


@dataclass(frozen=True, slots=True)
class Memory:
    """`gateway` are bytes, beyond those that it holds with nobody connected."""

    connections: int
    gateway: int
    per_connection: float


@dataclass(frozen=True, slots=True)
class IdleMemory:
    """`nobody` are the bytes that the gateway holds when all have left who have tried it out."""

    users: int
    rooms_each: int
    nobody: int
    levels: Sequence[Memory]


def measure(connections: Sequence[int] = CONNECTIONS, users: int = USERS) -> IdleMemory:
    """At so many connections, one after the other. Raises `AssertionError` if anything but pings comes."""
    allow_files(max(connections) + _OTHER_FILES)
    with services() as parley:
        return _measure(parley, connections, users)


def _measure(parley: Parley, connections: Sequence[int], users: int) -> IdleMemory:
    gateway = parley.pids["gateway_ws"]
    everybody = parley.users(users)
    groups = [everybody[start : start + _ROOM_MEMBERS] for start in range(0, users, _ROOM_MEMBERS)]
    parley.new_rooms([group for group in groups for _ in range(ROOMS_EACH)])
    hellos = [Hello(user.account.access_token) for user in everybody]
    transcript = Transcript(number_of)

    def welcomed(_number: int, sock: socket.socket, welcome: Any) -> Receiver:
        if len(welcome["rooms"]) != ROOMS_EACH:
            raise AssertionError(f"{len(welcome['rooms'])} rooms")
        receivers.append(Receiver(sock, transcript))
        return receivers[-1]

    receivers: list[Receiver] = []
    loop = Loop([])
    let_in(loop, parley.gateway_url, hellos, welcomed)
    for receiver in receivers:
        loop.remove(receiver)
        receiver.sock.close()
    receivers.clear()
    _idle(loop)
    nobody = memory_bytes(gateway)
    levels: list[Memory] = []
    for number in connections:
        let_in(loop, parley.gateway_url, [hellos[one % users] for one in range(len(receivers), number)], welcomed)
        _idle(loop)
        held = memory_bytes(gateway) - nobody
        levels.append(Memory(number, held, held / number))
    loop.close()
    for receiver in receivers:
        receiver.sock.close()
    if transcript.ends:
        raise AssertionError("somebody has said something")
    return IdleMemory(users, ROOMS_EACH, nobody, levels)


def _idle(loop: Loop) -> None:
    until = time.monotonic() + _SETTLED_S
    while time.monotonic() < until:
        loop.read(0.1)
