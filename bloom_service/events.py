"""What bloom_service subscribes to: user_service's registrations, deletions and watermarks."""

from collections.abc import Sequence
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from bloom_service.freshness import Freshness
from bloom_service.services.emails import Emails
from bloom_service.snapshot import Change, Kind
from contracts.envelope import Envelope, InvalidEnvelope, decode
from contracts.internal_http import EmailDigest
from contracts.messages import UserDeleted, UserRegistered, UsersWatermark
from messaging.bus import Delivery, TryAgain

_DIGEST = TypeAdapter(EmailDigest)


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
            try:
                envelopes = decode(delivery.body, delivery.content_type)
                changes += [change for envelope in envelopes if (change := self._change(envelope)) is not None]
            except InvalidEnvelope as error:
                delivery.reject(str(error))
                continue
            for envelope in envelopes:
                if isinstance(envelope.payload, UsersWatermark):
                    watermark = envelope.payload
        try:
            await self._emails.apply(changes)
        except OSError as error:
            # no dead letter: a complete filter must not miss a registration
            raise TryAgain(f"the filter's journal can't be written: {error}") from error
        if watermark is not None:
            self._freshness.heard(watermark.as_of)

    def _change(self, envelope: Envelope) -> Change | None:
        match envelope.payload:
            case UserRegistered(email_digest=digest):
                return Change(Kind.ADDED, _event_id(envelope), _digest(digest))
            case UserDeleted(email_digest=digest):
                return Change(Kind.DELETED, _event_id(envelope), _digest(digest))
            case UsersWatermark(nobody=nobody):
                return Change(Kind.COMPLETED, _event_id(envelope)) if nobody and not self._emails.complete else None
            case other:
                raise InvalidEnvelope(f"{other.type} is not for this service")


def _digest(text: str) -> str:
    try:
        return _DIGEST.validate_python(text)
    except ValidationError:
        raise InvalidEnvelope("email_digest is not 64 hex digits") from None


def _event_id(envelope: Envelope) -> UUID:
    try:
        return UUID(envelope.id)
    except ValueError:
        raise InvalidEnvelope("the event's id is not a UUID") from None
