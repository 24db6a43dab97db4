"""How somebody comes by an access token, as clients do: the password once, and then the refresh token."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx

from tests.support.client import PASSWORD, login

_TOKEN_LASTS_S = 600
"""Of the 15 minutes that an access token is good for."""


class SigningIn:
    """One session at a time. `in_trouble` is told what kept one from a token, and whether it was left unanswered."""

    def __init__(self, http: httpx.AsyncClient, username: str, in_trouble: Callable[[str, bool], None]) -> None:
        self._http = http
        self._username = username
        self._in_trouble = in_trouble
        self._turn = asyncio.Lock()
        self._token: str | None = None
        self._refresh_token: str | None = None
        self._signed_in_at = 0.0

    async def token(self, *, new: bool = False) -> str | None:
        """One that is good for some minutes; None if there is none to be had right now."""
        async with self._turn:
            if new or time.monotonic() - self._signed_in_at > _TOKEN_LASTS_S:
                self._token = None
            if self._token is None and self._refresh_token is not None:
                await self._refresh(self._refresh_token)
            if self._token is None:
                await self._take(login(self._http, self._username, PASSWORD), "login")
            return self._token

    def refused(self, token: str) -> None:
        """By somebody, as not valid."""
        if token == self._token:
            self._token = None

    async def _refresh(self, refresh_token: str) -> None:
        """Once: if there is no answer it may have been spent, and to use it again would end the session."""
        self._refresh_token = None
        await self._take(self._http.post("/api/v1/auth/refresh", json={"refresh_token": refresh_token}), "refresh")

    async def _take(self, asked: Awaitable[httpx.Response], what: str) -> None:
        try:
            response = await asked
        except httpx.TransportError as error:
            self._in_trouble(type(error).__name__, True)
            return
        if response.status_code == 200:
            tokens = response.json()
            self._token, self._refresh_token = tokens["access_token"], tokens["refresh_token"]
            self._signed_in_at = time.monotonic()
        else:
            self._in_trouble(f"{what}: {response.status_code}", False)
