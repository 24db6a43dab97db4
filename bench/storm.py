"""Everybody comes back at once, each having missed something in each of their rooms (P6)."""

import json
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.load.arrivals import Arrivals, Hello
from bench.load.latency import Latency, Seconds, of_deliveries
from bench.load.loop import Loop, Stuck
from bench.load.parley import Sender, connect, number_of, send_frame
from bench.load.receiver import Receiver
from bench.load.texts import text_of
from bench.load.transcript import Transcript
from bench.processes import allow_files, cpu_seconds
from bench.servers.parley import Parley, services
from tests.support.client import User

CLIENTS = 5_000
USERS = 100
ROOMS_EACH = 5
MISSED = 20
_ROOM_MEMBERS = 10
_PAIR_PER_SECOND = 20
_READ_IN_A_TURN = 64
_CALM_S = 3.0
_GIVEN_UP_AFTER_S = 180
_OTHER_FILES = 500


@dataclass(frozen=True, slots=True)
class Storm:
    """`clients` connect at the same moment, each with resume points in so many rooms, in each of which it has `missed`
    so many entries. Seconds from that moment until the first of them, half of them, and the last had all of it: the
    welcome, and each entry once and in order. `refused` is how often somebody was sent away, and came again.

    `servers` are CPU seconds for it all, by what they are, `generator` the load generator's own. `calm` and `meanwhile`
    are of two others, who talk in a room of their own at an even pace: until the one has heard the other, before the
    storm and during it.
    """

    clients: int
    rooms_each: int
    missed: int
    first: float
    half: float
    last: float
    refused: int
    servers: Mapping[str, float]
    generator: float
    calm: Latency
    meanwhile: Latency


class _Pair:
    """One says `_PAIR_PER_SECOND` messages a second at even times, and the other hears them."""

    def __init__(self, parley: Parley, talker: User, listener: User) -> None:
        (self._room_id,) = parley.new_rooms([[talker, listener]])
        socks = [connect(parley.gateway_url, user.account.access_token)[0] for user in (talker, listener)]
        self.talker = Sender(socks[0])
        self.listener = Receiver(socks[1], Transcript(number_of))
        self._due = time.monotonic()
        self._intended: list[float] = []

    def talk(self) -> float:
        """Say what is due. Returns how many seconds there are until the next."""
        while (now := time.monotonic()) >= self._due:
            self.talker.sock.sendall(send_frame(self._room_id, self.said, text_of(self.said)))
            self._intended.append(self._due)
            self._due += 1 / _PAIR_PER_SECOND
        return self._due - now

    @property
    def said(self) -> int:
        return len(self._intended)

    @property
    def all_heard(self) -> bool:
        return self.listener.heard == len(self.talker.acked) == self.said

    def latencies(self) -> Seconds:
        """Of each message. Raises `AssertionError` if any was lost, doubled or out of order."""
        if not np.array_equal(self.listener.arrivals()[0], np.arange(self.said)):
            raise AssertionError("the two who talked meanwhile lost something")
        return of_deliveries([self.listener], self._intended)


class _Returning:
    """Who has the same rooms, in the order of the welcome, is to be given the same bytes. `missed` are the last seqs
    seen, by room."""

    def __init__(self, missed: Mapping[str, int]) -> None:
        self.receivers: list[Receiver] = []
        self._missed = missed
        self._transcripts: dict[tuple[str, ...], Transcript] = {}

    def welcomed(self, _number: int, sock: socket.socket, welcome: Any) -> Receiver:
        room_ids = tuple(room["id"] for room in welcome["rooms"])
        transcript = self._transcripts.get(room_ids)
        if transcript is None:
            transcript = self._transcripts[room_ids] = Transcript(partial(self._place, room_ids))
        self.receivers.append(Receiver(sock, transcript))
        return self.receivers[-1]

    def served(self) -> int:
        return sum(receiver.heard == ROOMS_EACH * MISSED for receiver in self.receivers)

    def when_served(self) -> Seconds:
        """Raises `AssertionError` if anybody was given anything but what they had missed, room by room."""
        missed = np.arange(ROOMS_EACH * MISSED)
        if not all(np.array_equal(transcript.numbers, missed) for transcript in self._transcripts.values()):
            raise AssertionError("somebody was not given what they had missed")
        return np.array([receiver.arrivals()[1][-1] for receiver in self.receivers])

    def _place(self, room_ids: tuple[str, ...], payload: bytes) -> int:
        """Of an entry in all that is to be given: one room after the other, each in the order of its log."""
        event = json.loads(payload)
        room_id: str = event["room_id"]
        seq: int = event["seq"]
        return room_ids.index(room_id) * MISSED + seq - self._missed[room_id] - 1


