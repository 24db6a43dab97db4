"""Of what is at work in Parley."""

import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from tests.support.servers import postgresql, rabbitmq

_PACKAGES = ("uvicorn", "uvloop", "websockets", "httptools", "pydantic", "sqlalchemy")
_OF_SERVICES = ("aio-pika", "asyncpg")
_OF_SINGLE_PROCESS = ("aiosqlite",)
_OF_FILTER = ("pybloom-live", "bitarray", "xxhash")


def of_services() -> dict[str, str]:
    """Raises LookupError: RabbitMQ or PostgreSQL is not installed."""
    broker, database = rabbitmq.find_program(), postgresql.find_program()
    if broker is None or database is None:
        raise LookupError("RabbitMQ or PostgreSQL is not installed")
    return {
        "Parley's services": _own(*_PACKAGES, *_OF_SERVICES),
        "Parley's RabbitMQ": _said(broker.with_name("rabbitmqctl"), "version"),
        "Parley's PostgreSQL": _said(database, "--version").split()[2],
    }


def of_single_process() -> dict[str, str]:
    return {"Parley's single process": f"{_own(*_PACKAGES, *_OF_SINGLE_PROCESS)}, SQLite {sqlite3.sqlite_version}"}


def of_filter() -> dict[str, str]:
    return {"bloom_service's filter": _own(*_OF_FILTER)}


def _own(*packages: str) -> str:
    return ", ".join((*(f"{package} {version(package)}" for package in packages), f"Python {python_version()}"))


def _said(program: Path, argument: str) -> str:
    return subprocess.run([program, argument], capture_output=True, text=True, check=True).stdout.strip()
