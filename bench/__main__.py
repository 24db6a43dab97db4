"""`python -m bench`: measure, and write down how it compares with the peers and with the goals (bench/RESULTS.md)."""

import argparse
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import Any

from bench import report
from bench.machine import Machine
from bench.measurement import Measurement
from bench.measurements import MEASUREMENTS
from bench.results import Record, Results

_BY_NAME = {measurement.name: measurement for measurement in MEASUREMENTS}


def main() -> int:
    """The exit code: 0 unless a measurement was broken off. A goal that is missed is a result like any other."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything: for a first look")
    parser.add_argument("--only", choices=_BY_NAME, action="append", help="keep what was measured of the others")
    arguments = parser.parse_args()
    begin = time.monotonic()
    results = _kept() if arguments.only else Results(machine=Machine.this())
    for name in arguments.only or _BY_NAME:
        results.records[name] = record = _record(_BY_NAME[name], arguments.quick, begin)
        sys.stdout.write(f"{name} took {record.took_s:.0f} s\n")
        results.keep()
        report.write(results)
    sys.stdout.write(f"\n{report.goals_table(results)}\nMore is in {report.REPORT}.\n")
    return 1 if any(results.records[name].failed for name in arguments.only or _BY_NAME) else 0


def _kept() -> Results:
    """None of another machine."""
    machine = Machine.this()
    try:
        kept = Results.kept()
    except FileNotFoundError:
        return Results(machine=machine)
    return kept if kept.machine == machine else Results(machine=machine)


def _record(measurement: Measurement[Any], quick: bool, begin: float) -> Record:
    def tell(line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - begin:5.0f} s  {measurement.name}: {line}\n")
        sys.stdout.flush()

    try:
        return measurement.record(quick, tell)
    except Exception as error:  # the others go on
        traceback.print_exc()
        failed = f"{type(error).__name__}: {error}"
        return Record(began=datetime.now(UTC), took_s=0, quick=quick, load=0, failed=failed)


if __name__ == "__main__":
    sys.exit(main())
