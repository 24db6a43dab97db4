"""What a gateway can't read is counted and passed over: it has no dead letters, for it can fetch what it misses."""

import json
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from common.ids import now, uuid7
from common.tracing import new_traceparent
from contracts.envelope import BATCH, SINGLE, Envelope, encode
from contracts.messages import RoomEntry
from contracts.routing import ROOMS, shard
from messaging.bus import Message
from tests.support.gateway_ws import GatewayServer
from tests.support.shapes import Json


@pytest.mark.parametrize("misfit", [b"", b"{", b"{}", b'{"type": "room.invented.v1"}'], ids=repr)
async def test_a_misfit_costs_those_around_it_nothing(gateway: GatewayServer, alice: UUID, misfit: bytes) -> None:
    room = gateway.chat.room(alice)
    socket = await gateway.connect(alice)
    first, second, third = (event_of(gateway.chat.commit(room)) for _ in range(3))
    unknown = {**second, "id": str(uuid7()), "type": "room.invented.v1"}
    before = not_understood()

    with capture_logs() as logs:
        await publish(gateway, room.id, json.dumps(first).encode(), SINGLE)
        await publish(gateway, room.id, misfit, SINGLE)
        await publish(gateway, room.id, json.dumps([second, unknown, third]).encode(), BATCH)
        await socket.reach(str(room.id), 3)

    assert not_understood() - before == 2
    assert [line["event"] for line in logs if line["log_level"] != "info"] == ["message_not_understood"] * 2
    assert "entries" not in gateway.chat.asked


def event_of(entry: RoomEntry) -> Json:
    body, _ = encode([Envelope(entry, entry.id, now(), new_traceparent())])
    event: Json = json.loads(body)
    return event


async def publish(gateway: GatewayServer, room_id: UUID, body: bytes, content_type: str) -> None:
    message = Message(ROOMS, shard(room_id), body, RoomEntry.type, str(uuid7()), content_type, durable=False)
    await gateway.chat_bus.publish([message])


def not_understood() -> float:
    return REGISTRY.get_sample_value("parley_gateway_not_understood_total") or 0.0
