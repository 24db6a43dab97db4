"""ejabberd, for durable rooms: multi-user chat (XEP-0045) whose messages are archived (XEP-0313) in PostgreSQL.

What being delivered says of being stored, by the source of ejabberd 23.01: the room's process runs mod_mam's hook
(`muc_filter_message`) before it sends a message to the occupants, its sender among them, and the hook waits for the
INSERT, which commits by itself. So whoever gets a message back knows that the archive was asked, and has answered. But
`store_mam_message` does not look at that answer: what could not be stored is delivered all the same. And what is sent
twice under one id is two messages.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from bench.peers import xmpp
from tests.support.servers import postgresql
from tests.support.servers.install import InstallationFailed, can_install, install
from tests.support.servers.postgresql import PostgreSQLProcess
from tests.support.servers.processes import Process
from tests.support.servers.server import answers, free_port

NAME = "ejabberd"

_PACKAGES = ("ejabberd", "erlang-p1-pgsql", "postgresql")
_SCHEMA = Path("/usr/share/ejabberd/sql/pg.sql")
_MANY = 100_000
"""For limits that are not to be met."""

_IDLE_WAITS = ("+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none")
"""By default Erlang's idle threads spin for a while, which would count as CPU time."""

_CONNECTS_WITHIN_S = 30


class Ejabberd(Process):
    """A node without Erlang's distribution: it needs no name, no cookie, no port mapper."""

    def __init__(self, applications: Path, database: str) -> None:
        """`database` is `postgresql://…`, and has ejabberd's schema."""
        super().__init__("ejabberd")
        self._applications = applications
        self.port = free_port()
        self.url = f"xmpp://127.0.0.1:{self.port}"
        self._configuration = self.folder / "ejabberd.yml"
        self._configuration.write_text(json.dumps(_configuration(self.port, database)))  # JSON is YAML
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self.folder, "ejabberd", "ejabberd")
            self._as_user = ["setpriv", "--reuid=ejabberd", "--regid=ejabberd", "--clear-groups"]

    def command(self) -> list[str]:
        data = self.folder / "data"
        return [*self._as_user, "erl", "-noinput", *_IDLE_WAITS, "-mnesia", "dir", f'"{data}"', "-s", "ejabberd"]

    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "ERL_LIBS": str(self._applications),
            "ERL_CRASH_DUMP_BYTES": "0",
            "EJABBERD_CONFIG_PATH": str(self._configuration),
            "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
        }

    @property
    def stop_signal(self) -> signal.Signals:
        return signal.SIGTERM

    def serves(self) -> bool:
        return answers(self.port, xmpp.STREAM.encode(), b"<?xml")


class Rooms:
    """A running ejabberd, as its clients see it. Users and rooms are numbers; a user may be in several rooms, with a
    connection for each.

    It takes its ten database connections in turn, and the first use of a statement on each is some 40 ms slower: what
    is to be measured should come after a few dozen messages.
    """

    def __init__(self, server: Ejabberd, database: PostgreSQLProcess) -> None:
        self._server = server
        self._database = database
        self.database_url = database.url

    def pids(self) -> list[int]:
        """Of ejabberd's processes."""
        return self._server.pids()

    def database_pids(self) -> list[int]:
        """Of PostgreSQL's."""
        return self._database.pids()

    def connect(self, user: int, room: int) -> socket.socket:
        """A blocking socket of somebody who is logged in and in the room, and has read everything that was said to
        them, as long as nobody speaks there. Raises ConnectionError: refused."""
        connection = socket.create_connection(("127.0.0.1", self._server.port), timeout=_CONNECTS_WITHIN_S)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            xmpp.join(connection, _user(user), _room(room))
        except BaseException:
            connection.close()
            raise
        connection.settimeout(None)
        return connection

    @staticmethod
    def message(room: int, user: int, id: str, text: str) -> bytes:
        """What that user sends to say it there. They get it too, and by that know that it was delivered."""
        return xmpp.groupchat(_user(user), _room(room), id, text)

    @staticmethod
    def bodies(buffer: bytearray) -> list[str]:
        """Takes whole messages out of what a connection has received; gives what they say, in order."""
        return xmpp.bodies(buffer)

    def archived(self) -> int:
        """How many messages PostgreSQL has."""
        return asyncio.run(_archived(self.database_url))


