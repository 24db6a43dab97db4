"""`python -m chat_service.dead_letters`: what became of messages that chat_service could not deal with."""

import sys

from chat_service.config import ProcessSettings
from common.config import load_settings
from contracts.topology import CHAT_USER_EVENTS, COMMAND_QUEUES
from messaging.rabbitmq.dead_letter_command import run


def broker_url() -> str:
    return load_settings(ProcessSettings).broker_url.get_secret_value()


if __name__ == "__main__":
    sys.exit(run("chat_service.dead_letters", (CHAT_USER_EVENTS, *COMMAND_QUEUES), broker_url))
