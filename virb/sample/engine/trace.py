"""Sample (data): rays as columns, and the first solid that each one meets.

Each solid is tried only against the rays in its rectangle of the picture, all solids of a kind in one go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from virb.sample.engine.camera import Camera, Rectangle
from virb.sample.engine.fields import Bools, Floats, Ints
from virb.sample.engine.scene import SceneView
from virb.sample.engine.shapes import KINDS, Shapes, Triple, combine, meet

_OFFSETS = ((-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125))


@dataclass(frozen=True)
class Rays:
    """N rays; `lookup` [H,W] is each pixel's first ray or -1, its others follow by `stride`."""

    direction: Triple
    lookup: Ints
    stride: int
    samples: int

    def within(self, rectangle: Rectangle) -> Ints:
        """Return the numbers of the rays through a rectangle of pixels."""
        left, top, right, bottom = rectangle
        chosen = self.lookup[top:bottom, left:right].ravel()
        if self.stride < self.lookup.size:
            chosen = chosen[chosen >= 0]
        if self.samples == 1:
            return chosen
        shifts = np.arange(self.samples, dtype=np.int32) * self.stride
        return (shifts[:, None] + chosen[None, :]).ravel()


@dataclass(frozen=True)
class Hits:
    """Where N rays end: depth [N] along the camera's axis (infinite where nothing is) and solid [N] or -1."""

    depth: Floats
    solid: Ints


def pixel_rays(camera: Camera) -> Rays:
    """Return one ray through the centre of each pixel, row by row."""
    rows, columns = np.divmod(np.arange(camera.width * camera.height, dtype=np.int32), np.int32(camera.width))
    direction = camera.directions(columns.astype(np.float32) + 0.5, rows.astype(np.float32) + 0.5)
    size = camera.width * camera.height
    lookup = np.arange(size, dtype=np.int32).reshape(camera.height, camera.width)
    return Rays(direction, lookup, size, 1)


def extra_rays(camera: Camera, chosen: Bools) -> Rays:
    """Return four more rays for each chosen pixel [H,W]: all first ones, all second ones, ..."""
    rows, columns = np.nonzero(chosen)
    count = len(rows)
    lookup = np.full(chosen.shape, -1, np.int32)
    lookup[chosen] = np.arange(count, dtype=np.int32)
    x, y = columns.astype(np.float32) + 0.5, rows.astype(np.float32) + 0.5
    across = np.concatenate([x + offset for offset, _ in _OFFSETS])
    direction = camera.directions(across, np.concatenate([y + offset for _, offset in _OFFSETS]))
    return Rays(direction, lookup, count, len(_OFFSETS))


def runs(
    shapes: Shapes, rays: Rays, rectangles: Sequence[Rectangle], tried: NDArray[np.bool_]
) -> Iterator[tuple[int, Ints, Ints, NDArray[np.intp]]]:
    """Yield for each kind: its number, the solids [S], their rays one after another [N], their counts [S]."""
    for kind in range(len(KINDS)):
        solids, chosen = [], []
        for solid in np.flatnonzero((shapes.kind == kind) & tried).tolist():
            left, top, right, bottom = rectangles[solid]
            if right > left and bottom > top:
                inside = rays.within(rectangles[solid])
                if len(inside):
                    solids.append(solid)
                    chosen.append(inside)
        if solids:
            counts = np.array([len(part) for part in chosen], np.intp)
            yield kind, np.array(solids, np.int32), np.concatenate(chosen), counts


def unit_rays(
    shapes: Shapes, origin: NDArray[np.float32], solids: Ints, counts: NDArray[np.intp], ray: Triple
) -> tuple[Triple, Triple]:
    """Return origins and directions in the unit space of the solids."""
    start = [np.repeat(origin[solids, axis], counts) for axis in range(3)]
    part = [combine(shapes.to_unit[solids, axis], ray, counts) for axis in range(3)]
    return (start[0], start[1], start[2]), (part[0], part[1], part[2])


def trace(view: SceneView, rays: Rays) -> Hits:
    """Return the first solid along each ray."""
    shapes = view.scene.shapes
    origin = shapes.unit_origin(view.camera.position)
    depth = np.full(len(rays.direction[0]), np.inf, np.float32)
    solid = np.full(len(depth), -1, np.int32)
    for kind, solids, ray, counts in runs(shapes, rays, view.rectangles, np.ones(len(shapes), np.bool_)):
        x, y, z = (part.take(ray) for part in rays.direction)
        reach = meet(kind, *unit_rays(shapes, origin, solids, counts, (x, y, z)))
        start = 0
        for number, count in zip(solids.tolist(), counts.tolist(), strict=True):
            run, found = ray[start : start + count], reach[start : start + count]
            start += count
            nearer = found < depth.take(run)
            run = run[nearer]
            depth[run] = found[nearer]
            solid[run] = number
    return Hits(depth, solid)
