"""`python -m bloom_service.dead_letters`: what became of messages that bloom_service could not deal with."""

import sys

from bloom_service.config import ProcessSettings
from common.config import load_settings
from contracts.topology import BLOOM_USER_EVENTS
from messaging.rabbitmq.dead_letter_command import run


def broker_url() -> str:
    return load_settings(ProcessSettings).broker_url.get_secret_value()


if __name__ == "__main__":
    sys.exit(run("bloom_service.dead_letters", (BLOOM_USER_EVENTS,), broker_url))
