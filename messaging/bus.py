"""The bus: what services may rely on about moving bytes, whichever adapter carries them.

The bus never decodes a body. Exchanges are direct (a message goes to every queue bound with exactly its key).
Two kinds of queue exist:

* a *durable queue* is named in the topology. It outlives every process, keeps what is published while nobody
  consumes, and hands its messages, in order, to one consumer at a time (another instance takes over when that one
  goes). Work is shared by having several queues, one per partition.
* a *broadcast queue* belongs to one instance and dies with it: every instance gets its own copy. It is bounded; when
  it is full its oldest messages are dropped.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class Binding(NamedTuple):
    """A queue's interest in the messages of one exchange that carry one key."""

    exchange: str
    key: str


@dataclass(frozen=True, slots=True)
class Topology:
    """Every exchange, and every durable queue with its bindings. Declared anew, idempotently, at each connection."""

    exchanges: tuple[str, ...]
    queues: Mapping[str, tuple[Binding, ...]]

    @classmethod
    def of(cls, exchanges: Iterable[str], queues: Mapping[str, Iterable[tuple[str, str]]]) -> "Topology":
        """From plain data: the bindings are (exchange, key)."""
        return cls(tuple(exchanges), {name: tuple(Binding(*pair) for pair in pairs) for name, pairs in queues.items()})

    def require_exchanges(self, messages: "Sequence[Message]") -> None:
        """Raise `ValueError` if one of the messages is for an exchange that does not exist."""
        for message in messages:
            if message.exchange not in self.exchanges:
                raise ValueError(f"no exchange is called {message.exchange}")


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes on their way out.

    A `durable` message is kept on disk by the queues it reaches and must reach at least one; any other may find
    nobody listening, and that is fine.
    """

    exchange: str
    key: str
    body: bytes = field(repr=False)
    type: str
    id: str
    content_type: str = "application/cloudevents+json"
    headers: Mapping[str, str] = field(default_factory=dict)
    durable: bool = True


@dataclass(slots=True)
class Delivery:
    """Bytes that have arrived. `attempt` counts from 1 and grows each time a handler failed on this message."""

    exchange: str
    key: str
    body: bytes = field(repr=False)
    type: str
    id: str
    content_type: str
    headers: Mapping[str, str]
    attempt: int = 1
    rejection: str | None = None

    def reject(self, reason: str) -> None:
        """Send it to the dead-letter queue with the reason when the handler returns. The others are unaffected."""
        self.rejection = reason


Rest = Callable[[], Awaitable[None]]
"""What is left to do for a batch, such as to publish what came of it. Called again for as long as it lets a
`PublishError` pass. It has to work as often as it is called."""

Handler = Callable[[Sequence[Delivery]], Awaitable[Rest | None]]
"""Gets what has arrived, oldest first, never empty. To return is to acknowledge; or to return the rest, which
acknowledges when it is done: after the rest of the batch before, and while the next batch is handled.

To raise `TryAgain`, or let a `PublishError` pass, gives the whole batch back, as often as it takes: the fault is the
world's, not a message's. To raise anything else on a batch has it tried again one message at a time, after a growing
delay; a message on which the handler has failed `RetryPolicy.max_attempts` times goes to the dead-letter queue with the
reason, and what comes after it goes on. Order within a queue is kept throughout.
"""


class TryAgain(Exception):
    """Raised by a handler whose database (or the like) is away. Never counts as an attempt."""


class PublishError(Exception):
    """The transport has not taken responsibility for `failed`. They may or may not arrive: send them again."""

    def __init__(self, reason: str, failed: Sequence[Message]) -> None:
        super().__init__(f"{reason} ({len(failed)} not accepted)")
        self.failed = tuple(failed)


class Unroutable(PublishError):
    """A durable message for which no queue is bound."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Seconds to wait before the second attempt, doubling up to `max_delay`; how often to try one message in all."""

    max_attempts: int = 5
    first_delay: float = 0.1
    max_delay: float = 5.0

    def delay(self, attempt: int) -> float:
        """How long to wait after the attempt of that number, counted from 1, has failed."""
        return min(self.max_delay, self.first_delay * 2.0 ** min(attempt - 1, 32))


class Broadcast(Protocol):
    """One instance's own queue. Its bindings survive a lost connection; the messages of meanwhile do not."""

    async def bind(self, bindings: Sequence[Binding]) -> None:
        """Returns when messages with these keys are sure to reach the queue. Waits while the bus is not connected."""

    async def unbind(self, bindings: Sequence[Binding]) -> None: ...


class Bus(Protocol):
    @property
    def connected(self) -> bool:
        """Whether messages can be published and are being consumed right now."""

    async def start(self) -> None:
        """Begin to connect, in the background and for as long as it takes. Returns at once."""

    async def stop(self) -> None:
        """Let handlers finish the batch they have in hand, give everything else back, disconnect. May start again."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish in order; return when the transport has taken responsibility for all of them.

        Raises `Unroutable` (all of them unroutable) or `PublishError`, naming those it has not: refused, timed out,
        or the bus is not connected; and `ValueError`, having published nothing, for an exchange that is not in the
        topology. Never waits for a connection.
        """

    def consume(self, queue: str, handler: Handler, *, batch_size: int = 200) -> None:
        """Handle a durable queue's messages, in batches of what has arrived. Call before `start`.

        A dead-letter queue, `<queue>.dead`, can be consumed as well. `ValueError` if there is no such queue.
        """

    def listen(
        self,
        name: str,
        bindings: Sequence[Binding],
        handler: Handler,
        *,
        on_reset: Callable[[], Awaitable[None]],
        max_length: int = 20_000,
        batch_size: int = 200,
    ) -> Broadcast:
        """Handle the messages of a broadcast queue. Call before `start`.

        A message on which the handler fails is logged and dropped. `on_reset` is called each time the queue was
        lost and made anew, once it is bound again: messages may have been missed.
        """
