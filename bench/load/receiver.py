"""One connection that listens."""

import os
import socket
import time
from array import array

import numpy as np
import numpy.typing as npt

from bench.load.frames import hear_control, payload_of
from bench.load.transcript import NO_MESSAGE, Transcript

_MOST_BYTES = 256 * 1024


class Ended(Exception):
    """The server has closed a connection."""


class Receiver:
    """`frames` are how many of the transcript's it has had, `heard` how many of them were messages. `close_code` is
    what the server has closed it with, if it has said so."""

    __slots__ = ("_fd", "_marks", "_own", "_position", "_times", "close_code", "frames", "heard", "sock", "transcript")

    def __init__(self, sock: socket.socket, transcript: Transcript) -> None:
        self.sock = sock
        self.transcript = transcript
        self.frames = 0
        self.heard = 0
        self.close_code: int | None = None
        self._marks = array("q")  # until which frame it had come at each of the times
        self._times = array("d")
        self._fd = sock.fileno()
        self._position = 0
        self._own = b""  # what has come of a frame that is said to it alone

    def read(self) -> None:
        """Takes what has come. Raises `Differs` and `Ended`."""
        chunk = os.read(self._fd, _MOST_BYTES)
        now = time.monotonic()
        if not chunk:
            raise Ended
        transcript = self.transcript
        self._position, self._own = transcript.take(self._position, self._own + chunk)
        if self._own:
            self._hear_own()
        frames = transcript.frames_until(self._position, self.frames)
        if frames > self.frames:
            self.heard = transcript.messages[frames - 1]
            self.frames = frames
            self._marks.append(frames)
            self._times.append(now)

    def _hear_own(self) -> None:
        while (payload := payload_of(self._own, 0)) is not None:
            begin, end = payload
            self.close_code = hear_control(self.sock, self._own[0], self._own[begin:end])
            self._position, self._own = self.transcript.take(self._position, self._own[end:])

    def arrivals(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """The numbers of the messages that it has had, in order, and when (monotonic)."""
        numbers = np.asarray(self.transcript.numbers)[: self.frames]
        times = np.repeat(np.asarray(self._times), np.diff(np.asarray(self._marks), prepend=0))
        messages = numbers != NO_MESSAGE
        return numbers[messages], times[messages]
