"""`python -m bloom_service.dead_letters`: what became of messages that bloom_service could not deal with."""

import sys

from bloom_service.config import ProcessSettings
from bloom_service.replicas import replicas_in
from common.config import load_settings
from contracts.topology import bloom_user_events
from messaging.rabbitmq.dead_letter_command import run


def main() -> int:
    settings = load_settings(ProcessSettings)
    queues = [bloom_user_events(replica) for replica in replicas_in(settings.data_dir) or [1]]
    return run("bloom_service.dead_letters", queues, settings.broker_url.get_secret_value)


if __name__ == "__main__":
    sys.exit(main())
