"""Debian's and Ubuntu's packages."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")


def can_install() -> bool:
    """Whether this is root on Debian, Ubuntu or a relative of theirs."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return False
    family = {release.get("ID"), *release.get("ID_LIKE", "").split()}
    return os.geteuid() == 0 and "debian" in family and shutil.which("apt-get") is not None


def install(*packages: str) -> None:
    """Install packages, without letting them start their services. Raises CalledProcessError."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    forbids = not POLICY.exists()
    if forbids:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment, stdout=subprocess.DEVNULL)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        subprocess.run(command, check=True, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    finally:
        if forbids:
            POLICY.unlink()
