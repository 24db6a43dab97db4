"""`python -m bloom_service`"""

import sys

import structlog

from bloom_service.config import ProcessSettings
from bloom_service.main import NAME, create_app
from bloom_service.replicas import taken_replica
from common.config import load_settings
from common.folder_lock import FolderInUse
from common.http_client import new_client
from common.logging import configure_logging
from common.server import serve
from contracts.routing import EXCHANGES
from contracts.topology import queues_with_bloom_replica
from messaging.bus import Topology
from messaging.rabbitmq import RabbitMQBus

log = structlog.get_logger(__name__)


def main() -> None:
    settings = load_settings(ProcessSettings)
    configure_logging(settings.log_level, settings.log_format)
    try:
        with taken_replica(settings.data_dir, settings.replica) as replica:
            log.info("replica_taken", replica=replica)
            topology = Topology.of(EXCHANGES, queues_with_bloom_replica(replica))
            bus = RabbitMQBus(settings.broker_url.get_secret_value(), topology, name=NAME)
            app = create_app(settings, bus, new_client(settings.user_service_url), replica=replica)
            serve(app, bus, host=settings.host, port=settings.port)
    except (FolderInUse, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
