"""Answers that are this service's alone; those that others rely on stand in `contracts.internal_http`."""

from pydantic import BaseModel


class Young(BaseModel):
    """A generation that is being made: `accounts` have been read so far."""

    generation: int
    key_id: str
    capacity: int
    accounts: int


class Stats(BaseModel):
    """Of the generation that user_service asks; while there is none, `generation` is 0 and `key_id` null. `count`
    includes the `deleted`, which stay until the next one. `ready` are all that can be asked, by key id."""

    generation: int
    key_id: str | None
    count: int
    deleted: int
    capacity: int
    target_error_rate: float
    estimated_error_rate: float
    size_bytes: int
    last_event_id: str | None
    ready: dict[str, int]
    rebuilding: Young | None


class Rebuilt(BaseModel):
    """The keys under which the filter will be made anew, one after the other."""

    key_ids: list[str]
