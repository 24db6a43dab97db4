"""One database: PostgreSQL through asyncpg, or SQLite through aiosqlite, from the same models."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
from pydantic_core import to_json
from sqlalchemy import DateTime, TypeDecorator, event, exc, text
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from common.sockets import give_up_when_unheard

_BEGIN = "parley_begin"

_RECONNECT_S = 0.1

_WORLDS_FAULTS = ("08", "40", "53", "57P", "58")
"""SQLSTATE classes: the connection; a deadlock; no disk, memory or connections left; an operator's intervention
(admin_shutdown, crash_shutdown, cannot_connect_now); the system, such as its disks."""

_SERVER_SETTINGS = {
    # a process that was cut off leaves its locks behind, with nobody to release them, until the server looks after it
    "idle_in_transaction_session_timeout": "10s",
    # every query has its index; planned for a table that is still small, and kept, it would read the whole of it later
    "enable_seqscan": "off",
    "jit": "off",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "5",
    "tcp_user_timeout": "10s",
}

_SQLITE_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000", "secure_delete=ON")


class DatabaseUnavailable(Exception):
    """The database can't be reached, or went away in the middle. `may_be_committed`: during a commit, so that nobody
    knows whether it took effect."""

    def __init__(self, reason: str, *, may_be_committed: bool) -> None:
        super().__init__(reason)
        self.may_be_committed = may_be_committed


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, in UTC on its way in and out. (SQLite has no time zones: it stores and returns what it is given.)"""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


class _Session(AsyncSession):
    has_begun_to_commit = False

    async def commit(self) -> None:
        self.has_begun_to_commit = True
        await super().commit()


class _WatchedConnection(asyncpg.Connection):
    def __init__(self, protocol: Any, transport: asyncio.Transport, *rest: Any) -> None:
        super().__init__(protocol, transport, *rest)
        give_up_when_unheard(transport.get_extra_info("socket"))


class Database:
    """An engine, and sessions on it that roll back unless committed.

    A SQLite file has one writer at a time: `write` queues for it here, in order, rather than polling its lock. Every
    commit is on disk before it returns (WAL with synchronous=FULL; PostgreSQL's own default). What is deleted from a
    SQLite file is overwritten there (secure_delete); its write-ahead log ends with the last connection.
    """

    def __init__(
        self, url: str, *, pool_size: int = 10, command_timeout: float | None = 10, patience: float = 0
    ) -> None:
        """`command_timeout` bounds one statement, `patience` is how long a server that is away is waited for: both in
        seconds."""
        self.is_sqlite = url.startswith("sqlite")
        if self.is_sqlite:
            self.engine = create_async_engine(
                url, pool_size=pool_size, hide_parameters=True, json_serializer=_json_text
            )
            _prepare_sqlite(self.engine)
        else:
            self.engine = create_async_engine(
                url,
                pool_size=pool_size,
                hide_parameters=True,  # they would stand in error texts, and so in logs
                json_serializer=_json_text,
                pool_timeout=10,
                connect_args={
                    "timeout": 5,
                    "command_timeout": command_timeout,
                    "connection_class": _WatchedConnection,
                    "server_settings": _SERVER_SETTINGS,
                },
            )
            event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        self._reading = self.engine.execution_options(
            **({_BEGIN: "BEGIN"} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"})
        )
        self._writing = self.engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        self._writer = asyncio.Lock()
        self._patience = patience

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session that sees one consistent state throughout. Raises `DatabaseUnavailable`."""
        async with self._session(self._reading) as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A session for one use case, which calls `commit` once, at its end. Raises `DatabaseUnavailable`."""
        async with AsyncExitStack() as stack:
            if self.is_sqlite:
                await stack.enter_async_context(self._writer)
            session = await stack.enter_async_context(self._session(self._writing))
            yield session

    @asynccontextmanager
    async def _session(self, engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
        session = _Session(engine, expire_on_commit=False, autoflush=False)
        try:
            async with session:
                await self._begin(session)
                yield session
        except (exc.DBAPIError, exc.TimeoutError, OSError) as error:
            if not _is_the_worlds_fault(error):
                raise
            raise DatabaseUnavailable(type(error).__name__, may_be_committed=session.has_begun_to_commit) from error

    async def _begin(self, session: AsyncSession) -> None:
        """Wait out a server that is restarting. Nothing has been done yet that could be done twice."""
        give_up_at = time.monotonic() + self._patience
        while True:
            try:
                await session.connection()
            except (exc.DBAPIError, OSError) as error:
                if not _is_the_worlds_fault(error) or time.monotonic() + _RECONNECT_S > give_up_at:
                    raise
                await session.rollback()
                await asyncio.sleep(_RECONNECT_S)
            else:
                return

    async def missing(self) -> str | None:
        """What keeps the database from being used, for `/readyz`."""
        try:
            async with asyncio.timeout(2), self.read() as session:
                await session.execute(text("SELECT 1"))
        except (DatabaseUnavailable, TimeoutError):
            return "the database can't be reached"
        return None

    async def close(self) -> None:
        await self.engine.dispose()


def _json_text(value: object) -> str:
    return to_json(value).decode()


def _is_the_worlds_fault(error: Exception) -> bool:
    """Whether the same may work at another time. OSError includes ConnectionError and TimeoutError."""
    if not isinstance(error, exc.DBAPIError) or isinstance(error, exc.OperationalError | exc.InterfaceError):
        return True
    sqlstate = str(getattr(error.orig, "sqlstate", "") or "")
    return error.connection_invalidated or sqlstate.startswith(_WORLDS_FAULTS)


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Have the pool open another connection in place of one that the server has closed meanwhile. To ask the server
    whether it is still there, as SQLAlchemy's pre-ping does, would take three round trips of every transaction."""
    if connection.driver_connection.is_closed():
        raise exc.DisconnectionError


def _prepare_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        # the driver's own BEGIN comes too late and is never IMMEDIATE
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))
