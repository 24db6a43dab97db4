"""`python -m chat_service`"""

import httpx

from chat_service.config import ProcessSettings
from chat_service.main import NAME, create_app
from common.config import load_settings
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
    user_service = httpx.AsyncClient(base_url=settings.user_service_url)
    serve(create_app(settings, bus, user_service), bus, host=settings.host, port=settings.port)


if __name__ == "__main__":
    main()
