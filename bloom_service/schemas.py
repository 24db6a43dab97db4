"""Answers that are this service's alone; those that others rely on stand in `contracts.internal_http`."""

from pydantic import BaseModel


class Stats(BaseModel):
    """`count` includes the `deleted`, which stay in the filter until it is made anew."""

    generation: int
    count: int
    deleted: int
    capacity: int
    target_error_rate: float
    estimated_error_rate: float
    size_bytes: int
    last_event_id: str | None
