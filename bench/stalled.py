"""What those who read nothing cost the others, and what becomes of them (P8)."""

import json
import socket
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

import numpy as np

from bench.load.latency import Latency, of_deliveries
from bench.load.loop import Loop, Stuck
from bench.load.parley import Sender, connect, number_of, send_frame
from bench.load.receiver import Ended, Receiver
from bench.load.texts import text_of
from bench.load.transcript import Transcript
from bench.peers.websocket import receive_text
from bench.processes import memory_bytes
from bench.servers.parley import Parley, services
from contracts.frames import CloseCode
from tests.support.client import User

MEMBERS = 200
STALLED = 2
SECONDS = 15.0
MAX_UNSENT_BYTES = 256 * 1024
"""A quarter of what is usual, so that it is soon passed."""

_PER_SECOND = 50
_CHARACTERS = 1_000
_USERS = 50
_CLOSED_WITHIN_S = 20
_GIVEN_UP_AFTER_S = 30

_SEGMENT_BYTES = 1448
"""What a packet of Ethernet holds. On the loopback they would be 64 KiB each, and the kernel would keep megabytes for
who reads nothing."""

_RECEIVE_BUFFER_BYTES = 16 * 1024
_CLOSED = 'parley_gateway_closes_total{code="4008"}'


@dataclass(frozen=True, slots=True)
class Round:
    """`delivery` to those who read. `growth` is by how many bytes more than at its begin the gateway held, at most."""

    delivery: Latency
    growth: int


@dataclass(frozen=True, slots=True)
class Stalled:
    """A room with so many connected, in which messages of `characters` are said at even times, `per_second`: all read
    (`calm`), and `stalled` of them don't (`meanwhile`). Each of these may have `max_unsent_bytes` waiting.

    They were all closed with 4008: so many were `told` by a close frame, which the others lost, as they did not read
    it in time. They came back, and were given what they had missed: so many `entries`, after a `gap` that names the
    others.
    """

    members: int
    stalled: int
    per_second: float
    characters: int
    max_unsent_bytes: int
    calm: Round
    meanwhile: Round
    told: int
    gap: int
    entries: int


class _Room:
    """Somebody talks, and `stalled` of the others do not read. `head` is the seq before the first message."""

    def __init__(self, parley: Parley, users: Sequence[User], members: int, stalled: int) -> None:
        (self.room_id,) = parley.new_rooms([users])
        self.stalled_users = [users[number % len(users)] for number in range(stalled)]
        transcript = Transcript(number_of)
        talker, welcome = connect(parley.gateway_url, users[0].account.access_token)
        self.head: int = next(room["head"] for room in welcome["rooms"] if room["id"] == str(self.room_id))
        self.talker = Sender(talker)
        self.stalled = [
            Receiver(connect(parley.gateway_url, user.account.access_token, sock=_narrow_socket())[0], transcript)
            for user in self.stalled_users
        ]
        self.readers = [
            Receiver(connect(parley.gateway_url, users[number % len(users)].account.access_token)[0], transcript)
            for number in range(members - stalled - 1)
        ]

    def say(self, number: int) -> None:
        self.talker.sock.sendall(send_frame(self.room_id, number, text_of(number, _CHARACTERS)))

    def close(self) -> None:
        for sock in (self.talker.sock, *(receiver.sock for receiver in (*self.stalled, *self.readers))):
            sock.close()


def measure(members: int = MEMBERS, stalled: int = STALLED, seconds: float = SECONDS) -> Stalled:
    """Raises `Stuck` if those who read do not have all, or the others are not closed; `Differs` or `AssertionError` if
    anybody is given anything wrong."""
    with services(PARLEY_MAX_UNSENT_BYTES=str(MAX_UNSENT_BYTES)) as parley:
        users = parley.users(min(members, _USERS))
        with closing(_Room(parley, users, members, 0)) as room:
            calm = _round(parley, room, seconds)
        with closing(_Room(parley, users, members, stalled)) as room:
            meanwhile = _round(parley, room, seconds)
            _wait_for_closes(parley, stalled)
            for receiver in room.stalled:
                _read_what_is_left(receiver)
            missed = [_come_back(parley, room, number, int(seconds * _PER_SECOND)) for number in range(stalled)]
    return Stalled(
        members=members,
        stalled=stalled,
        per_second=_PER_SECOND,
        characters=_CHARACTERS,
        max_unsent_bytes=MAX_UNSENT_BYTES,
        calm=calm,
        meanwhile=meanwhile,
        told=sum(receiver.close_code is not None for receiver in room.stalled),
        gap=sum(gap for gap, _ in missed),
        entries=sum(entries for _, entries in missed),
    )


def _round(parley: Parley, room: _Room, seconds: float) -> Round:
    gateway = parley.pids["gateway_ws"]
    loop = Loop([room.talker, *room.readers])
    begin = time.monotonic() + 0.2
    schedule = [begin + number / _PER_SECOND for number in range(int(seconds * _PER_SECOND))]
    held = [memory_bytes(gateway)]

    def send(number: int) -> None:
        room.say(number)
        if number % (_PER_SECOND // 2) == 0:
            held.append(memory_bytes(gateway))

    def all_heard() -> bool:
        return len(room.talker.acked) == len(schedule) == min(receiver.heard for receiver in room.readers)

    loop.run(schedule, send, all_heard, _GIVEN_UP_AFTER_S)
    loop.close()
    said = np.arange(len(schedule))
    if not all(np.array_equal(receiver.arrivals()[0], said) for receiver in room.readers):
        raise AssertionError("somebody who read was given something wrong")
    return Round(Latency.of(of_deliveries(room.readers, schedule)), max(held) - held[0])


def _wait_for_closes(parley: Parley, number: int) -> None:
    give_up_at = time.monotonic() + _CLOSED_WITHIN_S
    while (closed := parley.metric(_CLOSED)) < number:
        if time.monotonic() > give_up_at:
            raise Stuck(f"{closed} of {number} were closed with 4008")
        time.sleep(0.2)


def _read_what_is_left(receiver: Receiver) -> None:
    with suppress(Ended, ConnectionResetError), closing(Loop([receiver])) as loop:
        give_up_at = time.monotonic() + _CLOSED_WITHIN_S
        while time.monotonic() < give_up_at:
            loop.read(0.1)
        raise Stuck("a connection that was closed has not ended")
    if receiver.close_code not in (None, CloseCode.SLOW_CONSUMER):
        raise AssertionError(f"closed with {receiver.close_code}")


def _come_back(parley: Parley, room: _Room, number: int, said: int) -> tuple[int, int]:
    """Returns how many entries a gap has named, and how many came. Raises `AssertionError` if any is missing, doubled
    or out of order."""
    last = room.head + room.stalled[number].frames
    token = room.stalled_users[number].account.access_token
    gap = entries = 0
    with connect(parley.gateway_url, token, {str(room.room_id): last})[0] as sock:
        while last < room.head + said:
            frame = json.loads(receive_text(sock))
            if frame["type"] == "gap" and frame["after"] == last:
                gap, last = frame["before"] - last - 1, frame["before"] - 1
            elif frame["type"] == "event" and frame["seq"] == last + 1:
                entries, last = entries + 1, last + 1
            else:
                raise AssertionError(f"after {last} came {frame}")
    return gap, entries


def _narrow_socket() -> socket.socket:
    """One that is not connected yet, of which little is kept by the kernels of both sides while nobody reads."""
    sock = socket.socket()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    return sock
