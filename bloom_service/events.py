"""What bloom_service subscribes to: user_service's registrations, deletions and watermarks."""

from collections.abc import Sequence

from bloom_service.generations import Change, Kind
from bloom_service.services.emails import Emails
from common.ids import uuid7
from contracts.envelope import Envelope, Reader
from contracts.messages import UserDeleted, UserRegistered, UsersWatermark
from messaging.bus import Delivery, TryAgain

UserEvent = UserRegistered | UserDeleted | UsersWatermark

_READER: Reader[UserEvent] = Reader(UserRegistered, UserDeleted, UsersWatermark)


class UserEvents:
    """Handles batches of this replica's queue, `contracts.topology.bloom_user_events`."""

    def __init__(self, emails: Emails) -> None:
        self._emails = emails

    async def __call__(self, deliveries: Sequence[Delivery]) -> None:
        """Returns when all of it is on disk. Raises `TryAgain` while the disk refuses."""
        changes: list[Change] = []
        watermark: UsersWatermark | None = None
        for delivery in deliveries:
            envelopes, faults = _READER.read(delivery.body, delivery.content_type)
            if faults:
                delivery.reject("; ".join(faults))
                if delivery.key == UserRegistered.type:
                    # somebody may have registered: who answers "no" without knowing whom would lie
                    changes.append(Change(Kind.REGISTERED, uuid7(), {}))
            for envelope in envelopes:
                if isinstance(envelope.payload, UsersWatermark):
                    watermark = envelope.payload
                else:
                    changes.append(_change(envelope))
        try:
            await self._emails.apply(changes)
        except OSError as error:
            # no dead letter: the filter must not miss a registration
            raise TryAgain(f"the filter's journal can't be written: {error}") from error
        if watermark is not None:
            self._emails.hear(watermark.as_of, watermark.email_digest_key_ids)


def _change(envelope: Envelope[UserEvent]) -> Change:
    match envelope.payload:
        case UserRegistered() as registered:
            digests = {registered.email_digest_key_id: registered.email_digest}
            if registered.second_email_digest and registered.second_email_digest_key_id:
                digests[registered.second_email_digest_key_id] = registered.second_email_digest
            return Change(Kind.REGISTERED, envelope.id, digests)
        case UserDeleted() as deleted:
            return Change(Kind.DELETED, envelope.id, {deleted.email_digest_key_id: deleted.email_digest})
        case UsersWatermark():
            raise TypeError("a watermark changes nothing")
