"""The OpenAPI document of each service, from the application itself. Nothing is connected to, since none is run."""

import json
from pathlib import Path

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

import bloom_service.config
import bloom_service.main
import chat_service.config
import chat_service.main
import gateway_ws.config
import gateway_ws.main
import user_service.config
import user_service.main
from contracts.routing import EXCHANGES
from contracts.topology import QUEUES
from messaging.bus import Bus, Topology
from messaging.in_process import InProcessBus

_DATABASE_URL = SecretStr("postgresql+asyncpg://localhost/not-one-that-there-is")
_SERVICE_TOKEN = SecretStr("not-one-that-anybody-uses")
_EMAIL_DIGEST_KEY = SecretStr("not-one-that-anybody-uses")
_SIGNING_KEY = SecretStr("A" * 43)


def artefacts() -> dict[str, str]:
    """`contracts/openapi/<service>.json`"""
    return {
        f"contracts/openapi/{name}.json": json.dumps(app.openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for name, app in applications(InProcessBus(Topology.of(EXCHANGES, QUEUES))).items()
    }


def applications(bus: Bus) -> dict[str, FastAPI]:
    """By the service's name."""
    return {
        user_service.main.NAME: user_service.main.create_app(
            user_service.config.Settings(
                database_url=_DATABASE_URL,
                service_token=_SERVICE_TOKEN,
                signing_key=_SIGNING_KEY,
                email_digest_key=_EMAIL_DIGEST_KEY,
            ),
            bus,
            httpx.AsyncClient(),
        ),
        chat_service.main.NAME: chat_service.main.create_app(
            chat_service.config.Settings(database_url=_DATABASE_URL, service_token=_SERVICE_TOKEN),
            bus,
            httpx.AsyncClient(),
        ),
        gateway_ws.main.NAME: gateway_ws.main.create_app(
            gateway_ws.config.Settings(service_token=_SERVICE_TOKEN), bus, httpx.AsyncClient(), httpx.AsyncClient()
        ),
        bloom_service.main.NAME: bloom_service.main.create_app(
            bloom_service.config.Settings(service_token=_SERVICE_TOKEN, data_dir=Path("unused")),
            bus,
            httpx.AsyncClient(),
        ),
    }
