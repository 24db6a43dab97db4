"""Types of the end-to-end fixtures that make something or take something."""

from collections.abc import Awaitable, Callable

from tests.support.client import Socket, User

CreateUser = Callable[[], Awaitable[User]]
Connect = Callable[..., Awaitable[Socket]]
Measured = Callable[[str], None]
