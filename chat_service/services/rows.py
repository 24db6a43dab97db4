"""Many things in one statement."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, String, column, func, literal, select, type_coerce
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine


def rows(session: AsyncSession, columns: Mapping[str, TypeEngine[Any]], data: Sequence[tuple[Any, ...]]) -> FromClause:
    """A table of what is asked about, to be joined, or of what is added: UUIDs, integers and texts.

    It takes one parameter (PostgreSQL: one for each column), not one for each value. However many rows there are, the
    statement is thus the same, and is compiled and planned once.
    """
    if session.get_bind().dialect.name == "postgresql":
        values = zip(*data, strict=True) if data else ((),) * len(columns)
        arrays = [literal(list(array), ARRAY(type)) for array, type in zip(values, columns.values(), strict=True)]
        named = [column(name, type) for name, type in columns.items()]
        return func.unnest(*arrays).table_valued(*named).render_derived()
    each = func.json_each(literal(json.dumps(data, default=_hex), String)).table_valued("value")
    return select(
        *(
            type_coerce(func.json_extract(each.c.value, f"$[{number}]"), type).label(name)
            for number, (name, type) in enumerate(columns.items())
        )
    ).subquery()


def _hex(value: UUID) -> str:
    # the form in which SQLite stores a UUID
    return value.hex
