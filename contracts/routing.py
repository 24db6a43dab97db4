"""Who sends what where: services, exchanges, and the keys by which a message finds its queues. All exchanges are
direct."""

import zlib
from enum import StrEnum
from uuid import UUID

EVENTS = "parley.events"
"""Facts about users."""

COMMANDS = "chat.commands"
"""Commands for chat_service."""

ROOMS = "chat.rooms"
"""Room entries and passing news, to the gateways that listen."""

MEMBERS = "chat.members"
"""New memberships, to every gateway."""

REPLIES = "chat.replies"
"""Answers to the gateway that asked: to commands that made no new entry, and to questions of presence."""

PRESENCE = "chat.presence"
"""Questions of who is online, to every gateway."""

EXCHANGES = (EVENTS, COMMANDS, ROOMS, MEMBERS, REPLIES, PRESENCE)

EVERYBODY = "all"

PARTITIONS = 16
SHARDS = 64


class Service(StrEnum):
    USER_SERVICE = "user_service"
    CHAT_SERVICE = "chat_service"
    GATEWAY_WS = "gateway_ws"
    BLOOM_SERVICE = "bloom_service"


class Key(StrEnum):
    """What the routing key of a message is."""

    TYPE = "the message's type"
    PARTITION = "the room's partition"
    SHARD = "the room's shard"
    EVERYBODY = "the word `all`"
    GATEWAY = "the id of the gateway that asked"


def partition(room_id: UUID) -> str:
    """The partition of `chat.commands` that keeps this room's commands in order."""
    return str(zlib.crc32(room_id.bytes) % PARTITIONS)


def origin_of(gateway_id: str) -> int:
    """What an entry keeps of the id of the gateway that brought its command: enough to tell one's own."""
    return zlib.crc32(gateway_id.encode())


def shard(room_id: UUID) -> str:
    """The key under which this room's entries are broadcast."""
    return str(zlib.crc32(room_id.bytes) % SHARDS)
