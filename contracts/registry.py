"""All that crosses from one process to another, under the name that it is released by."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import get_args

from contracts.entries import ENTRIES
from contracts.fields import Contract
from contracts.frames import CLIENT_FRAMES, SERVER_FRAMES
from contracts.internal_http import INTERNAL_HTTP
from contracts.messages import PAYLOADS


class Kind(StrEnum):
    MESSAGE = "message"
    ENTRY = "entry"
    CLIENT_FRAME = "client_frame"
    SERVER_FRAME = "server_frame"
    INTERNAL_HTTP = "internal_http"


@dataclass(frozen=True, slots=True)
class Contracted:
    """One model under its name, which ends in its version and never means anything else."""

    name: str
    kind: Kind
    model: type[Contract]


def _all() -> Iterator[Contracted]:
    for payload in PAYLOADS:
        yield Contracted(payload.type, Kind.MESSAGE, payload)
    for entry in ENTRIES:
        yield Contracted(f"entry.{entry.kind}.v1", Kind.ENTRY, entry)
    for client_frame in CLIENT_FRAMES:
        yield Contracted(f"client.{frame_type(client_frame)}.v1", Kind.CLIENT_FRAME, client_frame)
    for server_frame in SERVER_FRAMES:
        yield Contracted(f"server.{frame_type(server_frame)}.v1", Kind.SERVER_FRAME, server_frame)
    for name, model in INTERNAL_HTTP.items():
        yield Contracted(f"http.{name}.v1", Kind.INTERNAL_HTTP, model)


def frame_type(frame: type[Contract]) -> str:
    """The `type` by which a frame is told apart: the only value that its field can have."""
    (name,) = get_args(frame.model_fields["type"].annotation)
    return str(name)


REGISTRY: tuple[Contracted, ...] = tuple(_all())
