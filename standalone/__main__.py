"""`python -m standalone`: what `make run` does."""

import asyncio
import sys

import chat_service.migrations
import user_service.migrations
from common.config import load_settings
from common.folder_lock import FolderInUse, locked_folder
from common.logging import configure_logging
from common.server import serve
from contracts.routing import EXCHANGES
from contracts.topology import QUEUES
from gateway_ws.protocol import UVICORN_OPTIONS
from messaging.bus import Topology
from messaging.in_process import InProcessBus
from standalone.config import Settings
from standalone.data_folder import DataFolder
from standalone.main import create_app


def main() -> None:
    settings = load_settings(Settings)
    configure_logging(settings.log_level, settings.log_format)
    data = DataFolder(settings.data_dir)
    try:
        with locked_folder(data.path):
            _run(settings, data)
    except (FolderInUse, OSError) as error:
        sys.exit(str(error))


def _run(settings: Settings, data: DataFolder) -> None:
    _say(f"Data: {data.path}")
    _say("Bringing the databases up to date ...")
    asyncio.run(_migrate(data))
    bus = InProcessBus(Topology.of(EXCHANGES, QUEUES))
    _say("Starting user_service, chat_service, gateway_ws and bloom_service ...")
    serve(
        create_app(data, bus),
        bus,
        host=settings.host,
        port=settings.port,
        trusted_proxies=settings.trusted_proxies,
        listening=lambda address: _say(f"Parley is ready: {address}"),
        **UVICORN_OPTIONS,
    )
    _say("Parley has ended.")


async def _migrate(data: DataFolder) -> None:
    await user_service.migrations.upgrade(data.database_url("user_service").get_secret_value())
    await chat_service.migrations.upgrade(data.database_url("chat_service").get_secret_value())


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
