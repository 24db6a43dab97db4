"""`python -m user_service`"""

from common.config import load_settings
from common.http_client import new_client
from common.logging import configure_logging
from common.server import serve
from contracts.routing import EXCHANGES
from contracts.topology import QUEUES
from messaging.bus import Topology
from messaging.rabbitmq import RabbitMQBus
from user_service.config import ProcessSettings
from user_service.main import NAME, create_app


def main() -> None:
    settings = load_settings(ProcessSettings)
    configure_logging(settings.log_level, settings.log_format)
    bus = RabbitMQBus(settings.broker_url.get_secret_value(), Topology.of(EXCHANGES, QUEUES), name=NAME)
    bloom = new_client(settings.bloom_service_url)
    app = create_app(settings, bus, bloom)
    serve(app, bus, host=settings.host, port=settings.port, trusted_proxies=settings.trusted_proxies)


if __name__ == "__main__":
    main()