def measure(clients: int = CLIENTS, users: int = USERS) -> Storm:
    """Raises `Stuck` if somebody is not served in the end, and `Differs` or `AssertionError` if anybody wrongly."""
    allow_files(clients + _OTHER_FILES)
    with services() as parley:
        owner, other, *returning = parley.users(2 + users)
        resume = _miss(parley, owner, returning)
        hellos = [
            Hello(returning[number % users].account.access_token, resume[number % users // _ROOM_MEMBERS])
            for number in range(clients)
        ]
        return _measure(parley, hellos, _Pair(parley, owner, other))


def _miss(parley: Parley, owner: User, users: Sequence[User]) -> Sequence[Mapping[str, int]]:
    """Put them into rooms, some together in the same ones, in which the owner says what they miss. Returns what they
    had seen before that, by room, for each group."""
    groups = [[owner, *users[start : start + _ROOM_MEMBERS]] for start in range(0, len(users), _ROOM_MEMBERS)]
    room_ids = parley.new_rooms([group for group in groups for _ in range(ROOMS_EACH)])
    sock, welcome = connect(parley.gateway_url, owner.account.access_token)
    heads = {room["id"]: room["head"] for room in welcome["rooms"]}
    talker = Sender(sock)
    for number in range(MISSED):
        sock.sendall(b"".join(send_frame(room_id, number, text_of(number)) for room_id in room_ids))
    Loop([talker]).run([], _say_nothing, lambda: len(talker.acked) == MISSED * len(room_ids), _GIVEN_UP_AFTER_S)
    sock.close()
    return [
        {str(room_id): heads[str(room_id)] for room_id in room_ids[start : start + ROOMS_EACH]}
        for start in range(0, len(room_ids), ROOMS_EACH)
    ]


def _measure(parley: Parley, hellos: Sequence[Hello], pair: _Pair) -> Storm:
    loop = Loop([pair.talker, pair.listener], most=_READ_IN_A_TURN)
    calm_until = time.monotonic() + _CALM_S
    while time.monotonic() < calm_until:
        loop.read(pair.talk())
    calm = slice(0, pair.said)

    returning = _Returning({room_id: seq for hello in hellos for room_id, seq in (hello.resume or {}).items()})
    arrivals = Arrivals(loop, parley.gateway_url, hellos, len(hellos), returning.welcomed)
    servers, own = _used(parley), time.process_time()
    begin = time.monotonic()
    while not (arrivals.all_in and returning.served() == len(hellos)):
        if time.monotonic() > begin + _GIVEN_UP_AFTER_S:
            raise Stuck(f"{arrivals.welcomed} were welcomed, {returning.served()} served")
        arrivals.read(pair.talk())
    used = {name: after - servers[name] for name, after in _used(parley).items()}
    generator = time.process_time() - own

    meanwhile = slice(calm.stop, pair.said)
    loop.run([], _say_nothing, lambda: pair.all_heard, _GIVEN_UP_AFTER_S)
    loop.close()
    for sock in (pair.talker.sock, *(receiver.sock for receiver in (pair.listener, *returning.receivers))):
        sock.close()
    took, latencies = returning.when_served() - begin, pair.latencies()
    return Storm(
        clients=len(hellos),
        rooms_each=ROOMS_EACH,
        missed=MISSED,
        first=float(took.min()),
        half=float(np.median(took)),
        last=float(took.max()),
        refused=arrivals.refused,
        servers=used,
        generator=generator,
        calm=Latency.of(latencies[calm]),
        meanwhile=Latency.of(latencies[meanwhile]),
    )


def _used(parley: Parley) -> dict[str, float]:
    return {name: cpu_seconds(pids) for name, pids in parley.pids.items()}


def _say_nothing(_number: int) -> None:
    raise AssertionError("nothing is to be said")
