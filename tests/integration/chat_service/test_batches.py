"""Commands of all kinds: what comes of them does not depend on which of them come together."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from chat_service.rules import MAX_EMOJIS
from chat_service.services.outcomes import Accepted, Command, Outcome, Refused, Repeated
from chat_service.services.posting import apply
from common.database import Database
from tests.support.chat_service import ChatService, delete, edit, mark, react, send
from tests.support.client import User
from tests.support.fold import fold, without_names
from tests.support.shapes import Json

MESSAGES = 4
STEPS = 120

# one message is one emoji short of the most that there may be
MANY = [f":{number}:" for number in range(MAX_EMOJIS - 1)]
EMOJIS = ["👍", "🎂", *MANY[:2]]


@dataclass(frozen=True, slots=True)
class Step:
    """A command to whichever room: it makes one of the room, its messages, and the number of a command id."""

    make: Callable[[Json, Sequence[Json], UUID], Command]
    number: int


def steps(chance: random.Random, users: Sequence[User]) -> list[Step]:
    taken: list[Step] = []
    for number in range(STEPS):
        if taken and chance.random() < 0.1:
            taken.append(chance.choice(taken))
            continue
        taken.append(Step(command_of(chance, users), number))
    return taken


def command_of(chance: random.Random, users: Sequence[User]) -> Callable[[Json, Sequence[Json], UUID], Command]:
    user, which = chance.choice(users), chance.randrange(MESSAGES)
    said, emoji, on = f"text {chance.random()}", chance.choice(EMOJIS), chance.random() < 0.6
    kind = chance.choices(("edit", "react", "send", "delete", "mark"), (30, 55, 10, 2, 3))[0]
    match kind:
        case "edit":
            return lambda room, messages, id: edit(room, user, messages[which], said, id=id)
        case "react":
            return lambda room, messages, id: react(room, user, messages[which], emoji, on=on, id=id)
        case "send":
            return lambda room, messages, id: send(room, user, said, id=id, reply_to=UUID(messages[which]["id"]))
        case "delete":
            return lambda room, messages, id: delete(room, user, messages[which], id=id)
        case _:
            return lambda room, messages, _: mark(room, user, messages[which]["seq"] + MESSAGES)


class Course:
    """One room, to which all that happens comes in batches of its own."""

    def __init__(self, database: Database, room: Json, alice: User) -> None:
        self.room = room
        self.outcomes: list[tuple[str, object]] = []
        self._database = database
        self._alice = alice
        self._ids: dict[int, UUID] = {}
        self._messages: list[Json] = []

    async def begin(self, users: Sequence[User]) -> None:
        await self._apply([send(self.room, users[number % len(users)]) for number in range(MESSAGES)])
        self._messages = await self._alice.messages(self.room["id"])
        await self._apply([react(self.room, users[0], self._messages[0], emoji) for emoji in MANY])

    async def take(self, steps: Sequence[Step]) -> None:
        commands = [step.make(self.room, self._messages, self._ids.setdefault(step.number, uuid4())) for step in steps]
        self.outcomes += map(_without_ids, await self._apply(commands))

    async def _apply(self, commands: Sequence[Command]) -> list[Outcome]:
        async with self._database.write() as session:
            outcomes = await apply(session, commands)
            await session.commit()
        return outcomes

    async def state(self, users: Sequence[User]) -> object:
        """What everybody sees in the end, in words that are the same for every room."""
        log, messages = await self._alice.log(self.room["id"]), await self._alice.messages(self.room["id"])
        names = {message["id"]: f"message {number}" for number, message in enumerate(messages)}
        reading = [await user.room(self.room["id"]) for user in users]
        return (
            [
                (event["kind"], event["actor_id"], {k: names.get(str(v), v) for k, v in event["data"].items()})
                for event in log
            ],
            [
                (message["seq"], message["text"], message["edited_at"] is None, message["deleted"])
                for message in messages
            ],
            [list(message["reactions"].items()) for message in messages],
            [(room["read_seq"], room["unread"], room["head"]) for room in reading],
        )


def _without_ids(outcome: Outcome) -> tuple[str, object]:
    match outcome:
        case Accepted(entry) | Repeated(entry):
            return type(outcome).__name__, entry.seq
        case Refused(code):
            return "Refused", code
    return type(outcome).__name__, outcome


@pytest.mark.parametrize("seed", range(4))
async def test_commands_in_any_batches_leave_what_they_leave_one_by_one_and_what_the_log_tells(
    service: ChatService, database_url: str, alice: User, bob: User, carol: User, seed: int
) -> None:
    chance, users, database = random.Random(seed), (alice, bob, carol), Database(database_url)
    courses = []
    for _ in range(2):
        room = await alice.create_room()
        for user in users[1:]:
            await alice.add(room["id"], user)
        courses.append(course := Course(database, room, alice))
        await course.begin(users)
    one_by_one, in_batches = courses
    todo = steps(chance, users)

    for step in todo:
        await one_by_one.take([step])
    while todo:
        size = chance.randint(1, 40)
        await in_batches.take(todo[:size])
        todo = todo[size:]
    await database.close()

    assert in_batches.outcomes == one_by_one.outcomes
    assert {name for name, _ in one_by_one.outcomes} >= {"Accepted", "Repeated", "Refused"}
    assert await in_batches.state(users) == await one_by_one.state(users)
    for course in courses:
        shown = without_names(await alice.messages(course.room["id"]))
        told = fold(await alice.log(course.room["id"]))
        assert shown == told
        assert [list(message["reactions"]) for message in shown] == [list(message["reactions"]) for message in told]
