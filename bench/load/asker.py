"""One HTTP connection, over which one thing is asked after the other."""

import json
import time
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

_IDLE_S = 1.0
"""Services close connections over which they have not been asked for a few seconds."""


class NotNow(Exception):
    """503."""


class Asker:
    def __init__(self, url: str, token: str | None = None) -> None:
        address = urlsplit(url)
        self._connection = HTTPConnection(address.hostname or "", address.port)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._asked_at = time.monotonic()

    def ask(self, method: str, path: str, question: object = None) -> Any:
        """Raises `NotNow`, and `AssertionError` where it is refused for another reason."""
        if time.monotonic() > self._asked_at + _IDLE_S:
            self._connection.close()  # and opened anew
        body = None if question is None else json.dumps(question)
        self._connection.request(method, path, body, {**self._headers, "Content-Type": "application/json"})
        response = self._connection.getresponse()
        answer = response.read()
        self._asked_at = time.monotonic()
        if response.status == 503:
            raise NotNow(answer.decode())
        if response.status >= 300:
            raise AssertionError(f"{path} is answered with {response.status}: {answer.decode()}")
        return json.loads(answer)

    def close(self) -> None:
        self._connection.close()
