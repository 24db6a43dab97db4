"""When a unique index decides between two who were first."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import IntegrityError

Result = TypeVar("Result")


async def again_on_conflict(transaction: Callable[[], Awaitable[Result]]) -> Result:
    """Run a transaction; if a unique index refuses it, once more, now that it can see what another has committed."""
    try:
        return await transaction()
    except IntegrityError:
        return await transaction()
