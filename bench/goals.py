"""What is to be reached: as ratios to what was measured in the same run, where there is a peer."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Target:
    """One number of a goal: `what` in `unit` is to be at least (≥), at most (≤) or exactly (=) `bound`."""

    what: str
    sign: Literal["≥", "≤", "="]
    bound: float
    unit: str = ""

    def reached(self, measured: float) -> bool:
        match self.sign:
            case "≥":
                return measured >= self.bound
            case "≤":
                return measured <= self.bound
            case "=":
                return measured == self.bound


@dataclass(frozen=True, slots=True)
class Goal:
    name: str
    text: str
    targets: tuple[Target, ...]


FANOUT = {
    (per_tick, peer): Target(f"ratio to {peer}, {said} per tick", "≥", bound)
    for per_tick, said in ((1, "one"), (10, "ten"))
    for peer, bound in (("uWebSockets.js", 1.0), ("floor in C", 0.9))
}
"""By messages per tick and peer."""

DURABLE_RATE = {
    members: Target(f"ratio to ejabberd, room of {members}", "≥", bound)
    for members, bound in ((10, 5.0), (50, 10.0), (200, 10.0))
}
"""By members."""

DURABLE_P50 = {members: Target(f"p50, room of {members}", "≤", 10.0, "ms") for members in (10, 50, 200)}
DURABLE_P99 = {members: Target(f"p99, room of {members}", "≤", 50.0, "ms") for members in (10, 50, 200)}
"""By members."""

SINGLE_PROCESS_RATE = Target("messages per second", "≥", 10_000)

MEMORY = Target("memory per connection", "≤", 16, "KiB")

STORM_SERVED = Target("until all are served", "≤", 10, "s")
STORM_LOST = Target("messages lost", "=", 0)
STORM_OTHERS = Target("p99 of any other client", "≤", 250, "ms")

GROWTH_ROOMS = Target("cost per delivery with 10,000 rooms to that with one", "≤", 1.2)
GROWTH_HISTORY = Target("cost per message with a history of 1,000,000 to that with none", "≤", 1.2)
GROWTH_MEMBERS = Target("cost per delivery with 5,000 members to that with two", "≤", 1.2)

STALLED_OTHERS = Target("p99 of the others to theirs without it", "≤", 1.1)
STALLED_MEMORY = Target("memory held for it to its bound", "≤", 1.0)
STALLED_CODE = Target("it is closed with", "=", 4008)
STALLED_LOST = Target("messages lost once it has resumed", "=", 0)

ENUMERATION_GUESSED = {
    askers: Target(f"share of right guesses beyond a coin's, {askers} at once", "≤", 0.03) for askers in (1, 8)
}
ENUMERATION_P = {
    askers: Target(f"p of a difference like this without one, {askers} at once", "≥", 0.01) for askers in (1, 8)
}
"""By how many ask."""

BLOOM_SIZES = 10_000, 1_000_000, 10_000_000
BLOOM_BITS = {
    members: Target(f"bits per member to the theory's, {members:,} members", "≤", 1.05) for members in BLOOM_SIZES
}
BLOOM_ERRORS = {
    members: Target(f"error rate to what was asked for, {members:,} members", "≤", 1.1) for members in BLOOM_SIZES
}
"""By members."""

BLOOM_GENERATIONS = Target("error rate to what was asked for, the worst of the generations", "≤", 1.1)
BLOOM_LOAD = Target("until the largest snapshot is read", "≤", 2, "s")
BLOOM_REBUILD = Target("until the largest filter is made anew", "≤", 90, "s")
BLOOM_MISSED = Target("members missed by it", "=", 0)
BLOOM_EXPORT = Target("share of user_service's core that the export takes", "≤", 0.1)
BLOOM_ANSWERS = Target(
    "user_service's answers per CPU-second during an export to those beside any busy process", "≥", 0.9
)
BLOOM_TOLD = Target("p99 from a registration until the filter has it", "≤", 250, "ms")

GOALS = (
    Goal(
        "P1",
        "Deliveries per CPU-second to 500 connections: at least uWebSockets.js's, and 0.9 of the floor's in C.",
        tuple(FANOUT.values()),
    ),
    Goal(
        "P2",
        "Messages per second in durable rooms of 10, 50 and 200: 5, 10 and 10 times ejabberd's.",
        tuple(DURABLE_RATE.values()),
    ),
    Goal(
        "P3",
        "At half of that rate the last member has a message in under 10 ms (p50) and 50 ms (p99).",
        (*DURABLE_P50.values(), *DURABLE_P99.values()),
    ),
    Goal("P4", "The single process on SQLite takes 10,000 messages a second in a room of 10.", (SINGLE_PROCESS_RATE,)),
    Goal("P5", "10,000 idle connections hold 16 KiB each.", (MEMORY,)),
    Goal(
        "P6",
        "5,000 clients that come back at once are all served in 10 s, nothing is lost, and others hardly notice.",
        (STORM_SERVED, STORM_LOST, STORM_OTHERS),
    ),
    Goal(
        "P7",
        "Costs are flat within 20 %: from 1 room to 10,000, from no history to 1,000,000 entries, 2 members to 5,000.",
        (GROWTH_ROOMS, GROWTH_HISTORY, GROWTH_MEMBERS),
    ),
    Goal(
        "P8",
        "A stalled client costs the others nothing, is bounded, is closed with 4008, and resumes whole.",
        (STALLED_OTHERS, STALLED_MEMORY, STALLED_CODE, STALLED_LOST),
    ),
    Goal(
        "E1",
        "How long an answer takes does not tell whether an address is taken.",
        (*ENUMERATION_GUESSED.values(), *ENUMERATION_P.values()),
    ),
    Goal(
        "B1",
        "A filter is near the size that theory gives, and wrong as often as was asked for, in each generation.",
        (*BLOOM_BITS.values(), *BLOOM_ERRORS.values(), BLOOM_GENERATIONS),
    ),
    Goal(
        "B2",
        "With 10,000,000 members it is read in 2 s and made anew in 90, misses nobody and costs user_service little.",
        (BLOOM_LOAD, BLOOM_REBUILD, BLOOM_MISSED, BLOOM_EXPORT, BLOOM_ANSWERS),
    ),
    Goal("B3", "Whoever has registered is in the filter within 250 ms.", (BLOOM_TOLD,)),
)
