"""Messages as a test reads them: all of a body, or an error."""

from contracts.envelope import Envelope, Reader
from contracts.messages import PAYLOADS, Payload

_READER = Reader(*PAYLOADS)


def opened(body: bytes, content_type: str) -> list[Envelope[Payload]]:
    """The envelopes in a body, in order, of which each must be readable."""
    envelopes, faults = _READER.read(body, content_type)
    assert not faults, faults
    return envelopes
