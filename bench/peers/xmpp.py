"""As much of XMPP (RFC 6120, XEP-0045) as a client on a blocking socket needs to talk in a room."""

import re
import socket
from base64 import b64encode
from html import escape, unescape

HOST = "localhost"
ROOMS = f"conference.{HOST}"
PASSWORD = "benchmark"  # noqa: S105 of users who live as long as a benchmark

STREAM = (
    f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
    f"to='{HOST}' version='1.0'>"
)
_BIND = (
    "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
    "<resource>{resource}</resource></bind></iq>"
)
_JOIN = "<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"

_FEATURES = re.compile(rb"</stream:features>")
_SUCCESS = re.compile(rb"<success [^>]*>")
_BOUND = re.compile(rb"<iq [^>]*type='result'[^>]*>.*</iq>", re.DOTALL)
_SUBJECT = re.compile(rb"<subject ?/?>.*</message>", re.DOTALL)
"""The last that a room says to who joins."""

_END_OF_MESSAGE = b"</message>"
_BODY = re.compile(
    rb"<message (?=[^>]*type='groupchat')[^>]*>"
    rb"(?:<(?!body>|/message>)[^>]*>[^<]*)*"  # what stands before it: ids, above all
    rb"<body>([^<]*)</body>"
)


def join(connection: socket.socket, user: str, room: str) -> None:
    """On a fresh connection: logs in, joins the room, and reads what it says until that is done, which is all, unless
    somebody speaks there meanwhile. Raises ConnectionError: refused."""
    credentials = b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
    for question, answer in (
        (STREAM, _FEATURES),
        (f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{credentials}</auth>", _SUCCESS),
        (STREAM, _FEATURES),
        (_BIND.format(resource=room), _BOUND),
        (_JOIN.format(room=f"{room}@{ROOMS}", nick=user), _SUBJECT),
    ):
        connection.sendall(question.encode())
        _read_until(connection, answer)


def groupchat(user: str, room: str, id: str, text: str) -> bytes:
    """Of a user in a room. `text` has no control characters but tab and line feed: XML knows no others."""
    return (
        f"<message from='{user}@{HOST}/{room}' to='{room}@{ROOMS}' type='groupchat' id='{escape(id)}'>"
        f"<body>{escape(text, quote=False)}</body></message>"
    ).encode()


def bodies(buffer: bytearray) -> list[str]:
    """Takes the whole messages out of what was received, and gives what was said in rooms, in its order. A message that
    is cut at the end stays."""
    end = buffer.rfind(_END_OF_MESSAGE)
    if end < 0:
        return []
    end += len(_END_OF_MESSAGE)
    found = [unescape(body.decode()) for body in _BODY.findall(buffer, 0, end)]
    del buffer[:end]
    return found


def _read_until(connection: socket.socket, answer: re.Pattern[bytes]) -> None:
    read = b""
    while not answer.search(read):
        if not (chunk := connection.recv(1 << 16)):
            raise ConnectionError(f"ended after {read.decode(errors='replace')}")
        read += chunk
        if b"<failure" in read or b"type='error'" in read or b"<stream:error" in read:
            raise ConnectionError(read.decode(errors="replace"))
