"""How fast something may be done."""

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

    def charge(self, tokens: float) -> None:
        """What was taken as one has cost so many more, which those after it wait for."""
        self.level -= tokens

    def take(self, now: float) -> float:
        """0 if one more is all right, else the seconds after which it would be."""
        self.level = self.level_at(now)
        self.filled_at = now
        if self.level >= 1:
            self.level -= 1
            return 0.0
        return (1 - self.level) / self.per_second

    def level_at(self, now: float) -> float:
        """How many could be taken at once then, if none is before."""
        return min(self.burst, self.level + (now - self.filled_at) * self.per_second)