@contextmanager
def running(users: int) -> Iterator[Rooms]:
    """With so many registered users, numbered from 0. Leaves nothing behind. Raises LookupError: not available."""
    found = _find()
    if found is None:
        raise LookupError("ejabberd is not available")
    application, program = found
    database = PostgreSQLProcess(program, "fsync=on")
    try:
        database.start()
        asyncio.run(_fill(database.url, _SCHEMA.read_text(), users))
        server = Ejabberd(application.parent, database.url)
        try:
            server.start()
            yield Rooms(server, database)
        finally:
            server.close()
    finally:
        database.close()


def available() -> str | None:
    """None, when it can be started: installs it, as root on Debian or Ubuntu. Else a sentence that says why not."""
    if _find():
        return None
    if not can_install():
        return f"ejabberd is not installed (on Debian or Ubuntu: apt-get install {' '.join(_PACKAGES)})."
    try:
        install(*_PACKAGES)
    except InstallationFailed as error:
        return str(error)
    if shutil.which("systemctl"):  # else the package's own service starts with the machine
        subprocess.run(["systemctl", "--quiet", "disable", "ejabberd"], capture_output=True)
    return None if _find() else "The package of ejabberd has it where nobody looks."


def version() -> str:
    """Raises LookupError: not available."""
    found = _find()
    if found is None:
        raise LookupError("ejabberd is not available")
    application, program = found
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
    return f"ejabberd {application.name.split('-')[1]}, PostgreSQL {said.split()[2]}"


def _find() -> tuple[Path, Path] | None:
    """The folder of ejabberd's Erlang application, beside those that it needs, and PostgreSQL's program."""
    applications = sorted(Path("/usr/lib").glob("*/ejabberd-*/ebin/ejabberd.app"))
    drivers = list(Path("/usr/lib/erlang/lib").glob("p1_pgsql-*"))
    program = postgresql.find_program()
    return (applications[-1].parents[1], program) if applications and drivers and program else None


def _user(number: int) -> str:
    return f"u{number}"


def _room(number: int) -> str:
    return f"r{number}"


async def _fill(database_url: str, schema: str, users: int) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(schema)
        await connection.executemany(
            "INSERT INTO users (username, password) VALUES ($1, $2)",
            [(_user(number), xmpp.PASSWORD) for number in range(users)],
        )
    finally:
        await connection.close()


async def _archived(database_url: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM archive"))
    finally:
        await connection.close()


def _configuration(port: int, database: str) -> dict[str, object]:
    """Everything archived, nothing throttled, and joining cheap: nobody is told of it but who joins."""
    url = urlsplit(database)
    listener = {"port": port, "ip": "127.0.0.1", "module": "ejabberd_c2s", "backlog": _MANY, "max_fsm_queue": _MANY}
    room_options = {"mam": True, "persistent": True, "presence_broadcast": [], "max_users": _MANY}
    return {
        "hosts": [xmpp.HOST],
        "loglevel": "error",
        "acme": {"auto": False},
        "listen": [listener],
        "auth_method": ["sql"],
        "auth_password_format": "plain",
        "default_db": "sql",
        "sql_type": "pgsql",
        "sql_server": url.hostname,
        "sql_port": url.port,
        "sql_username": url.username,
        "sql_database": url.path.removeprefix("/"),
        "modules": {
            "mod_mam": {"default": "always"},
            "mod_muc": {
                "host": xmpp.ROOMS,
                "history_size": 0,
                "max_users": _MANY,
                "max_user_conferences": _MANY,
                "min_message_interval": 0,
                "min_presence_interval": 0,
                "default_room_options": room_options,
            },
        },
    }
