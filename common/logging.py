"""Structured logs on standard output: JSON lines, or text for a terminal. Libraries' loggers go the same way."""

import logging
import re
import sys
from typing import Literal
from uuid import UUID

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from common.tracing import current_trace_id

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]

# Local variables hold passwords, tokens and message texts: they do not belong in a log.
_TRACEBACKS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


# words of ours, and ids; an address or a token, which somebody may put in a path by mistake, is none of these
_WORD_OR_ID = re.compile(r"[A-Za-z0-9._-]{0,36}")


def told_path(path: str) -> str:
    """A request's path as it may stand in a log: what can't be one of ours or an id is left out of it."""
    return "/".join(part if _WORD_OR_ID.fullmatch(part) else "…" for part in path.split("/"))


def configure_logging(level: Level, format: Format) -> None:
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace_id,
        _write_ids,
    ]
    renderer: list[Processor] = (
        [structlog.processors.ExceptionRenderer(_TRACEBACKS), structlog.processors.JSONRenderer()]
        if format == "json"
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=[
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),  # below the level, a call costs next to nothing
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # their INFO lines repeat ours, or carry whole addresses
    for name in ("uvicorn.error", "aio_pika", "aiormq", "httpx", "httpcore", "sqlalchemy", "alembic", "aiosqlite"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _add_trace_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    trace_id = current_trace_id()
    if trace_id is not None:
        event.setdefault("trace_id", trace_id)
    return event


def _write_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Here, so that a line that is not written does not cost their text."""
    return {name: str(value) if isinstance(value, UUID) else value for name, value in event.items()}
