"""Commands from the bus: batch by batch, each in one transaction.

After the commit the entries are published, and then the batch is acknowledged. Killed in between, it comes again: the
commands are recognised as repeats, and their entries published again, and what was refused is refused again.
"""

import logging
import time
from collections import Counter as CounterOf
from collections.abc import Iterator, Sequence
from functools import partial

import structlog
from prometheus_client import Counter, Histogram

from chat_service.events import to_gateways, to_listeners
from chat_service.services.conflicts import again_on_conflict
from chat_service.services.outcomes import Accepted, AnsweredCommand, Command, Moved, Outcome, Refused, Repeated
from chat_service.services.posting import apply
from common.database import Database, DatabaseUnavailable
from common.tracing import traced
from contracts.envelope import Envelope, Reader
from contracts.messages import (
    CommandAccepted,
    CommandRefused,
    DeleteMessage,
    EditMessage,
    MarkRead,
    ReactToMessage,
    Refusal,
    RoomEntry,
    RoomRead,
    SendMessage,
)
from messaging.bus import Bus, Delivery, Message, Rest, TryAgain

COMMANDS = Counter("parley_chat_commands", "Commands handled", ["outcome"])
BATCH_SIZE = Histogram(
    "parley_chat_command_batch_size", "Commands in one transaction", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
)
BATCH_SECONDS = Histogram("parley_chat_command_batch_seconds", "Time to commit a batch of commands")

_MAX_BATCH = 1000
"""A delivery may itself hold many commands: no transaction gets more than this."""

_DETAILS = {
    Refusal.NOT_A_MEMBER: "You are not a member of such a room.",
    Refusal.FORBIDDEN: "You may not do that.",
    Refusal.MUTED: "You are muted in this room.",
    Refusal.NOT_FOUND: "There is no such message in the room.",
    Refusal.TOO_LONG: "The text is too long.",
    Refusal.INVALID: "The text is empty or holds a NUL character, or this is no emoji.",
}

_READER: Reader[Command] = Reader(SendMessage, EditMessage, DeleteMessage, ReactToMessage, MarkRead)
_Received = Envelope[Command]

log = structlog.get_logger(__name__)


class CommandHandler:
    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus

    async def handle(self, deliveries: Sequence[Delivery]) -> Rest:
        """The handler of a partition's queue, which commits; what it returns publishes. A body in which anything is no
        command is rejected, and what else it holds carried out.

        Raises `TryAgain` while the database is away.
        """
        received: list[_Received] = []
        for delivery in deliveries:
            envelopes, faults = _READER.read(delivery.body, delivery.content_type)
            received += envelopes
            if faults:
                delivery.reject("; ".join(faults))
        messages: list[Message] = []
        for start in range(0, len(received), _MAX_BATCH):
            batch = received[start : start + _MAX_BATCH]
            started = time.perf_counter()
            try:
                outcomes = await again_on_conflict(partial(self._commit, batch))
            except DatabaseUnavailable as error:
                raise TryAgain(str(error)) from error
            _observe(batch, outcomes, time.perf_counter() - started)
            messages += _messages(batch, outcomes)
        return partial(self._bus.publish, messages)

    async def _commit(self, batch: Sequence[_Received]) -> list[Outcome]:
        async with self._database.write() as session:
            outcomes = await apply(session, [one.payload for one in batch], [one.id for one in batch])
            await session.commit()
        return outcomes


def _messages(batch: Sequence[_Received], outcomes: Sequence[Outcome]) -> list[Message]:
    """Answers come first: the repeat of a command is then answered as one, not by the sight of its entry."""
    pairs = list(zip(batch, outcomes, strict=True))
    return [*to_gateways(_answers(pairs)), *to_listeners(_said(pairs))]


def _answers(
    pairs: Sequence[tuple[_Received, Outcome]],
) -> Iterator[tuple[str, CommandAccepted | CommandRefused, str]]:
    for received, outcome in pairs:
        command = received.payload
        if isinstance(command, MarkRead):
            continue
        match outcome:
            case Repeated(entry):
                yield command.gateway_id, _accepted(command, entry), received.traceparent
            case Refused():
                yield command.gateway_id, _refused(command, outcome), received.traceparent


def _said(pairs: Sequence[tuple[_Received, Outcome]]) -> Iterator[tuple[RoomEntry | RoomRead, str]]:
    for received, outcome in pairs:
        match outcome:
            case Accepted(entry) | Repeated(entry):
                yield entry, received.traceparent
            case Moved(seq):
                command = received.payload
                yield RoomRead(room_id=command.room_id, user_id=command.user_id, seq=seq), received.traceparent


def _accepted(command: AnsweredCommand, entry: RoomEntry) -> CommandAccepted:
    return CommandAccepted(
        command_id=command.command_id,
        user_id=command.user_id,
        room_id=entry.room_id,
        seq=entry.seq,
        message_id=entry.data["message_id"],
        at=entry.at,
    )


def _refused(command: AnsweredCommand, refused: Refused) -> CommandRefused:
    return CommandRefused(
        command_id=command.command_id,
        user_id=command.user_id,
        room_id=command.room_id,
        code=refused.code,
        detail=_DETAILS[refused.code],
        retry_after=refused.retry_after,
    )


def _observe(batch: Sequence[_Received], outcomes: Sequence[Outcome], seconds: float) -> None:
    counts = CounterOf(map(_name, outcomes))
    for name, count in counts.items():
        COMMANDS.labels(name).inc(count)
    BATCH_SIZE.observe(len(batch))
    BATCH_SECONDS.observe(seconds)
    log.debug("commands_handled", commands=len(batch), milliseconds=round(seconds * 1000, 1), **counts)
    if logging.getLogger(__name__).isEnabledFor(logging.DEBUG):
        for received, outcome in zip(batch, outcomes, strict=True):
            with traced(received.traceparent):
                log.debug(
                    "command_handled",
                    type=received.payload.type,
                    room_id=received.payload.room_id,
                    user_id=received.payload.user_id,
                    outcome=_name(outcome),
                )


def _name(outcome: Outcome) -> str:
    return "unmoved" if outcome is None else type(outcome).__name__.lower()
