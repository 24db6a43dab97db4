"""Released samples, and which service has to be able to read them: all that was ever written may still arrive."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from contract_release.compatibility import Schema, expand
from contract_release.release import FOLDER, REPOSITORY, Released
from contract_release.samples import content_type
from contracts.envelope import BATCH
from contracts.messages import Payload
from contracts.registry import REGISTRY, Contracted, Kind
from contracts.routing import Service
from tests.support.shapes import Json

_READERS_OVER_HTTP = {
    "http.user_view.v1": Service.CHAT_SERVICE,
    "http.active_sessions_request.v1": Service.USER_SERVICE,
    "http.active_sessions.v1": Service.GATEWAY_WS,
    "http.email_check.v1": Service.BLOOM_SERVICE,
    "http.email_answer.v1": Service.USER_SERVICE,
    "http.email_digests.v1": Service.BLOOM_SERVICE,
    "http.catch_up_request.v1": Service.CHAT_SERVICE,
    "http.rooms_of_users_request.v1": Service.CHAT_SERVICE,
    "http.rooms_of_users.v1": Service.GATEWAY_WS,
    "http.catch_ups_request.v1": Service.CHAT_SERVICE,
    "http.catch_ups.v1": Service.GATEWAY_WS,
    "http.entries_request.v1": Service.CHAT_SERVICE,
    "http.entries.v1": Service.GATEWAY_WS,
}

_READ_BY_OLDER_RELEASES = frozenset({"http.room_ids.v1", "http.catch_up.v1"})
"""Written for them alone."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Bytes as they were released, or as a later writer would write them."""

    name: str
    label: str
    body: bytes

    @property
    def content_type(self) -> str:
        """Of a message."""
        return content_type(self.body)

    @property
    def json(self) -> Json:
        value: Json = json.loads(self.body)
        return value

    @property
    def events(self) -> list[Json]:
        """The `data` of a message's events."""
        events = json.loads(self.body) if self.content_type == BATCH else [self.json]
        return [event["data"] for event in events]


def samples_read_by(service: Service) -> list[Any]:
    """Parameters of a test: all revisions of whatever the service reads, each also with fields that nobody knows."""
    released = Released.load(REPOSITORY / FOLDER).revisions
    return [
        pytest.param(sample, id=sample.label)
        for contracted in REGISTRY
        if service in _readers(contracted)
        for revision, files in released[contracted.name].items()
        for sample in _samples(contracted, revision, files)
    ]


def _samples(contracted: Contracted, revision: int, files: dict[str, bytes]) -> list[Sample]:
    schema = expand(json.loads(files["schema.json"]))
    found = []
    for file, body in files.items():
        if file != "schema.json":
            label = f"{contracted.name}/{revision}/{file.removeprefix('samples/').removesuffix('.json')}"
            later = json.dumps(_with_unknown_fields(contracted, json.loads(body), schema)).encode()
            found += [Sample(contracted.name, label, body), Sample(contracted.name, f"{label}-and-more", later)]
    return found


def _readers(contracted: Contracted) -> tuple[Service, ...]:
    match contracted.kind:
        case Kind.MESSAGE if issubclass(contracted.model, Payload):
            return contracted.model.consumers
        case Kind.ENTRY | Kind.CLIENT_FRAME:
            return (Service.GATEWAY_WS,)
        case Kind.INTERNAL_HTTP:
            return () if contracted.name in _READ_BY_OLDER_RELEASES else (_READERS_OVER_HTTP[contracted.name],)
    return ()


def _with_unknown_fields(contracted: Contracted, value: Any, schema: Schema) -> Any:
    if contracted.kind is not Kind.MESSAGE:
        return _grown(value, schema)
    if isinstance(value, list):
        return [_with_unknown_fields(contracted, event, schema) for event in value]
    return {**value, "addedlater": "?", "data": _grown(value["data"], schema)}


def _grown(value: Any, schema: Schema) -> Any:
    """With one field more in each object that has fields, unlike those whose keys are ids."""
    schema = schema.get("anyOf", [schema])[0]
    if isinstance(value, list):
        return [_grown(item, schema["items"]) for item in value]
    if not isinstance(value, dict):
        return value
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        return {key: _grown(item, others) for key, item in value.items()}
    fields = schema.get("properties", {})
    grown = {name: _grown(item, fields[name]) if name in fields else item for name, item in value.items()}
    return {**grown, "added_later": {"known": ["to nobody"]}}
