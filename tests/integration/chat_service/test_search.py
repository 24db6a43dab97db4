"""Search over HTTP."""

from typing import Any

import pytest

from chat_service.services.search import MAX_MATCHES, MAX_WORDS
from common.ids import uuid7
from tests.support.chat_service import ChatService, delete, edit, react, send
from tests.support.client import User
from tests.support.shapes import Json, invalid_request, ok, problem


async def found(user: User, q: str, **params: Any) -> list[str]:
    """The texts of a search's first page."""
    return [message["text"] for message in ok(await user.get("/search", q=q, **params))["items"]]


async def say(user: User, room: Json, *texts: str) -> list[Json]:
    return [ok(await user.send(room["id"], text), 201) for text in texts]


class TestWords:
    @pytest.mark.parametrize("q", ["quick", "QUICK", "qui", "fox quick", "quick the", "the quick bro", '"fox', "-fox"])
    async def test_are_found_in_any_order_and_case_the_last_also_by_its_beginning(
        self, room: Json, alice: User, q: str
    ) -> None:
        await say(alice, room, "The quick brown fox", "a lazy dog")

        assert await found(alice, q) == ["The quick brown fox"]

    @pytest.mark.parametrize(
        "q", ["qui brown", "quick cat", "uick", "brownish", "quick OR dog", "NOT dog", "d*g", "quick b"]
    )
    async def test_are_found_all_or_none_and_operators_are_words(self, room: Json, alice: User, q: str) -> None:
        await say(alice, room, "The quick brown fox", "a lazy dog")

        assert await found(alice, q) == []

    @pytest.mark.parametrize(
        ("text", "q"),
        [
            ("Crème brûlée", "creme BRUL"),
            ("Straße", "strasse"),
            ("東京タワーに行く", "東京"),
            ("Привет, мир", "мир прив"),
            ("مرحبا بالعالم", "مرحبا"),
            ("สวัสดีชาวโลก", "โลก"),
            ("한국어 공부", "한국"),
            ("नमस्ते दुनिया", "दुनिया"),
            ("x" * 8000, "x" * 100),
        ],
        ids=ascii,
    )
    async def test_of_any_script_are_found(self, room: Json, alice: User, text: str, q: str) -> None:
        await say(alice, room, text, "something else")

        assert await found(alice, q) == [text]

    @pytest.mark.parametrize(
        "q", ["?", "🎈", " ", "'\"\\:*&|!()", "ﷺ" * 200, "a" * 200, "東" * 200, "x' OR '1"], ids=ascii
    )
    async def test_that_nobody_said_are_not_found(self, room: Json, alice: User, q: str) -> None:
        await say(alice, room, "The quick brown fox", "?!")

        assert await found(alice, q) == []

    async def test_of_one_letter_are_found_whole(self, room: Json, alice: User) -> None:
        await say(alice, room, "another", "plan a", "a plan")

        assert await found(alice, "a") == ["a plan", "plan a"]
        assert await found(alice, "plan a") == ["plan a", "a plan"]

    async def test_beyond_the_first_ones_do_not_count(self, room: Json, alice: User) -> None:
        letters = [chr(ord("東") + number) for number in range(MAX_WORDS + 1)]
        await say(alice, room, "".join(letters[:MAX_WORDS]), "".join(letters[1:]))

        assert await found(alice, "".join(letters)) == ["".join(letters[:MAX_WORDS])]

    @pytest.mark.parametrize(
        "q",
        ["NEAR(quick)", "quick:*", "'quick'", "quick\\", "words : quick", "^quick", "{quick}", "quick -- ;", "+quick"],
    )
    async def test_have_no_operators_between_them(self, room: Json, alice: User, q: str) -> None:
        await say(alice, room, "The near quick brown words")

        assert await found(alice, q) == ["The near quick brown words"]


class TestResults:
    async def test_are_best_first_and_of_equally_good_ones_the_newest(self, room: Json, alice: User) -> None:
        await say(
            alice,
            room,
            "a teapot is green",
            "tea, which is green",
            "green tea",
            "more green tea",
            "green tea and green tea",
            "the greenest teahouse",
        )

        assert await found(alice, "green tea") == [
            "green tea and green tea",
            "more green tea",
            "green tea",
            "tea, which is green",
            "a teapot is green",
        ]

    async def test_are_messages_as_the_room_shows_them(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        question, answer = await say(alice, room, "Tea?", "Yes, tea.")
        await service.command(react(room, bob, question, "🍵"), edit(room, alice, answer, "No tea."))

        items = ok(await bob.get("/search", q="tea"))["items"]

        assert items == ok(await bob.get(f"/rooms/{room['id']}/messages"))["items"]
        assert items[1]["reactions"] == {"🍵": [bob.id]}
        assert items[0]["edited_at"] is not None

    async def test_come_page_by_page(self, service: ChatService, room: Json, alice: User) -> None:
        await service.command(*(send(room, alice, f"tea {'tea ' * (number % 3)}{number}") for number in range(25)))
        everything = await found(alice, "tea", limit=200)

        pages: list[list[str]] = []
        cursor: dict[str, str] = {}
        while True:
            page = ok(await alice.get("/search", q="tea", limit=7, **cursor))
            pages.append([message["text"] for message in page["items"]])
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}

        assert [len(page) for page in pages] == [7, 7, 7, 4]
        assert [text for page in pages for text in page] == everything
        assert len(set(everything)) == 25

    async def test_of_very_many_are_the_newest(self, service: ChatService, room: Json, alice: User) -> None:
        await say(alice, room, "tea tea tea: the best, but the oldest")
        for start in range(0, MAX_MATCHES, 250):
            await service.command(*(send(room, alice, f"tea {start + number}") for number in range(250)))

        assert len(await found(alice, "tea", limit=1)) == 1
        assert await found(alice, "tea oldest") == ["tea tea tea: the best, but the oldest"]
        assert "oldest" not in (await found(alice, "tea", limit=1))[0]


