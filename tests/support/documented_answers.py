"""Every answer that an OpenAPI document names, had by a request that provokes it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from schemathesis import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from common.middleware import MAX_BODY_BYTES
from tests.support.http_contract import Api, authorization, path_of

Answer = tuple[str, int, str | None]
"""Operation, status, and the `code` of an error."""


_CONFORMANCE = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@dataclass(frozen=True)
class Ask:
    """One request; without a token it has no credential."""

    operation: str
    token: str | None = None
    path: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)


def documented(service: str) -> set[Answer]:
    document = json.loads(path_of(service).read_text())
    return {
        (operation["operationId"], int(status), code)
        for methods in document["paths"].values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        for code in _codes(document, response)
    }


def answers(
    api: Api[Any], unavailable: Api[Any], accepted: Sequence[Ask], refused: Mapping[Answer, Ask]
) -> set[Answer]:
    """What is answered to the `accepted`, made rightly, with each common mistake, and while what the service needs is
    `unavailable`; and to the `refused`, which are by the answer that they must get. In this order."""
    had: set[Answer] = set()
    for ask in accepted:
        had |= {answer(api, mistaken) for mistaken in _mistakes(api.document, ask)}
        had |= {answer(unavailable, ask), answer(api, ask)}
    for expected, ask in refused.items():
        assert answer(api, ask) == expected
        had.add(expected)
    return had


def answer(api: Api[Any], ask: Ask) -> Answer:
    """Which conforms to the document."""
    operation = api.document.find_operation_by_id(ask.operation)
    body = {} if ask.body is None else {"body": ask.body, "media_type": _media_type(operation)}
    case = operation.Case(path_parameters=dict(ask.path), query=dict(ask.query), headers=dict(ask.headers), **body)
    response = case.call(api.url, headers=authorization(*[ask.token] if ask.token else []))
    case.validate_response(response, checks=_CONFORMANCE)
    is_problem = response.headers.get("content-type") == ["application/problem+json"]
    return ask.operation, response.status_code, response.json()["code"] if is_problem else None


def _mistakes(document: OpenApiSchema, ask: Ask) -> Iterator[Ask]:
    """No credential, too long a body, something invalid: what any operation refuses that takes such a thing."""
    if ask.token is not None:
        yield replace(ask, token=None)
    if ask.body is not None:
        yield replace(ask, body={"too_long": "x" * MAX_BODY_BYTES})
        yield replace(ask, body={"nobody": "asked for this"})
    if ask.path:
        yield replace(ask, path=dict.fromkeys(ask.path, "not-an-id"))
    elif "parameters" in document.find_operation_by_id(ask.operation).definition.raw:
        yield replace(ask, query={"limit": 0})


def _codes(document: Mapping[str, Any], response: Mapping[str, Any]) -> list[str | None]:
    shared = response.get("$ref", "").rpartition("/")[2]
    if not shared:
        return [None]
    content = document["components"]["responses"][shared]["content"]
    codes: list[str | None] = content["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"]
    return codes


def _media_type(operation: APIOperation[Any, Any, Any, Any]) -> str:
    (media_type,) = operation.definition.raw["requestBody"]["content"]
    return str(media_type)
