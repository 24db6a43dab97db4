"""The bus on RabbitMQ, 3.10 or later."""

from messaging.rabbitmq.bus import RabbitMQBus

__all__ = ["RabbitMQBus"]
