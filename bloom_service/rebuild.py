"""`python -m bloom_service.rebuild`: has the replica that runs here make its filter anew. It answers meanwhile."""

import sys

import httpx

from bloom_service.config import ProcessSettings
from bloom_service.schemas import Rebuilt
from common.config import load_settings

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - where the service listens


def main() -> int:
    settings = load_settings(ProcessSettings)
    url = f"http://{_EVERYWHERE.get(settings.host, settings.host)}:{settings.port}/emails/rebuild"
    headers = {"Authorization": f"Bearer {settings.service_token.get_secret_value()}"}
    try:
        answer = httpx.post(url, headers=headers, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        return _complain(f"No answer from bloom_service ({type(error).__name__}: {error}).")
    key_ids = Rebuilt.model_validate_json(answer.content).key_ids
    if not key_ids:
        return _complain("Nothing was begun: bloom_service has not heard yet which keys user_service has.")
    sys.stdout.write(f"The filter will be made anew under {' and '.join(key_ids)}.\n")
    return 0


def _complain(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
