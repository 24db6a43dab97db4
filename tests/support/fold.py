"""A room's messages as they follow from its log, by a reader's own reckoning."""

from collections.abc import Sequence

from tests.support.shapes import Json


def fold(log: Sequence[Json]) -> list[Json]:
    """What a whole log makes of the room's messages: as `/messages` shows them, oldest first and without names."""
    messages: dict[str, Json] = {}
    reactions: dict[str, list[tuple[str, str]]] = {}
    for event in log:
        data, actor_id = event["data"], event["actor_id"]
        message_id = data.get("message_id")
        match event["kind"]:
            case "message.posted":
                messages[message_id] = {
                    "id": message_id,
                    "room_id": event["room_id"],
                    "seq": event["seq"],
                    "sender_id": actor_id,
                    "text": data["text"],
                    "reply_to": data["reply_to"],
                    "at": event["at"],
                    "edited_at": None,
                    "deleted": False,
                }
                reactions[message_id] = []
            case "message.edited":
                messages[message_id] |= {"text": data["text"], "edited_at": event["at"]}
            case "message.deleted":
                messages[message_id] |= {"text": "", "deleted": True}
                reactions[message_id].clear()
            case "reaction.added":
                if (data["emoji"], actor_id) not in reactions[message_id]:
                    reactions[message_id].append((data["emoji"], actor_id))
            case "reaction.removed":
                if (data["emoji"], actor_id) in reactions[message_id]:
                    reactions[message_id].remove((data["emoji"], actor_id))
    return [{**message, "reactions": _by_emoji(reactions[message["id"]])} for message in messages.values()]


def without_names(messages: Sequence[Json]) -> list[Json]:
    """Messages without their `sender`, whose names are those of the moment and in no log."""
    return [{name: value for name, value in message.items() if name != "sender"} for message in messages]


def _by_emoji(reactions: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    by_emoji: dict[str, list[str]] = {}
    for emoji, user_id in reactions:
        by_emoji.setdefault(emoji, []).append(user_id)
    return by_emoji
