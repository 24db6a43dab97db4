"""A service on a socket, and schemathesis, which holds every answer to the service's own OpenAPI document.

The service runs in a thread of its own: schemathesis and its requests know nothing of event loops.
"""

import base64
import os
import secrets
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic

import hypothesis
import schemathesis
from anyio.from_thread import BlockingPortal
from hypothesis import strategies as st
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis import Case, Config, GenerationMode, HookContext, Response
from schemathesis.generation.stateful import run_state_machine_as_test
from schemathesis.specs.openapi.schemas import OpenApiSchema

from contracts.fields import rfc3339
from tests.support.serving import AnyService, in_a_thread

NO_DATABASE = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"
"""Where no server listens."""

EXAMPLES = int(os.environ.get("PARLEY_TEST_HTTP_EXAMPLES", "0"))
"""How many requests are made up for each operation, besides those at the bounds of what is allowed, and how many
sequences for each service: other ones each time. Without it they are few, and always the same."""

REQUESTS: Counter[tuple[str, str]] = Counter()
"""How many were made up and answered so far, by service and by schemathesis' phase."""

_NAMES_LIKE_IDS = ("/api/v1/users/availability", "/api/v1/rooms/direct", "/api/v1/rooms/public")
"""Where an id may stand, too. A method that they don't have is not refused as such (405): what is wrong is the id."""
_METHODS_OF_NO_ID = ["put", "options", "trace", "query"]

_LATER = "2100"
"""Every time from then on is to come."""

_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")

AnyCase = Case[Any]
"""A request that is made up."""


def path_of(service: str) -> Path:
    return Path(__file__).parents[2] / "contracts/openapi" / f"{service}.json"


def document_of(service: str) -> OpenApiSchema:
    """The committed document. Whatever is asked by it is counted."""
    document = schemathesis.openapi.from_path(path_of(service), config=_config())

    def count(_context: HookContext, case: AnyCase, _response: Response) -> None:
        if case.meta is not None:
            REQUESTS[service, case.meta.phase.name] += 1

    document.hooks.register_hook_with_name(count, "after_call")
    document.hooks.register_hook_with_name(_obeys_descriptions, "filter_case")
    return document


class Api(Generic[AnyService]):
    """A service at work, held to a document."""

    def __init__(self, document: OpenApiSchema, service: AnyService, portal: BlockingPortal, url: str) -> None:
        self.service = service
        self.portal = portal
        self.document = document
        self.url = url
        self.tokens: dict[str, str] = {}

    def options(self, case: AnyCase) -> dict[str, Any]:
        """Where a request that was made up goes, and with which of `tokens`, which are by security scheme."""
        security: list[dict[str, Any]] = case.operation.definition.raw.get("security", [])
        tokens = [self.tokens[scheme] for either in security for scheme in either]
        return {"base_url": self.url, "headers": authorization(*tokens)}


def authorization(*tokens: str) -> dict[str, str]:
    """The header with the one token, or none."""
    return {"Authorization": f"Bearer {token}" for token in tokens}  # noqa: B035


@contextmanager
def served(document: OpenApiSchema, running: AbstractAsyncContextManager[AnyService]) -> Iterator[Api[AnyService]]:
    """A service under uvicorn on a port of its own."""
    with in_a_thread(running) as (service, portal, url):
        yield Api(document, service, portal, url)


def run_sequences(api: Api[Any]) -> None:
    """Requests that follow from one another: what one has answered goes into the next."""
    failures: list[BaseException] = []
    sequences = 0

    class Sequence(api.document.as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            nonlocal sequences
            sequences += 1

        def get_call_kwargs(self, case: AnyCase) -> dict[str, Any]:
            return api.options(case)

        def validate_response(self, response: Response, case: AnyCase, **options: Any) -> None:
            try:
                super().validate_response(response, case, **options)
            except BaseException as failure:
                failures.append(failure)
                raise

    settings = hypothesis.settings(
        api.document.config.get_hypothesis_settings(phase="stateful"),
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    while sequences < settings.max_examples and not failures:
        seed = api.document.config.seed + sequences
        # the service remembers what came before, so a sequence that is tried again may go another way
        with suppress(FlakyStrategyDefinition):
            run_state_machine_as_test(hypothesis.seed(seed)(Sequence), settings=settings)
    if failures:
        raise failures[0]


def _config() -> Config:
    chosen = {"max-examples": EXAMPLES or 20, "deterministic": not EXAMPLES}
    fewer_methods = {"coverage": {"unexpected-methods": _METHODS_OF_NO_ID}}
    return Config.from_dict(
        {
            "seed": secrets.randbits(64) if EXAMPLES else 1,
            "generation": {**chosen, "database": "none", "with-security-parameters": False},
            "phases": {"stateful": {"max-steps": 15}},
            "operations": [{"include-path": path, "phases": fewer_methods} for path in _NAMES_LIKE_IDS],
        }
    )


def _obeys_descriptions(_context: HookContext, case: AnyCase) -> bool:
    """What JSON Schema can't say of a name or a time is said in its description. Who obeys it sends no other."""
    if case.meta is None or case.meta.generation.mode is GenerationMode.NEGATIVE or not isinstance(case.body, dict):
        return True
    names = [case.body.get(field) for field in ("name", "topic", "display_name")]
    until = case.body.get("until")
    is_to_come = not isinstance(until, str) or until >= _LATER
    return is_to_come and all(_shows(name) for name in names if isinstance(name, str))


def _shows(name: str) -> bool:
    name = unicodedata.normalize("NFC", name).strip()
    return name != "" and not any(unicodedata.category(character) in _INVISIBLE for character in name)


def _encoded(username: str) -> str:
    return base64.urlsafe_b64encode(username.encode()).decode()


# what a value of a format looks like that is not only well-formed
_LETTERS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=20)
_TIMES_TO_COME = st.datetimes(min_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001

schemathesis.openapi.format("idn-email", st.builds("{}+{}@{}.test".format, _LETTERS, _LETTERS, _LETTERS))
schemathesis.openapi.format("cursor", _LETTERS.map(_encoded))
schemathesis.openapi.format("date-time", _TIMES_TO_COME.map(rfc3339))
