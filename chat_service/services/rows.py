"""Many things in one statement."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import (
    Dialect,
    FromClause,
    Select,
    String,
    Table,
    bindparam,
    column,
    func,
    insert,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.types import TypeEngine

from common.database import UtcDateTime

_POSTGRESQL = "postgresql"

AnyStatement = TypeVar("AnyStatement")

Row = tuple[Any, ...]
Columns = Mapping[str, TypeEngine[Any]]


class ManyRows(Generic[AnyStatement]):
    """A statement that joins tables of what is asked about, or adds one.

    Such a table is one parameter (PostgreSQL: one for each column), not one for each value. However many rows there
    are, the statement is thus the same: it is built, compiled and planned once.
    """

    def __init__(self, build: Callable[..., AnyStatement], **tables: Columns) -> None:
        """`build` is given the tables by their names."""
        self._build = build
        self._tables = tables
        self._statement = cache(self._build_for)

    def of(self, session: AsyncSession, **rows: Collection[Row]) -> tuple[AnyStatement, dict[str, Any]]:
        """The statement for the session's database, and its parameters: what `session.execute` takes."""
        dialect = session.get_bind().dialect
        parameters: dict[str, Any] = {}
        for name, columns in self._tables.items():
            parameters |= _parameters(dialect, name, columns, rows[name])
        return self._statement(dialect.name), parameters

    def _build_for(self, dialect: str) -> AnyStatement:
        return self._build(**{name: _table(dialect, name, columns) for name, columns in self._tables.items()})


Change = tuple[Columns, Callable[[FromClause], UpdateBase]]
"""The columns of a table of what is to be there, and what builds the statement from it."""


class Changes:
    """Statements that add or change rows, each of one table of what is to be there: PostgreSQL is sent them as one.

    Each sees what there was before them all, so none may need what another one does.
    """

    def __init__(self, **changes: Change) -> None:
        self._apart = {
            name: ManyRows(lambda build=build, name=name, **table: build(table[name]), **{name: columns})
            for name, (columns, build) in changes.items()
        }
        self._together = ManyRows(
            lambda **tables: _as_one({name: build(tables[name]) for name, (_, build) in changes.items()}),
            **{name: columns for name, (columns, _) in changes.items()},
        )

    async def make(self, session: AsyncSession, **rows: Collection[Row]) -> None:
        """Nothing is sent if there are no rows. Raises `IntegrityError`."""
        if not any(rows.values()):
            return
        connection = await session.connection()
        if session.get_bind().dialect.name == _POSTGRESQL:
            await connection.execute(*self._together.of(session, **rows))
            return
        for name, change in self._apart.items():
            if rows[name]:
                await connection.execute(*change.of(session, **{name: rows[name]}))


def adding(table: Table) -> Change:
    """Rows of all the table's columns, in their order."""
    columns = {column.name: column.type for column in table.columns}
    return columns, lambda rows: insert(table).from_select([*columns], select(rows))


def each(ids: Iterable[UUID]) -> list[Row]:
    """The rows of a table with one column."""
    return [(id,) for id in ids]


def _as_one(changes: Mapping[str, UpdateBase]) -> Select[Any]:
    """PostgreSQL carries out all changes in a WITH clause, whatever becomes of their results (manual, 7.8.4)."""
    return select(true()).add_cte(*[change.cte(f"change_of_{name}") for name, change in changes.items()])


def _table(dialect: str, name: str, columns: Columns) -> FromClause:
    if dialect == _POSTGRESQL:
        arrays = [bindparam(f"{name}_{one}", type_=ARRAY(type)) for one, type in columns.items()]
        named = [column(one, type) for one, type in columns.items()]
        return func.unnest(*arrays).table_valued(*named).render_derived()
    each = func.json_each(bindparam(name, type_=String())).table_valued("value")
    return select(
        *(
            type_coerce(func.json_extract(each.c.value, f"$[{number}]"), type).label(one)
            for number, (one, type) in enumerate(columns.items())
        )
    ).subquery()


def _parameters(dialect: Dialect, name: str, columns: Columns, rows: Collection[Row]) -> dict[str, Any]:
    values: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else ((),) * len(columns)
    if dialect.name == _POSTGRESQL:
        return {f"{name}_{one}": list(array) for one, array in zip(columns, values, strict=True)}
    stored = [_as_stored(dialect, type, array) for type, array in zip(columns.values(), values, strict=True)]
    return {name: to_json([*zip(*stored, strict=True)]).decode()}


def _as_stored(dialect: Dialect, type: TypeEngine[Any], values: Iterable[Any]) -> Iterable[Any]:
    """The values in the form in which SQLite has them."""
    store = type.dialect_impl(dialect).bind_processor(dialect)
    if store is None:
        return values
    # of moments, which are the slowest to write, many are the same
    return map(cache(store) if isinstance(type, UtcDateTime) else store, values)
