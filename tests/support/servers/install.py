"""`python -m tests.support.servers.install`: see to it that the tests find the servers they need.

Installs the distribution's packages, as root on Debian, Ubuntu or a relative of theirs, for what neither a Docker
engine nor a program nor an address in the environment provides. Apart from the tests, since it takes minutes.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers.containers import has_image
from tests.support.servers.provision import POSTGRESQL, RABBITMQ, Kind, advice

_POLICY = Path("/usr/sbin/policy-rc.d")


def main() -> None:
    missing = [kind for kind in (RABBITMQ, POSTGRESQL) if not _can_be_had(kind)]
    if not missing:
        return
    if not can_install():
        sys.exit("\n".join(map(advice, missing)))
    sys.stdout.write(f"Installing {' and '.join(kind.name for kind in missing)} for the tests ...\n")
    sys.stdout.flush()
    try:
        install(*(kind.package for kind in missing))
    except InstallationFailed as error:
        sys.exit(str(error))


class InstallationFailed(Exception):
    """Says what was tried, and what came of it."""


def can_install() -> bool:
    """Whether this is root, on Debian, Ubuntu or a relative of theirs."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return False
    family = {release.get("ID"), *release.get("ID_LIKE", "").split()}
    return os.geteuid() == 0 and "debian" in family and shutil.which("apt-get") is not None


def install(*packages: str) -> None:
    """The distribution's packages; the services that they bring are not started. Raises InstallationFailed."""
    with _services_not_started():
        _apt_get("update")
        _apt_get("install", "-y", "--no-install-recommends", *packages)


def _can_be_had(kind: Kind) -> bool:
    return bool(os.environ.get(kind.variable)) or kind.find_program() is not None or has_image(kind.image)


@contextmanager
def _services_not_started() -> Iterator[None]:
    """Packages ask this policy before they start what they bring."""
    if _POLICY.exists():  # the machine's own
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _apt_get(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", "-qq", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise InstallationFailed(f"apt-get {' '.join(arguments)} failed:\n{done.stdout[-3000:]}")


if __name__ == "__main__":
    main()
