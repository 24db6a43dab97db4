"""What a message costs the servers, as what there is grows (P7)."""

import socket
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import numpy as np

from bench.load.arrivals import Hello, let_in
from bench.load.loop import Loop
from bench.load.parley import Sender, connect, number_of, send_frame
from bench.load.receiver import Receiver
from bench.load.texts import text_of
from bench.load.transcript import Transcript
from bench.processes import allow_files, cpu_seconds
from bench.servers.chat_database import add_messages, add_rooms
from bench.servers.parley import Parley, services
from contracts.routing import Service
from tests.support.client import User

ROOMS = 1, 100, 10_000
HISTORY = 0, 1_000_000
MEMBERS = 2, 50, 500, 5_000
SECONDS = 10.0
"""As many with messages as without: so often gateways compare all heads, and ask one another who is online."""

_PER_SECOND = 50.0
_MOST_DELIVERIES_PER_SECOND = 25_000
_USERS = 50
_STRIDE = 7_919
"""From room to room: a prime, so that no room is passed over."""

_WARM_UP_S = 2.0
_GIVEN_UP_AFTER_S = 60
_OTHER_FILES = 500


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of CPU of all servers for one message, beyond what the same time costs with none; `idle` is that, in
    CPU seconds a second. So many got each message."""

    size: int
    per_second: float
    deliveries: int
    per_message: float
    per_delivery: float
    idle: float


@dataclass(frozen=True, slots=True)
class Growth:
    """`ratio` is what a message costs at the largest size to what it does at the smallest."""

    of: str
    costs: Sequence[Cost]
    ratio: float


def measure(
    rooms: Sequence[int] = ROOMS,
    history: Sequence[int] = HISTORY,
    members: Sequence[int] = MEMBERS,
    seconds: float = SECONDS,
) -> list[Growth]:
    """At each of these sizes, ascending: rooms that one user is in, and talks in; messages that a room has had; members
    who are connected. Raises `Stuck` or `AssertionError` if anything is not delivered."""
    allow_files(max(members) + _OTHER_FILES)
    with services() as parley:
        _with_members(parley, 2, _WARM_UP_S)
        return [
            _growth("members", [_with_members(parley, number, seconds) for number in members]),
            _growth("rooms", _with_rooms(parley, rooms, seconds)),
            _growth("history", [_with_history(parley, number, seconds) for number in history]),
        ]


def _growth(of: str, costs: Sequence[Cost]) -> Growth:
    return Growth(of, costs, costs[-1].per_message / costs[0].per_message)


def _with_members(parley: Parley, number: int, seconds: float) -> Cost:
    """So many connections, of fewer users: each is delivered to."""
    users = parley.users(_USERS)
    (room_id,) = parley.new_rooms([users[:number]])
    transcript = Transcript(number_of)
    receivers: list[Receiver] = []

    def welcomed(_number: int, sock: socket.socket, _welcome: Any) -> Receiver:
        receivers.append(Receiver(sock, transcript))
        return receivers[-1]

    hellos = [Hello(users[one % min(_USERS, number)].account.access_token) for one in range(1, number)]
    with closing(Loop([])) as loop:
        let_in(loop, parley.gateway_url, hellos, welcomed)
        try:
            return _cost(parley, number, [room_id], users[0], seconds, loop, receivers)
        finally:
            for receiver in receivers:
                receiver.sock.close()


def _with_rooms(parley: Parley, sizes: Sequence[int], seconds: float) -> list[Cost]:
    owner = parley.users(_USERS + 1)[-1]
    room_ids = parley.new_rooms([[owner]])
    costs: list[Cost] = []
    for number in sizes:
        adding = partial(add_rooms, owner_id=UUID(owner.id), number=number - len(room_ids))
        room_ids += parley.in_database(Service.CHAT_SERVICE, adding)
        with closing(Loop([])) as loop:
            costs.append(_cost(parley, number, room_ids, owner, seconds, loop))
    return costs


def _with_history(parley: Parley, number: int, seconds: float) -> Cost:
    talker = parley.users(_USERS + 2)[-1]
    (room_id,) = parley.new_rooms([[talker]])
    adding = partial(add_messages, room_id=room_id, sender_id=UUID(talker.id), number=number)
    parley.in_database(Service.CHAT_SERVICE, adding)
    with closing(Loop([])) as loop:
        return _cost(parley, number, [room_id], talker, seconds, loop)


def _cost(
    parley: Parley,
    size: int,
    room_ids: Sequence[UUID],
    user: User,
    seconds: float,
    loop: Loop,
    receivers: Sequence[Receiver] = (),
) -> Cost:
    """Of what a user says in these rooms, evenly. The loop reads the receivers."""
    sock, _ = connect(parley.gateway_url, user.account.access_token)
    talker = Sender(sock)
    loop.add(talker)
    per_second = min(_PER_SECOND, _MOST_DELIVERIES_PER_SECOND / (1 + len(receivers)))
    pids = parley.all_pids

    begin, used = time.monotonic(), cpu_seconds(pids)
    while time.monotonic() < begin + seconds:
        loop.read(0.1)
    idle = (cpu_seconds(pids) - used) / (time.monotonic() - begin)

    begin, used = time.monotonic(), cpu_seconds(pids)
    schedule = [begin + number / per_second for number in range(int(seconds * per_second))]

    def send(number: int) -> None:
        sock.sendall(send_frame(room_ids[number * _STRIDE % len(room_ids)], number, text_of(number)))

    def all_heard() -> bool:
        return len(schedule) == len(talker.acked) and all(receiver.heard == len(schedule) for receiver in receivers)

    loop.run(schedule, send, all_heard, _GIVEN_UP_AFTER_S)
    used, took = cpu_seconds(pids) - used, time.monotonic() - begin
    said = np.arange(len(schedule))
    if not all(np.array_equal(receiver.arrivals()[0], said) for receiver in receivers):
        raise AssertionError("something was lost, doubled, or out of order")
    per_message = 1e6 * (used - idle * took) / len(schedule)
    sock.close()
    return Cost(size, per_second, 1 + len(receivers), per_message, per_message / (1 + len(receivers)), idle)
