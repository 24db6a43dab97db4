"""`python -m gateway_ws`"""

from common.config import load_settings
from common.http_client import new_client
from common.logging import configure_logging
from common.server import serve
from contracts.routing import EXCHANGES
from contracts.topology import QUEUES
from gateway_ws.config import ProcessSettings
from gateway_ws.main import NAME, create_app
from gateway_ws.protocol import UVICORN_OPTIONS
from messaging.bus import Topology
from messaging.rabbitmq import RabbitMQBus


def main() -> None:
    settings = load_settings(ProcessSettings)
    configure_logging(settings.log_level, settings.log_format)
    bus = RabbitMQBus(settings.broker_url.get_secret_value(), Topology.of(EXCHANGES, QUEUES), name=NAME)
    chat_service = new_client(settings.chat_service_url)
    user_service = new_client(settings.user_service_url)
    app = create_app(settings, bus, chat_service, user_service)
    serve(app, bus, host=settings.host, port=settings.port, **UVICORN_OPTIONS)


if __name__ == "__main__":
    main()
