"""Commands by the bus."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, select, update

from chat_service.models import RefusedCommand
from chat_service.rules import MAX_EMOJIS
from chat_service.services.commands import CommandHandler
from chat_service.services.posting import apply
from chat_service.services.refusals import KEPT_FOR, forget_refused
from common.database import Database
from common.ids import now, uuid7
from common.tracing import new_traceparent
from contracts.entries import MessagePosted
from contracts.envelope import encode
from contracts.messages import (
    CommandAccepted,
    CommandRefused,
    Refusal,
    RoomEntry,
    RoomRead,
    RoomTyping,
    SendMessage,
)
from contracts.routing import COMMANDS, origin_of, partition
from messaging.bus import Message, PublishError, TryAgain
from messaging.in_process import InProcessBus
from tests.support.chat_service import (
    TOPOLOGY,
    ChatService,
    command_message,
    delete,
    delivery_of,
    edit,
    enveloped,
    mark,
    react,
    send,
)
from tests.support.client import User
from tests.support.eventually import eventually
from tests.support.shapes import Json, ok


def posts(service: ChatService) -> list[RoomEntry]:
    return [entry for entry in service.heard(RoomEntry) if entry.kind == MessagePosted.kind]


class TestSending:
    async def test_appends_entries_in_the_order_sent_and_broadcasts_them(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        commands = [send(room, alice if number % 2 else bob, f"number {number}") for number in range(20)]

        await service.command(*commands)

        heard = posts(service)
        assert [entry.seq for entry in heard] == list(range(3, 23))
        for entry, command in zip(heard, commands, strict=True):
            assert (entry.room_id, entry.actor_id, entry.command_id, entry.origin) == (
                command.room_id,
                command.user_id,
                command.command_id,
                origin_of(command.gateway_id),
            )
            assert entry.data == {"message_id": str(entry.id), "text": command.text, "reply_to": None}
        assert await alice.texts(room["id"]) == [command.text for command in commands]
        fetched = ok(await service.internal("POST", "/rooms/entries", {"after": {room["id"]: 2}}))["entries"]
        assert fetched[room["id"]] == [entry.model_dump(mode="json") for entry in heard]
        assert (await alice.room(room["id"]))["head"] == 22
        assert not service.heard(CommandAccepted)
        assert not service.heard(CommandRefused)

    async def test_carries_on_the_trace_of_each_command(self, service: ChatService, room: Json, alice: User) -> None:
        traces = [new_traceparent() for _ in range(3)]
        body, content_type = encode([enveloped(send(room, alice), trace) for trace in traces])

        await service.bus.publish(
            [Message(COMMANDS, partition(UUID(room["id"])), body, SendMessage.type, str(uuid7()), content_type)]
        )

        await service.settle()
        published = [one for one in service.published if isinstance(one.payload, RoomEntry)]
        assert [one.traceparent for one in published[-3:]] == traces

    async def test_replies_to_a_message_of_the_room(self, service: ChatService, room: Json, alice: User) -> None:
        message = ok(await alice.send(room["id"], "Tea?"), 201)

        await service.command(send(room, alice, "Yes.", reply_to=UUID(message["id"])))

        assert (await alice.log(room["id"]))[-1]["data"]["reply_to"] == message["id"]

    async def test_takes_as_many_statements_for_many_as_for_few(
        self, database_url: str, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        other = await alice.create_room()
        statements: list[str] = []
        database = Database(database_url)

        @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
        def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            statements.append(statement)

        async def run(times: int) -> list[str]:
            await service.command(*(send(room, alice) for _ in range(2 * times)))
            messages = (await alice.messages(room["id"]))[-2 * times :]
            await service.command(*(react(room, alice, message) for message in messages))
            commands = [
                one
                for kept, gone in zip(messages[::2], messages[1::2], strict=True)
                for one in (
                    send(room, alice, reply_to=UUID(kept["id"])),
                    send(other, alice),
                    send(room, bob),
                    mark(room, bob, kept["seq"]),
                    edit(room, alice, kept, "edited"),
                    edit(room, alice, gone, "edited"),
                    react(room, bob, kept),
                    react(room, alice, kept, on=False),
                    delete(room, alice, gone),
                )
            ]
            statements.clear()
            async with database.write() as session:
                await apply(session, commands)
                await session.commit()
            return list(statements)

        few, many = await run(1), await run(50)
        await database.close()

        assert len(few) == len(many) <= 23


class TestRepeats:
    async def test_get_the_first_answer_and_their_entry_is_published_again(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        command = send(room, alice, "once")
        await service.command(command)
        (entry,) = posts(service)

        await service.command(command.model_copy(update={"text": "twice?"}))

        assert posts(service) == [entry, entry]
        assert service.heard(CommandAccepted) == [
            CommandAccepted(
                command_id=command.command_id,
                user_id=command.user_id,
                room_id=command.room_id,
                seq=entry.seq,
                message_id=entry.id,
                at=entry.at,
            )
        ]
        assert await alice.texts(room["id"]) == ["once"]

    async def test_are_answered_before_their_entry_is_seen_again(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        command = send(room, alice, "once")
        await service.command(command)

        await service.command(command)

        assert [one.payload.type for one in service.published][-2:] == [CommandAccepted.type, RoomEntry.type]

    async def test_within_one_batch_take_effect_once(self, service: ChatService, room: Json, alice: User) -> None:
        command = send(room, alice, "once")

        await service.command(command, send(room, alice, "between"), command)

        assert await alice.texts(room["id"]) == ["once", "between"]
        assert [answer.seq for answer in service.heard(CommandAccepted)] == [3]

    async def test_of_a_message_posted_over_http_get_its_answer(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        command = send(room, alice, "by socket")
        message = ok(await alice.send(room["id"], "by post", key=str(command.command_id)), 201)

        await service.command(command)

        (answer,) = service.heard(CommandAccepted)
        assert (answer.seq, str(answer.message_id)) == (message["seq"], message["id"])
        assert await alice.texts(room["id"]) == ["by post"]

    async def test_in_another_room_get_the_answer_of_the_first(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        other = await alice.create_room()
        command = send(room, alice, "here")
        await service.command(command)

        await service.command(send(other, alice, "there", id=command.command_id))

        (answer,) = service.heard(CommandAccepted)
        assert str(answer.room_id) == room["id"]
        assert await alice.texts(other["id"]) == []

    async def test_in_several_rooms_at_the_same_instant_take_effect_once_and_leave_no_hole(
        self, service: ChatService, alice: User
    ) -> None:
        rooms = [await alice.create_room() for _ in range(6)]
        ids = [uuid4() for _ in range(10)]

        await asyncio.gather(*(service.command(*(send(room, alice, id=id) for id in ids)) for room in rooms))

        logs = [await alice.log(room["id"]) for room in rooms]
        assert sum(len(log) - 1 for log in logs) == len(ids)
        for log in logs:
            assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
        answers = [answer.command_id for answer in service.heard(CommandAccepted)]
        assert {id: answers.count(id) for id in ids} == dict.fromkeys(ids, len(rooms) - 1)


class TestRefusals:
    async def test_say_why_and_leave_the_others_of_the_batch_alone(
        self, service: ChatService, room: Json, alice: User, carol: User
    ) -> None:
        elsewhere = ok(await alice.send((await alice.create_room())["id"], "elsewhere"), 201)
        refused = {
            Refusal.NOT_A_MEMBER: send(room, carol),
            Refusal.NOT_FOUND: send(room, alice, reply_to=UUID(elsewhere["id"])),
            Refusal.TOO_LONG: send(room, alice, "x" * 8001),
            Refusal.INVALID: send(room, alice, "a\x00b"),
        }

        await service.command(send(room, alice, "first"), *refused.values(), send(room, alice, "last"))

        answers = service.heard(CommandRefused)
        assert [(one.code, one.command_id) for one in answers] == [
            (code, command.command_id) for code, command in refused.items()
        ]
        assert all(answer.detail for answer in answers)
        assert await alice.texts(room["id"]) == ["first", "last"]
        assert [entry.seq for entry in posts(service) if str(entry.room_id) == room["id"]] == [3, 4]

    async def test_of_rooms_that_are_unknown_or_deleted_say_not_a_member(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        await alice.delete(f"/rooms/{room['id']}")

        await service.command(send(room, alice))
        await service.command(send({"id": str(uuid7())}, alice))

        assert [answer.code for answer in service.heard(CommandRefused)] == [Refusal.NOT_A_MEMBER] * 2

    async def test_stay_refused_when_the_bus_brings_them_again(
        self, service: ChatService, room: Json, alice: User, carol: User
    ) -> None:
        refused = command_message(send(room, carol, "let me in"), send(room, alice, "who is there?"))
        await service.bus.publish([refused])
        await alice.add(room["id"], carol)

        await service.bus.publish([refused])

        await service.settle()
        assert await alice.texts(room["id"]) == ["who is there?"]
        assert [answer.code for answer in service.heard(CommandRefused)] == [Refusal.NOT_A_MEMBER] * 2

    async def test_stay_refused_when_they_come_twice_at_once_and_something_has_changed_in_between(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        message = ok(await alice.send(room["id"], "hello"), 201)
        await service.command(*(react(room, alice, message, f"e{number}") for number in range(MAX_EMOJIS)))
        one_too_many = enveloped(react(room, alice, message, "one-too-many"))
        room_for_one = enveloped(react(room, alice, message, "e0", on=False))
        body, content_type = encode([one_too_many, room_for_one, one_too_many])

        await service.bus.publish(
            [Message(COMMANDS, partition(UUID(room["id"])), body, SendMessage.type, str(uuid7()), content_type)]
        )

        await service.settle()
        assert [answer.code for answer in service.heard(CommandRefused)] == [Refusal.FORBIDDEN] * 2
        assert len((await alice.messages(room["id"]))[0]["reactions"]) == MAX_EMOJIS - 1

    async def test_are_forgotten_when_the_bus_can_bring_them_no_more(
        self, database_url: str, service: ChatService, room: Json, carol: User
    ) -> None:
        refused = command_message(send(room, carol), send(room, carol))
        await service.bus.publish([refused])
        database = Database(database_url)
        async with database.write() as session:
            old = select(RefusedCommand.event_id).order_by(RefusedCommand.event_id).limit(1)
            moment = now() - KEPT_FOR - timedelta(seconds=1)
            await session.execute(
                update(RefusedCommand).where(RefusedCommand.event_id.in_(old.scalar_subquery())).values(at=moment)
            )
            await session.commit()

        forgetting = asyncio.create_task(forget_refused(database))

        async def is_one_left() -> bool:
            async with database.read() as session:
                return len((await session.scalars(select(RefusedCommand))).all()) == 1

        await eventually(is_one_left)
        forgetting.cancel()
        await database.close()

    async def test_are_judged_anew_when_they_are_sent_again(
        self, service: ChatService, room: Json, alice: User, carol: User
    ) -> None:
        command = send(room, carol, "let me in")
        await service.command(command)
        await alice.add(room["id"], carol)

        await service.command(command)

        assert await alice.texts(room["id"]) == ["let me in"]


class TestReadMarks:
    async def test_move_forward_never_back_and_never_past_the_head(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        await service.command(*(send(room, alice) for _ in range(3)))

        for seq in (4, 3, 4, 1000, 1001):
            await service.command(mark(room, bob, seq))

        assert [(news.user_id, news.seq) for news in service.heard(RoomRead)] == [
            (UUID(bob.id), 4),
            (UUID(bob.id), 5),
        ]
        assert (await bob.room(room["id"]))["read_seq"] == 5
        assert (await alice.room(room["id"]))["head"] == 5

    async def test_follow_what_was_sent_before_them_in_the_same_batch(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        await service.command(mark(room, bob, 3), send(room, alice), mark(room, bob, 3), send(room, alice))

        assert [news.seq for news in service.heard(RoomRead)] == [3]
        seen = await bob.room(room["id"])
        assert (seen["read_seq"], seen["unread"]) == (3, 1)

    async def test_of_strangers_do_nothing(self, service: ChatService, room: Json, carol: User) -> None:
        await service.command(mark(room, carol, 1))
        await service.command(mark({"id": str(uuid7())}, carol, 1))

        assert not service.heard(RoomRead)
        assert not service.heard(CommandRefused)


class TestHostileBodies:
    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            pytest.param(b"", "application/cloudevents+json", id="nothing"),
            pytest.param(b"\xff\x00", "application/cloudevents+json", id="binary"),
            pytest.param(b"[1, 2]", "application/cloudevents-batch+json", id="no-events"),
            pytest.param(b'{"specversion": "1.0"}', "application/cloudevents+json", id="half-an-event"),
        ],
    )
    async def test_become_dead_letters_and_the_others_are_handled(
        self, service: ChatService, room: Json, alice: User, body: bytes, content_type: str
    ) -> None:
        key = partition(UUID(room["id"]))
        poison = Message(COMMANDS, key, body, "x", str(uuid7()), content_type)

        await service.bus.publish([command_message(send(room, alice, "before")), poison])
        await service.bus.publish([poison, command_message(send(room, alice, "after"))])

        assert await alice.texts(room["id"]) == ["before", "after"]

    async def test_with_something_that_is_no_command_become_dead_letters_and_the_rest_is_carried_out(
        self, database_url: str, service: ChatService, room: Json, alice: User
    ) -> None:
        key = partition(UUID(room["id"]))
        typing = RoomTyping(room_id=UUID(room["id"]), user_id=UUID(alice.id), on=True)
        body, content_type = encode([enveloped(send(room, alice, "beside it")), enveloped(typing)])
        delivery = delivery_of(Message(COMMANDS, key, body, "x", str(uuid7()), content_type))
        database = Database(database_url)

        await CommandHandler(database, service.bus).handle([delivery])
        await database.close()

        assert delivery.rejection == "event 2 of 2: unknown type 'room.typing.v1'"
        assert await alice.texts(room["id"]) == ["beside it"]


class TestRedelivery:
    async def test_after_a_publish_that_failed_publishes_the_same_entries(
        self, service: ChatService, database_url: str, room: Json, alice: User
    ) -> None:
        stopped, database = InProcessBus(TOPOLOGY), Database(database_url)
        delivery = delivery_of(command_message(*(send(room, alice, f"number {number}") for number in range(3))))
        publish = await CommandHandler(database, stopped).handle([delivery])
        with pytest.raises(PublishError):
            await publish()
        log = await alice.log(room["id"])

        publish = await CommandHandler(database, service.bus).handle([delivery])
        await publish()
        await database.close()

        await service.settle()
        entries = service.heard(RoomEntry)
        assert [(str(entry.id), entry.seq) for entry in entries if entry.command_id] == [
            (event["id"], event["seq"]) for event in log[-3:]
        ]
        assert len(service.heard(CommandAccepted)) == 3
        assert await alice.log(room["id"]) == log

    async def test_is_asked_for_while_the_database_is_away(self, service: ChatService, room: Json, alice: User) -> None:
        away = Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")

        with pytest.raises(TryAgain):
            await CommandHandler(away, service.bus).handle([delivery_of(command_message(send(room, alice)))])
        await away.close()
