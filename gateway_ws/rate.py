"""How fast one connection may send frames."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """`per_second` sustained, `burst` at once."""

    per_second: float
    burst: int
    level: float
    filled_at: float

    @classmethod
    def full(cls, per_second: float, burst: int, now: float) -> "TokenBucket":
        return cls(per_second, burst, burst, now)

    def charge(self, frames: float) -> None:
        """What was taken as one has cost so many more, which those after it wait for."""
        self.level -= frames

    def take(self, now: float) -> float:
        """0 if one more is all right, else the seconds after which it would be."""
        self.level = min(self.burst, self.level + (now - self.filled_at) * self.per_second)
        self.filled_at = now
        if self.level >= 1:
            self.level -= 1
            return 0.0
        return (1 - self.level) / self.per_second
