"""Many things in one statement."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import FromClause, String, bindparam, column, func, select, type_coerce
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import immutabledict

_POSTGRESQL = "postgresql"
_ROWS = "rows"

AnyStatement = TypeVar("AnyStatement")

Row = tuple[Any, ...]


class ManyRows(Generic[AnyStatement]):
    """A statement that joins a table of what is asked about, or adds one: of UUIDs, integers and texts.

    The table is one parameter (PostgreSQL: one for each column), not one for each value. However many rows there are,
    the statement is thus the same: it is built, compiled and planned once.
    """

    def __init__(self, columns: Mapping[str, TypeEngine[Any]], build: Callable[[FromClause], AnyStatement]) -> None:
        """`build` is given the table."""
        self._columns = immutabledict(columns)
        self._statement = cache(lambda dialect: build(_table(dialect, self._columns)))

    def of(self, session: AsyncSession, data: Sequence[Row]) -> tuple[AnyStatement, dict[str, Any]]:
        """The statement for the session's database, and its parameters: what `session.execute` takes."""
        dialect = session.get_bind().dialect.name
        return self._statement(dialect), _parameters(dialect, self._columns, data)


def each(ids: Collection[UUID]) -> list[Row]:
    """The rows of a table with one column."""
    return [(id,) for id in ids]


def _table(dialect: str, columns: Mapping[str, TypeEngine[Any]]) -> FromClause:
    if dialect == _POSTGRESQL:
        arrays = [bindparam(f"{_ROWS}_{name}", type_=ARRAY(type)) for name, type in columns.items()]
        named = [column(name, type) for name, type in columns.items()]
        return func.unnest(*arrays).table_valued(*named).render_derived()
    each = func.json_each(bindparam(_ROWS, type_=String())).table_valued("value")
    return select(
        *(
            type_coerce(func.json_extract(each.c.value, f"$[{number}]"), type).label(name)
            for number, (name, type) in enumerate(columns.items())
        )
    ).subquery()


def _parameters(dialect: str, columns: Mapping[str, TypeEngine[Any]], data: Sequence[Row]) -> dict[str, Any]:
    if dialect == _POSTGRESQL:
        values = zip(*data, strict=True) if data else ((),) * len(columns)
        return {f"{_ROWS}_{name}": list(array) for name, array in zip(columns, values, strict=True)}
    return {_ROWS: json.dumps(data, default=_hex)}


def _hex(value: UUID) -> str:
    # the form in which SQLite stores a UUID
    return value.hex
