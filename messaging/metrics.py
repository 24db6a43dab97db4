"""What moves over the bus. Labels are names from the topology, never ids."""

from prometheus_client import Counter

PUBLISHED = Counter("parley_bus_published", "Messages the transport has taken responsibility for", ["exchange"])
HANDLED = Counter("parley_bus_handled", "Messages settled by a handler", ["queue"])
RETRIED = Counter("parley_bus_retried", "Messages whose handling failed and is tried again", ["queue"])
DEAD_LETTERED = Counter(
    "parley_bus_dead_lettered",
    "Messages put away: `rejected` by the handler that read them, or `failed` on at every attempt",
    ["queue", "kind"],
)
