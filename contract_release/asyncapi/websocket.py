"""The WebSocket: one channel, what clients may say, and what they are told."""

from collections.abc import Iterable

from contract_release.asyncapi.examples import CONTRACTED, message_example
from contract_release.asyncapi.schemas import ENTRY_BY_KIND, SCHEMAS, Json, component_schemas, said_of, schema_of
from contracts.frames import (
    CLIENT_FRAMES,
    MAX_FRAME_BYTES,
    SERVER_FRAMES,
    SUBPROTOCOL,
    Ack,
    ClientFrame,
    CloseCode,
    Error,
    Event,
    Hello,
    Send,
    ServerFrame,
    Welcome,
)
from contracts.registry import Contracted
from contracts.routing import Service

SERVER = "gateway"
CHANNEL = "ws"

RECONNECTING = {
    CloseCode.NORMAL: "yes, after a random wait",
    CloseCode.GOING_AWAY: "yes, after a random wait",
    CloseCode.NOT_TEXT: "no: the client is wrong",
    CloseCode.NOT_UTF8: "no: the client is wrong",
    CloseCode.TOO_BIG: "no: the client is wrong",
    CloseCode.INTERNAL_ERROR: "yes, after a random wait",
    CloseCode.SERVICE_RESTART: "yes, after a random wait",
    CloseCode.UNAUTHORIZED: "with a new token: there was no `hello` in time, or its token is bad or has expired",
    CloseCode.SESSION_REVOKED: "no: the session has ended (logout, password change, account deleted)",
    CloseCode.SLOW_CONSUMER: "yes, with `resume`: more was unsent than may be",
    CloseCode.TOO_MANY_FRAMES: "after the seconds that the reason names",
}
"""Whether a client that was closed with a code comes back."""

_DESCRIPTION = f"""\
One JSON object per text frame, of at most {MAX_FRAME_BYTES} bytes, told apart by `type`.

The first frame is the client's `hello`, within 10 seconds. It carries the access token, which never stands in an
address; no cookie is looked at.

A command with an `id`, a UUID that the client makes, is answered by exactly one `ack` or `error` with that `id`. It may
be sent again with the same `id` at any time, over any connection: it takes effect once.

A client passes over fields, frames and kinds of events that it does not know. The server passes over fields, and
answers anything else that it does not understand with an `error`.

| close code | name | come back? |
|---|---|---|
"""

_ANSWERS: dict[type[ClientFrame], list[type[ServerFrame]]] = {Hello: [Welcome, Error], Send: [Ack, Error]}
"""All other frames are answered only if something is wrong, with an error."""

_FRAMES = {frame: CONTRACTED[frame] for frame in (*CLIENT_FRAMES, *SERVER_FRAMES)}


def channels() -> dict[str, Json]:
    headers = {
        "Sec-WebSocket-Protocol": {
            "type": "string",
            "description": f"Optional. `{SUBPROTOCOL}` is chosen if it is among those that the client offers.",
        }
    }
    channel = {
        "address": "/ws",
        "title": "A client's connection to the gateway",
        "description": _DESCRIPTION
        + "".join(f"| {code:d} | {_words(code)} | {who} |\n" for code, who in RECONNECTING.items()),
        "servers": [{"$ref": f"#/servers/{SERVER}"}],
        "messages": {frame.name: {"$ref": f"#/components/messages/{frame.name}"} for frame in _FRAMES.values()},
        "bindings": {
            "ws": {"method": "GET", "headers": {"type": "object", "properties": headers}, "bindingVersion": "0.1.0"}
        },
    }
    return {CHANNEL: channel}


def operations() -> dict[str, Json]:
    """A client's frames with their answers, and what a client is told unasked."""
    answers = {answer for answered in _ANSWERS.values() for answer in answered}
    unasked = [frame for frame in SERVER_FRAMES if frame not in answers]
    return {
        **{
            f"{Service.GATEWAY_WS}.receive.{_FRAMES[frame].name}": {
                **_operation("receive", [frame]),
                "reply": {
                    "channel": {"$ref": f"#/channels/{CHANNEL}"},
                    "messages": _messages(_ANSWERS.get(frame, [Error])),
                },
            }
            for frame in CLIENT_FRAMES
        },
        f"{Service.GATEWAY_WS}.send.unasked": _operation("send", unasked),
    }


def messages() -> dict[str, Json]:
    return {frame.name: _message(frame) for frame in _FRAMES.values()}


def schemas() -> dict[str, Json]:
    """Those of the frames and of what they hold. What a frame is for its message says."""
    schemas = component_schemas(_FRAMES)
    for frame in _FRAMES:
        schemas[frame.__name__].pop("description", None)
    schemas[Event.__name__]["allOf"] = [{"$ref": SCHEMAS + ENTRY_BY_KIND}]
    return schemas


def _message(frame: Contracted) -> Json:
    message = {
        "name": frame.name,
        **said_of(frame.model),
        "contentType": "application/json",
        "payload": schema_of(frame.model),
    }
    if frame.model in (Send, Ack, Error):
        message["correlationId"] = {"$ref": "#/components/correlationIds/frame"}
    return {**message, "examples": [message_example(frame.model)]}


def _operation(action: str, frames: Iterable[type[ClientFrame | ServerFrame]]) -> Json:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{CHANNEL}"},
        "tags": [{"name": Service.GATEWAY_WS}],
        "messages": _messages(frames),
    }


def _messages(frames: Iterable[type[ClientFrame | ServerFrame]]) -> list[Json]:
    return [{"$ref": f"#/channels/{CHANNEL}/messages/{_FRAMES[frame].name}"} for frame in frames]


def _words(code: CloseCode) -> str:
    return code.name.lower().replace("_", " ")
