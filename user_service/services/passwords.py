"""Password hashes: Argon2id (RFC 9106), made off the event loop and only so many at a time."""

import asyncio
import os
import secrets
import unicodedata
from functools import partial

from pwdlib import PasswordHash


class Passwords:
    """Hashes and verifies. Each takes tens of MiB and milliseconds by design, so no more run at once than there are
    processors: the others wait."""

    def __init__(self, algorithm: PasswordHash) -> None:
        self._algorithm = algorithm
        self._free = asyncio.Semaphore(os.cpu_count() or 1)
        self._nobodys_hash = algorithm.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        async with self._free:
            return await asyncio.to_thread(self._algorithm.hash, _prepared(password))

    async def verify(self, password: str, password_hash: str | None) -> tuple[bool, str | None]:
        """Whether it is the right one; and a better hash to store, where the algorithm's parameters have changed.

        Without a hash (no such user) it takes as long as with one, and is never right.
        """
        verify = partial(self._algorithm.verify_and_update, _prepared(password), password_hash or self._nobodys_hash)
        async with self._free:
            right, better_hash = await asyncio.to_thread(verify)
        return right and password_hash is not None, better_hash


def _prepared(password: str) -> bytes:
    """The same bytes from every keyboard: Unicode NFC (RFC 8265, section 4.2.2). Lone surrogates, which JSON lets
    through, make a strange password but no error."""
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")
