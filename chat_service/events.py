"""What chat_service publishes: entries and news to those who listen to a room, answers to gateways.

Each payload comes with the W3C traceparent of what caused it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.models import Entry, Outbox
from common.ids import now, uuid7
from common.tracing import current_traceparent
from contracts.envelope import Envelope, encode
from contracts.messages import CommandAccepted, CommandRefused, MemberAdded, Payload, RoomEntry, RoomRead
from contracts.routing import EVERYBODY, MEMBERS, REPLIES, ROOMS, shard
from messaging import outbox
from messaging.bus import Message

_MAX_TOGETHER = 100
"""Payloads in one bus message: with the longest texts it has 5 MB, of the 16 MiB that RabbitMQ takes."""


def room_entry(entry: Entry | Row[Any]) -> RoomEntry:
    """An entry, or a row of all its columns."""
    return RoomEntry(
        room_id=entry.room_id,
        seq=entry.seq,
        kind=entry.kind,
        actor_id=entry.actor_id,
        id=entry.id,
        at=entry.at,
        data=entry.data,
        command_id=entry.command_id,
        origin=entry.origin,
    )


def to_listeners(said: Iterable[tuple[RoomEntry | RoomRead, str]]) -> list[Message]:
    """To the gateways that listen to the rooms: what belongs to one shard travels together, in the order given."""
    return _together(ROOMS, ((shard(payload.room_id), payload, traceparent) for payload, traceparent in said))


def to_gateways(answers: Iterable[tuple[str, CommandAccepted | CommandRefused, str]]) -> list[Message]:
    """Answers to commands, each after the id of the gateway that it came from: one gateway's travel together."""
    return _together(REPLIES, answers)


def record(session: AsyncSession, *entries: RoomEntry) -> None:
    """Have entries published once the session's transaction is committed."""
    outbox.add(session, Outbox, to_listeners((entry, current_traceparent()) for entry in entries))


def record_member_added(session: AsyncSession, added: MemberAdded) -> None:
    """Have every gateway told of a new membership once the session's transaction is committed."""
    outbox.add(session, Outbox, [_message(MEMBERS, EVERYBODY, [(added, current_traceparent())])])


def _together(exchange: str, payloads: Iterable[tuple[str, Payload, str]]) -> list[Message]:
    by_key: dict[str, list[tuple[Payload, str]]] = {}
    for key, payload, traceparent in payloads:
        by_key.setdefault(key, []).append((payload, traceparent))
    return [
        _message(exchange, key, group[start : start + _MAX_TOGETHER])
        for key, group in by_key.items()
        for start in range(0, len(group), _MAX_TOGETHER)
    ]


def _message(exchange: str, key: str, payloads: Sequence[tuple[Payload, str]]) -> Message:
    envelopes = [_envelope(payload, traceparent) for payload, traceparent in payloads]
    body, content_type = encode(envelopes)
    first = envelopes[0]
    return Message(exchange, key, body, first.payload.type, str(first.id), content_type, durable=first.payload.durable)


def _envelope(payload: Payload, traceparent: str) -> Envelope[Payload]:
    if isinstance(payload, RoomEntry):
        # the same, however often it is published
        return Envelope(payload, payload.id, payload.at, traceparent)
    return Envelope(payload, uuid7(), now(), traceparent)
