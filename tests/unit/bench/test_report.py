"""What is written of what was measured."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from bench import bloom_filter, bloom_service, enumeration, growth, memory, stalled, storm
from bench.durable import Pace, Saturation
from bench.fanout import FanOut, Work
from bench.goals import BLOOM_EXPORT, BLOOM_GENERATIONS, GOALS, GROWTH_MEMBERS, GROWTH_ROOMS
from bench.load.latency import Latency
from bench.machine import Machine
from bench.measurements import MEASUREMENTS, bloom, fanout, rooms
from bench.plots import Bars, Lines
from bench.report import goals_table, plots, text
from bench.results import Record, Results
from bench.two_samples import Difference

MACHINE = Machine(2, "Some CPU", 8.0, "Some Linux", "6.1", "3.11.7")
BEGAN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def fanned_out(peer: str, per_cpu_second: float, *, round: int = 0, per_tick: int = 1, busy: float = 0.5) -> fanout.Run:
    work = Work(500, per_tick, 10, 1.0)
    return fanout.Run(round, FanOut(peer, work, 5000, 5000 / per_cpu_second, Latency(1, 2, 3, 4), busy, 0.25))


def room(
    system: str, per_second: float, *, members: int = 10, round: int = 0, p50: float = 5.0, p99: float = 20.0
) -> rooms.Run:
    worse, best = (Saturation(window, rate, 2.0, 0.5) for window, rate in ((50, per_second / 2), (500, per_second)))
    latency = Latency(p50, p99, 2 * p99, 3 * p99)
    return rooms.Run(round, system, members, (worse, best), Pace(per_second / 2, latency, latency, 0.5, 1.0, 0.25))


def results(
    runs: Mapping[str, Sequence[object]], *, missing: Mapping[str, str] | None = None, quick: bool = False
) -> Results:
    """As they are read from the file."""
    records = {
        name: Record(
            began=BEGAN,
            took_s=12.3,
            quick=quick,
            load=0.1,
            versions={"Parley": "1.2.3"},
            missing=dict(missing or {}),
            runs=[as_json(run) for run in of_it],
        )
        for name, of_it in runs.items()
    }
    return Results.model_validate_json(Results(machine=MACHINE, records=records).model_dump_json())


def as_json(run: Any) -> Any:
    return TypeAdapter(type(run)).dump_python(run, mode="json")


def row(table: str, *begin: str) -> list[str]:
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines() if "|" in line]
    (found,) = [cells for cells in rows if cells[: len(begin)] == list(begin)]
    return found[len(begin) :]


def test_a_target_that_is_reached_is_told_from_one_that_is_missed() -> None:
    runs = [fanned_out("Parley", 95), fanned_out("uWebSockets.js", 100), fanned_out("floor in C", 100)]
    table = goals_table(results({"fanout": runs}))

    assert row(table, "", "ratio to uWebSockets.js, one per tick") == ["≥ 1", "0.95", "0.95", "**no**"]
    assert row(table, "", "ratio to floor in C, one per tick") == ["≥ 0.9", "0.95", "1.06", "yes"]


def test_a_goal_is_missed_with_one_of_its_targets() -> None:
    runs = [fanned_out(peer, 100, per_tick=n) for n in (1, 10) for peer in ("uWebSockets.js", "floor in C")]
    reached = [*runs, fanned_out("Parley", 101), fanned_out("Parley", 102, per_tick=10)]
    missed = [*runs, fanned_out("Parley", 101), fanned_out("Parley", 99, per_tick=10)]

    assert row(goals_table(results({"fanout": reached})), "**P1**")[-1] == "yes"
    assert row(goals_table(results({"fanout": missed})), "**P1**")[-1] == "**no**"


def test_what_was_not_measured_is_neither_reached_nor_missed() -> None:
    table = goals_table(results({}))

    assert {row(table, f"**{goal.name}**")[-1] for goal in GOALS} == {"not measured"}
    assert row(table, "", "messages per second") == ["≥ 10000", "", "", "not measured"]


def test_a_peer_that_is_missing_is_named_with_the_reason_and_held_against_nothing() -> None:
    missing = {"uWebSockets.js": "npm is not installed."}
    found = results({"fanout": [fanned_out("Parley", 95), fanned_out("floor in C", 100)]}, missing=missing)

    assert "uWebSockets.js is missing: npm is not installed." in text(found)
    assert row(text(found), "", "ratio to uWebSockets.js, one per tick")[-1] == "not measured"


def test_a_ratio_is_of_what_was_measured_in_the_same_round() -> None:
    """The machine was twice as fast in the second round, and the third lacks the peer."""
    runs = [
        *(fanned_out("Parley", 110), fanned_out("uWebSockets.js", 100)),
        *(fanned_out("Parley", 230, round=1), fanned_out("uWebSockets.js", 200, round=1)),
        fanned_out("Parley", 10, round=2),
    ]
    found = results({"fanout": runs})

    assert row(goals_table(found), "", "ratio to uWebSockets.js, one per tick")[1] == "1.12"
    assert row(text(found), "uWebSockets.js")[:2] == ["150 (100..200)", "1.12 (1.10..1.15)"]


def test_durable_rooms_are_compared_at_their_better_window() -> None:
    runs = [room("Parley", 6000, p50=4, p99=60), room("ejabberd", 1000)]
    found = results({"durable": runs})

    assert row(goals_table(found), "", "ratio to ejabberd, room of 10") == ["≥ 5", "6.00", "1.20", "yes"]
    assert row(goals_table(found), "", "p50, room of 10") == ["≤ 10 ms", "4.00 ms", "0.40", "yes"]
    assert row(goals_table(found), "", "p99, room of 10") == ["≤ 50 ms", "60.0 ms", "1.20", "**no**"]
    assert row(text(found), "Parley", "10")[:4] == ["", "6,000", "500", "30,000"]
    assert row(text(found), "ejabberd", "10")[:2] == ["6.00", "1,000"]


def test_without_ejabberd_its_rows_are_missing_alone() -> None:
    found = results({"durable": [room("Parley", 6000)]}, missing={"ejabberd": "not installed"})

    assert row(goals_table(found), "", "p99, room of 10")[-1] == "yes"
    assert row(goals_table(found), "**P2**")[-1] == "not measured"
    assert [list(plot.series) for plot in plots(found) if isinstance(plot, Bars)] == [["Parley"]]


def test_a_load_generator_near_its_limit_is_told() -> None:
    at_ease = results({"fanout": [fanned_out("Parley", 100, busy=0.5)]})
    at_work = results({"fanout": [fanned_out("Parley", 100, busy=0.5), fanned_out("ws", 50, busy=0.95)]})

    assert "took 50% of a core at most, and sent what was due 0.2 ms late at most.\n" in text(at_ease)
    assert "In 1 of 2 runs it was near its own limit" in text(at_work)


def test_memory_and_growth_are_judged_at_their_largest_size() -> None:
    levels = [memory.Memory(number, number * each, each) for number, each in ((1000, 20_480), (10_000, 8192))]
    costs = [
        growth.Cost(size, 50.0, size, each * size, each, 0.02) for size, each in ((2, 100.0), (50, 130.0), (500, 90.0))
    ]
    found = results(
        {
            "memory": [memory.IdleMemory(200, 5, 2**26, levels)],
            "growth": [growth.Growth("members", costs, 225.0), growth.Growth("rooms", costs[::2], 225.0)],
        }
    )

    assert row(goals_table(found), "", "memory per connection") == ["≤ 16 KiB", "8.00 KiB", "0.50", "yes"]
    assert row(goals_table(found), "", GROWTH_MEMBERS.what)[1:] == ["1.30", "1.08", "**no**"]
    assert row(goals_table(found), "", GROWTH_ROOMS.what)[1:] == ["0.90", "0.75", "yes"]
    assert row(text(found), "10,000") == ["78.1", "8.00"]


def test_what_is_measured_whole_or_not_at_all_counts_as_kept() -> None:
    """Whoever loses a message, or closes with another code, breaks the measurement off."""
    calm, hindered = Latency(1, 10, 20, 30), Latency(2, 300, 400, 500)
    came_back = storm.Storm(5000, 5, 20, 0.5, 2.0, 4.0, 7, {"gateway_ws": 3.0, "postgresql": 1.0}, 1.0, calm, hindered)
    slow = stalled.Stalled(
        *(200, 2, 50.0, 1000, 1024),
        calm=stalled.Round(calm, 100),
        meanwhile=stalled.Round(calm, 1124),
        **{"told": 1, "gap": 10, "entries": 400},
    )
    found = results({"storm": [came_back], "stalled": [slow]})

    assert row(goals_table(found), "", "until all are served") == ["≤ 10 s", "4.00 s", "0.40", "yes"]
    assert row(goals_table(found), "", "messages lost") == ["= 0", "0", "", "yes"]
    assert row(goals_table(found), "", "p99 of any other client")[-1] == "**no**"
    assert row(goals_table(found), "", "memory held for it to its bound") == ["≤ 1", "0.50", "0.50", "yes"]
    assert row(goals_table(found), "", "it is closed with") == ["= 4008", "4008", "", "yes"]
    assert row(text(found), "3.00")[:2] == ["1.00", "1.00"]


def test_a_measurement_that_was_broken_off_is_told_and_the_others_stay() -> None:
    found = results({"single_process": [room("single process", 12_000)]})
    found.records["durable"] = Record(began=BEGAN, took_s=0, quick=False, load=0, failed="Stuck: not done")

    assert "- `durable`: Stuck: not done\n" in text(found)
    assert row(text(found), "**P4**")[-1] == "yes"


def test_where_when_and_how_is_told() -> None:
    found = results({"single_process": [room("single process", 12_000)]}, quick=True)

    assert "2 cores of Some CPU, 8 GiB of memory, Some Linux, Linux 6.1, Python 3.11.7" in text(found)
    assert "**A first look only**, small and in one round: single_process." in text(found)
    assert "Measured quickly on 2026-01-02 at 03:04 UTC in 12 s" in text(found)
    assert row(text(found), "Parley") == ["1.2.3"]


def test_latency_is_plotted_against_load_and_cost_by_peer_and_by_room() -> None:
    runs = [room(system, rate, members=50) for system, rate in (("Parley", 4000), ("ejabberd", 500))]
    cost, latency, by_members = plots(
        results({"fanout": [fanned_out("Parley", 95), fanned_out("ws", 50)], "durable": runs})
    )

    assert isinstance(cost, Bars)
    assert cost.series["one per tick"] == {"Parley": 95, "ws": 50}
    assert isinstance(latency, Lines)
    assert latency.series["Parley, p99"] == [(2000, 20)]
    assert isinstance(by_members, Bars)
    assert by_members.series["ejabberd"] == {"50 members": 500 * 50 / 2}


def test_names_are_used_once() -> None:
    targets = [target for goal in GOALS for target in goal.targets]
    names = [measurement.name for measurement in MEASUREMENTS]

    assert len(set(targets)) == len(targets)
    assert len(set(names)) == len(names)


def test_answers_that_the_time_tells_apart_are_named() -> None:
    times = [float(20 + percent) for percent in enumeration.PERCENTS]
    alike, apart = Difference(0.51, 0.4, 0.3, 0.01, -0.02, 0.03), Difference(0.6, 0.0, 0.0, 2.0, 1.5, 2.5)
    found = results(
        {
            "enumeration": [
                enumeration.Enumeration(askers, 300, 0.999, times, times, difference)
                for askers, difference in ((1, alike), (8, apart))
            ]
        }
    )

    assert row(text(found), "1", "51.0%")[-1] == "no"
    assert row(text(found), "8", "60.0%")[-1] == "**yes**"
    assert row(text(found), "1", "free") == ["99.9%", "25.0", "70.0", "115", "119"]
    assert row(goals_table(found), "", "share of right guesses beyond a coin's, 1 at once")[-1] == "yes"
    assert row(goals_table(found), "**E1**")[-1] == "**no**"
    assert [plot.name for plot in plots(found)] == ["enumeration"]


def bloom_run(*filters: bloom_filter.Filled) -> bloom.Bloom:
    rebuild = bloom_service.Rebuild(
        *(1_000_000, 45.0, 25, 0),
        cpu={"user_service": 0.17, "bloom_service": 0.9},
        calm={"user_service": 0.05, "bloom_service": 0.0},
        memory=2**26,
    )
    return bloom.Bloom(
        filters,
        [bloom_filter.Generational(number, 10_000 * number, rate, 1000) for number, rate in ((1, 0.0009), (2, 0.0012))],
        [bloom_filter.Loaded(1_000_000, 2**20, 0.5)],
        bloom_service.AtWork(
            rebuild,
            otherwise=bloom_service.Answering(500.0, 1000.0),
            beside_another=bloom_service.Answering(450.0, 980.0),
            during_export=bloom_service.Answering(400.0, 950.0),
            asked=[bloom_service.Asked(1, 4_000.0), bloom_service.Asked(1000, 500_000.0)],
            registrations=100,
            told=Latency(10, 100, 200, 250),
        ),
    )


def test_the_bloom_filter_is_judged_at_each_size_that_was_measured() -> None:
    own = [
        bloom_filter.Filled("bloom_service", members, 14.5, rate, 1000, 2.0, 1.5, 2**21)
        for members, rate in ((10_000, 0.00105), (20_000, 0.002), (1_000_000, 0.0012))
    ]
    table = goals_table(results({"bloom": [bloom_run(*own)]}))

    assert row(table, "", "error rate to what was asked for, 10,000 members")[-1] == "yes"
    assert row(table, "", "error rate to what was asked for, 1,000,000 members")[-1] == "**no**"
    assert row(table, "", "error rate to what was asked for, 10,000,000 members")[-1] == "not measured"
    assert row(table, "", BLOOM_GENERATIONS.what)[1:] == ["1.20", "1.09", "**no**"]
    assert row(table, "", BLOOM_EXPORT.what)[1:] == ["0.12", "1.20", "**no**"]
    assert row(table, "", "p99 from a registration until the filter has it")[1] == "100 ms"


def test_what_rbloom_would_change_is_told_where_it_was_measured() -> None:
    own, other = (
        bloom_filter.Filled(of, 1_000_000, 14.4, 0.001, 1000, add_us, add_us / 2, 2**21)
        for of, add_us in (("bloom_service", 2.0), ("rbloom", 0.4))
    )

    assert "would take 1.60 s of CPU away" in " ".join(text(results({"bloom": [bloom_run(own, other)]})).split())
    assert "rbloom would" not in text(results({"bloom": [bloom_run(own)]}, missing={"rbloom": "it is not installed."}))
