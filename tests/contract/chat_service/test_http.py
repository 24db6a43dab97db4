"""chat_service answers as its OpenAPI document says, and the document says no more than it answers."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
import schemathesis

from chat_service.migrations import upgrade
from tests.support.chat_service import SERVICE_TOKEN, ChatService, running_chat_service
from tests.support.client import User
from tests.support.databases import new_database
from tests.support.documented_answers import Answer, Ask, answers, documented
from tests.support.http_contract import NO_DATABASE, AnyCase, Api, document_of, run_sequences, served
from tests.support.shapes import Json, ok

# the service, in its thread, may use what randomness it likes
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

DOCUMENT = document_of("chat_service")


@asynccontextmanager
async def on_postgresql(server_url: str) -> AsyncIterator[ChatService]:
    async with new_database(server_url) as database_url:
        await upgrade(database_url)
        async with running_chat_service(database_url) as service:
            yield service


@pytest.fixture(scope="module")
def api(postgresql_url: str) -> Iterator[Api[ChatService]]:
    with served(DOCUMENT, on_postgresql(postgresql_url)) as api:
        alice, bob = api.service.newcomer(), api.service.newcomer()
        api.portal.call(bob.create_room, "public")
        api.tokens = {"access_token": alice.account.access_token, "service_credential": SERVICE_TOKEN}
        yield api


@pytest.fixture
def unavailable(api: Api[ChatService]) -> Iterator[Api[ChatService]]:
    with served(DOCUMENT, running_chat_service(NO_DATABASE, user_service=api.service.user_service)) as unavailable:
        yield unavailable


@schemathesis.pytest.from_fixture("document").parametrize()
@pytest.mark.timeout(300)
def test_every_request_is_answered_as_documented(case: AnyCase, api: Api[ChatService]) -> None:
    case.call_and_validate(**api.options(case))


@pytest.mark.timeout(300)
def test_every_sequence_of_requests_is_answered_as_documented(api: Api[ChatService]) -> None:
    run_sequences(api)


@pytest.mark.timeout(300)
def test_every_documented_answer_can_be_had_and_no_other(api: Api[ChatService], unavailable: Api[ChatService]) -> None:
    owner, member, stranger = (api.service.newcomer() for _ in range(3))
    run = api.portal.call
    public, private = run(owner.create_room, "public"), run(owner.create_room, "private")
    for room in (public, private):
        run(owner.add, room["id"], member)
    of_owner, of_member, of_stranger = (user.account.access_token for user in (owner, member, stranger))
    in_public, in_private, in_gone = ({"room_id": id} for id in (public["id"], private["id"], str(uuid4())))
    about_owner, about_member, about_stranger = ({"user_id": user.id} for user in (owner, member, stranger))
    about_nobody = {"user_id": str(uuid4())}
    banned, muted = (api.service.newcomer() for _ in range(2))
    run(owner.ban, public["id"], banned)
    run(owner.add, public["id"], muted)
    run(owner.mute, public["id"], muted)
    about_banned, of_banned, of_muted = {"user_id": banned.id}, banned.account.access_token, muted.account.access_token
    silence = {"until": "2100-01-01T00:00:00Z"}
    key, said, admin = {"Idempotency-Key": "once"}, {"text": "hello"}, {"role": "admin"}
    sought = {"q": "hello"}
    accepted = [
        Ask("create_room", of_owner, body={"kind": "public", "name": "Tea"}),
        Ask("open_direct_room", of_owner, body=about_stranger),
        Ask("open_direct_room", of_owner, body=about_stranger),
        Ask("list_my_rooms", of_owner),
        Ask("list_public_rooms", of_owner),
        Ask("show_room", of_owner, in_private),
        Ask("update_room", of_owner, in_private, body={"name": "Coffee"}),
        Ask("join_room", of_stranger, in_public),
        Ask("leave_room", of_stranger, in_public),
        Ask("list_members", of_owner, in_private),
        Ask("set_role", of_owner, in_public | about_stranger, body=admin),
        Ask("remove_member", of_owner, in_public | about_stranger),
        Ask("ban_user", of_owner, in_public | about_stranger),
        Ask("list_bans", of_owner, in_public),
        Ask("lift_ban", of_owner, in_public | about_stranger),
        Ask("mute_member", of_owner, in_public | about_member, body=silence),
        Ask("list_mutes", of_owner, in_public),
        Ask("lift_mute", of_owner, in_public | about_member),
        Ask("post_message", of_owner, in_private, key, said),
        Ask("post_message", of_owner, in_private, key, said),
        Ask("list_messages", of_owner, in_private),
        Ask("list_events", of_owner, in_private),
        Ask("search_messages", of_owner, query=sought),
        Ask("list_room_ids", SERVICE_TOKEN, about_owner),
        Ask("catch_up", SERVICE_TOKEN, about_owner, body={"resume": {private["id"]: 0}}),
        Ask("list_room_ids_of_users", SERVICE_TOKEN, body={"user_ids": [owner.id]}),
        Ask("catch_up_users", SERVICE_TOKEN, body={"askers": [{**about_owner, "resume": {private["id"]: 0}}]}),
        Ask("list_entries", SERVICE_TOKEN, body={"after": {private["id"]: 0}}),
        Ask("show_health"),
        Ask("show_readiness"),
        Ask("show_metrics"),
        Ask("delete_room", of_owner, {"room_id": run(owner.create_room)["id"]}),
    ]
    in_direct = {"room_id": run(open_direct, owner, member)["id"]}
    refused: dict[Answer, Ask] = {
        ("open_direct_room", 404, "not_found"): Ask("open_direct_room", of_owner, body=about_nobody),
        ("show_room", 403, "forbidden"): Ask("show_room", of_stranger, in_private),
        ("show_room", 404, "not_found"): Ask("show_room", of_owner, in_gone),
        ("update_room", 403, "forbidden"): Ask("update_room", of_member, in_private, body={"name": "Coffee"}),
        ("update_room", 404, "not_found"): Ask("update_room", of_owner, in_gone, body={"name": "Coffee"}),
        ("delete_room", 403, "forbidden"): Ask("delete_room", of_member, in_private),
        ("delete_room", 404, "not_found"): Ask("delete_room", of_owner, in_gone),
        ("join_room", 403, "forbidden"): Ask("join_room", of_stranger, in_private),
        ("join_room", 403, "banned"): Ask("join_room", of_banned, in_public),
        ("join_room", 404, "not_found"): Ask("join_room", of_owner, in_gone),
        ("leave_room", 403, "not_a_member"): Ask("leave_room", of_stranger, in_private),
        ("leave_room", 403, "forbidden"): Ask("leave_room", of_owner, in_direct),
        ("leave_room", 404, "not_found"): Ask("leave_room", of_owner, in_gone),
        ("list_members", 403, "not_a_member"): Ask("list_members", of_stranger, in_private),
        ("list_members", 404, "not_found"): Ask("list_members", of_owner, in_gone),
        ("set_role", 403, "not_a_member"): Ask("set_role", of_stranger, in_private | about_member, body=admin),
        ("set_role", 403, "forbidden"): Ask("set_role", of_member, in_private | about_stranger, body=admin),
        ("set_role", 403, "banned"): Ask("set_role", of_owner, in_public | about_banned, body=admin),
        ("set_role", 404, "not_found"): Ask("set_role", of_owner, in_private | about_nobody, body=admin),
        ("remove_member", 403, "not_a_member"): Ask("remove_member", of_stranger, in_private | about_member),
        ("remove_member", 403, "forbidden"): Ask("remove_member", of_member, in_private | about_owner),
        ("remove_member", 404, "not_found"): Ask("remove_member", of_owner, in_private | about_nobody),
        ("ban_user", 403, "not_a_member"): Ask("ban_user", of_stranger, in_private | about_member),
        ("ban_user", 403, "forbidden"): Ask("ban_user", of_member, in_private | about_owner),
        ("ban_user", 404, "not_found"): Ask("ban_user", of_owner, in_private | about_nobody),
        ("lift_ban", 403, "not_a_member"): Ask("lift_ban", of_stranger, in_private | about_member),
        ("lift_ban", 403, "forbidden"): Ask("lift_ban", of_member, in_private | about_banned),
        ("lift_ban", 404, "not_found"): Ask("lift_ban", of_owner, in_gone | about_banned),
        ("list_bans", 403, "not_a_member"): Ask("list_bans", of_stranger, in_private),
        ("list_bans", 403, "forbidden"): Ask("list_bans", of_member, in_private),
        ("list_bans", 404, "not_found"): Ask("list_bans", of_owner, in_gone),
        ("mute_member", 403, "not_a_member"): Ask("mute_member", of_stranger, in_private | about_member, body=silence),
        ("mute_member", 403, "forbidden"): Ask("mute_member", of_member, in_private | about_owner, body=silence),
        ("mute_member", 404, "not_found"): Ask("mute_member", of_owner, in_private | about_nobody, body=silence),
        ("lift_mute", 403, "not_a_member"): Ask("lift_mute", of_stranger, in_private | about_member),
        ("lift_mute", 403, "forbidden"): Ask("lift_mute", of_member, in_private | about_owner),
        ("lift_mute", 404, "not_found"): Ask("lift_mute", of_owner, in_gone | about_member),
        ("list_mutes", 403, "not_a_member"): Ask("list_mutes", of_stranger, in_private),
        ("list_mutes", 403, "forbidden"): Ask("list_mutes", of_member, in_private),
        ("list_mutes", 404, "not_found"): Ask("list_mutes", of_owner, in_gone),
        ("post_message", 403, "not_a_member"): Ask("post_message", of_stranger, in_private, key, said),
        ("post_message", 403, "muted"): Ask("post_message", of_muted, in_public, key, said),
        ("post_message", 404, "not_found"): Ask("post_message", of_owner, in_gone, {"Idempotency-Key": "other"}, said),
        ("list_messages", 403, "not_a_member"): Ask("list_messages", of_stranger, in_private),
        ("list_messages", 404, "not_found"): Ask("list_messages", of_owner, in_gone),
        ("list_events", 403, "not_a_member"): Ask("list_events", of_stranger, in_private),
        ("list_events", 404, "not_found"): Ask("list_events", of_owner, in_gone),
        ("search_messages", 403, "not_a_member"): Ask("search_messages", of_stranger, query=in_private | sought),
        ("search_messages", 404, "not_found"): Ask("search_messages", of_owner, query=in_gone | sought),
    }

    assert answers(api, unavailable, accepted, refused) == documented("chat_service")


async def open_direct(user: User, other: User) -> Json:
    room: Json = ok(await user.post("/rooms/direct", {"user_id": other.id}), 201)
    return room
