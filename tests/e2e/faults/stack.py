"""A compose stack of the run's own, and the hands on its parts that faults need."""

import asyncio
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import docker
import httpx
from docker.errors import APIError

from contracts.topology import QUEUES
from tests.support import unlimited
from tests.support.eventually import eventually
from tests.support.product import REPOSITORY, Stack
from tests.support.servers.server import free_port

FOLDER = Path(__file__).parent
IMAGE = "parley/faults"
FILLER = "/postgres/filler"
"""What fills the database's disk, as the keeper sees it."""

REPLICAS = {"gateway_ws": 2, "chat_service": 2}


class Part(NamedTuple):
    """One container of the stack."""

    service: str
    number: int = 1

    def __str__(self) -> str:
        return f"{self.service} {self.number}" if REPLICAS.get(self.service, 1) > 1 else self.service


BACKING = ("rabbitmq", "postgres")
BACKING_STARTS_WITHIN_S = 60
SERVICES = ("user_service", "chat_service", "gateway_ws", "bloom_service")
PARTS = tuple(
    Part(service, number)
    for service in (*SERVICES, "rabbitmq", "postgres", "caddy")
    for number in range(1, REPLICAS.get(service, 1) + 1)
)


class FaultyStack(Stack):
    """What faults do to a part, each from a thread of its own so that the workload goes on."""

    def __init__(self, base_url: str, project: str, broker_url: str, management_url: str) -> None:
        super().__init__(base_url, project)
        self.broker_url = broker_url
        self.management_url = management_url
        self._engine = docker.from_env()

    def container(self, part: Part) -> Any:
        """As it is now: the state is looked up anew each time."""
        return self.containers(part.service)[part.number - 1]

    def address(self, part: Part) -> str:
        """In the stack's network."""
        (network,) = self.container(part).attrs["NetworkSettings"]["Networks"].values()
        address: str = network["IPAddress"]
        return address

    async def start(self, part: Part) -> None:
        """Returns when it runs; of the broker and the database, which are not ours, when they answer."""
        await asyncio.to_thread(self.container(part).start)
        if part.service in BACKING:
            await eventually(partial(self._answers, part), within=BACKING_STARTS_WITHIN_S, every=0.3)

    async def _answers(self, part: Part) -> bool:
        """What its health check asks."""
        check = self.container(part).attrs["Config"]["Healthcheck"]["Test"][1:]
        try:
            code, _ = await asyncio.to_thread(self.container(part).exec_run, check)
        except APIError:  # it is just being started again by the engine
            return False
        return bool(code == 0)

    def health(self, part: Part) -> str:
        """What its own check says: `starting`, `healthy` or `unhealthy`."""
        state: dict[str, Any] = self.container(part).attrs["State"]
        return str(state.get("Health", {}).get("Status"))

    def log_of(self, service: str) -> Iterator[str]:
        """What its replicas have logged, line by line."""
        for container in self.containers(service):
            for line in container.logs(stream=True, follow=False):
                yield line.decode(errors="replace")

    async def run(self, part: Part, *command: str, user: str = "") -> str:
        """What the command printed, run inside the part. Raises `AssertionError` if it failed."""

        def execute() -> str:
            code, output = self.container(part).exec_run(list(command), user=user)
            printed: str = output.decode(errors="replace").strip()
            assert code == 0, f"{command} in {part} ended with {code}: {printed}"
            return printed

        return await asyncio.to_thread(execute)

    async def beside(self, part: Part, script: str) -> str:
        """What a shell script printed, run as root of the part's network."""

        def execute() -> str:
            printed = self._engine.containers.run(
                IMAGE,
                ["sh", "-c", script],
                network_mode=f"container:{self.container(part).id}",
                cap_add=["NET_ADMIN"],
                remove=True,
            )
            return str(printed.decode(errors="replace")).strip()

        return await asyncio.to_thread(execute)

    async def evaluate(self, expression: str) -> str:
        """An Erlang expression's value inside the broker."""
        return await self.run(Part("rabbitmq"), "rabbitmqctl", "eval", expression)

    async def manage(self, method: str, path: str, body: object = None) -> Any:
        """An answer of the broker's management interface. Raises `httpx.HTTPError`."""
        async with httpx.AsyncClient(base_url=self.management_url, timeout=10, trust_env=False) as http:
            answer = (await http.request(method, path, json=body)).raise_for_status()
            return answer.json() if answer.content else None

    async def queue_depths(self) -> dict[str, float]:
        """How many messages each queue has, handed over or not; infinitely many if that is not known."""
        queues = await self.manage("GET", "/api/queues?disable_stats=true&enable_queue_totals=true")
        known = {queue["name"]: queue.get("messages", math.inf) for queue in queues}
        return dict.fromkeys(QUEUES, math.inf) | known

    async def repair(self) -> None:
        """All containers run again, and the database has room. What else a fault that could not be healed has left
        stays."""
        await self.run(Part("keeper"), "rm", "-f", FILLER)
        for part in PARTS:
            container = await asyncio.to_thread(self.container, part)
            with suppress(APIError):
                await asyncio.to_thread(container.unpause if container.status == "paused" else container.start)

    def close(self) -> None:
        self._engine.close()
        super().close()


@contextmanager
def own_stack() -> Iterator[FaultyStack]:
    """Brought up for the run, and taken down again whatever happens."""
    project = f"parley-faults-{os.getpid()}"
    ports = {name: str(free_port()) for name in ("PARLEY_PORT", "PARLEY_FAULTS_AMQP_PORT", "PARLEY_FAULTS_HTTP_PORT")}
    made = subprocess.run(
        ["deploy/make_env.sh"], cwd=REPOSITORY, env={**os.environ, **ports}, check=True, capture_output=True, text=True
    ).stdout
    settings = dict(line.split("=", 1) for line in made.splitlines() if not line.startswith("#")) | ports
    settings |= unlimited.ENVIRONMENT
    with tempfile.NamedTemporaryFile("w", prefix="parley-faults-") as file:
        file.writelines(f"{name}={value}\n" for name, value in settings.items())
        file.flush()

        def compose(*command: str) -> None:
            files = ["-f", "docker-compose.yml", "-f", str(FOLDER / "compose.yml")]
            subprocess.run(
                ["docker", "compose", "--project-name", project, "--env-file", file.name, *files, *command],
                cwd=REPOSITORY,
                check=True,
                stdout=sys.stderr,
            )

        scale = [word for service, count in REPLICAS.items() for word in ("--scale", f"{service}={count}")]
        stack = None
        try:
            compose("--progress", "quiet", "up", "--build", "--wait", "--detach", *scale)
            login = f"parley:{settings['PARLEY_BROKER_PASSWORD']}"
            stack = FaultyStack(
                f"http://127.0.0.1:{ports['PARLEY_PORT']}",
                project,
                f"amqp://{login}@127.0.0.1:{ports['PARLEY_FAULTS_AMQP_PORT']}/",
                f"http://{login}@127.0.0.1:{ports['PARLEY_FAULTS_HTTP_PORT']}",
            )
            yield stack
        finally:
            if stack is not None:
                stack.close()
            compose("--progress", "quiet", "down", "--volumes", "--remove-orphans", "--timeout", "5")
