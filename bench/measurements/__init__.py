"""All that is measured, in its order."""

from typing import Any

from bench.measurement import Measurement
from bench.measurements.bloom import BLOOM
from bench.measurements.durable import DURABLE
from bench.measurements.enumeration import ENUMERATION
from bench.measurements.fanout import FANOUT
from bench.measurements.growth import GROWTH
from bench.measurements.memory import MEMORY
from bench.measurements.single_process import SINGLE_PROCESS
from bench.measurements.stalled import STALLED
from bench.measurements.storm import STORM

MEASUREMENTS: tuple[Measurement[Any], ...] = (
    FANOUT,
    DURABLE,
    SINGLE_PROCESS,
    MEMORY,
    STORM,
    GROWTH,
    STALLED,
    ENUMERATION,
    BLOOM,
)
