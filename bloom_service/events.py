"""What bloom_service subscribes to: user_service's registrations, deletions and watermarks."""

from collections.abc import Sequence

from bloom_service.freshness import Freshness
from bloom_service.services.emails import Emails
from bloom_service.snapshot import Change, Kind
from contracts.envelope import Envelope, Reader
from contracts.messages import UserDeleted, UserRegistered, UsersWatermark
from messaging.bus import Delivery, TryAgain

UserEvent = UserRegistered | UserDeleted | UsersWatermark

_READER: Reader[UserEvent] = Reader(UserRegistered, UserDeleted, UsersWatermark)


class UserEvents:
    """Handles batches of `contracts.topology.BLOOM_USER_EVENTS`."""

    def __init__(self, emails: Emails, freshness: Freshness) -> None:
        self._emails = emails
        self._freshness = freshness

    async def __call__(self, deliveries: Sequence[Delivery]) -> None:
        """Returns when all of it is on disk. Raises `TryAgain` while the disk refuses."""
        changes: list[Change] = []
        watermark: UsersWatermark | None = None
        for delivery in deliveries:
            envelopes, faults = _READER.read(delivery.body, delivery.content_type)
            if faults:
                delivery.reject("; ".join(faults))
            for envelope in envelopes:
                change = self._change(envelope)
                if change is not None:
                    changes.append(change)
                if isinstance(envelope.payload, UsersWatermark):
                    watermark = envelope.payload
        try:
            await self._emails.apply(changes)
        except OSError as error:
            # no dead letter: a complete filter must not miss a registration
            raise TryAgain(f"the filter's journal can't be written: {error}") from error
        if watermark is not None:
            self._freshness.heard(watermark.as_of)

    def _change(self, envelope: Envelope[UserEvent]) -> Change | None:
        match envelope.payload:
            case UserRegistered(email_digest=digest):
                return Change(Kind.ADDED, envelope.id, digest)
            case UserDeleted(email_digest=digest):
                return Change(Kind.DELETED, envelope.id, digest)
            case UsersWatermark(nobody=nobody):
                return Change(Kind.COMPLETED, envelope.id) if nobody and not self._emails.complete else None
