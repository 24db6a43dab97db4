"""Whether the time of an answer tells that an address is taken (E1)."""

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from secrets import token_hex

import httpx
import numpy as np

from bench.load.asker import Asker
from bench.servers.parley import services
from bench.two_samples import Difference, Sample, difference

ASKERS = 1, 8
"""One who asks some 20 times a second, and several who ask 150 times: as much as 180 networks may together."""

QUESTIONS = 1_500
PERCENTS = tuple(range(1, 100))

_TAKEN = 100
_SETTLED_WITHIN_S = 30
_BY_FILTER = 'parley_email_availability_answers_total{by="filter"}'


@dataclass(frozen=True, slots=True)
class Enumeration:
    """So many at once asked so many `questions` about taken addresses and as many about free ones, in random order.
    The filter alone has answered `by_filter` of the latter. `taken` and `free` are the percentiles 1 to 99 of the
    milliseconds that answers took, and `difference` is that of the taken to the free."""

    askers: int
    questions: int
    by_filter: float
    taken: Sequence[float]
    free: Sequence[float]
    difference: Difference


def measure(askers: Sequence[int] = ASKERS, questions: int = QUESTIONS) -> list[Enumeration]:
    with services() as parley:
        emails = [user.account.email for user in parley.users(_TAKEN)]
        _settle(parley.user_url, emails)
        return [_compare(parley.user_url, emails, number, questions) for number in askers]


def _ask(asker: Asker, email: str) -> tuple[bool, float]:
    """Whether it is available, and how many milliseconds it took to say so."""
    begun = time.perf_counter()
    answer = asker.ask("POST", "/api/v1/users/availability", {"email": email})
    took = 1000 * (time.perf_counter() - begun)
    available: bool = answer["available"]
    return available, took


def _settle(url: str, emails: Sequence[str]) -> None:
    """Until the filter has all that are taken, and answers for those that are free."""
    asker = Asker(url)
    deadline = time.monotonic() + _SETTLED_WITHIN_S
    while _answered_by_filter(url) == 0 or any(_ask(asker, email)[0] for email in emails):
        _ask(asker, _free_email())
        if time.monotonic() > deadline:
            raise TimeoutError("the filter does not answer")
    asker.close()


def _compare(url: str, emails: Sequence[str], askers: int, questions: int) -> Enumeration:
    about = [True] * questions + [False] * questions
    random.shuffle(about)

    def ask(part: Sequence[bool]) -> list[tuple[bool, float]]:
        asker = Asker(url)
        answers = [_ask(asker, random.choice(emails) if taken else _free_email()) for taken in part]
        asker.close()
        if [not available for available, _ in answers] != part:
            raise AssertionError("a wrong answer")
        return answers

    before = _answered_by_filter(url)
    with ThreadPoolExecutor(askers) as pool:
        parts = list(pool.map(ask, [about[number::askers] for number in range(askers)]))
    by_filter = (_answered_by_filter(url) - before) / questions
    taken, free = (
        np.array([took for part in parts for available, took in part if available == is_free])
        for is_free in (False, True)
    )
    return Enumeration(askers, questions, by_filter, _percentiles(taken), _percentiles(free), difference(taken, free))


def _percentiles(sample: Sample) -> list[float]:
    return [float(value) for value in np.percentile(sample, PERCENTS)]


def _free_email() -> str:
    """As long as those that are taken."""
    return f"u{token_hex(8)}@example.com"


def _answered_by_filter(url: str) -> float:
    lines = httpx.get(f"{url}/metrics", trust_env=False).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(_BY_FILTER))
