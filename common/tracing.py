"""The trace context that follows one request or message through all services (W3C Trace Context, level 1)."""

import re
from contextvars import ContextVar

from common.ids import random_64_bits

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


def new_traceparent() -> str:
    return f"00-{random_64_bits():016x}{random_64_bits():016x}-{random_64_bits():016x}-01"


def current_traceparent() -> str:
    """The context of what is being handled here, or a new one if nothing is."""
    return _current.get() or new_traceparent()


def current_trace_id() -> str | None:
    traceparent = _current.get()
    return traceparent.split("-")[1] if traceparent else None


class traced:  # noqa: N801 - used as a function is
    """Handle something under the context that came with it, or under a new one if that is missing or malformed."""

    __slots__ = ("_context", "_token")

    def __init__(self, traceparent: str | None) -> None:
        known = traceparent is not None and _TRACEPARENT.fullmatch(traceparent) is not None
        self._context = traceparent if known and traceparent is not None else new_traceparent()

    def __enter__(self) -> str:
        self._token = _current.set(self._context)
        return self._context

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
