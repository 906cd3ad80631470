"""Sample (data): where each point of one frame is in the next: optical flow, exactly, from points and motions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from virb.sample.engine.camera import Camera
from virb.sample.engine.fields import Bools, Floats
from virb.sample.engine.render import Rendering
from virb.sample.places.streets import Placed

_BEHIND = 0.3
"""Metres from the second camera's plane within which a point has no place in its picture."""


@dataclass(frozen=True)
class Flow:
    """Forward flow [H,W,2] in pixels, where it is known, and where the point is also seen in the next frame."""

    flow: Floats
    known: Bools
    visible: Bools


def forward_flow(
    frames: tuple[Rendering, Rendering], cameras: tuple[Camera, Camera], things: Mapping[int, Placed]
) -> Flow:
    """Return the flow from the first frame to the second, in which these instances of the first have moved."""
    first, second = frames
    height, width = first.depth.shape
    place = [first.point[:, :, axis].astype(np.float64) for axis in range(3)]
    for instance, thing in things.items():
        _carry(place, first.instance == instance, thing)
    known = np.isfinite(first.depth)
    column, row, depth = _projected(cameras[1], [np.where(known, part, 0.0) for part in place])
    known &= depth > _BEHIND
    rows, columns = np.divmod(np.arange(height * width).reshape(height, width), width)
    flow = np.stack([column - (columns + 0.5), row - (rows + 0.5)], axis=2)
    flow = np.where(known[:, :, None], flow, 0.0)
    return Flow(flow.astype(np.float32), known, known & _seen(second, column, row, depth))


def _carry(place: list[NDArray[np.float64]], mask: Bools, thing: Placed) -> None:
    """Move the points of one thing, in place."""
    later = thing.later()
    swing = math.radians(thing.swing)
    cosine, sine = math.cos(swing), math.sin(swing)
    x, y = place[0][mask] - thing.x, place[1][mask] - thing.y
    place[0][mask] = later.x + x * cosine - y * sine
    place[1][mask] = later.y + x * sine + y * cosine


def _projected(camera: Camera, place: list[NDArray[np.float64]]) -> tuple[NDArray[np.float64], ...]:
    """Return columns, rows and depths; what is behind the camera gets places far outside."""
    offset = [part - here for part, here in zip(place, camera.position, strict=True)]
    x, y, depth = (a * offset[0] + b * offset[1] + c * offset[2] for a, b, c in camera.axes)
    scale = camera.focal / np.maximum(depth, _BEHIND)
    return 0.5 * camera.width + x * scale, 0.5 * camera.height - y * scale, depth


def _seen(
    second: Rendering, column: NDArray[np.float64], row: NDArray[np.float64], depth: NDArray[np.float64]
) -> Bools:
    """Return which places are in the picture with nothing in front of them.

    A depth holds for the middle of a pixel, so it may differ by what the same surface rises to the next pixel.
    """
    height, width = second.depth.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    ground = np.minimum(second.depth, 1e4).astype(np.float64)
    margin = 0.05 + 0.02 * ground + np.maximum(_rise(ground), _rise(ground.T).T)
    at_row = np.clip(np.floor(row), 0, height - 1).astype(np.intp)
    at_column = np.clip(np.floor(column), 0, width - 1).astype(np.intp)
    reach: NDArray[np.float64] = (ground + margin)[at_row, at_column]
    return np.asarray(inside & (depth <= reach))


def _rise(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smaller of the steps to the pixels above and below: the larger may lead to another thing."""
    step = np.abs(depth[1:] - depth[:-1])
    return np.asarray(np.minimum(np.concatenate([step[:1], step]), np.concatenate([step, step[-1:]])))
