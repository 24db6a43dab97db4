"""Names: how a username may look, and when two names are the same."""

import re
import unicodedata

from contracts.entries import DELETED_USERNAME

USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{2,31}")
"""3 to 32 letters, digits, dots, dashes and underscores; a letter or digit first."""


def canonical(name: str) -> str:
    """The form in which two emails, usernames or display names are compared: case makes no difference."""
    return unicodedata.normalize("NFC", name.casefold())


def is_reserved(username: str) -> bool:
    """Whether nobody may have it: deleted accounts are shown by this name."""
    return canonical(username) == DELETED_USERNAME
