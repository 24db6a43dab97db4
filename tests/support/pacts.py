"""Consumer-driven contracts. A consumer's test states what it uses of a provider, and runs its real code on that. The
statement is committed as `contracts/pacts/<consumer>-<provider>.json`; the provider's verification has it made by its
real use cases.

PARLEY_WRITE_PACTS=1 writes what the consumers' tests state.
"""

import gc
import json
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from pact import Pact, Verifier
from pact import match as matching
from pact.types import Message as PactMessage

from contracts.envelope import BATCH, SINGLE
from contracts.messages import Payload
from contracts.routing import COMMANDS, EVENTS, Key, Service
from messaging.bus import Delivery, Message

os.environ["PACT_DO_NOT_TRACK"] = "true"

FOLDER = Path(__file__).parents[2] / "contracts/pacts"

TIME = "2026-01-02T03:04:05.678Z"
DIGEST = "5f" * 32
DIGEST_KEY = "the key of the email digests"
DIGEST_KEY_ID = "a73b46b1"

_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

_KEYS = {
    Key.PARTITION: matching.regex("3", regex="[0-9]|1[0-5]"),
    Key.SHARD: matching.regex("7", regex="[0-9]|[1-5][0-9]|6[0-3]"),
    Key.EVERYBODY: "all",
    Key.GATEWAY: matching.regex("gateway-1", regex="gateway-.+"),
}


def uuid(number: int) -> Any:
    """Any UUID; the example is told by its number."""
    return matching.regex(id_of(number), regex=_UUID)


def id_of(number: int) -> str:
    return f"01900000-0000-7000-8000-{number:012x}"


