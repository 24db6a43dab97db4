"""`python -m tests.support.autobahn URL AT_ONCE CASE ...`: Autobahn's cases, run by kosoku against a server that
answers each WebSocket message with itself.

kosoku has a process of its own: it puts modules before everybody's, a `pkg_resources` among them, replaces a function
of `binascii`, and has threads that now and then abort an interpreter that ends.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import kosoku


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one case. `behavior` and `closing` are Autobahn's verdicts: OK, NON-STRICT, INFORMATIONAL, UNIMPLEMENTED,
    FAILED and more. Passed are those whose verdicts both are among the first three."""

    case: str
    passed: bool
    behavior: str
    closing: str
    because: str
    milliseconds: int

    @property
    def section(self) -> str:
        return self.case.partition(".")[0]


def run_cases(url: str, cases: Iterable[str], *, at_once: int) -> list[Outcome]:
    """In the order of their numbers. `cases` are numbers such as `7.1.5`, and what stands for many, as `7.*` does."""
    command = [sys.executable, "-m", "tests.support.autobahn", url, str(at_once), *cases]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return [Outcome(**outcome) for outcome in json.loads(said)]


async def _run(url: str, at_once: int, cases: list[str]) -> list[Outcome]:
    try:
        results = await kosoku.run_fuzzingclient(url, cases, concurrency=at_once)
    except kosoku.FailureError as failure:
        results = failure.results
    return [
        Outcome(
            case=result.case_id,
            passed=result.passed,
            behavior=result.behavior.value,
            closing=result.behavior_close.value,
            because=f"{result.result} {result.result_close}",
            milliseconds=result.duration,
        )
        for result in results
    ]


def main(url: str, at_once: str, *cases: str) -> None:
    outcomes = asyncio.run(_run(url, int(at_once), list(cases)))
    json.dump([asdict(outcome) for outcome in outcomes], sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # past those threads


if __name__ == "__main__":
    main(*sys.argv[1:])
