"""B1, B2, B3: the Bloom filter's size, errors and speed, and how it is made anew, read and told of somebody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench import bloom_filter, bloom_service, goals
from bench.bloom_filter import BITS_IN_THEORY, ERROR_RATE, OWN, PEER, Filled, Generational, Loaded
from bench.bloom_service import Asked, AtWork
from bench.goals import Target
from bench.markdown import number, table
from bench.measurement import Measurement, Tell
from bench.peers import bloom as peer
from bench.plots import Plot
from bench.results import Findings
from bench.servers import versions

SIZES, QUICK_SIZES = (10_000, 20_000, 1_000_000, 10_000_000), (10_000, 20_000, 1_000_000)
"""Of small ones pybloom-live spreads the bits unevenly, most of all with 20,000."""

UNKNOWN, QUICK_UNKNOWN = 2_000_000, 500_000
FIRST_GENERATION, GENERATIONS = 10_000, 4
REGISTRATIONS, QUICK_REGISTRATIONS = 400, 50
SECONDS, QUICK_SECONDS = 10.0, 3.0

_MIB = 2**20
_SHOWN_FROM = 5_000_000
"""Fewer members find room in what the process has anyhow."""


@dataclass(frozen=True, slots=True)
class Bloom:
    filters: Sequence[Filled]
    generations: Sequence[Generational]
    loaded: Sequence[Loaded]
    at_work: AtWork


def measure(quick: bool, tell: Tell) -> Findings[Bloom]:
    sizes, unknown = (QUICK_SIZES, QUICK_UNKNOWN) if quick else (SIZES, UNKNOWN)
    why_not = peer.available()
    filters = []
    for members in sizes:
        for of in [OWN] if why_not else [OWN, PEER]:
            filters.append(filled := bloom_filter.filled(of, members, unknown))
            tell(f"{of} with {members:,}: {filled.add_us:.2f} µs to add, wrong in {filled.error_rate:.3%}")
    generations = bloom_filter.over_generations(FIRST_GENERATION, GENERATIONS, unknown)
    loaded = [bloom_filter.loaded(members) for members in sizes]
    tell(f"{len(generations)} generations made, and snapshots of up to {loaded[-1].members:,} read")
    many = (QUICK_REGISTRATIONS, QUICK_SECONDS) if quick else (REGISTRATIONS, SECONDS)
    at_work = bloom_service.measure(sizes[-1], *many, tell)
    peers = {} if why_not else {PEER: peer.version()}
    return Findings(
        {**versions.of_filter(), **peers, **versions.of_services()},
        {PEER: why_not} if why_not else {},
        [Bloom(filters, generations, loaded, at_work)],
    )


def measured(findings: Findings[Bloom]) -> Mapping[Target, float]:
    (run,) = findings.runs
    own = {filled.members: filled for filled in run.filters if filled.of == OWN}
    sizes = [members for members in own if members in goals.BLOOM_SIZES]
    rebuild, work = run.at_work.rebuild, run.at_work
    return {
        **{goals.BLOOM_BITS[members]: own[members].bits_per_member / BITS_IN_THEORY for members in sizes},
        **{goals.BLOOM_ERRORS[members]: own[members].error_rate / ERROR_RATE for members in sizes},
        goals.BLOOM_GENERATIONS: max(generation.error_rate for generation in run.generations) / ERROR_RATE,
        goals.BLOOM_LOAD: run.loaded[-1].seconds,
        goals.BLOOM_REBUILD: rebuild.seconds,
        goals.BLOOM_MISSED: rebuild.missed,
        goals.BLOOM_EXPORT: rebuild.share_of_user_service,
        goals.BLOOM_ANSWERS: work.during_export.per_cpu_second / work.beside_another.per_cpu_second,
        goals.BLOOM_TOLD: work.told.p99,
    }


def section(findings: Findings[Bloom]) -> str:
    (run,) = findings.runs
    return "\n".join((_of_filters(run), _of_generations(run), _of_work(run), *_suggestion(run)))


def plots(_: Findings[Bloom]) -> Sequence[Plot]:
    return ()


def _of_filters(run: Bloom) -> str:
    head = ("", "members", "bits each", "to theory", "wrong", "to asked for", "add µs", "check µs", "MiB held")
    rows = [
        (
            filled.of,
            f"{filled.members:,}",
            f"{filled.bits_per_member:.2f}",
            f"{filled.bits_per_member / BITS_IN_THEORY:.3f}",
            f"{filled.error_rate:.4%}",
            number(filled.error_rate / ERROR_RATE),
            number(filled.add_us),
            number(filled.check_us),
            number(filled.memory / _MIB) if filled.members >= _SHOWN_FROM else "",
        )
        for filled in run.filters
    ]
    return f"""\
