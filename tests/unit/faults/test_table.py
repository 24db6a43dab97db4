"""The table that a run ends with."""

import math
from collections import Counter

from tests.e2e.faults.table import Row, Table


def lines_of(table: Table) -> list[str]:
    return [line for line in str(table).splitlines() if not line.startswith("-")]


def test_faults_of_one_kind_are_one_row() -> None:
    table = Table()
    table.add(Row("killed", 1, 30, 20, served_after=[1.0]))
    table.add(Row("paused", 1, 5, 5, served_after=[0.5]))
    table.add(Row("killed", 1, 12, 10, served_after=[2.25]))

    _, killed, paused, _ = lines_of(table)

    assert killed.split() == ["killed", "2", "42", "30", "0", "0", "0", "0", "0", "2.2", "s"]
    assert paused.split() == ["paused", "1", "5", "5", "0", "0", "0", "0", "0", "0.5", "s"]


def test_the_last_line_is_the_total() -> None:
    table = Table()
    table.add(Row("killed", 2, 30, 20, Counter(lost=1), [1.0, 3.0]))
    table.add(Row("paused", 1, 5, 4, Counter(lost=2, leaked=1), [2.0]))

    assert lines_of(table)[-1].split() == ["total", "3", "35", "24", "3", "0", "0", "1", "0", "3.0", "s"]


def test_one_that_was_never_served_again_shows() -> None:
    table = Table()
    table.add(Row("killed", 1, served_after=[1.0, math.inf]))

    assert lines_of(table)[1].split()[-2:] == ["inf", "s"]


def test_columns_stand_under_each_other() -> None:
    table = Table()
    table.add(Row("killed", 1, 123456, 20))
    table.add(Row("a fault with a long name", 1, 1, 2, Counter({"out of order": 1})))

    assert len({len(line) for line in str(table).splitlines()}) == 1


def test_adding_to_a_table_leaves_what_was_added_as_it_is() -> None:
    row = Row("killed", 1, served_after=[1.0])
    table = Table()

    table.add(row)
    table.add(Row("killed", 1, served_after=[2.0]))

    assert row.times == 1
    assert row.served_after == [1.0]
