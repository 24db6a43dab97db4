"""After a run of the product: where addresses, passwords and tokens stand, and where they do not."""

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from contracts.messages import UserDeleted
from contracts.routing import Service
from tests.support.client import PASSWORD, User, login, new_credentials, open_socket
from tests.support.deployment import Deployment, new_deployment
from tests.support.dump import everything_in
from tests.support.eventually import eventually
from tests.support.outbox_record import keep_outbox, kept_outbox
from tests.support.servers.provision import RABBITMQ, running
from tests.support.shapes import Json, ok, problem
from tests.support.tcp_proxy import Observer, TcpProxy
from tests.support.traces import found_in, writings
from tests.support.wiretap import Delivered, Published, Wiretap, tapped

pytestmark = pytest.mark.timeout(120)

_ASKED = (Service.USER_SERVICE, Service.CHAT_SERVICE, Service.BLOOM_SERVICE)
_REQUEST_LINE = re.compile(rb"^[A-Z]+ \S+ HTTP/1\.1\r$", re.MULTILINE)


class Overheard(TcpProxy):
    """A way to a service. `said` is all that went over it, each connection's two directions apart."""

    def __init__(self, url: str) -> None:
        address = httpx.URL(url)
        super().__init__(address.host, address.port or 80)
        self._said: list[bytearray] = []

    @property
    def said(self) -> bytes:
        return b"\n".join(self._said)

    def observers(self) -> tuple[Observer, Observer]:
        there, back = bytearray(), bytearray()
        self._said += there, back
        return there.extend, back.extend


@dataclass
class Secrets:
    """What was used."""

    addresses: list[str]
    tokens: list[str]


@dataclass(frozen=True)
class Left:
    """What is left of a run, by place."""

    secrets: Secrets
    logs: Mapping[Service, bytes]
    metrics: Mapping[Service, bytes]
    bus: bytes
    http: Mapping[Service, bytes]
    bloom_files: Mapping[str, bytes]
    chat_database: bytes
    user_database: Sequence[bytes]

    def addresses_in(self, data: bytes) -> list[bytes]:
        return [found for address in self.secrets.addresses for found in found_in(data, writings(address))]

    def tokens_in(self, data: bytes) -> list[bytes]:
        return [found for token in self.secrets.tokens for found in found_in(data, writings(token))]


@pytest.fixture(scope="module")
def left(postgresql_url: str, tmp_path_factory: pytest.TempPathFactory) -> Left:
    with running(RABBITMQ) as broker:
        return asyncio.run(use_and_look(broker.url, postgresql_url, tmp_path_factory.mktemp("services")))


async def use_and_look(broker_url: str, postgresql_url: str, folder: Path) -> Left:
    async with AsyncExitStack() as stack:
        tap, url = await stack.enter_async_context(tapped(broker_url))
        settings = {"PARLEY_LOG_LEVEL": "debug", "PARLEY_FAILED_LOGINS_PER_HOUR": "10"}
        services = await stack.enter_async_context(new_deployment(folder, url, postgresql_url, **settings))
        ways = {service: await stack.enter_async_context(overheard(services, service)) for service in _ASKED}
        users, chat = (services.database_urls[one] for one in (Service.USER_SERVICE, Service.CHAT_SERVICE))
        await keep_outbox(users)
        await asyncio.to_thread(services.deploy, {})
        secrets = await use(services)
        await eventually(lambda: deletion_is_heard(tap))
        metrics = {service: await metrics_of(services, service) for service in Service}
        rows = [repr(row).encode() for row in await kept_outbox(users)]
        return Left(
            secrets=secrets,
            logs={service: services.log(service).encode() for service in Service},
            metrics=metrics,
            bus=b"\n".join([*map(as_bytes, tap.published), *map(as_bytes, tap.delivered)]),
            http={service: way.said for service, way in ways.items()},
            bloom_files={
                str(file): str(file).encode() + file.read_bytes()
                for file in (folder / "bloom_service").rglob("*")
                if file.is_file()
            },
            chat_database=(await everything_in(chat)).encode(),
            user_database=[*(await everything_in(users)).encode().splitlines(), *rows],
        )


def as_bytes(message: Published | Delivered) -> bytes:
    return message.body + str(dict(message.properties)).encode()


@asynccontextmanager
async def overheard(services: Deployment, service: Service) -> AsyncIterator[Overheard]:
    way = Overheard(services.url(service))
    await way.start()
    services.lead_to(service, f"http://127.0.0.1:{way.port}")
    try:
        yield way
    finally:
        await way.close()


