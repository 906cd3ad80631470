"""Which tile a pixel of a whole picture is taken from, told once more."""

from __future__ import annotations


def owner(pixel: int, starts: list[int], size: int) -> int:
    """Return the tile whose centre is nearest to the centre of a pixel, the later of two."""
    distances = [abs(start + size / 2 - pixel - 0.5) for start in starts]
    return max(place for place, far in enumerate(distances) if far == min(distances))
