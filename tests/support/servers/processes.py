"""Servers as processes of this machine's own programs, each with its folder and ports."""

import os
import shutil
import signal
import subprocess
import tempfile
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.servers.server import Server, wait_until

ENDS_WITHIN_S = 30


class Process(Server):
    """One server process, in a session of its own: what the terminal sends (Ctrl-C) does not reach it."""

    def __init__(self, name: str) -> None:
        # not pytest's folder: a server that must not be root could not get in there
        self.folder = Path(tempfile.mkdtemp(prefix=f"parley-{name}-"))
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def environment(self) -> dict[str, str]: ...

    @abstractmethod
    def serves(self) -> bool: ...

    @property
    @abstractmethod
    def stop_signal(self) -> signal.Signals: ...

    def start(self) -> None:
        process = self._process = self.spawn(self.command())
        wait_until(self.serves, lambda: process.poll() is None, self.output)

    def stop(self) -> None:
        self._signal(self.stop_signal)
        if self._process is not None:
            self._process.wait(ENDS_WITHIN_S)

    def kill(self) -> None:
        children = self.pids()[1:]
        self._signal(signal.SIGKILL)
        for child in children:  # they would notice and end, but a little too late for the next start
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """One of the server's programs, in its folder and with its environment."""
        with (self.folder / "output").open("ab") as output:
            return subprocess.Popen(
                command,
                env={**os.environ, **self.environment()},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self) -> str:
        """The end of what its programs have written."""
        return (self.folder / "output").read_text(errors="replace")[-2000:]

    def pids(self) -> list[int]:
        """Of its process and all below it; none while it does not run."""
        if self._process is None or self._process.poll() is not None:
            return []
        found = [self._process.pid]
        for pid in found:
            found += _children(pid)
        return found

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)


def _children(pid: int) -> list[int]:
    """None of a process that has ended meanwhile."""
    children: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            children += map(int, thread.read_text().split())
    return children
