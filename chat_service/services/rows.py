"""Many small things asked of the database in one statement."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import CTE, ColumnClause, values


def rows(name: str, columns: Iterable[ColumnClause[Any]], data: Iterable[tuple[Any, ...]]) -> CTE:
    """A table of constants, to be joined. At least one row."""
    return values(*columns, name=name).data(list(data)).cte(name)
