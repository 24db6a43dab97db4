"""The search of both databases, side by side: the same messages, the same words, the same results in the same order."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete, insert, update

from chat_service.migrations import upgrade
from chat_service.models import Member, Message, Room, User, message_words
from chat_service.services.rows import Changes, adding
from chat_service.services.search import Search
from chat_service.services.search_index import matches, take_out, word_rows
from chat_service.words import is_beginning, words
from common.database import Database
from common.ids import now, uuid7

SEED = 20261126
ROOMS, MESSAGES, QUERIES = 6, 400, 150

_ADD = Changes(words=adding(message_words))

# with ambiguities: beginnings of one another, accents, cases, scripts with spaces and without
VOCABULARY = [
    *("tea", "teas", "teapot", "Tee", "TÉA", "green", "greenish", "Grün", "straße", "STRASSE", "a", "ab", "1", "12"),
    *("чай", "чайник", "Чаю", "зелёный", "τσάι", "Τσάι", "שָׁלוֹם", "שלום", "مرحبا", "مَرْحَبًا", "दिन", "दिनों", "दान"),
    *("東京", "東京都", "京都", "お茶", "チャ", "ﾁｬ", "ชา", "ชาเขียว", "서울", "서", "cà", "phê", "naïve", "𠮷野家"),
    *("don't", "foo_bar", "C++", "x" * 70, "x" * 64, "🍵", "?!", "—", "'quote\"", "back\\slash", ":*", "NEAR(", "OR"),
]


@pytest.fixture
async def databases(postgresql_database: str, tmp_path: Path) -> AsyncIterator[list[Database]]:
    urls = [f"sqlite+aiosqlite:///{tmp_path}/chat.db", postgresql_database]
    async with AsyncExitStack() as stack:
        opened = []
        for url in urls:
            await upgrade(url)
            opened.append(Database(url))
            stack.push_async_callback(opened[-1].close)
        yield opened


class World:
    """Rooms full of messages, and somebody in every other room: the same in all databases."""

    def __init__(self, random: random.Random) -> None:
        self.random = random
        self.user_id = uuid7()
        self.room_ids = [uuid7() for _ in range(ROOMS)]
        self.own_ids = self.room_ids[::2]
        self.messages: dict[UUID, tuple[UUID, str]] = {}
        for _ in range(MESSAGES):
            self.messages[uuid7()] = random.choice(self.room_ids), self.text()

    def text(self) -> str:
        chosen = self.random.choices(VOCABULARY, k=self.random.randint(1, 8))
        return self.random.choice([" ", ", ", "\n", ""]).join(chosen)

    def query(self) -> str:
        """Some words, the last perhaps begun only."""
        chosen = " ".join(self.random.choices(VOCABULARY, k=self.random.randint(1, 3)))
        return chosen[: self.random.randint(1, len(chosen))]

    def texts(self) -> list[tuple[UUID, UUID, str]]:
        return [(message_id, room_id, text) for message_id, (room_id, text) in self.messages.items()]

    async def fill(self, database: Database) -> None:
        moment = now()
        async with database.write() as session:
            session.add(User(id=self.user_id, username="ada", display_name="Ada", version=1, deleted=False))
            for room_id in self.room_ids:
                room = Room(id=room_id, kind="private", head=MESSAGES, message_count=MESSAGES, member_count=1)
                room.created_at = moment
                session.add(room)
            await session.flush()
            for room_id in self.own_ids:
                session.add(
                    Member(
                        room_id=room_id, user_id=self.user_id, role="member", joined_at=moment, read_seq=0, read_count=0
                    )
                )
            rows = [
                {
                    "id": message_id,
                    "room_id": room_id,
                    "seq": seq,
                    "sender_id": self.user_id,
                    "text": text,
                    "at": moment,
                    "deleted": False,
                }
                for seq, (message_id, room_id, text) in enumerate(self.texts())
            ]
            connection = await session.connection()
            await connection.execute(insert(Message), rows)
            await _ADD.make(session, words=word_rows(self.texts()))
            await session.commit()


async def results(database: Database, world: World, query: str, room_id: UUID | None = None) -> list[tuple[UUID, str]]:
    """All pages."""
    search, found, after = Search(database), [], None
    while True:
        page, after = await search.page(world.user_id, query, room_id, after, limit=37)
        found += [(message.id, message.text) for message in page]
        if after is None:
            return found


def expected(world: World, query: str, room_ids: Sequence[UUID]) -> set[UUID]:
    """What a reader of all messages would find."""
    *whole, begun = words(query) or [""]
    return {
        message_id
        for message_id, (room_id, text) in world.messages.items()
        if room_id in room_ids
        and begun
        and set(whole) <= set(words(text))
        and any(word.startswith(begun) if is_beginning(begun) else word == begun for word in words(text))
    }


async def assert_same(databases: list[Database], world: World, queries: Sequence[str]) -> int:
    """How many were found in all."""
    total = 0
    for query in queries:
        on_sqlite, on_postgresql = [await results(database, world, query) for database in databases]
        assert on_sqlite == on_postgresql, query
        assert {message_id for message_id, _ in on_sqlite} == expected(world, query, world.own_ids), query
        assert len(on_sqlite) == len({message_id for message_id, _ in on_sqlite}), query
        total += len(on_sqlite)
    return total


async def test_finds_the_same_in_the_same_order_whatever_is_said_and_sought(databases: list[Database]) -> None:
    world = World(random.Random(SEED))
    for database in databases:
        await world.fill(database)

    found = await assert_same(databases, world, [*VOCABULARY, *(world.query() for _ in range(QUERIES))])

    assert found > MESSAGES  # the words were such that something could be found


async def test_finds_the_same_after_edits_and_deletions(databases: list[Database]) -> None:
    world = World(random.Random(SEED + 1))
    for database in databases:
        await world.fill(database)
    chosen = world.random.sample([*world.messages], 120)
    edited, deleted = {message_id: world.text() for message_id in chosen[:60]}, chosen[60:]
    dropped = world.own_ids[0]
    changed = [(message_id, world.messages[message_id][0], text) for message_id, text in edited.items()]

    for database in databases:
        async with database.write() as session:
            await take_out(session, chosen)
            await _ADD.make(session, words=word_rows(changed))
            for message_id, text in edited.items():
                await session.execute(update(Message).where(Message.id == message_id).values(text=text))
            await take_out(session, [id for id, (room_id, _) in world.messages.items() if room_id == dropped])
            await session.execute(delete(Message).where(Message.room_id == dropped))
            await session.commit()
    world.messages |= {message_id: (room_id, text) for message_id, room_id, text in changed}
    for message_id in deleted:
        del world.messages[message_id]
    world.messages = {id: (room_id, text) for id, (room_id, text) in world.messages.items() if room_id != dropped}

    assert await assert_same(databases, world, [world.query() for _ in range(QUERIES)])


async def test_of_one_room_finds_what_the_search_of_all_finds_in_it(databases: list[Database]) -> None:
    world = World(random.Random(SEED + 2))
    for database in databases:
        await world.fill(database)

    for query in ("te", "東京", "a", "чай", "OR"):
        everything = await results(databases[0], world, query)
        for room_id in world.own_ids:
            in_room = [(id, text) for id, text in everything if world.messages[id][0] == room_id]
            for database in databases:
                assert await results(database, world, query, room_id) == in_room


async def test_of_somebody_in_thousands_of_rooms_is_no_special_case(databases: list[Database]) -> None:
    world = World(random.Random(SEED + 3))
    for database in databases:
        await world.fill(database)
        async with database.read() as session:
            room_ids = [*world.own_ids, *(uuid7() for _ in range(3_000))]
            found = await matches(session, ["tea"], room_ids, limit=1_000)
        assert {message_id for message_id, _ in found} == expected(world, "tea", world.own_ids)


async def test_takes_a_thousand_messages_out_at_once(databases: list[Database]) -> None:
    texts = [(uuid7(), uuid7(), f"tea {number}") for number in range(1_001)]
    for database in databases:
        async with database.write() as session:
            await _ADD.make(session, words=word_rows(texts))
            await take_out(session, [message_id for message_id, _, _ in texts[1:]])
            found = await matches(session, ["tea"], [room_id for _, room_id, _ in texts], limit=10)
        assert found == [(texts[0][0], "tea 0")]
