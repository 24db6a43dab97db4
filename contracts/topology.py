"""The durable queues, and what each is bound to. Gateways have a broadcast queue each, which dies with them."""

from contracts.messages import UserDeleted, UserProfileChanged, UserRegistered, UsersWatermark
from contracts.routing import COMMANDS, EVENTS, PARTITIONS

CHAT_USER_EVENTS = "chat_service.user_events"
BLOOM_USER_EVENTS = "bloom_service.user_events"


def bloom_user_events(replica: int) -> str:
    """The queue of one replica of bloom_service, counted from 1: each has its own, and hears everything."""
    return BLOOM_USER_EVENTS if replica == 1 else f"{BLOOM_USER_EVENTS}.{replica}"


def command_queue(partition_key: str) -> str:
    return f"chat_service.commands.{partition_key}"


COMMAND_QUEUES = tuple(command_queue(str(number)) for number in range(PARTITIONS))

QUEUES: dict[str, tuple[tuple[str, str], ...]] = {
    CHAT_USER_EVENTS: (
        (EVENTS, UserRegistered.type),
        (EVENTS, UserProfileChanged.type),
        (EVENTS, UserDeleted.type),
    ),
    BLOOM_USER_EVENTS: (
        (EVENTS, UserRegistered.type),
        (EVENTS, UserDeleted.type),
        (EVENTS, UsersWatermark.type),
    ),
    **{command_queue(str(number)): ((COMMANDS, str(number)),) for number in range(PARTITIONS)},
}
"""Bindings are (exchange, key)."""


def queues_with_bloom_replica(replica: int) -> dict[str, tuple[tuple[str, str], ...]]:
    """With the queue of one more replica of bloom_service, which that one declares itself, like the first one's."""
    return {**QUEUES, bloom_user_events(replica): QUEUES[BLOOM_USER_EVENTS]}
