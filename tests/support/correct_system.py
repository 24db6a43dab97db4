"""A chat system that keeps every promise, in a few lines and without any I/O: what happens in it is a history in which
the checker must find nothing, until a test forges something in it."""

from tests.e2e.faults.history import (
    Ack,
    Availability,
    Change,
    Command,
    Connection,
    Deletion,
    Error,
    Event,
    Gap,
    History,
    Json,
    Login,
    News,
    Page,
    Post,
    ReadOn,
    Registration,
    RoomAdded,
    RoomRemoved,
    Sent,
    Stalled,
    WelcomeRoom,
    digests,
)
from tests.e2e.faults.state import Entry, Final, Member, Message, Room

_TICK_S = 0.01


def event_of(entry: Entry) -> Event:
    return Event(entry.room_id, entry.seq, *digests(entry._asdict()))


class CorrectSystem:
    """Everything takes effect, and is heard by everybody, at once. Whoever is named exists."""

    def __init__(self, seed: int = 0) -> None:
        self.history = History(seed)
        self.final = Final()
        self.now = 0.0
        self.messages: dict[str, Message] = {}
        self._logs: dict[str, list[Entry]] = {}
        self._roles: dict[tuple[str, str], str] = {}
        self._read: dict[tuple[str, str], int] = {}
        self._open: dict[int, set[str]] = {}
        self._done: dict[tuple[str, str], Entry] = {}
        self._emails: set[str] = set()

    # --- rooms

    def tick(self) -> float:
        self.now = round(self.now + _TICK_S, 2)
        return self.now

    def head(self, room_id: str) -> int:
        return len(self._logs.get(room_id, ()))

    def entry(self, room_id: str, seq: int) -> Entry:
        return self._logs[room_id][seq - 1]

    def is_member(self, user_id: str, room_id: str) -> bool:
        return (room_id, user_id) in self._roles

    def change(self, action: str, room_id: str, user_id: str, *, by: str | None = None) -> None:
        """`join`, `add`, `leave` or `remove`. The first in a room owns it."""
        sent_at, is_member = self.tick(), self.is_member(user_id, room_id)
        begins = action in ("join", "add")
        if begins and not is_member:
            self._begin(room_id, user_id, by or user_id)
        elif not begins and is_member:
            self._end_membership(room_id, user_id, "member.left" if action == "leave" else "member.removed", by)
        status = 200 if begins else 204 if is_member else 404
        self.history.changes.append(Change(action, room_id, user_id, sent_at, self.tick(), status))

    def appoint(self, room_id: str, user_id: str, role: str, *, by: str) -> None:
        self._roles[room_id, user_id] = role
        self._append(room_id, by, "member.role_changed", {"user_id": user_id, "role": role})

    def mark_read(self, user_id: str, room_id: str, seq: int) -> None:
        self._read[room_id, user_id] = max(self._read[room_id, user_id], seq)
        for connection in self._listeners(room_id):
            connection.records.append(News(room_id, "read"))

    # --- connections

    def connect(
        self, client: str, user_id: str, resume: dict[str, int] | None = None, *, replayed: int = 1000
    ) -> Connection:
        """`replayed` bounds the entries per room: what is before them is named by a gap."""
        connection = self.history.connect(client, user_id, self.tick(), resume or {})
        mine = sorted(room_id for room_id, member in self._roles if member == user_id)
        self._open[connection.number] = set(mine)
        connection.welcome = [WelcomeRoom(room_id, self.head(room_id)) for room_id in mine]
        connection.records += [RoomRemoved(room_id, "removed") for room_id in connection.resume if room_id not in mine]
        for room_id in mine:
            after = connection.resume.get(room_id, self.head(room_id))
            first = max(after, self.head(room_id) - replayed)
            if first > after:
                connection.records.append(Gap(room_id, after, first + 1))
            connection.records += [event_of(entry) for entry in self._logs[room_id][first:]]
        return connection

    def close(self, connection: Connection, code: int) -> None:
        connection.closed_at, connection.close_code = self.tick(), code
        del self._open[connection.number]

    def is_open(self, connection: Connection) -> bool:
        return connection.number in self._open

    def rooms_of(self, connection: Connection) -> list[str]:
        return sorted(self._open[connection.number])

    def stall(self, connection: Connection) -> None:
        connection.records += [Stalled(self.tick()), ReadOn(self.tick())]

    # --- commands

    def command(self, connection: Connection, kind: str, room_id: str, *, id: str, **content: str | bool) -> Command:
        command = Command(id, connection.user_id, room_id, kind, **content)  # type: ignore[arg-type]
        self.history.commands[command.user_id, id] = command
        return command

    def send(self, connection: Connection, command: Command) -> Entry | None:
        """Sends a command, perhaps not for the first time; returns the entry that it has made."""
        connection.records.append(Sent(command.id, self.tick()))
        entry, duplicate = self._carry_out(command)
        if entry is None:
            code = "not_found" if self.is_member(command.user_id, command.room_id) else "not_a_member"
            connection.records.append(Error(command.id, code, self.tick()))
        else:
            connection.records.append(self._ack(command, entry, duplicate=duplicate))
        return entry

    def send_in_vain(self, connection: Connection, command: Command) -> None:
        """It is answered `unavailable`."""
        connection.records += [Sent(command.id, self.tick()), Error(command.id, "unavailable", self.tick())]

    def send_and_lose(self, connection: Connection, command: Command, *, arrives: bool) -> None:
        """The connection is gone before there is an answer."""
        connection.records.append(Sent(command.id, self.tick()))
        self.close(connection, 1006)
        if arrives:
            self._carry_out(command)

    def post(self, user_id: str, room_id: str, *, id: str, text: str) -> Entry:
        """Over HTTP; somebody who is a member."""
        command = Command(id, user_id, room_id, "send", text)
        self.history.commands[user_id, id] = command
        sent_at = self.tick()
        entry, duplicate = self._carry_out(command)
        assert entry is not None
        status = 200 if duplicate else 201
        told = (entry.data["message_id"], entry.seq, entry.at)
        self.history.posts.append(Post(user_id, id, sent_at, self.tick(), status, *told))
        return entry

    def page(self, user_id: str, room_id: str) -> None:
        status = 200 if self.is_member(user_id, room_id) else 403
        self.history.pages.append(Page(room_id, user_id, self.tick(), self.tick(), status))

    # --- accounts

    def register(self, email: str) -> None:
        taken = email in self._emails
        self._emails.add(email)
        outcome = (409, "email_taken") if taken else (201, None)
        self.history.registrations.append(Registration(email, self.tick(), self.tick(), *outcome))

    def ask(self, email: str) -> None:
        self.history.availabilities.append(
            Availability(email, self.tick(), self.tick(), available=email not in self._emails)
        )

    def delete_account(self, email: str, *, answered: bool = True) -> None:
        self._emails.discard(email)
        self.history.deletions.append(Deletion(email, self.tick(), self.tick(), 204 if answered else None))

    def log_in(self, email: str) -> None:
        self.history.logins.append(Login(email, self.tick(), self.tick(), 200 if email in self._emails else 401))

    # --- the end

    def end(self) -> None:
        """Everybody has heard everything; the final state is there."""
        for connection in self.history.connections:
            if self.is_open(connection):
                connection.quiet = True
                self.close(connection, 1000)
        self.final.rooms = [Room(room_id, len(log)) for room_id, log in self._logs.items()]
        self.final.entries = [entry for log in self._logs.values() for entry in log]
        self.final.messages = list(self.messages.values())
        self.final.emails = sorted(self._emails)
        self.final.members = [
            Member(room_id, user_id, role, self._read[room_id, user_id], self._unread(room_id, user_id))
            for (room_id, user_id), role in self._roles.items()
        ]

    # --- inside

    def _unread(self, room_id: str, user_id: str) -> int:
        after = self._read[room_id, user_id]
        return sum(
            message.room_id == room_id and message.seq > after and message.sender_id != user_id
            for message in self.messages.values()
        )

    def _listeners(self, room_id: str) -> list[Connection]:
        return [self.history.connections[number] for number, rooms in self._open.items() if room_id in rooms]

    def _append(self, room_id: str, actor_id: str, kind: str, data: Json, command_id: str | None = None) -> Entry:
        log = self._logs.setdefault(room_id, [])
        at = f"2026-01-01T00:00:{self.tick():09.3f}Z"
        entry = Entry(room_id, len(log) + 1, f"{room_id}-{len(log) + 1}", kind, actor_id, command_id, at, data)
        log.append(entry)
        for connection in self._listeners(room_id):
            connection.records.append(event_of(entry))
        return entry

    def _begin(self, room_id: str, user_id: str, actor_id: str) -> None:
        role = "member" if any(room == room_id for room, _ in self._roles) else "owner"
        data = {"user_id": user_id, "role": role, "username": user_id, "display_name": user_id}
        entry = self._append(room_id, actor_id, "member.joined", data)
        self._roles[room_id, user_id] = role
        self._read[room_id, user_id] = entry.seq
        for number, rooms in self._open.items():
            connection = self.history.connections[number]
            if connection.user_id == user_id:
                rooms.add(room_id)
                connection.records += [RoomAdded(room_id, entry.seq), event_of(entry)]

    def _end_membership(self, room_id: str, user_id: str, kind: str, by: str | None) -> None:
        self._append(room_id, by or user_id, kind, {"user_id": user_id})
        del self._roles[room_id, user_id]
        for connection in self._listeners(room_id):
            if connection.user_id == user_id:
                connection.records.append(RoomRemoved(room_id, kind.partition(".")[2]))
                self._open[connection.number].discard(room_id)

    def _ack(self, command: Command, entry: Entry, *, duplicate: bool) -> Ack:
        told = (entry.room_id, entry.seq, entry.data["message_id"], entry.at)
        return Ack(command.id, *told, duplicate, received_at=self.tick())

    def _carry_out(self, command: Command) -> tuple[Entry | None, bool]:
        """The command's entry, and whether it had been there before; None if it is refused."""
        key = (command.user_id, command.id)
        if key in self._done:
            return self._done[key], True
        if not self.is_member(command.user_id, command.room_id):
            return None, False
        message = self.messages.get(command.message_id or "")
        if command.kind != "send" and (message is None or message.deleted):
            return None, False
        kind, data = self._said(command)
        entry = self._append(command.room_id, command.user_id, kind, data, command.id)
        self._done[key] = entry
        self._note(entry)
        return entry, False

    def _said(self, command: Command) -> tuple[str, Json]:
        match command.kind:
            case "send":
                message_id = f"{command.room_id}-{self.head(command.room_id) + 1}"
                return "message.posted", {
                    "message_id": message_id,
                    "text": command.text,
                    "reply_to": command.reply_to,
                }
            case "edit":
                return "message.edited", {"message_id": command.message_id, "text": command.text}
            case "delete":
                return "message.deleted", {"message_id": command.message_id}
        kind = "reaction.added" if command.on else "reaction.removed"
        return kind, {"message_id": command.message_id, "emoji": command.emoji}

    def _note(self, entry: Entry) -> None:
        """What follows from an entry for the message that it is about."""
        data, id = entry.data, entry.data["message_id"]
        if entry.kind == "message.posted":
            sender, said = entry.actor_id, (data["text"], data["reply_to"])
            self.messages[id] = Message(id, entry.room_id, entry.seq, sender, *said, entry.at)
            return
        message = self.messages[id]
        match entry.kind:
            case "message.edited":
                message.text, message.edited_at = data["text"], entry.at
            case "message.deleted":
                message.text, message.deleted, message.reactions = None, True, set()
                for earlier in self._logs[entry.room_id]:
                    if earlier.data.get("message_id") == id and "text" in earlier.data:
                        earlier.data["text"] = None
            case "reaction.added":
                message.reactions.add((data["emoji"], entry.actor_id))
            case "reaction.removed":
                message.reactions.discard((data["emoji"], entry.actor_id))
