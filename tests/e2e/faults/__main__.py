"""`python -m tests.e2e.faults`: the fixed set of faults, or, with --minutes, faults by chance for so long."""

import argparse
import asyncio
import math
import secrets
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.faults.catalogue import Draw, fixed
from tests.e2e.faults.run import CLIENTS, GIVEN_UP_AFTER_S, RATE, SERVED_WITHIN_S, Terms, run
from tests.e2e.faults.single_process import KIND, killed_again_and_again
from tests.e2e.faults.stack import own_stack
from tests.e2e.faults.verdict import Verdict, say

_KILLS = 4


def main() -> int:
    """The exit code: 0 if every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="of an earlier run, for the same faults; else a new one")
    parser.add_argument("--minutes", type=float, help="how long to go on with faults by chance")
    parser.add_argument("--rate", type=float, default=RATE, help=f"commands per second of all clients ({RATE:.0f})")
    parser.add_argument("--clients", type=int, default=CLIENTS, help=f"how many there are ({CLIENTS})")
    parser.add_argument(
        "--within", type=float, default=SERVED_WITHIN_S, help=f"seconds until all are served ({SERVED_WITHIN_S:.0f})"
    )
    arguments = parser.parse_args()
    verdict = Verdict(secrets.randbelow(10**6) if arguments.seed is None else arguments.seed)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # then too the stack is taken down
    say(f"seed {verdict.seed}")
    try:
        if arguments.minutes is None:
            asyncio.run(_single_process(verdict))
            faults, lasts_s = fixed(verdict.seed), math.inf
        else:
            faults, lasts_s = Draw(verdict.seed).faults(), 60 * arguments.minutes
        with own_stack() as stack:
            terms = Terms(arguments.clients, arguments.rate, arguments.within)
            until = time.monotonic() + lasts_s
            asyncio.run(run(stack, verdict, faults, terms, restarts=arguments.minutes is None, until=until))
    except BaseException as error:
        verdict.fail(f"broken off: {type(error).__name__}: {error}")
        raise
    finally:
        verdict.tell()
    return 1 if verdict.failures else 0


async def _single_process(verdict: Verdict) -> None:
    verdict.begin(KIND)
    with tempfile.TemporaryDirectory(prefix="parley-faults-") as folder:
        try:
            row, history, final = await killed_again_and_again(
                Path(folder), verdict.seed, rounds=_KILLS, given_up_after=GIVEN_UP_AFTER_S
            )
        except AssertionError as error:
            verdict.fail(f"{KIND}: {error}")
            return
    verdict.table.add(row)
    verdict.judge("single process", history, final)


sys.exit(main())
