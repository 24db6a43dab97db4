"""Errors as `application/problem+json` (RFC 9457) with a stable `code`."""

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

log = structlog.get_logger(__name__)


class Problem(Exception):
    """Raised by a use case or a router; becomes the answer."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})


class NotFound(Problem):
    def __init__(self, detail: str = "There is no such thing.") -> None:
        super().__init__(404, "not_found", detail)


class Forbidden(Problem):
    def __init__(self, detail: str, code: str = "forbidden") -> None:
        super().__init__(403, code, detail)


class Unauthorized(Problem):
    def __init__(self, detail: str, code: str = "invalid_token") -> None:
        super().__init__(401, code, detail, {"WWW-Authenticate": "Bearer"})


class Unavailable(Problem):
    def __init__(self, detail: str, code: str = "unavailable", retry_after: int = 1) -> None:
        super().__init__(503, code, detail, {"Retry-After": str(retry_after)})


_CODES = {
    400: "invalid_request",
    401: "invalid_token",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_long",
    503: "unavailable",
}


def problem_response(
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: list[dict[str, object]] | None = None,
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
    return problem_response(error.status, error.code, error.detail, error.headers)


async def _on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    # the input itself is left out: it may be a password
    errors: list[dict[str, object]] = [{"loc": list(fault["loc"]), "msg": fault["msg"]} for fault in error.errors()]
    return problem_response(422, "invalid_request", "The request does not have the documented form.", errors=errors)


async def _on_http_exception(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    code = _CODES.get(error.status_code, "invalid_request" if error.status_code < 500 else "internal")
    return problem_response(error.status_code, code, str(error.detail), error.headers)


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    log.error("request_failed", method=request.method, path=request.url.path, exc_info=error)
    return problem_response(500, "internal", "Something went wrong on our side.")
