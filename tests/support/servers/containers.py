"""Servers in containers, where a Docker engine answers."""

import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

import docker
from docker.errors import DockerException

from tests.support.servers.server import Server, wait_until


class Container(Server):
    """One container, whose port is published on a port of 127.0.0.1 that it keeps."""

    def __init__(
        self,
        image: str,
        command: Sequence[str],
        environment: dict[str, str],
        ports: dict[int, int],
        url: str,
        serves: Callable[[], bool],
    ) -> None:
        """`ports` maps those inside to those on this machine. Raises DockerException: no engine, or no such image."""
        self.url = url
        self._serves = serves
        self._client = _new_client()
        try:
            _pull_if_missing(self._client, image)
            self._container: Any = self._client.containers.create(
                image,
                list(command),
                environment=environment,
                ports={f"{inside}/tcp": ("127.0.0.1", outside) for inside, outside in ports.items()},
                hostname="parley-test",  # RabbitMQ keeps its data under the host's name
                labels={"parley": "test"},
            )
        except BaseException:
            self._client.close()
            raise

    def start(self) -> None:
        self._container.start()
        wait_until(self._serves, self._alive, self._log_tail)

    def stop(self) -> None:
        self._container.stop(timeout=30)

    def kill(self) -> None:
        self._container.kill()
        self._container.wait()

    def close(self) -> None:
        self._container.remove(force=True, v=True)
        self._client.close()

    def _alive(self) -> bool:
        self._container.reload()
        return bool(self._container.status == "running")

    def _log_tail(self) -> str:
        return str(self._container.logs(tail=30).decode(errors="replace"))


def has_image(image: str) -> bool:
    """Whether a Docker engine answers that has the image or can pull it."""
    try:
        client = _new_client()
    except DockerException:
        return False
    try:
        _pull_if_missing(client, image)
    except DockerException:
        return False
    finally:
        client.close()
    return True


def _new_client() -> Any:
    """Raises DockerException: no engine answers."""
    scheme, _, path = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as probe:  # the client itself would leave the socket open if that fails
            try:
                probe.connect(path)
            except OSError as error:
                raise DockerException("no engine answers") from error
    return docker.from_env()


def _pull_if_missing(client: Any, image: str) -> None:
    try:
        client.images.get(image)
    except DockerException:
        client.images.pull(image)
