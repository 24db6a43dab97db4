"""What becomes of requests while the database is away."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from common.database import DatabaseUnavailable
from common.errors import Unavailable, problem_response


class DatabaseRoute(APIRoute):
    """Carries a request out once more if the database went away under it, as one that is restarted does, and nothing of
    it can have been committed. For requests with one transaction that writes."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        carry_out = super().get_route_handler()

        async def carry_out_once_more(request: Request) -> Response:
            try:
                return await carry_out(request)
            except DatabaseUnavailable as error:
                if error.may_be_committed:
                    raise
                return await carry_out(request)

        return carry_out_once_more


def install_database_error_handler(app: FastAPI) -> None:
    """Answers 503 `unavailable` where a request raises `DatabaseUnavailable`."""
    app.add_exception_handler(DatabaseUnavailable, _on_database_unavailable)


async def _on_database_unavailable(_request: Request, _error: Exception) -> JSONResponse:
    problem = Unavailable("The database can't be reached. Try again.")
    return problem_response(problem.status, problem.code, problem.detail, problem.headers)
