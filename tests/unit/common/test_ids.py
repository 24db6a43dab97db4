import time
from datetime import UTC, datetime

from common.ids import now, uuid7


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000

    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert before <= made.int >> 80 <= after


def test_ids_differ() -> None:
    assert len({uuid7() for _ in range(10_000)}) == 10_000


def test_the_time_is_in_utc_and_whole_milliseconds() -> None:
    moments = [now() for _ in range(100)]

    assert all(moment.tzinfo is UTC and moment.microsecond % 1000 == 0 for moment in moments)
    assert 0 <= (datetime.now(UTC) - moments[-1]).total_seconds() < 1
