"""The names of exchanges, keys and durable queues: who hears what. All exchanges are direct."""

import zlib
from uuid import UUID

from contracts.messages import UserDeleted, UserProfileChanged, UserRegistered, UsersWatermark

EVENTS = "parley.events"
"""Facts about users. Key: the event's type."""

COMMANDS = "chat.commands"
"""Commands for chat_service. Key: the room's partition."""

ROOMS = "chat.rooms"
"""Room entries and passing news, to the gateways that listen. Key: the room's shard."""

MEMBERS = "chat.members"
"""New memberships, to every gateway. Key: `EVERYBODY`."""

REPLIES = "chat.replies"
"""Answers to commands that made no new entry. Key: the id of the gateway that asked."""

EVERYBODY = "all"

PARTITIONS = 16
SHARDS = 64

CHAT_USER_EVENTS = "chat_service.user_events"
BLOOM_USER_EVENTS = "bloom_service.user_events"


def partition(room_id: UUID) -> str:
    """The partition of `chat.commands` that keeps this room's commands in order."""
    return str(zlib.crc32(room_id.bytes) % PARTITIONS)


def shard(room_id: UUID) -> str:
    """The key under which this room's entries are broadcast."""
    return str(zlib.crc32(room_id.bytes) % SHARDS)


def command_queue(partition_key: str) -> str:
    return f"chat_service.commands.{partition_key}"


COMMAND_QUEUES = tuple(command_queue(str(number)) for number in range(PARTITIONS))

EXCHANGES = (EVENTS, COMMANDS, ROOMS, MEMBERS, REPLIES)

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
