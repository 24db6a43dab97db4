"""Email addresses: which are accepted, and what others get to see of them.

Two addresses are the same if `names.canonical` makes them equal. By policy that folds the case of the local part too:
no provider in use tells mailboxes apart by it. Dots and plus tags do count.
"""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from email_validator import EmailNotValidError, validate_email

_KEY_ID_LABEL = b"parley email digest key id"


def normalized_email(address: str) -> str:
    """The address as it is shown and written to: domain in lower case, Unicode in NFC. Raises ValueError.

    Whether the domain takes mail is not asked. Names under `.test` (RFC 6761) pass, so that one can try things out.
    """
    try:
        return validate_email(address, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        raise ValueError("is not an email address") from None


class DigestKey:
    """A key of digests. `id` names it and tells nothing of it."""

    def __init__(self, key: str) -> None:
        # to copy one that has begun takes a quarter of the time of beginning with the key each time
        self._begun = HMAC(key.encode(), SHA256())
        self.id = self._hmac(_KEY_ID_LABEL).hex()[:8]

    def digest(self, canonical: str) -> bytes:
        """HMAC-SHA256 of a canonical address."""
        return self._hmac(canonical.encode())

    def _hmac(self, data: bytes) -> bytes:
        hmac = self._begun.copy()
        hmac.update(data)
        return hmac.finalize()


class EmailDigests:
    """Keyed digests, which stand for addresses outside this service.

    Under the `first` key they are stored and asked about; under a `second` one they are told as well, while one key
    takes the place of another.
    """

    def __init__(self, first_key: str, second_key: str | None = None) -> None:
        self.first = DigestKey(first_key)
        self.second = None if second_key is None else DigestKey(second_key)
        self._by_id = {key.id: key for key in (self.first, self.second) if key is not None}

    @property
    def key_ids(self) -> list[str]:
        """The first key's is the first."""
        return list(self._by_id)

    def key(self, key_id: str) -> DigestKey | None:
        return self._by_id.get(key_id)
