"""Two gateways in a process of their own, whose cost can be asked for over a pipe."""

import asyncio
import logging
import time
import tracemalloc
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import REGISTRY

from common.ids import uuid7
from contracts.routing import PRESENCE, REPLIES
from tests.support.gateway_ws import GatewayServer, running_gateway


def serve(pipe: Connection) -> None:
    """Until told `stop`. Says first at which ports the gateways listen."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    async with (
        running_gateway(presence_linger=0) as here,
        running_gateway(broker=here.broker, presence_linger=0) as there,
    ):
        pipe.send((here.port, there.port))
        while (asked := await asyncio.to_thread(pipe.recv)) != "stop":
            pipe.send(_answer(here, there, *asked))
        here.chat.answering.set()


def _answer(here: GatewayServer, there: GatewayServer, what: str, *details: Any) -> object:
    match what, details:
        case "tokens", (int(gateway), int(number)):
            users = [uuid7() for _ in range(number)]
            return [_with_token((here, there)[gateway], user_id) for user_id in users]
        case "cost", ():
            published = sum(_published(exchange) for exchange in (PRESENCE, REPLIES))
            return time.process_time(), published
        case "trace memory", ():
            tracemalloc.start()
            return None
        case "traced memory", ():
            size, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return size
    raise ValueError(what)


def _with_token(gateway: GatewayServer, user_id: UUID) -> tuple[str, str]:
    return str(user_id), gateway.token(user_id)


def _published(exchange: str) -> float:
    return REGISTRY.get_sample_value("parley_bus_published_total", {"exchange": exchange}) or 0.0