## The Bloom filter (B1, B2, B3)
A filter as full as it was made for, at {ERROR_RATE:.1%} asked for; theory is {BITS_IN_THEORY:.2f} bits for each member.
Wrong is a "maybe" for one of {run.filters[0].unknown:,} digests of nobody. µs are of CPU, and MiB what the process
holds for it.

{table(head, rows, texts=1)}"""


def _of_generations(run: Bloom) -> str:
    generations = table(
        ("generation", "members", "wrong", "to asked for"),
        [
            (
                str(generation.number),
                f"{generation.members:,}",
                f"{generation.error_rate:.4%}",
                number(generation.error_rate / ERROR_RATE),
            )
            for generation in run.generations
        ],
    )
    loaded = table(
        ("members", "MiB", "seconds"),
        [(f"{loaded.members:,}", number(loaded.size / _MIB), f"{loaded.seconds:.3f}") for loaded in run.loaded],
    )
    return f"""\
One generation after the other takes the place of the one before, each as full as it can be. An answer comes from one
alone, and so the errors of all of them don't add up. (Made for some 10,000 to 20,000 members, pybloom-live spreads the
bits unevenly: it takes 16 bits of a hash modulo a size that is not much smaller. There the service asks it for fewer
errors.)

{generations}
Until a snapshot is read and checked, and the service could answer:

{loaded}"""


def _of_work(run: Bloom) -> str:
    work, rebuild = run.at_work, run.at_work.rebuild
    shares = table(
        ("CPU seconds a second", *rebuild.cpu),
        [
            (said, *(f"{share:.1%}" for share in shares.values()))
            for said, shares in (("during the rebuild", rebuild.cpu), ("without", rebuild.calm))
        ],
        texts=1,
    )
    answers = table(
        ("user_service's answers", "per second", "per second of its CPU"),
        [
            (said, number(found.per_second), number(found.per_cpu_second))
            for said, found in (
                ("otherwise", work.otherwise),
                ("beside any busy process", work.beside_another),
                ("while it exports", work.during_export),
            )
        ],
        texts=1,
    )
    asked = table(
        ("digests in a question", "checked per CPU-second"),
        [(f"{asked.batch:,}", number(asked.per_cpu_second)) for asked in work.asked],
    )
    return f"""\
With the four services and {rebuild.members:,} users in the database the filter was made anew in
{number(rebuild.seconds)} s. {rebuild.registered} people registered over HTTP, some before, some meanwhile and one after
it: of them, and of a sample of the others, {rebuild.missed} were missing from it. Bloom_service then held
{number(rebuild.memory / _MIB)} MiB.

{shares}
The export took {rebuild.share_of_user_service:.1%} of the one core that user_service can use. Below, user_service is
asked all the time whether usernames are free, over several connections: it, the database, bloom_service and who asks
share the machine's cores. What the export costs is the difference to what it answers beside any process that keeps a
core busy. (Medians of {bloom_service.ROUNDS} times each, in turn, with at most {bloom_service.EXPORTED:,} users.)

{answers}
Asked over HTTP, on one connection, about digests of which every other one is known:

{asked}
From when a registration was answered until the filter had it, of {work.registrations} one after the other: p50
{number(work.told.p50)} ms, p99 {number(work.told.p99)} ms, at most {number(work.told.largest)} ms.
"""


def _suggestion(run: Bloom) -> Sequence[str]:
    """What rbloom would change; nothing where it was not there."""
    members, seconds = run.at_work.rebuild.members, run.at_work.rebuild.seconds
    found = {filled.of: filled for filled in run.filters if filled.members == members}
    if PEER not in found:
        return ()
    own, other = found[OWN], found[PEER]
    batch = _in_batches(run.at_work.asked)
    adding = members * (own.add_us - other.add_us) / 1e6
    worst = {of: max(one.error_rate for one in run.filters if one.of == of) / ERROR_RATE for of in (OWN, PEER)}
    return (
        f"""\
**What rbloom would change.** With {members:,} members it adds in {number(other.add_us)} µs instead of
{number(own.add_us)}, and checks in {number(other.check_us)} instead of {number(own.check_us)}. From the rebuild of
{number(seconds)} s that would take {number(adding)} s of CPU away, and from the {number(batch)} µs that a digest in a
question with {bloom_service.BATCH:,} costs {number(own.check_us - other.check_us)}; a question with one would cost as
much as now. It takes as many bits, or 3 % fewer for some 10,000 to 20,000 members. At the worst of these sizes it is
wrong {number(worst[PEER])} times as often as asked for, and bloom_service {number(worst[OWN])} times. The price is
another format of snapshots, and so one rebuild. Rebuilds would not end sooner: they go as fast as is fair to
user_service.
""",
    )


def _in_batches(asked: Sequence[Asked]) -> float:
    """Microseconds for each digest."""
    (batch,) = (one for one in asked if one.batch == bloom_service.BATCH)
    return 1e6 / batch.per_cpu_second


BLOOM = Measurement("bloom", Bloom, measure, measured, section, plots)
