"""`python -m bench.peers`: whether each peer is to be had here and does what the benchmarks need, a line for each."""

import json
import secrets
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from bench.peers import bloom, ejabberd
from bench.peers.fanout import PEERS, Peer, serving
from bench.peers.websocket import receive
from tests.support.servers.server import free_port

SUBSCRIBERS = 5
OCCUPANTS = 10
MESSAGES = 20
CUT_BYTES = 100
MEMBERS = 1000
WITHIN_S = 10.0


def main() -> None:
    for peer in PEERS:
        tell(peer.name, peer.available(), peer.version, partial(delivers, peer))
    tell(ejabberd.NAME, ejabberd.available(), ejabberd.version, delivers_and_archives)
    tell(bloom.NAME, bloom.available(), bloom.version, knows_its_members)


def tell(name: str, why_not: str | None, version: Callable[[], str], works: Callable[[], bool]) -> None:
    said = f"not here: {why_not}" if why_not else f"{version()}: {'works' if works() else 'WORKS WRONGLY'}"
    sys.stdout.write(f"{name}: {said}\n")
    sys.stdout.flush()


def delivers(peer: Peer) -> bool:
    """Whether all subscribers get all that is published, and nothing else."""
    payloads = [text(number) for number in range(MESSAGES)]
    expected = b"".join(map(peer.delivered_frame, payloads))
    port = free_port()
    with serving(peer, port), ExitStack() as connections:
        subscribers = [connections.enter_context(connect(peer, port)) for _ in range(SUBSCRIBERS)]
        publisher = connections.enter_context(connect(peer, port, publisher=True))
        for payload in payloads:
            publisher.sendall(peer.publish_frame(payload))
        received = [receive(subscriber, len(expected)) for subscriber in subscribers]
        return received == [expected] * SUBSCRIBERS and all(map(silent, (*subscribers, publisher)))


def delivers_and_archives() -> bool:
    """Whether all occupants of a room get all that is said there, each speaking in turn, and PostgreSQL has it."""
    with ejabberd.running(OCCUPANTS) as rooms, ExitStack() as connections:
        occupants = [connections.enter_context(rooms.connect(user, room=0)) for user in range(OCCUPANTS)]
        for number in range(MESSAGES):
            user = number % OCCUPANTS
            occupants[user].sendall(rooms.message(0, user, f"m{number}", text(number)))
            if heard(occupants, rooms) != [[text(number)]] * OCCUPANTS:
                return False
        return all(map(silent, occupants)) and rooms.archived() == MESSAGES


def knows_its_members() -> bool:
    """Whether a filter knows all of them, and of as many others hardly any."""
    members, others = ([secrets.token_hex(32) for _ in range(MEMBERS)] for _ in range(2))
    filter = bloom.RbloomFilter(MEMBERS, 0.001)
    for member in members:
        filter.add(member)
    return all(member in filter for member in members) and sum(other in filter for other in others) < MEMBERS / 100


def heard(occupants: Sequence[socket.socket], rooms: ejabberd.Rooms) -> list[list[str]]:
    """The next that each hears, received in pieces."""
    all_heard = []
    for occupant in occupants:
        occupant.settimeout(WITHIN_S)
        buffer = bytearray()
        while not (said := rooms.bodies(buffer)):
            buffer += occupant.recv(CUT_BYTES)
        all_heard.append(said)
    return all_heard


def text(number: int) -> str:
    return json.dumps({"number": number, "text": f"ü < & \\ ' {'x' * 10 * number}"}, ensure_ascii=False)


def connect(peer: Peer, port: int, *, publisher: bool = False) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S)
    peer.handshake(connection, publisher)
    return connection


def silent(connection: socket.socket) -> bool:
    connection.settimeout(0.05)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    return False


if __name__ == "__main__":
    main()
