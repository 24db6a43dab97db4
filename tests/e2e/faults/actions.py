"""What a client may do next, and how often it does it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tests.e2e.faults.clients import Client
    from tests.e2e.faults.recorded_socket import RecordedSocket

EMOJI = ("👍", "🎈", "❤️", "👀")
_LONG_CHARACTERS = 7_900
_OUTBURST = 150
_LONGEST_STALL_S = 8.0


class Action(NamedTuple):
    """`weight` is how often it is chosen, relative to the others. `slow`: only of clients that are slow readers."""

    do: "Callable[[Client, RecordedSocket], Awaitable[None]]"
    weight: float
    slow: bool = False


async def send(client: "Client", socket: "RecordedSocket") -> None:
    await client.submit(socket, "send", client.some_room(socket), text=client.new_text())


async def reply(client: "Client", socket: "RecordedSocket") -> None:
    if (message := client.some_message(socket)) is not None:
        await client.submit(socket, "send", message.room_id, text=client.new_text(), reply_to=message.id)


async def edit(client: "Client", socket: "RecordedSocket") -> None:
    if (message := client.some_message(socket, own=True)) is not None:
        await client.submit(socket, "edit", message.room_id, message_id=message.id, text=client.new_text())


async def delete(client: "Client", socket: "RecordedSocket") -> None:
    if (message := client.some_message(socket, own=True)) is not None:
        await client.submit(socket, "delete", message.room_id, message_id=message.id)


async def react(client: "Client", socket: "RecordedSocket") -> None:
    if (message := client.some_message(socket)) is not None:
        emoji, on = client.random.choice(EMOJI), client.random.random() < 0.7
        await client.submit(socket, "react", message.room_id, message_id=message.id, emoji=emoji, on=on)


async def read(client: "Client", socket: "RecordedSocket") -> None:
    room_id = client.some_room(socket)
    behind = client.random.choice((0, 0, 1, 5))
    await socket.passing("read", room_id=room_id, seq=max(0, socket.positions[room_id] - behind))


async def typing(client: "Client", socket: "RecordedSocket") -> None:
    await socket.passing("typing", room_id=client.some_room(socket), on=client.random.random() < 0.5)


async def send_again(client: "Client", socket: "RecordedSocket") -> None:
    """A command that was sent before: long ago, or just now; over this connection, an earlier one, or another
    client's of the same user."""
    if client.person.recent:
        await client.send_again(socket, client.random.choice(client.person.recent))


async def lose_the_ack(client: "Client", socket: "RecordedSocket") -> None:
    await send(client, socket)
    await socket.cut()


async def reconnect(_client: "Client", socket: "RecordedSocket") -> None:
    await socket.close()


async def start_afresh(client: "Client", socket: "RecordedSocket") -> None:
    """Connects again as one who knows nothing."""
    await socket.close()
    client.forget()


async def stall(client: "Client", socket: "RecordedSocket") -> None:
    await socket.stall(client.random.uniform(0.5, _LONGEST_STALL_S))


async def drown(client: "Client", socket: "RecordedSocket") -> None:
    """Says so much that what one does not read passes the bound."""
    room_id = client.some_room(socket)
    async with asyncio.TaskGroup() as group:
        group.create_task(socket.stall(_LONGEST_STALL_S))
        for _ in range(_OUTBURST):
            await client.submit(socket, "send", room_id, text=client.new_text(_LONG_CHARACTERS))


async def join(client: "Client", socket: "RecordedSocket") -> None:
    if away := sorted(set(client.all_rooms) - socket.positions.keys()):
        client.begin_errand(client.person.change("join", client.random.choice(away)))


async def leave(client: "Client", socket: "RecordedSocket") -> None:
    if len(socket.positions) > 1:
        client.begin_errand(client.person.change("leave", client.some_room(socket)))


async def page(client: "Client", _socket: "RecordedSocket") -> None:
    """Reads any room over HTTP, a member or not."""
    room_id, what = client.random.choice(client.all_rooms), client.random.choice(("messages", "events"))
    client.begin_errand(client.person.page(room_id, what))


ACTIONS = {
    "send": Action(send, 60),
    "reply": Action(reply, 10),
    "edit": Action(edit, 6),
    "delete": Action(delete, 3),
    "react": Action(react, 8),
    "read": Action(read, 6),
    "typing": Action(typing, 4),
    "send_again": Action(send_again, 6),
    "lose_the_ack": Action(lose_the_ack, 0.4),
    "reconnect": Action(reconnect, 0.4),
    "start_afresh": Action(start_afresh, 0.2),
    "join": Action(join, 1.2),
    "leave": Action(leave, 0.6),
    "page": Action(page, 1),
    "stall": Action(stall, 1, slow=True),
    "drown": Action(drown, 0.05, slow=True),
}
"""All that a client does. What changes memberships must be rare: a client without rooms has nothing to say."""
