import pytest

from common.tracing import current_trace_id, current_traceparent, new_traceparent, traced

KNOWN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_goes_on_under_the_context_that_came_with_the_request() -> None:
    with traced(KNOWN) as context:
        assert context == current_traceparent() == KNOWN
        assert current_trace_id() == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    "malformed",
    [
        None,
        "",
        "nonsense",
        KNOWN.upper(),
        KNOWN + "\n",
        "ff" + KNOWN[2:],
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        KNOWN + " and a forged log line",
    ],
)
def test_makes_a_new_context_where_none_came_or_a_malformed_one(malformed: str | None) -> None:
    with traced(malformed) as first:
        assert first != malformed
        assert current_traceparent() == first
    with traced(malformed) as second:
        assert second != first


def test_a_context_ends_with_what_it_was_for() -> None:
    with traced(KNOWN):
        with traced(new_traceparent()):
            pass
        assert current_traceparent() == KNOWN
    assert current_trace_id() is None


def test_a_new_context_is_well_formed() -> None:
    made = new_traceparent()

    with traced(made) as context:
        assert context == made
