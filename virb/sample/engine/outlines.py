"""Sample (data): the outline of a mask as a polygon, such as annotators draw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from virb.sample.engine.fields import Bools

_AROUND = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))
"""Steps (right, down) to the eight neighbours, clockwise as the picture is seen."""


def largest_part(mask: Bools) -> Bools:
    """Return the largest part of a mask [H,W] whose pixels touch, by edges or corners."""
    label = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        grown = label.copy()
        for axis in (0, 1):  # a square of neighbours: first down and up, then to the sides
            wide = np.moveaxis(grown, axis, 0).copy()
            wide[1:] = np.maximum(wide[1:], np.moveaxis(grown, axis, 0)[:-1])
            wide[:-1] = np.maximum(wide[:-1], np.moveaxis(grown, axis, 0)[1:])
            grown = np.moveaxis(wide, 0, axis)
        grown = np.where(mask, grown, 0)
        if (grown == label).all():
            counts = np.bincount(label[mask], minlength=1)
            return np.asarray(mask & (label == counts.argmax()))
        label = grown


def outline(mask: Bools) -> NDArray[np.float64]:
    """Return the outer edge of a mask's largest part as corners [N,2] (x, y), clockwise, the centres of its pixels.

    Pixels in the middle of a straight run are left out; what is no wider than a line has fewer than three corners.
    """
    if not mask.any():
        return np.zeros((0, 2))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    part = largest_part(mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1])
    ring = _ring(np.pad(part, 1).tolist())
    kept = [here for before, here, after in zip(ring[-1:] + ring[:-1], ring, ring[1:] + ring[:1], strict=True)
            if (here[0] - before[0], here[1] - before[1]) != (after[0] - here[0], after[1] - here[1])]  # fmt: skip
    return np.array([(x - 1 + left, y - 1 + top) for x, y in kept], np.float64)


def _ring(inside: list[list[bool]]) -> list[tuple[int, int]]:
    """Return the edge pixels of one part, with a margin around, as someone walks who keeps the outside to the left."""
    y = next(row for row, line in enumerate(inside) if any(line))
    start = here = (inside[y].index(True), y)
    way = 0
    ring: list[tuple[int, int]] = []
    first: int | None = None
    while True:
        for turn in range(8):
            toward = (way + 6 + turn) % 8  # from the left hand on, clockwise
            x, y = here[0] + _AROUND[toward][0], here[1] + _AROUND[toward][1]
            if inside[y][x]:
                break
        else:
            return [start]
        if here == start and toward == first:
            return ring
        if first is None:
            first = toward
        ring.append(here)
        here, way = (x, y), toward