class TestSight:
    async def test_is_of_ones_own_rooms(self, room: Json, alice: User, bob: User, carol: User) -> None:
        public, hers = await alice.create_room("public"), await carol.create_room()
        await say(alice, room, "tea in private")
        await say(alice, public, "tea in public")
        await say(carol, hers, "tea for one")

        assert await found(alice, "tea") == ["tea in public", "tea in private"]
        assert await found(bob, "tea") == ["tea in private"]
        assert await found(carol, "tea") == ["tea for one"]

    async def test_can_be_of_one_room(self, room: Json, alice: User) -> None:
        other = await alice.create_room()
        await say(alice, room, "tea here")
        await say(alice, other, "tea there")

        assert await found(alice, "tea", room_id=room["id"]) == ["tea here"]
        assert await found(alice, "there", room_id=room["id"]) == []

    async def test_of_a_room_of_others_is_refused(self, room: Json, alice: User, carol: User) -> None:
        public = await alice.create_room("public")
        await say(alice, room, "tea")

        for one in (room, public):
            for q in ("tea", "?"):
                problem(await carol.get("/search", q=q, room_id=one["id"]), 403, "not_a_member")
        problem(await carol.get("/search", q="tea", room_id=str(uuid7())), 404, "not_found")

    async def test_ends_with_membership_and_comes_back_with_it(self, room: Json, alice: User, bob: User) -> None:
        await say(alice, room, "tea")
        assert await found(bob, "tea") == ["tea"]

        await alice.remove(room["id"], bob)
        assert await found(bob, "tea") == []
        problem(await bob.get("/search", q="tea", room_id=room["id"]), 403, "not_a_member")

        await alice.add(room["id"], bob)
        assert await found(bob, "tea") == ["tea"]

        response = await bob.post(f"/rooms/{room['id']}/leave")
        assert response.status_code == 204
        assert await found(bob, "tea") == []

    async def test_ends_with_the_room(self, room: Json, alice: User, bob: User) -> None:
        other = await alice.create_room()
        await say(alice, room, "tea here")
        await say(alice, other, "tea there")

        response = await alice.delete(f"/rooms/{room['id']}")

        assert response.status_code == 204
        assert await found(alice, "tea") == ["tea there"]
        assert await found(bob, "tea") == []
        problem(await bob.get("/search", q="tea", room_id=room["id"]), 404, "not_found")


class TestChanges:
    async def test_of_a_message_are_found_and_what_it_said_before_is_not(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        message, _ = await say(alice, room, "green tea", "green leaves")

        await service.command(edit(room, alice, message, "black coffee"))

        assert await found(alice, "tea") == []
        assert await found(alice, "green") == ["green leaves"]
        assert await found(alice, "coffee") == ["black coffee"]

    async def test_to_no_words_and_back_are_followed(self, service: ChatService, room: Json, alice: User) -> None:
        (message,) = await say(alice, room, "tea")

        await service.command(edit(room, alice, message, "🍵"))
        assert await found(alice, "tea") == []

        await service.command(edit(room, alice, message, "tea again"))
        assert await found(alice, "tea") == ["tea again"]

    async def test_many_in_one_batch_leave_the_last_text(self, service: ChatService, room: Json, alice: User) -> None:
        kept, gone, also_gone = await say(alice, room, "first tea", "second tea", "third tea")

        await service.command(
            edit(room, alice, kept, "tea once edited"),
            edit(room, alice, kept, "tea twice edited"),
            edit(room, alice, gone, "tea edited and deleted"),
            delete(room, alice, gone),
            delete(room, alice, also_gone),
            send(room, alice, "a new tea"),
        )

        assert await found(alice, "tea") == ["a new tea", "tea twice edited"]
        for word in ("first", "second", "third", "once", "deleted"):
            assert await found(alice, word) == []

    async def test_that_are_repeated_index_nothing_twice(self, service: ChatService, room: Json, alice: User) -> None:
        command = send(room, alice, "tea")

        await service.command(command, command)
        await service.command(command)

        assert await found(alice, "tea") == ["tea"]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"q": ""},
        {"q": "x" * 201},
        {"q": "x" * 10_000},
        {"q": "a\x00b"},
        {"q": "a", "room_id": "b"},
        {"q": "a", "limit": 0},
        {"q": "a", "limit": 201},
        {"q": "a", "cursor": "b"},
    ],
)
async def test_of_a_wrong_form_is_refused(alice: User, query: Json) -> None:
    invalid_request(await alice.get("/search", **query))


async def test_by_somebody_without_rooms_finds_nothing(alice: User) -> None:
    assert ok(await alice.get("/search", q="tea")) == {"items": [], "next": None}
