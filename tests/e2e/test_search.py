"""Search: messages found by their words, in one's own rooms and nowhere else."""

from typing import Any
from uuid import uuid4

import pytest

from tests.support.client import User, new_command_id
from tests.support.factories import Connect, CreateUser
from tests.support.shapes import MESSAGE_FIELDS, Json, assert_fields, invalid_request, ok, problem

NOTHING = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
def word() -> str:
    """One that no other test has said, since all are said in rooms of the same people."""
    return f"w{uuid4().hex}"


async def found(user: User, q: str, **params: Any) -> list[str]:
    """The texts of a search's first page."""
    page = ok(await user.get("/search", q=q, **params))
    assert page.keys() == {"items", "next"}
    return [message["text"] for message in page["items"]]


async def test_finds_a_message_as_soon_as_it_is_acknowledged(
    room: Json, alice: User, bob: User, connect: Connect, word: str
) -> None:
    socket = await connect(alice)

    ack = await socket.post(room["id"], f"by socket: {word}")
    posted = ok(await alice.send(room["id"], f"by post: {word}"), 201)

    items = ok(await bob.get("/search", q=word))["items"]
    assert [message["id"] for message in items] == [posted["id"], ack["message_id"]]
    assert_fields(items[0], MESSAGE_FIELDS)
    assert items[0] == posted


async def test_finds_words_in_whatever_case_and_accents_and_the_last_by_its_beginning(
    room: Json, alice: User, word: str
) -> None:
    text = f"{word}: Crème BRÛLÉE in 東京"
    ok(await alice.send(room["id"], text), 201)

    for q in (word.upper(), f"{word} creme", f"brulee {word[:20]}", f"東京 {word}", f"'{word}' :*", word[:-5]):
        assert await found(alice, q) == [text], q
    for q in (word[1:], f"{word} chocolate", f"{word} OR chocolate", f"NEAR({word})"):
        assert await found(alice, q) == [], q


async def test_is_best_first_and_comes_page_by_page(room: Json, alice: User, word: str) -> None:
    texts = [f"{word} twice {word}", f"{word}x and more", f"only {word}", f"{word} {word} {word}", f"and {word}"]
    for text in texts:
        ok(await alice.send(room["id"], text), 201)

    first = ok(await alice.get("/search", q=word, limit=3))
    second = ok(await alice.get("/search", q=word, limit=3, cursor=first["next"]))

    assert [message["text"] for message in first["items"] + second["items"]] == [texts[i] for i in (3, 0, 4, 2, 1)]
    assert second["next"] is None


async def test_is_of_ones_own_rooms_for_as_long_as_one_is_a_member(
    room: Json, alice: User, bob: User, carol: User, word: str
) -> None:
    public = await alice.create_room("public")
    for one in (room, public):
        ok(await alice.send(one["id"], f"{word} in {one['kind']}"), 201)

    assert await found(alice, word) == [f"{word} in public", f"{word} in private"]
    assert await found(alice, word, room_id=room["id"]) == [f"{word} in private"]
    assert await found(bob, word) == [f"{word} in private"]
    assert await found(carol, word) == []

    await alice.remove(room["id"], bob)
    assert await found(bob, word) == []

    await alice.add(room["id"], bob)
    assert await found(bob, word) == [f"{word} in private"]


async def test_of_a_room_of_others_is_refused(room: Json, carol: User, word: str) -> None:
    problem(await carol.get("/search", q=word, room_id=room["id"]), 403, "not_a_member")
    problem(await carol.get("/search", q=word, room_id=NOTHING), 404, "not_found")


async def test_finds_what_a_message_says_now_and_nothing_of_what_was_deleted(
    room: Json, alice: User, connect: Connect, word: str
) -> None:
    socket = await connect(alice)
    edited = await socket.post(room["id"], f"{word} before")
    deleted = await socket.post(room["id"], f"{word} for a moment")

    for type, message, fields in (("edit", edited, {"text": f"{word} after"}), ("delete", deleted, {})):
        id = new_command_id()
        await socket.command(type, id=id, room_id=room["id"], message_id=message["message_id"], **fields)
        assert (await socket.answer(id))["type"] == "ack"

    assert await found(alice, word) == [f"{word} after"]
    assert await found(alice, f"{word} before") == []


async def test_ends_with_the_room(alice: User, word: str) -> None:
    room = await alice.create_room()
    ok(await alice.send(room["id"], word), 201)
    assert await found(alice, word) == [word]

    assert (await alice.delete(f"/rooms/{room['id']}")).status_code == 204

    assert await found(alice, word) == []


async def test_by_a_newcomer_finds_nothing(create_user: CreateUser) -> None:
    newcomer = await create_user()

    assert ok(await newcomer.get("/search", q="a")) == {"items": [], "next": None}


@pytest.mark.parametrize("q", ["?", "'\"\\", " ", "🎈"], ids=ascii)
async def test_without_a_word_finds_nothing(alice: User, q: str) -> None:
    assert await found(alice, q) == []


@pytest.mark.parametrize(
    "query",
    [{}, {"q": ""}, {"q": "x" * 10_000}, {"q": "a\x00"}, {"q": "a", "cursor": "x"}, {"q": "a", "room_id": "x"}],
)
async def test_of_a_wrong_form_is_refused(alice: User, query: Json) -> None:
    invalid_request(await alice.get("/search", **query))


async def test_without_a_token_is_refused(alice: User) -> None:
    problem(await alice.http.get("/api/v1/search", params={"q": "a"}), 401, "invalid_token")
