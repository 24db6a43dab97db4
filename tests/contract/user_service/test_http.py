"""user_service answers as its OpenAPI document says, and the document says no more than it answers."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
import schemathesis

from tests.support.client import User, new_credentials
from tests.support.databases import new_database
from tests.support.documented_answers import Answer, Ask, answer, answers, documented
from tests.support.http_contract import NO_DATABASE, AnyCase, Api, document_of, run_sequences, served
from tests.support.user_service import EMAIL_DIGEST_KEY, SERVICE_TOKEN, UserService, running_user_service
from user_service.migrations import upgrade
from user_service.services.emails import DigestKey

# the service, in its thread, may use what randomness it likes
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

DOCUMENT = document_of("user_service")


@asynccontextmanager
async def on_postgresql(server_url: str, rates: Mapping[str, int] | None = None) -> AsyncIterator[UserService]:
    async with new_database(server_url) as database_url:
        await upgrade(database_url)
        async with running_user_service(database_url, rates=rates) as service:
            yield service


@pytest.fixture(scope="module")
def api(postgresql_url: str) -> Iterator[Api[UserService]]:
    with served(DOCUMENT, on_postgresql(postgresql_url)) as api:
        api.tokens = {"access_token": register(api).account.access_token, "service_credential": SERVICE_TOKEN}
        yield api


@pytest.fixture
def unavailable() -> Iterator[Api[UserService]]:
    with served(DOCUMENT, running_user_service(NO_DATABASE)) as api:
        yield api


@pytest.fixture
def limited(postgresql_url: str) -> Iterator[Api[UserService]]:
    """Nothing is done for anybody twice."""
    rates = dict.fromkeys(("availability_checks_per_hour", "registrations_per_hour", "logins_per_hour"), 1)
    with served(DOCUMENT, on_postgresql(postgresql_url, rates)) as api:
        yield api


def register(api: Api[UserService]) -> User:
    user: User = api.portal.call(User.register, api.service.http)
    return user


@schemathesis.pytest.from_fixture("document").parametrize()
@pytest.mark.timeout(300)
def test_every_request_is_answered_as_documented(case: AnyCase, api: Api[UserService]) -> None:
    case.call_and_validate(**api.options(case))


@pytest.mark.timeout(300)
def test_every_sequence_of_requests_is_answered_as_documented(api: Api[UserService]) -> None:
    run_sequences(api)


def test_every_documented_answer_can_be_had_and_no_other(
    api: Api[UserService], unavailable: Api[UserService], limited: Api[UserService]
) -> None:
    alice, bob, carol = (register(api).account for _ in range(3))
    token, nobody = alice.access_token, {"user_id": str(uuid4())}
    accepted = [
        Ask("register", body=new_credentials()),
        Ask("check_availability", body={"username": "somebody"}),
        Ask("log_in", body={"username": alice.username, "password": alice.password}),
        Ask("refresh", body={"refresh_token": bob.refresh_token}),
        Ask("log_out", body={"refresh_token": carol.refresh_token}),
        Ask("show_key_set"),
        Ask("show_own_user", token),
        Ask("change_profile", token, body={"display_name": "Alice"}),
        Ask("delete_account", bob.access_token, body={"password": bob.password}),
        Ask("search_users", token),
        Ask("show_user", token, {"user_id": alice.id}),
        Ask("look_up_user", SERVICE_TOKEN, {"user_id": alice.id}),
        Ask("export_email_digests", SERVICE_TOKEN, query={"key_id": DigestKey(EMAIL_DIGEST_KEY).id}),
        Ask("list_active_sessions", SERVICE_TOKEN, body={"session_ids": [str(uuid4())]}),
        Ask("show_health"),
        Ask("show_readiness"),
        Ask("show_metrics"),
    ]
    refused: dict[Answer, Ask] = {
        ("register", 409, "email_taken"): Ask("register", body={**new_credentials(), "email": alice.email}),
        ("register", 409, "username_taken"): Ask("register", body={**new_credentials(), "username": alice.username}),
        ("log_in", 401, "invalid_credentials"): Ask("log_in", body={"username": alice.username, "password": "wrong"}),
        ("refresh", 401, "invalid_token"): Ask("refresh", body={"refresh_token": "unknown"}),
        ("delete_account", 403, "wrong_password"): Ask("delete_account", token, body={"password": "wrong"}),
        ("show_user", 404, "not_found"): Ask("show_user", token, nobody),
        ("look_up_user", 404, "not_found"): Ask("look_up_user", SERVICE_TOKEN, nobody),
        ("export_email_digests", 404, "unknown_key"): Ask(
            "export_email_digests", SERVICE_TOKEN, query={"key_id": "unknown"}
        ),
    }

    too_often = {
        ("register", 429, "rate_limited"): Ask("register", body=new_credentials()),
        ("check_availability", 429, "rate_limited"): Ask("check_availability", body={"username": "somebody"}),
        ("log_in", 429, "rate_limited"): Ask("log_in", body={"username": alice.username, "password": alice.password}),
    }
    for ask in too_often.values():
        answer(limited, ask)

    had = answers(api, unavailable, accepted, refused) | {answer(limited, ask) for ask in too_often.values()}
    assert too_often.keys() <= had == documented("user_service")
