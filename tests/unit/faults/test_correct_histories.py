"""In what a system that keeps its promises does, the checker finds nothing."""

import random
from pathlib import Path

import pytest

from tests.e2e.faults.checker import check, report
from tests.e2e.faults.history import Command, Connection, Event, Page
from tests.e2e.faults.storage import load, store
from tests.support.correct_system import CorrectSystem

STEPS = 300
USERS = ("ann", "bob", "cid", "dan")
ROOMS = ("hall", "attic")


class Chance:
    """A correct system, and people who do anything at all in it."""

    def __init__(self, seed: int) -> None:
        self.system = CorrectSystem(seed)
        self.random = random.Random(seed)
        self._connections: dict[str, Connection] = {}
        self._recent: list[Command] = []
        self._count = 0
        for room_id in ROOMS:
            self.system.change("join", room_id, "owner")
        for user_id in USERS:
            self.system.change("join", self.random.choice(ROOMS), user_id)

    def run(self) -> None:
        deeds = [self.command] * 8 + [self.send_again] * 2 + [self.move, self.hang_up, self.over_http, self.register]
        for _ in range(STEPS):
            self.random.choice(deeds)()
        for user_id in USERS:
            self._connection(user_id)
        self.system.end()

    def command(self) -> None:
        connection = self._connection(self.random.choice(USERS))
        if not (rooms := self.system.rooms_of(connection)):
            return
        command = self._new_command(connection, self.random.choice(rooms))
        self._recent.append(command)
        fate = self.random.random()
        if fate < 0.1:
            self.system.send_in_vain(connection, command)
        elif fate < 0.2:
            self.system.send_and_lose(connection, command, arrives=self.random.random() < 0.5)
            del self._connections[connection.user_id]
        else:
            self.system.send(connection, command)

    def send_again(self) -> None:
        if self._recent:
            command = self.random.choice(self._recent)
            self.system.send(self._connection(command.user_id), command)

    def move(self) -> None:
        user_id, room_id = self.random.choice(USERS), self.random.choice(ROOMS)
        action = self.random.choice(("join", "add", "add", "leave", "remove"))
        self.system.change(action, room_id, user_id, by="owner" if action in ("add", "remove") else None)
        self.system.page(user_id, room_id)
        if self.system.is_member(user_id, room_id):
            self.system.mark_read(user_id, room_id, self.random.randint(0, self.system.head(room_id)))
            self.system.appoint(room_id, user_id, self.random.choice(("admin", "member")), by="owner")

    def hang_up(self) -> None:
        connection = self._connection(self.random.choice(USERS))
        self.system.stall(connection)
        if self.random.random() < 0.7:
            self.system.close(connection, self.random.choice((1000, 1006, 1012, 4008)))
            del self._connections[connection.user_id]

    def over_http(self) -> None:
        for _ in range(self.random.choice((1, 2))):
            self.system.post("owner", "hall", id=f"post {self._count}", text=f"posted {self._count}")
        self._count += 1

    def register(self) -> None:
        email = f"{self.random.randint(1, 9)}@example.com"
        deeds = (self.system.register, self.system.register, self.system.ask, self.system.delete_account)
        self.random.choice((*deeds, self.system.log_in))(email)

    def _connection(self, user_id: str) -> Connection:
        """With resume points where there are any, and a gap where they are old."""
        if user_id not in self._connections:
            resume = {
                room_id: self.random.randint(0, self.system.head(room_id))
                for room_id in ROOMS
                if self.random.random() < 0.5
            }
            self._connections[user_id] = self.system.connect(f"client of {user_id}", user_id, resume, replayed=20)
        return self._connections[user_id]

    def _new_command(self, connection: Connection, room_id: str) -> Command:
        self._count += 1
        id, text = f"command {self._count}", f"text {self._count}"
        messages = [one for one in self.system.messages.values() if one.room_id == room_id]
        own = [one for one in messages if one.sender_id == connection.user_id]
        kind = self.random.choice(("send", "send", "reply", "edit", "delete", "react"))
        if kind in ("edit", "delete") and own:
            content = {"text": text} if kind == "edit" else {}
            message = self.random.choice(own)
            return self.system.command(connection, kind, room_id, id=id, message_id=message.id, **content)
        if kind == "react" and messages:
            message, on = self.random.choice(messages), self.random.random() < 0.7
            return self.system.command(connection, kind, room_id, id=id, message_id=message.id, emoji="👍", on=on)
        reply = {"reply_to": self.random.choice(messages).id} if kind == "reply" and messages else {}
        return self.system.command(connection, "send", room_id, id=id, text=text, **reply)


@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_found_in_what_a_correct_system_does(seed: int) -> None:
    chance = Chance(seed)
    chance.run()

    violations = check(chance.system.history, chance.system.final)

    assert not violations, report(chance.system.history, violations)


def test_a_stored_run_is_read_back_as_it_was(tmp_path: Path) -> None:
    chance = Chance(1)
    chance.run()
    events = (Event("hall", 1, 2, 3), Event("hall", 2, 4, 5))
    chance.system.history.pages.append(Page("hall", "ann", 1.0, 2.0, 200, events))

    store(tmp_path / "run.jsonl", chance.system.history, chance.system.final)

    assert load(tmp_path / "run.jsonl") == (chance.system.history, chance.system.final)
