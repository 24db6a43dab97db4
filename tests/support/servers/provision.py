"""Where a server comes from: a Docker engine, else this machine's programs, else its packages, else a clear word."""

from collections.abc import Callable
from pathlib import Path

import pytest
from docker.errors import DockerException

from tests.support.servers import packages, postgresql, rabbitmq
from tests.support.servers.server import Server


def start_rabbitmq() -> Server:
    return _start(
        "RabbitMQ",
        "PARLEY_TEST_BROKER_URL",
        rabbitmq.container,
        rabbitmq.find_program,
        rabbitmq.RabbitMQProcess,
        rabbitmq.PACKAGE,
    )


def start_postgresql() -> Server:
    return _start(
        "PostgreSQL",
        "PARLEY_TEST_DATABASE_URL",
        postgresql.container,
        postgresql.find_program,
        postgresql.PostgreSQLProcess,
        postgresql.PACKAGE,
    )


def _start(
    name: str,
    variable: str,
    container: Callable[[], Server],
    find_program: Callable[[], Path | None],
    process: Callable[[Path], Server],
    package: str,
) -> Server:
    server = _container(container) or _process(find_program, process, package)
    if server is None:
        pytest.exit(
            f"The tests need a {name} server. Start Docker, or install {name} (on Debian or Ubuntu: apt-get install "
            f"{package}), or name one that may be filled with test data in {variable}.",
            returncode=1,
        )
    try:
        server.start()
    except BaseException:
        server.close()
        raise
    return server


def _container(container: Callable[[], Server]) -> Server | None:
    try:
        return container()
    except DockerException:
        return None


def _process(find_program: Callable[[], Path | None], process: Callable[[Path], Server], package: str) -> Server | None:
    if find_program() is None and packages.can_install():
        packages.install(package)
    program = find_program()
    return process(program) if program is not None else None
