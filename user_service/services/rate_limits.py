"""How often one may ask what tells whether there is an account: from one address, from one network, about one name.

Each instance of the service counts for itself, and forgets when it ends.
"""

import hashlib
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from prometheus_client import Counter

from common.errors import RateLimited
from common.rate import TokenBucket
from user_service.services.sessions import canonical_login

REFUSED = Counter("parley_rate_limited", "Requests refused because there were too many", ["operation", "by"])

NETWORK_FACTOR = 5
"""A whole network may do so many times what one address of it may; about a name the world, what one network may."""

_FEWEST_SWEPT = 1024
_HOUR_S = 3600

Clock = Callable[[], float]


class RateLimits:
    """So many at once, and so many more each hour. `operation` is what the metric calls a kind of request.

    `failed_logins` are about one name, from one network. Each method raises `RateLimited`, and `host` is the client's
    address.
    """

    def __init__(
        self,
        *,
        availability_checks: int,
        registrations: int,
        logins: int,
        failed_logins: int,
        clock: Clock = time.monotonic,
    ) -> None:
        self._availability = _ByOrigin("availability", availability_checks, clock)
        self._registration = _ByOrigin("registration", registrations, clock)
        self._login = _ByOrigin("login", logins, clock)
        self._name_from_network = Limit("login", "name_from_network", failed_logins, clock)
        self._name = Limit("login", "name", NETWORK_FACTOR * failed_logins, clock)

    def check_availability(self, host: str) -> None:
        self._availability.take(host)

    def register(self, host: str) -> None:
        self._registration.take(host)

    def log_in(self, host: str, name: str) -> None:
        """Whether or not there is such an account. What turns out to be right is taken back by `logged_in`."""
        self._login.take(host)
        digest = _digest(name)
        self._name_from_network.take(f"{network(host)} {digest}")
        self._name.take(digest)

    def logged_in(self, host: str, name: str) -> None:
        """Whoever knows the password has not been guessing."""
        digest = _digest(name)
        self._name_from_network.forget(f"{network(host)} {digest}")
        self._name.forget(digest)


def address(host: str) -> str:
    """What counts as one client: an IPv4 address; of IPv6 the /64, as one machine has all of that."""
    return _prefix(host, 32, 64)


def network(host: str) -> str:
    """What is likely in one hand: of IPv4 the /24, of IPv6 the /48, which is what one site is given."""
    return _prefix(host, 24, 48)


def _prefix(host: str, bits_v4: int, bits_v6: int) -> str:
    try:
        found = ip_address(host)
    except ValueError:
        return host  # whatever the proxy calls it
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    bits = bits_v4 if found.version == 4 else bits_v6
    return f"{found.version} {int(found) >> (found.max_prefixlen - bits):x}"


def _digest(name: str) -> str:
    """As long for every name, of which none is kept."""
    return hashlib.sha256(canonical_login(name).encode(errors="surrogatepass")).hexdigest()


class Limit:
    """`per_hour` for each key."""

    def __init__(self, operation: str, by: str, per_hour: int, clock: Clock) -> None:
        self._refused = REFUSED.labels(operation, by)
        self._per_hour = per_hour
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}
        self._swept_at_size = _FEWEST_SWEPT

    def take(self, key: str) -> None:
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            self._sweep(now)
            bucket = self._buckets[key] = TokenBucket.full(self._per_hour / _HOUR_S, self._per_hour, now)
        if wait := bucket.take(now):
            self._refused.inc()
            raise RateLimited("Too many of these. Try again later.", wait)

    def __len__(self) -> int:
        """How many keys it keeps something about."""
        return len(self._buckets)

    def forget(self, key: str) -> None:
        self._buckets.pop(key, None)

    def _sweep(self, now: float) -> None:
        """A bucket that is full again says no more than none. Rarely enough to cost nothing on the average."""
        if len(self._buckets) >= self._swept_at_size:
            self._buckets = {key: one for key, one in self._buckets.items() if one.level_at(now) < one.burst}
            self._swept_at_size = max(_FEWEST_SWEPT, 2 * len(self._buckets))


class _ByOrigin:
    def __init__(self, operation: str, per_hour: int, clock: Clock) -> None:
        self._by_address = Limit(operation, "address", per_hour, clock)
        self._by_network = Limit(operation, "network", NETWORK_FACTOR * per_hour, clock)

    def take(self, host: str) -> None:
        # an address that is refused costs its neighbours nothing
        self._by_address.take(address(host))
        self._by_network.take(network(host))
