"""The trace context that follows one request or message through all services (W3C Trace Context, level 1)."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


def new_traceparent() -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def current_traceparent() -> str:
    """The context of what is being handled here, or a new one if nothing is."""
    return _current.get() or new_traceparent()


def current_trace_id() -> str | None:
    traceparent = _current.get()
    return traceparent.split("-")[1] if traceparent else None


@contextmanager
def traced(traceparent: str | None) -> Iterator[str]:
    """Handle something under the context that came with it, or under a new one if that is missing or malformed."""
    known = traceparent is not None and _TRACEPARENT.fullmatch(traceparent) is not None
    context = traceparent if known and traceparent is not None else new_traceparent()
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)
