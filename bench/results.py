"""What was measured, as it is kept: all that a report is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from bench.machine import Machine

FOLDER = Path(__file__).parent / "results"
LATEST = FOLDER / "latest.json"

Run = TypeVar("Run")


@dataclass(frozen=True, slots=True)
class Findings(Generic[Run]):
    """Of one measurement. `versions` are by what was measured; `missing` says of what could not be, why not."""

    versions: Mapping[str, str]
    missing: Mapping[str, str]
    runs: Sequence[Run]


class Record(BaseModel, frozen=True):
    """Findings as JSON, and how they came about. `load` is the machine's load average just before; `failed` says what
    broke the measurement off, and then there are no findings."""

    began: datetime
    took_s: float
    quick: bool
    load: float
    failed: str | None = None
    versions: dict[str, str] = {}
    missing: dict[str, str] = {}
    runs: list[dict[str, Any]] = []


class Results(BaseModel):
    """The latest record of each measurement, by its name."""

    machine: Machine
    records: dict[str, Record] = {}

    def keep(self) -> None:
        FOLDER.mkdir(exist_ok=True)
        LATEST.write_text(self.model_dump_json(indent=1) + "\n")

    @classmethod
    def kept(cls) -> "Results":
        """Raises FileNotFoundError: nothing was measured yet."""
        return cls.model_validate_json(LATEST.read_text())