async def deletion_is_heard(tap: Wiretap) -> bool:
    return any(message.properties.message_type == UserDeleted.type for message in tap.delivered)


async def metrics_of(services: Deployment, service: Service) -> bytes:
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"{services.url(service)}/metrics")).content


# --- what people do, and get wrong ----------------------------------------------------------------------------------


async def use(services: Deployment) -> Secrets:
    async with services.http() as http:
        secrets = Secrets(addresses=[], tokens=[])
        alice, bob = [await register(http, secrets) for _ in range(2)]
        at_once = with_odd_address()
        secrets.addresses.append(at_once["email"])
        await asyncio.gather(*(http.post("/api/v1/users", json={**at_once, **new_name()}) for _ in range(5)))
        await ask_wrongly(http, alice)
        await chat(services, alice, bob)
        alice = await alice.another_session()
        secrets.tokens += [alice.account.access_token, alice.account.refresh_token, PASSWORD]
        assert (await alice.delete("/users/me", {"password": PASSWORD})).status_code == 204
    return secrets


async def register(http: httpx.AsyncClient, secrets: Secrets) -> User:
    """Somebody whose address is asked for before and after, and who logs in with it."""
    credentials = with_odd_address()
    email = credentials["email"]
    secrets.addresses += [email, email.replace("B\u00fccher", "xn--bcher-kva")]
    assert ok(await http.post("/api/v1/users/availability", json={"email": email}))["available"]
    user = await User.register(http, credentials)

    async def is_taken() -> bool:
        answer = await http.post("/api/v1/users/availability", json={"email": email.upper()})
        return not ok(answer)["available"]

    await eventually(is_taken)
    problem(await http.post("/api/v1/users", json=credentials), 409, "email_taken")
    tokens = ok(await login(http, email.title()))
    refreshed = ok(await http.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}))
    problem(await http.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}), 401)
    secrets.tokens += [user.account.access_token, user.account.refresh_token]
    secrets.tokens += [part[kind] for part in (tokens, refreshed) for kind in ("access_token", "refresh_token")]
    return user


def with_odd_address() -> Json:
    """As somebody may have it: with capitals, a tag, and a domain in another script."""
    credentials = new_credentials()
    return {**credentials, "email": f"{credentials['username'].title()}+Tag@B\u00fccher.example"}


def new_name() -> Json:
    return {"username": new_credentials()["username"]}


async def ask_wrongly(http: httpx.AsyncClient, user: User) -> None:
    """The address, and tokens, where they do not belong."""
    email, token = user.account.email, user.account.access_token
    for _ in range(10):
        problem(await login(http, email, "wrong-horse"), 401, "invalid_credentials")
    problem(await login(http, email, "wrong-horse"), 429, "rate_limited")
    for wrong in (email, token, user.account.refresh_token):
        for path in (f"/users/{wrong}", f"/users/{wrong}/more", f"/rooms/{wrong}", f"/rooms/{wrong}/members/{wrong}"):
            assert (await user.get(path)).status_code in (404, 405, 422)
            assert (await user.post(path, {"email": email})).is_client_error
        await user.get("/users", q=wrong)
        await user.get("/users", cursor=wrong)
        await user.get("/users/me", email=wrong)
        await http.post("/api/v1/users", json={wrong: wrong, "email": [email], "password": PASSWORD})
        await http.post("/api/v1/users/availability", json={"email": f"{wrong} "})
        await http.post("/api/v1/users/availability", content=wrong.encode())
        await http.post("/api/v1/auth/refresh", json={"refresh_token": wrong})
        await login(http, wrong, wrong)
        names = ("Authorization", "traceparent", "X-Request-Id", "X-Forwarded-For", "User-Agent", "Referer")
        headers = httpx.Headers(dict.fromkeys(names, wrong), encoding="utf-8")
        problem(await http.get("/api/v1/users/me", headers=headers), 401)
    await user.send(str(uuid4()), "to nobody", key=email.encode("ascii", "replace").decode())


