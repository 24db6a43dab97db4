"""G7: who does not read is served whole afterwards, or closed with 4008, and then resumes whole. It costs the others
nothing: who reads all along is closed by a fault alone.

That others go short by it would be a breach of G4; what a slow reader itself misses is found there too.
"""

from collections.abc import Iterator

from tests.e2e.faults.facts import Facts
from tests.e2e.faults.history import Connection, History, Stalled
from tests.e2e.faults.violation import Violation

_SLOW = 4008
_MAY_END_WITH = (None, 1000, 1001, 1006, 1011, 1012, 4001)
"""While it is open, by the client itself, or by a fault: a wrong clock's among them."""

_GARBLED = 1002
_AT_ONCE_S = 0.5


def check(facts: Facts) -> Iterator[Violation]:
    latest: dict[str, Connection] = {}
    for connection in facts.history.connections:
        if connection.welcome is not None:
            latest[connection.client] = connection
        stalls = [record for record in connection.records if isinstance(record, Stalled)]
        if connection.close_code in _MAY_END_WITH or (stalls and connection.close_code == _SLOW):
            continue
        if connection.close_code == _GARBLED and _has_the_proxy_ended(connection, facts.history):
            continue
        who = "did not read" if stalls else "read all along"
        what = f"who {who} was closed with {connection.close_code}"
        yield Violation("G7", "other", what, (_about(connection), *stalls[-1:]))
    for connection in latest.values():
        if not connection.quiet:
            promise = "G7" if connection.close_code == _SLOW else "G4"
            what = f"a client never came back after it was closed with {connection.close_code}"
            yield Violation(promise, "lost", what, (_about(connection),))


def _has_the_proxy_ended(connection: Connection, history: History) -> bool:
    """Whether everybody lost their connection together, as only the proxy can do it.

    Caddy writes a close frame into each WebSocket when it ends, both ways, and perhaps into the midst of a frame that
    it is passing on: who gets that, client or gateway, has to answer with 1002 (RFC 6455, section 7.4.1).
    """
    ended = connection.closed_at or 0.0
    others = [
        other
        for other in history.connections
        if other is not connection
        and other.welcome is not None
        and not any(isinstance(record, Stalled) for record in other.records)
        and other.opened_at < ended
        and (other.closed_at is None or other.closed_at > ended - _AT_ONCE_S)
    ]
    return bool(others) and all(other.closed_at and other.closed_at < ended + _AT_ONCE_S for other in others)


def _about(connection: Connection) -> str:
    return f"connection {connection.number} of {connection.client}, user {connection.user_id}"