def some_time() -> Any:
    return matching.regex(TIME, regex=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def some_text(example: str) -> Any:
    return matching.str(example)


def some_number(example: int) -> Any:
    return matching.int(example)


def some_seconds(example: float) -> Any:
    return matching.number(example)


def digest() -> Any:
    return matching.regex(DIGEST, regex="[0-9a-f]{64}")


def some_digests() -> Any:
    """Any number of them, as one string."""
    return matching.regex(DIGEST, regex="([0-9a-f]{64})+")


class Uses:
    """What one service uses of another."""

    def __init__(self, consumer: Service, provider: Service) -> None:
        # apart, for the library can't serve answers from what holds messages as well
        self.answers = Pact(consumer, provider).with_specification("V4")
        self._messages = Pact(consumer, provider).with_specification("V4")
        self._path = FOLDER / f"{consumer}-{provider}.json"

    def answer(
        self,
        description: str,
        *,
        given: str,
        method: str,
        path: str,
        query: Mapping[str, str] = MappingProxyType({}),
        body: Any = None,
        status: int = 200,
        answer: Any = None,
        credential: bool = True,
    ) -> None:
        """An answer over HTTP, and what is used of it."""
        asked = self.answers.upon_receiving(description).given(given).with_request(method, path)
        for name, value in query.items():
            asked.with_query_parameter(name, value)
        if credential:
            asked.with_header("Authorization", matching.regex("Bearer secret", regex="Bearer .+"))
        if body is not None:
            asked.with_body(body, "application/json")
        asked.will_respond_with(status)
        if answer is not None:
            asked.with_body(answer, "application/json")

    def signing_keys(self) -> None:
        """Of user_service: what tokens are verified with."""
        key = {"kty": "OKP", "crv": "Ed25519", "x": some_text("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")}
        self.answer(
            "the signing keys",
            given="it is there",
            method="GET",
            path="/.well-known/jwks.json",
            answer={"keys": matching.each_like({**key, "kid": some_text("1"), "alg": "EdDSA"}, min=1)},
            credential=False,
        )

    def message(self, description: str, payload: type[Payload], *data: Mapping[str, Any]) -> None:
        """A message on the bus, of one event, or of several in a batch: what is used of the `data` of each.

        What else the type demands is stated as well: a reader does not understand an event without it.
        """
        events = [_event(payload, number, one) for number, one in enumerate(data, 1)]
        body: Any = events[0] if len(events) == 1 else events
        (
            self._messages.upon_receiving(description, "Async")
            .with_body(body, SINGLE if len(events) == 1 else BATCH)
            .with_metadata(
                {
                    "type": payload.type,
                    "exchange": payload.exchange,
                    "key": _KEYS.get(payload.key, payload.type),
                }
            )
        )

    def deliveries(self) -> list[Delivery]:
        """The messages as examples, in the order in which they were stated."""
        deliveries: list[Delivery] = []

        def take(body: str | bytes | None, metadata: Mapping[str, Any]) -> None:
            exchange, key, type = (str(metadata[name]) for name in ("exchange", "key", "type"))
            content = str(body).encode()
            content_type = str(metadata["contentType"])
            deliveries.append(Delivery(exchange, key, content, type, "", content_type, {}))

        self._messages.verify(take, kind="Async")
        return deliveries

    def hold(self) -> None:
        """Fail if what is committed is not what has been stated."""
        with TemporaryDirectory() as folder:
            for pact in (self._messages, self.answers):
                if any(pact.interactions("All")):
                    pact.write_file(folder)  # to what is there already
            stated = json.loads((Path(folder) / self._path.name).read_text())
        del stated["metadata"]["pactRust"]  # the library's versions
        text = json.dumps(stated, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        if os.environ.get("PARLEY_WRITE_PACTS"):
            self._path.parent.mkdir(exist_ok=True)
            self._path.write_text(text)
        committed = self._path.read_text() if self._path.exists() else ""
        assert text == committed, f"{self._path.name} is not what this test states: make pacts, and tell its provider"


def again(delivery: Delivery, key: str | None = None) -> Message:
    """The message that was delivered, to be published (under another key)."""
    exchange, type, content_type = delivery.exchange, delivery.type, delivery.content_type
    durable = exchange in (EVENTS, COMMANDS)
    return Message(exchange, key or delivery.key, delivery.body, type, id_of(0), content_type, durable=durable)


def _made(delivery: Delivery) -> PactMessage:
    return PactMessage(
        contents=delivery.body,
        metadata={"type": delivery.type, "exchange": delivery.exchange, "key": delivery.key},
        content_type=delivery.content_type,
    )


def verify(
    provider: Service,
    messages: Mapping[str, Delivery] = MappingProxyType({}),
    *,
    url: str | None = None,
    token: str = "",
    states: Mapping[str, Callable[[], object]] = MappingProxyType({}),
) -> None:
    """Hold a provider to all pacts about it. `messages` are those it has published, by what consumers call them. Under
    `url` it answers over HTTP to who has the service token, and each of `states` puts it into one."""
    verifier = Verifier(provider, "127.0.0.1")
    if messages:
        verifier.message_handler({name: _made(delivery) for name, delivery in messages.items()})
    if url is not None:
        verifier.add_transport(url=url).add_custom_header("Authorization", f"Bearer {token}")
        verifier.state_handler({state: _enter(begin) for state, begin in states.items()}, teardown=False)
    pacts = sorted(FOLDER.glob(f"*-{provider}.json"))
    assert pacts, f"no pact is about {provider}"
    for path in pacts:
        verifier.add_source(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the library leaves its own servers' sockets to be collected
        verifier.verify()
        del verifier
        gc.collect()


def _enter(begin: Callable[[], object]) -> Callable[..., None]:
    def enter(**_: Any) -> None:
        begin()

    return enter


def _event(payload: type[Payload], number: int, data: Mapping[str, Any]) -> dict[str, Any]:
    """What every reader uses of an event: without any of these it is not understood."""
    return {
        "specversion": "1.0",
        "id": uuid(0xE000 + number),
        "source": f"/{payload.producer}",
        "type": payload.type,
        "time": some_time(),
        "datacontenttype": "application/json",
        "traceparent": matching.regex(_TRACEPARENT, regex="00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"),
        "data": {**_demanded(payload, besides=data), **data},
    }


def _demanded(payload: type[Payload], *, besides: Mapping[str, Any]) -> dict[str, Any]:
    schema = payload.model_json_schema()
    return {name: _something(schema["properties"][name]) for name in schema["required"] if name not in besides}


def _something(field: Mapping[str, Any]) -> Any:
    """Of a field's form, whatever it says."""
    match field:
        case {"format": "uuid"}:
            return uuid(0xF000)
        case {"format": "date-time"}:
            return some_time()
        case {"pattern": str()}:
            return digest()
        case {"type": "string"}:
            return some_text("something")
        case {"type": "integer"}:
            return some_number(1)
    raise AssertionError(f"a test has to say what it uses of {field}")
