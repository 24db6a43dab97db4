"""Bare fan-out servers: what a publisher says goes to every subscriber, as fast as each can by its own means.

All listen on 127.0.0.1, compress nothing, and ping nobody within minutes, so that every subscriber gets the same bytes
in the same order.
"""

import json
import platform
import shutil
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from bench.peers.websocket import receive_text, text_frame, upgrade

_HERE = Path(__file__).parent
_NODE = _HERE / "node"
_BUILD = _HERE / "build"

ENDS_WITHIN_S = 10


@dataclass(frozen=True, slots=True)
class Peer(ABC):
    """A server, and what a client on a blocking socket says to it."""

    name: str

    @abstractmethod
    def available(self) -> str | None:
        """None, when it can be started: installs or builds what that takes. Else a sentence that says why it can't."""

    @abstractmethod
    def version(self) -> str:
        """Of an available one: of what makes it as fast as it is."""

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """Of an available one. It writes the line `listening` when it does, and ends at SIGTERM."""

    def handshake(self, connection: socket.socket, publisher: bool) -> None:
        """On a fresh connection, until the client is subscribed, or may publish; leaves no byte unread. Raises
        ConnectionError: refused."""
        upgrade(connection, "/publish" if publisher else "/")

    def publish_frame(self, payload: str) -> bytes:
        """What the publisher sends for that payload to be broadcast."""
        return text_frame(payload, masked=True)

    def delivered_frame(self, payload: str) -> bytes:
        """What each subscriber gets of it."""
        return text_frame(payload, masked=False)


@dataclass(frozen=True, slots=True)
class NodePeer(Peer):
    """`package` is npm's, `script` a file under node/."""

    package: str
    script: str

    def available(self) -> str | None:
        return _install_node_packages() or _loads(self.package)

    def version(self) -> str:
        package = json.loads((_NODE / "node_modules" / self.package / "package.json").read_text())
        return f"{self.package} {package['version']}, node {_output_of('node', '--version').removeprefix('v')}"

    def command(self, port: int) -> list[str]:
        return ["node", str(_NODE / self.script), str(port)]


@dataclass(frozen=True, slots=True)
class SocketIOPeer(NodePeer):
    """Clients speak Socket.IO 5 in Engine.IO 4, over WebSocket from the start. The publisher is in a namespace of its
    own, /publish."""

    def handshake(self, connection: socket.socket, publisher: bool) -> None:
        upgrade(connection, "/socket.io/?EIO=4&transport=websocket")
        _expect(connection, "0")
        namespace = "/publish," if publisher else ""
        connection.sendall(text_frame(f"40{namespace}", masked=True))
        _expect(connection, f"40{namespace}")

    def publish_frame(self, payload: str) -> bytes:
        return text_frame(f"42/publish,{_event(payload)}", masked=True)

    def delivered_frame(self, payload: str) -> bytes:
        return text_frame(f"42{_event(payload)}", masked=False)


@dataclass(frozen=True, slots=True)
class PythonPeer(Peer):
    """`packages` are those that are at work in it."""

    script: str
    packages: tuple[str, ...] = ()

    def available(self) -> str | None:
        return None

    def version(self) -> str:
        packages = [f"{package} {version(package)}" for package in self.packages]
        return ", ".join((*packages, f"Python {platform.python_version()}"))

    def command(self, port: int) -> list[str]:
        # -P: the modules beside the script are not for it
        return [sys.executable, "-P", str(_HERE / self.script), str(port)]


@dataclass(frozen=True, slots=True)
class CPeer(Peer):
    source: str

    def available(self) -> str | None:
        if shutil.which("gcc") is None:
            return "gcc is not installed."
        source, program = _HERE / self.source, self._program()
        if program.exists() and program.stat().st_mtime >= source.stat().st_mtime:
            return None
        _BUILD.mkdir(exist_ok=True)
        return _failure_of("gcc", "-std=c17", "-D_GNU_SOURCE", "-O2", "-o", str(program), str(source))

    def version(self) -> str:
        return f"gcc {_output_of('gcc', '-dumpfullversion')}"

    def command(self, port: int) -> list[str]:
        return [str(self._program()), str(port)]

    def _program(self) -> Path:
        return _BUILD / Path(self.source).stem


PEERS: tuple[Peer, ...] = (
    NodePeer("ws", "ws", "ws.js"),
    SocketIOPeer("Socket.IO", "socket.io", "socketio.js"),
    NodePeer("uWebSockets.js", "uwebsockets", "uws.js"),
    PythonPeer("Starlette loop", "starlette_loop.py", ("starlette", "uvicorn", "websockets", "uvloop")),
    PythonPeer("floor in Python", "floor.py"),
    CPeer("floor in C", "floor.c"),
)


@contextmanager
def serving(peer: Peer, port: int) -> Iterator[subprocess.Popen[str]]:
    """Of an available one, from when it listens. Raises RuntimeError: it ended instead."""
    with subprocess.Popen(peer.command(port), stdout=subprocess.PIPE, text=True) as process:
        try:
            if not process.stdout or process.stdout.readline() != "listening\n":
                raise RuntimeError(f"{peer.name} did not start")
            yield process
        finally:
            process.terminate()
            try:
                process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _expect(connection: socket.socket, packet: str) -> None:
    if not (text := receive_text(connection)).startswith(packet):
        raise ConnectionError(f"expected a packet {packet!r}, not {text!r}")


def _event(payload: str) -> str:
    return json.dumps(["message", payload], ensure_ascii=False, separators=(",", ":"))


@cache
def _install_node_packages() -> str | None:
    if shutil.which("npm") is None:
        return "Node.js with npm is not installed."
    installed = _NODE / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= (_NODE / "package-lock.json").stat().st_mtime:
        return None
    failure = _failure_of("npm", "ci", "--ignore-scripts", "--loglevel=error", "--prefix", str(_NODE))
    if failure is None:
        installed.touch()
    return failure


def _loads(package: str) -> str | None:
    """What is compiled loads on some versions of Node.js and of the C library only."""
    return _failure_of("node", "--input-type=module", "--eval", f"import {package!r}", folder=_NODE)


def _failure_of(*command: str, folder: Path = _HERE) -> str | None:
    """None: it went well."""
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    said = " ".join((done.stderr or done.stdout).split())[:300]
    return f"`{' '.join(command[:2])}` ended with {done.returncode}: {said}"


def _output_of(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
