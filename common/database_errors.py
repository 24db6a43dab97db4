"""What a client is told while the database is away."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from common.database import DatabaseUnavailable
from common.errors import Unavailable, problem_response


def install_database_error_handler(app: FastAPI) -> None:
    """Answers 503 `unavailable` where a request raises `DatabaseUnavailable`."""
    app.add_exception_handler(DatabaseUnavailable, _on_database_unavailable)


async def _on_database_unavailable(_request: Request, _error: Exception) -> JSONResponse:
    problem = Unavailable("The database can't be reached. Try again.")
    return problem_response(problem.status, problem.code, problem.detail, problem.headers)
