"""The four services, each a process of its own, on one broker and one PostgreSQL server: deployed one by one."""

import asyncio
import base64
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

import chat_service.migrations
import user_service.migrations
from contracts.routing import Service
from tests.support import unlimited
from tests.support.client import Socket, open_socket
from tests.support.databases import new_database
from tests.support.released_service import Release
from tests.support.servers.server import free_port
from tests.support.shapes import Json

REPOSITORY = Path(__file__).parents[2]

READY_WITHIN_S = 40
ENDS_WITHIN_S = 10


class Deployment:
    """`database_urls` are for SQLAlchemy; `settings` are environment variables for all services."""

    def __init__(
        self, folder: Path, broker_url: str, database_urls: Mapping[Service, str], settings: Mapping[str, str]
    ) -> None:
        self.database_urls = database_urls
        self._folder = folder
        self._ports = {service: free_port() for service in Service}
        self._running: dict[Service, tuple[Release, subprocess.Popen[bytes]]] = {}
        self._operator = httpx.Client(trust_env=False)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")},
            **unlimited.ENVIRONMENT,
            "PARLEY_BROKER_URL": broker_url,
            "PARLEY_SERVICE_TOKEN": secrets.token_urlsafe(),
            "PARLEY_SIGNING_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "PARLEY_EMAIL_DIGEST_KEY": secrets.token_urlsafe(),
            "PARLEY_DATA_DIR": str(folder / "bloom_service"),
            **{f"PARLEY_{service.upper()}_URL": self.url(service) for service in Service},
            **settings,
        }

    def url(self, service: Service) -> str:
        return f"http://127.0.0.1:{self._ports[service]}"

    def lead_to(self, service: Service, url: str) -> None:
        """Where the other services find it from their next start on."""
        self._environment[f"PARLEY_{service.upper()}_URL"] = url

    def deploy(self, releases: Mapping[Service, Release]) -> None:
        """Have these services run in these releases, and the others in today's; returns when all of them are ready."""
        wanted = {service: releases.get(service, Release.TODAY) for service in Service}
        changing = [one for one in Service if one not in self._running or self._running[one][0] is not wanted[one]]
        self._stop(changing)
        for service in changing:
            self._running[service] = (wanted[service], self._start(service, wanted[service]))
        deadline = time.monotonic() + READY_WITHIN_S
        for service, (_, process) in self._running.items():
            while not self._is_ready(service):
                assert process.poll() is None, f"{service} has ended:\n{self.log(service)[-5000:]}"
                assert time.monotonic() < deadline, f"{service} is not ready:\n{self.log(service)[-5000:]}"
                time.sleep(0.1)

    @property
    def pids(self) -> Mapping[Service, int]:
        return {service: process.pid for service, (_, process) in self._running.items()}

    def close(self) -> None:
        self._stop(self._running)
        self._operator.close()

    def http(self) -> httpx.AsyncClient:
        """A client of the one origin that the services' public paths have."""
        return httpx.AsyncClient(transport=_Origin(self), base_url="http://parley", timeout=30)

    async def connect(self, access_token: str) -> Socket:
        socket = await open_socket(self.url(Service.GATEWAY_WS))
        await socket.hello(access_token)
        return socket

    def metric(self, service: Service, name: str) -> float:
        """The sum of all that begin so; 0 while nothing has been counted."""
        lines = self._operator.get(f"{self.url(service)}/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def log(self, service: Service) -> str:
        """What has been logged since the beginning."""
        return self._log_file(service).read_text()

    def errors(self) -> list[Json]:
        """What has been logged as one, by all services, since the beginning."""
        written = [line for service in Service for line in self.log(service).splitlines(keepends=True)]
        lines = [json.loads(line) for line in written if line.endswith("\n")]
        return [line for line in lines if line["level"] in ("error", "critical")]

    def _start(self, service: Service, release: Release) -> subprocess.Popen[bytes]:
        other = [] if release is Release.TODAY else ["tests.support.released_service", release]
        with self._log_file(service).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *other, service],
                cwd=REPOSITORY,
                env={**self._environment, **self._own_environment(service)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _own_environment(self, service: Service) -> dict[str, str]:
        environment = {"PARLEY_PORT": str(self._ports[service])}
        if service in self.database_urls:
            environment["PARLEY_DATABASE_URL"] = self.database_urls[service]
        return environment

    def _stop(self, services: Iterable[Service]) -> None:
        processes = [self._running[service][1] for service in services if service in self._running]
        for process in processes:
            process.terminate()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENDS_WITHIN_S)
            process.kill()
            process.wait()

    def _is_ready(self, service: Service) -> bool:
        with suppress(httpx.TransportError):
            return self._operator.get(f"{self.url(service)}/readyz").is_success
        return False

    def _log_file(self, service: Service) -> Path:
        return self._folder / f"{service}.log"


@asynccontextmanager
async def new_deployment(
    folder: Path, broker_url: str, postgresql_url: str, **settings: str
) -> AsyncIterator[Deployment]:
    """Nothing runs yet. `postgresql_url` may create databases; whatever runs at the end is ended."""
    async with new_database(postgresql_url) as users, new_database(postgresql_url) as chat:
        await user_service.migrations.upgrade(users)
        await chat_service.migrations.upgrade(chat)
        databases = {Service.USER_SERVICE: users, Service.CHAT_SERVICE: chat}
        deployment = Deployment(folder, broker_url, databases, settings)
        try:
            yield deployment
        finally:
            # not here: what stands between services and broker may be at work in this very loop
            await asyncio.to_thread(deployment.close)


class _Origin(httpx.AsyncHTTPTransport):
    """Hands requests to the services as the proxy in front does."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__()
        self._deployment = deployment

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        of_rooms = request.url.path.startswith("/api/v1/rooms")
        service = httpx.URL(self._deployment.url(Service.CHAT_SERVICE if of_rooms else Service.USER_SERVICE))
        request.url = request.url.copy_with(host=service.host, port=service.port)
        return await super().handle_async_request(request)
