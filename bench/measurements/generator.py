"""Whether the load generator was what limited."""

from collections.abc import Sequence

_NEAR_ITS_LIMIT = 0.9


def note(busy: Sequence[float], late_ms: Sequence[float]) -> str:
    """Of the shares of a core that it took, and by how much it was late at most."""
    said = (
        f"The load generator, one thread, took {max(busy):.0%} of a core at most, and sent what was due "
        f"{max(late_ms):.1f} ms late at most."
    )
    if max(busy) > _NEAR_ITS_LIMIT:
        limited = sum(share > _NEAR_ITS_LIMIT for share in busy)
        said += f" In {limited} of {len(busy)} runs it was near its own limit: there the servers could do more."
    return said + "\n"
