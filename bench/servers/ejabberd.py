"""A room at ejabberd, as the measurements of durable rooms see one."""

import os
import socket
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from bench.load.receiver import Ended
from bench.load.texts import number_in, text_of
from bench.peers.ejabberd import Rooms

_MOST_BYTES = 256 * 1024


class Occupant:
    """Everybody is told what anybody says; who said it knows by that that it is delivered. `acked` are the numbers that
    are `own`, in that order."""

    def __init__(self, sock: socket.socket, rooms: Rooms, talker: int | None, talkers: int) -> None:
        self.sock = sock
        self.acked = array("q")
        self._rooms = rooms
        self._talker, self._talkers = talker, talkers
        self._numbers = array("q")
        self._times = array("d")
        self._data = bytearray()

    def read(self) -> None:
        """Raises `Ended`."""
        chunk = os.read(self.sock.fileno(), _MOST_BYTES)
        now = time.monotonic()
        if not chunk:
            raise Ended
        self._data += chunk
        for text in self._rooms.bodies(self._data):
            number = number_in(text)
            self._numbers.append(number)
            self._times.append(now)
            if number % self._talkers == self._talker:
                self.acked.append(number)

    @property
    def heard(self) -> int:
        return len(self._numbers)

    def arrivals(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """The numbers of the messages that it has had, in order, and when (monotonic)."""
        return np.array(self._numbers), np.array(self._times)


class EjabberdRoom:
    """The first `talkers` of its occupants talk, in turn, and the others listen."""

    def __init__(self, rooms: Rooms, number: int, occupants: int, talkers: int) -> None:
        self.pids = [*rooms.pids(), *rooms.database_pids()]
        self._rooms = rooms
        self._number = number
        everybody = [
            Occupant(rooms.connect(user, number), rooms, user if user < talkers else None, talkers)
            for user in range(occupants)
        ]
        self.talkers, self.members = everybody[:talkers], everybody[talkers:]

    def say(self, numbers: Sequence[int]) -> None:
        said: dict[int, list[bytes]] = {}
        for number in numbers:
            user = number % len(self.talkers)
            said.setdefault(user, []).append(self._rooms.message(self._number, user, str(number), text_of(number)))
        for user, stanzas in said.items():
            self.talkers[user].sock.sendall(b"".join(stanzas))

    def close(self) -> None:
        for occupant in (*self.talkers, *self.members):
            occupant.sock.close()


@contextmanager
def room_of(rooms: Rooms, number: int, occupants: int, talkers: int) -> Iterator[EjabberdRoom]:
    """A new one, if nobody has been in one of that number."""
    room = EjabberdRoom(rooms, number, occupants, talkers)
    try:
        yield room
    finally:
        room.close()
