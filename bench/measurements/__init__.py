"""All that is measured, in its order."""

from typing import Any

from bench.measurement import Measurement
from bench.measurements.durable import DURABLE
from bench.measurements.fanout import FANOUT
from bench.measurements.single_process import SINGLE_PROCESS

MEASUREMENTS: tuple[Measurement[Any], ...] = (FANOUT, DURABLE, SINGLE_PROCESS)
