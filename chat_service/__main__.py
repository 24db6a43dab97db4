"""`python -m chat_service`"""

from chat_service.config import ProcessSettings
from chat_service.main import NAME, create_app
from common.config import load_settings
from common.http_client import new_client
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
    user_service = new_client(settings.user_service_url)
    serve(create_app(settings, bus, user_service), bus, host=settings.host, port=settings.port)


if __name__ == "__main__":
    main()
