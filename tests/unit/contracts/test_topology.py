from uuid import UUID, uuid4

import pytest

from contracts.messages import PAYLOADS
from contracts.routing import EVENTS, EXCHANGES, PARTITIONS, SHARDS, Service, partition, shard
from contracts.topology import COMMAND_QUEUES, QUEUES, command_queue


def test_every_queue_is_bound_to_an_exchange_that_exists() -> None:
    for bindings in QUEUES.values():
        assert bindings
        assert {exchange for exchange, _ in bindings} <= set(EXCHANGES)


def test_the_keys_of_user_events_are_their_types() -> None:
    keys = {key for bindings in QUEUES.values() for exchange, key in bindings if exchange == EVENTS}

    assert keys <= {payload.type for payload in PAYLOADS if payload.producer is Service.USER_SERVICE}


def test_every_room_has_a_partition_with_a_queue_and_a_shard() -> None:
    rooms = [uuid4() for _ in range(2000)]

    assert {command_queue(partition(room)) for room in rooms} == set(COMMAND_QUEUES) <= set(QUEUES)
    assert {shard(room) for room in rooms} == {str(number) for number in range(SHARDS)}
    assert len(COMMAND_QUEUES) == PARTITIONS


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        ("01890000-0000-7000-8000-000000000000", ("2", "18")),
        ("01890000-0000-7000-8000-000000000001", ("4", "4")),
    ],
)
def test_a_room_keeps_its_partition_and_shard_for_ever(room: str, expected: tuple[str, str]) -> None:
    assert (partition(UUID(room)), shard(UUID(room))) == expected
