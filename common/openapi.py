"""What an OpenAPI document says of errors: for each route exactly the statuses, and the codes, that it may answer."""

from collections.abc import Collection, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from common.errors import InvalidRequest, Problem, TooLong, Unauthorized

Responses = dict[int | str, dict[str, Any]]

_MEDIA_TYPE = "application/problem+json"
_METHODS = frozenset({"get", "put", "post", "delete", "patch"})

_PROBLEM = {
    "description": "RFC 9457. `code` is stable and meant for programs, `detail` for people.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "code": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail", "code"],
}
_INVALID_REQUEST = {
    "description": "What is wrong with a request, place by place.",
    "allOf": [{"$ref": "#/components/schemas/Problem"}],
    "type": "object",
    "properties": {
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                    "msg": {"type": "string"},
                },
                "required": ["loc", "msg"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["errors"],
}
_HEADERS = {
    "X-Request-Id": {
        "description": "The trace id: the one to look for in the logs of all services.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}},
    "Retry-After": {
        "description": "In so many seconds.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
}


class DocumentedAPI(FastAPI):
    """Its document holds, besides what routes declare with `problems`, the errors that come with what a route takes: a
    credential (401), a body (413), anything that may be invalid (422)."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = _completed(super().openapi())
        return self.openapi_schema


def problems(*errors: type[Problem]) -> Responses:
    """The `responses` of a route, or of all routes of a router, that may answer with these errors."""
    by_status: dict[int, set[type[Problem]]] = {}
    for error in errors:
        by_status.setdefault(error.status, set()).add(error)
    return {status: _response(status, by_status[status]) for status in by_status}


def _response(status: int, errors: Collection[type[Problem]]) -> dict[str, Any]:
    form = "InvalidRequest" if status == InvalidRequest.status else "Problem"
    fixed = {"status": {"const": status}, "code": {"enum": sorted({error.code for error in errors})}}
    schema = {"allOf": [{"$ref": f"#/components/schemas/{form}"}, {"properties": fixed}]}
    return {
        "description": HTTPStatus(status).phrase,
        "headers": _headers(errors),
        "content": {_MEDIA_TYPE: {"schema": schema}},
    }


def _headers(errors: Collection[type[Problem]]) -> dict[str, Any]:
    """Those that all of the errors have, and as not required those that some have."""
    told = [error.header for error in errors]
    names = {name for name in told if name is not None}
    some = {name: {**_HEADERS[name], "required": False} for name in names if told.count(name) < len(told)}
    return _header_references(*names - some.keys()) | some


def _header_references(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for of_the_framework in ("HTTPValidationError", "ValidationError"):
        schemas.pop(of_the_framework, None)
    schemas |= {"Problem": _PROBLEM, "InvalidRequest": _INVALID_REQUEST}
    components |= {"headers": _HEADERS, "responses": {}}
    for operation in _operations(document):
        responses = operation["responses"]
        for status, response in problems(*_implied(operation)).items():
            responses[str(status)] = response
        for status, response in responses.items():
            response.setdefault("headers", {}).update(_header_references("X-Request-Id"))
            if name := _shared_name(response):
                components["responses"][name] = response
                responses[status] = {"$ref": f"#/components/responses/{name}"}
    return document


def _shared_name(response: Mapping[str, Any]) -> str | None:
    """What an error is called that several operations have: by its codes."""
    content = response.get("content", {}).get(_MEDIA_TYPE)
    return None if content is None else "_or_".join(content["schema"]["allOf"][1]["properties"]["code"]["enum"])


def _operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from (operation for method, operation in path.items() if method in _METHODS)


def _implied(operation: Mapping[str, Any]) -> Iterator[type[Problem]]:
    if "security" in operation:
        yield Unauthorized
    if "requestBody" in operation:
        yield TooLong
    if "422" in operation["responses"]:
        # where the framework says that there is something to validate
        yield InvalidRequest
