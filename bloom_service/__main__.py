"""`python -m bloom_service`"""

import sys

from bloom_service.config import ProcessSettings
from bloom_service.main import NAME, create_app
from common.config import load_settings
from common.folder_lock import FolderInUse, locked_folder
from common.logging import configure_logging
from common.server import serve
from contracts.routing import EXCHANGES
from contracts.topology import QUEUES
from messaging.bus import Topology
from messaging.rabbitmq import RabbitMQBus


def main() -> None:
    settings = load_settings(ProcessSettings)
    configure_logging(settings.log_level, settings.log_format)
    bus = RabbitMQBus(settings.broker_url.get_secret_value(), Topology.of(EXCHANGES, QUEUES), name=NAME)
    try:
        with locked_folder(settings.data_dir):
            serve(create_app(settings, bus), bus, host=settings.host, port=settings.port)
    except (FolderInUse, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
