"""Email addresses: which are accepted, and what others get to see of them.

Two addresses are the same if `names.canonical` makes them equal. By policy that folds the case of the local part too:
no provider in use tells mailboxes apart by it. Dots and plus tags do count.
"""

import hashlib
import hmac

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


class EmailDigests:
    """Keyed digests, which stand for addresses outside this service. `key_id` names the key and tells nothing of it."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self.key_id = self._hmac(_KEY_ID_LABEL)[:8]

    def of(self, canonical: str) -> str:
        """Hex HMAC-SHA256 of a canonical address."""
        return self._hmac(canonical.encode())

    def _hmac(self, data: bytes) -> str:
        return hmac.new(self._key, data, hashlib.sha256).hexdigest()