async def chat(services: Deployment, alice: User, bob: User) -> None:
    """So that whatever is known of somebody is passed on. In the end alice logs out."""
    room = (await alice.create_room("public"))["id"]
    ok(await bob.post(f"/rooms/{room}/join"))
    at_alice = await services.connect(alice.account.access_token)
    at_bob = await services.connect(bob.account.access_token)
    await at_alice.post(room, "hello")
    await at_bob.expect_text(room, "hello")
    ok(await alice.patch("/users/me", {"display_name": "Alice"}))
    await at_alice.command("refresh", token=alice.account.access_token)
    await at_alice.send_raw(json.dumps({"type": alice.account.email, "token": alice.account.refresh_token}))
    await at_alice.expect("error", code="bad_frame")
    for hello in (
        {"type": "hello", "token": alice.account.email},
        {"type": "hello", "token": alice.account.refresh_token},
        {"type": "hello", "tokens": alice.account.access_token},
    ):
        wrong = await open_socket(services.url(Service.GATEWAY_WS), query=f"token={alice.account.access_token}")
        await wrong.send_raw(json.dumps(hello))
        assert await wrong.close_code() == 4001
        await wrong.close()
    await alice.logout()
    assert await at_alice.close_code() == 4003
    for socket in (at_alice, at_bob):
        await socket.close()


# --- what is left ---------------------------------------------------------------------------------------------------


_ADDRESS, _FOLDED = "A.User+Tag@B\u00fccher.example", "a.user+tag@b\u00fccher.example"


@pytest.mark.parametrize(
    "told",
    [
        _ADDRESS,
        "a.user+tag@b\u00dcCHER.example",
        "path=/users/a.user%2Btag%40b%C3%BCcher.example/more",
        "q=a.user%2btag@b%c3%bccher.example",
        '{"email": "A.User+Tag@B\\u00fccher.example"}',
        _FOLDED.encode().hex(),
        *(base64.b64encode(b"x" * before + f"{_FOLDED}; and more".encode()).decode() for before in range(3)),
        base64.urlsafe_b64encode(_ADDRESS.encode()).decode(),
        hashlib.sha256(_FOLDED.encode()).hexdigest(),
    ],
)
def test_what_is_sought_would_be_found_however_it_were_written(told: str) -> None:
    assert found_in(f"before {told} after".encode(), writings(_ADDRESS))
    assert not found_in(b"before a.user@example.com, and a.user+tag@example, after", writings(_ADDRESS))


@pytest.mark.parametrize("service", Service)
def test_no_log_holds_an_address_or_a_token(left: Left, service: Service) -> None:
    assert b'"request"' in left.logs[service] or service is Service.GATEWAY_WS
    assert left.addresses_in(left.logs[service]) == []
    assert left.tokens_in(left.logs[service]) == []


@pytest.mark.parametrize("service", Service)
def test_no_metric_holds_an_address_or_a_token(left: Left, service: Service) -> None:
    assert b"parley_" in left.metrics[service]
    assert left.addresses_in(left.metrics[service]) == []
    assert left.tokens_in(left.metrics[service]) == []


def test_no_message_holds_an_address_or_a_token(left: Left) -> None:
    assert b"user.registered.v1" in left.bus
    assert left.addresses_in(left.bus) == []
    assert left.tokens_in(left.bus) == []


@pytest.mark.parametrize("service", _ASKED)
def test_no_service_tells_another_an_address(left: Left, service: Service) -> None:
    assert _REQUEST_LINE.search(left.http[service])
    assert left.addresses_in(left.http[service]) == []


@pytest.mark.parametrize("service", _ASKED)
def test_no_token_stands_in_a_url_between_services(left: Left, service: Service) -> None:
    assert left.tokens_in(b"\n".join(_REQUEST_LINE.findall(left.http[service]))) == []


def test_no_file_of_the_filter_holds_an_address_or_a_token(left: Left) -> None:
    assert left.bloom_files
    for data in left.bloom_files.values():
        assert left.addresses_in(data) == []
        assert left.tokens_in(data) == []


def test_the_database_of_rooms_holds_no_address_and_no_token(left: Left) -> None:
    assert b"message.posted" in left.chat_database
    assert left.addresses_in(left.chat_database) == []
    assert left.tokens_in(left.chat_database) == []


def test_the_database_of_users_holds_addresses_in_accounts_alone_and_no_token(left: Left) -> None:
    accounts = [line for line in left.user_database if line.startswith(b"users: ")]
    others = b"\n".join(line for line in left.user_database if not line.startswith(b"users: "))

    assert left.addresses_in(b"\n".join(accounts)) != []
    assert left.addresses_in(others) == []
    assert left.tokens_in(b"\n".join(left.user_database)) == []
