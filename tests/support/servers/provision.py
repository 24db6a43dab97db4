"""Where a server comes from: a Docker engine that has the image, else this machine's own program, else a clear word."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker.errors import DockerException

from tests.support.servers import postgresql, rabbitmq
from tests.support.servers.server import Server


@dataclass(frozen=True, slots=True)
class Kind:
    """What the ways to a server of one kind are. `variable` names one that is running; `package` is Debian's."""

    name: str
    variable: str
    image: str
    container: Callable[[], Server]
    find_program: Callable[[], Path | None]
    process: Callable[[Path], Server]
    package: str


RABBITMQ = Kind(
    "RabbitMQ",
    "PARLEY_TEST_BROKER_URL",
    rabbitmq.IMAGE,
    rabbitmq.container,
    rabbitmq.find_program,
    rabbitmq.RabbitMQProcess,
    "rabbitmq-server",
)
POSTGRESQL = Kind(
    "PostgreSQL",
    "PARLEY_TEST_DATABASE_URL",
    postgresql.IMAGE,
    postgresql.container,
    postgresql.find_program,
    postgresql.PostgreSQLProcess,
    "postgresql",
)


def advice(kind: Kind) -> str:
    """What to do where there is no way to a server."""
    return (
        f"The tests need a {kind.name} server. Start Docker, or install {kind.name} (on Debian or Ubuntu: apt-get "
        f"install {kind.package}), or name one that may be filled with test data in {kind.variable}."
    )


@contextmanager
def running(kind: Kind) -> Iterator[Server]:
    """A server of its own, that leaves nothing behind. Without a way to one, the whole test run ends."""
    server = _new(kind)
    try:
        server.start()
        yield server
    finally:
        server.close()


def _new(kind: Kind) -> Server:
    try:
        return kind.container()
    except DockerException:
        program = kind.find_program()
    if program is None:
        pytest.exit(advice(kind), returncode=1)
    return kind.process(program)
