"""Where something was measured."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int
    model: str
    memory_gib: float
    system: str
    kernel: str
    python: str

    @classmethod
    def this(cls) -> "Machine":
        return cls(
            cores=os.cpu_count() or 1,
            model=_fact("/proc/cpuinfo", "model name") or platform.machine(),
            memory_gib=round(int(_fact("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
            system=platform.freedesktop_os_release()["PRETTY_NAME"],
            kernel=platform.release(),
            python=platform.python_version(),
        )

    def __str__(self) -> str:
        return (
            f"{self.cores} cores of {self.model}, {self.memory_gib:g} GiB of memory, {self.system}, "
            f"Linux {self.kernel}, Python {self.python}"
        )


def _fact(file: str, name: str) -> str:
    """Empty if it isn't said."""
    for line in Path(file).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
