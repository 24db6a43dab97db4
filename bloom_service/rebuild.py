"""`python -m bloom_service.rebuild`: has the replica that runs here make its filter anew. It answers meanwhile."""

import sys

import httpx

from bloom_service.config import ProcessSettings
from common.config import load_settings

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - where it listens, not where this does


def main() -> int:
    settings = load_settings(ProcessSettings)
    host = _ANYWHERE.get(settings.host, settings.host)
    headers = {"Authorization": f"Bearer {settings.service_token.get_secret_value()}"}
    try:
        answer = httpx.post(f"http://{host}:{settings.port}/emails/rebuild", headers=headers, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        sys.stderr.write(f"bloom_service was not reached, or refused: {error}\n")
        return 1
    key_ids = answer.json()["key_ids"]
    sys.stdout.write(
        f"It will be made anew under {' and '.join(key_ids) or 'no key: user_service was not heard yet'}.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
