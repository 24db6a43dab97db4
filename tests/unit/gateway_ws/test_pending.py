"""Commands that wait for their answers."""

import weakref
from typing import cast
from uuid import uuid4

from contracts.messages import CommandRefused, Refusal, SendMessage
from gateway_ws.commands import enveloped
from gateway_ws.connection import Connection
from gateway_ws.pending import PendingCommands


class Sender:
    """A connection that counts the errors it is told."""

    is_open = True

    def __init__(self) -> None:
        self.errors = 0

    def error(self, *_: object) -> None:
        self.errors += 1


def test_nothing_is_kept_of_a_command_once_it_is_answered() -> None:
    pending = PendingCommands(origin=1, patience=5, timeout=30)
    sender = Sender()
    command = SendMessage(command_id=uuid4(), user_id=uuid4(), room_id=uuid4(), text="hello", gateway_id="g")
    refusal = CommandRefused(
        command_id=command.command_id,
        user_id=command.user_id,
        room_id=command.room_id,
        code=Refusal.MUTED,
        detail="You are muted in this room.",
    )
    pending.add(enveloped(command), cast(Connection, sender), heard=0)

    pending.refused(refusal)

    kept = weakref.ref(command)
    del command
    assert kept() is None
    assert sender.errors == 1
