"""Servers as processes of this machine's own programs, each with its folder and ports."""

import os
import shutil
import signal
import subprocess
import tempfile
from abc import abstractmethod
from contextlib import suppress
from pathlib import Path

from tests.support.servers.server import Server, wait_until

ENDS_WITHIN_S = 30


class Process(Server):
    """One server process, in a session of its own so that all its children can be ended with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        # not pytest's folder: a server that must not be root could not get in there
        self.folder = Path(tempfile.mkdtemp(prefix=f"parley-{name}-"))
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def environment(self) -> dict[str, str]: ...

    @abstractmethod
    def serves(self) -> bool: ...

    def start(self) -> None:
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                self.command(),
                env={**os.environ, **self.environment()},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_until(self.serves, lambda: self._process is not None and self._process.poll() is None, self.name)
        except RuntimeError as error:
            tail = (self.folder / "output").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{error}:\n{tail}") from None

    def stop(self) -> None:
        self._signal(self.stop_signal())
        if self._process is not None:
            try:
                self._process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop_signal(self) -> signal.Signals:
        return signal.SIGTERM

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
