"""Errors as `application/problem+json` (RFC 9457) with a stable `code`."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from math import ceil
from typing import ClassVar

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from common.logging import told_path

log = structlog.get_logger(__name__)


class Problem(Exception):
    """Raised by a use case or a router; becomes the answer. Each kind has one status and one code, and may have a
    header that tells more, so that a route can document those it may end in (`common.openapi.problems`)."""

    status: ClassVar[int]
    code: ClassVar[str]
    header: ClassVar[str | None] = None

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors: Sequence[Mapping[str, object]] | None = None


class NotFound(Problem):
    status = 404
    code = "not_found"

    def __init__(self, detail: str = "There is no such thing.") -> None:
        super().__init__(detail)


class Forbidden(Problem):
    status = 403
    code = "forbidden"


class Unauthorized(Problem):
    status = 401
    code = "invalid_token"
    header = "WWW-Authenticate"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, {"WWW-Authenticate": "Bearer"})


class TooLong(Problem):
    status = 413
    code = "too_long"


class InvalidRequest(Problem):
    """Each fault is the place, as `("body", "email")`, and what is wrong there."""

    status = 422
    code = "invalid_request"

    def __init__(self, *faults: tuple[Sequence[str | int], str]) -> None:
        super().__init__("The request does not have the documented form.")
        self.errors = [{"loc": list(loc), "msg": msg} for loc, msg in faults]


class Unavailable(Problem):
    status = 503
    code = "unavailable"
    header = "Retry-After"

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail, {"Retry-After": str(retry_after)})


class RateLimited(Problem):
    """Too often; `retry_after` is in seconds."""

    status = 429
    code = "rate_limited"
    header = "Retry-After"

    def __init__(self, detail: str, retry_after: float) -> None:
        super().__init__(detail, {"Retry-After": str(max(1, ceil(retry_after)))})


_CODES = {error.status: error.code for error in (Unauthorized, Forbidden, NotFound, TooLong, Unavailable)} | {
    405: "method_not_allowed"
}


def problem_response(
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, object]] | None = None,
) -> JSONResponse:
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors is not None:
        body["errors"] = errors
    return JSONResponse(body, status, dict(headers or {}), media_type="application/problem+json")


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_bug)


async def _on_problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this type only
    return problem_response(error.status, error.code, error.detail, error.headers, error.errors)


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    # the input itself is left out: it may be a password
    return await _on_problem(request, InvalidRequest(*((fault["loc"], fault["msg"]) for fault in error.errors())))


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    headers = dict(error.headers or {})
    match error.status_code:
        case 400:
            # the framework's word for a body that is not even broken JSON or a broken form
            return await _on_problem(request, InvalidRequest((("body",), "can't be read")))
        case 405:
            if allowed := _allowed_methods(request):
                headers["Allow"] = ", ".join(allowed)
    code = _CODES.get(error.status_code, "invalid_request" if error.status_code < 500 else "internal")
    return problem_response(error.status_code, code, str(error.detail), headers)


def _allowed_methods(request: Request) -> list[str]:
    """Those that the document has for this path. (The framework names those of one route: each method has its own.)"""
    documented: dict[str, dict[str, object]] = request.app.openapi()["paths"]
    for template, operations in documented.items():
        pattern, _, _ = compile_path(template)
        if pattern.match(request.url.path):
            return [method.upper() for method in operations]
    return []


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    log.error("request_failed", method=request.method, path=told_path(request.scope["path"]), exc_info=error)
    return problem_response(500, "internal", "Something went wrong on our side.")
