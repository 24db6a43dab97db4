"""`python -m bench.conformance`: the gateway's WebSocket protocol in those of Autobahn's cases that tests leave out.

Section 9 measures: messages of up to 16 MiB, whole, in fragments and in chopped writes, and a thousand small ones there
and back, one after the other. The server takes more than the gateway's 64 KiB for this; all else is as it is served.
Sections 12 and 13 are on a compression that the gateway does not offer.
"""

import sys
from collections import Counter
from collections.abc import Iterable

from bench.machine import Machine
from bench.markdown import table
from tests.support.autobahn import Outcome, run_cases
from tests.support.echo import echo_server

MAX_BYTES = 16 * 2**20
"""The largest message of the cases."""

AT_ONCE = 8


def measure() -> str:
    with echo_server(MAX_BYTES) as url:
        limits = run_cases(url, ["9.*"], at_once=1)
        compression = run_cases(url, ["12.*", "13.*"], at_once=AT_ONCE)
    return HEAD.format(machine=Machine.this(), limits=of_limits(limits), compression=of_compression(compression))


HEAD = """\
# WebSocket conformance: limits and compression
`python -m bench.conformance` on {machine}.

{limits}
Compression (permessage-deflate) is off at the gateway: a frame is made once for all connections. So its cases are
UNIMPLEMENTED.

{compression}"""


def of_limits(outcomes: Iterable[Outcome]) -> str:
    return table(
        ("case", "result", "closing", "ms"),
        ((one.case, one.behavior, one.closing, f"{one.milliseconds:,}") for one in outcomes),
    )


def of_compression(outcomes: Iterable[Outcome]) -> str:
    numbers = Counter((one.section, one.behavior) for one in outcomes)
    return table(
        ("cases", "result", "number"),
        ((f"{section}.*", behavior, f"{number}") for (section, behavior), number in numbers.items()),
    )


if __name__ == "__main__":
    sys.stdout.write(measure())
