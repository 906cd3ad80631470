"""Sample (data): the pinhole camera, from world to picture and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from virb.sample.engine.fields import Floats

Vector: TypeAlias = tuple[float, float, float]
Rectangle: TypeAlias = tuple[int, int, int, int]
"""First column, first row, one past the last column, one past the last row."""

NEAR = 0.02
"""Nothing is seen nearer than this many metres."""


@dataclass(frozen=True)
class Camera:
    """A camera in a world with z up; angles in degrees, positive yaw turns left, positive pitch looks up."""

    position: Vector
    yaw: float
    pitch: float
    field_of_view: float  # across the width
    width: int
    height: int

    @cached_property
    def focal(self) -> float:
        """Return the focal length in pixels."""
        return 0.5 * self.width / math.tan(math.radians(self.field_of_view) / 2)

    @cached_property
    def axes(self) -> tuple[Vector, Vector, Vector]:
        """Return right, up and forward as unit vectors of the world."""
        cos_yaw, sin_yaw = math.cos(math.radians(self.yaw)), math.sin(math.radians(self.yaw))
        cos_pitch, sin_pitch = math.cos(math.radians(self.pitch)), math.sin(math.radians(self.pitch))
        return (
            (sin_yaw, -cos_yaw, 0.0),
            (-sin_pitch * cos_yaw, -sin_pitch * sin_yaw, cos_pitch),
            (cos_pitch * cos_yaw, cos_pitch * sin_yaw, sin_pitch),
        )

    def project(self, point: Vector) -> tuple[float, float, float]:
        """Return column, row and depth of a world point; whole numbers are the corners of pixels."""
        offset = [part - here for part, here in zip(point, self.position, strict=True)]
        x, y, depth = (sum(a * b for a, b in zip(axis, offset, strict=True)) for axis in self.axes)
        scale = self.focal / depth
        return 0.5 * self.width + x * scale, 0.5 * self.height - y * scale, depth

    def directions(self, columns: Floats, rows: Floats) -> tuple[Floats, Floats, Floats]:
        """Return x, y, z of rays through these picture places, one metre deep each: length is not 1, depth is."""
        across = (columns - 0.5 * self.width) * (1.0 / self.focal)
        up = (0.5 * self.height - rows) * (1.0 / self.focal)
        right, upward, forward = self.axes
        x, y, z = (forward[i] + across * right[i] + up * upward[i] for i in range(3))
        return x, y, z

    def rectangles(self, corners: tuple[NDArray[np.float64], ...], edges: NDArray[np.intp]) -> list[Rectangle]:
        """Return the pixels that may see each of P wire frames (corners: x, y, z as [P,C]; edges [E,2]).

        Edges are cut at the near plane, so that what is partly behind the camera is bounded rightly too.
        """
        offset = [part - here for part, here in zip(corners, self.position, strict=True)]
        x, y, z = (a * offset[0] + b * offset[1] + c * offset[2] for a, b, c in self.axes)
        start, end = edges[:, 0], edges[:, 1]
        limits = []
        for one, other in ((start, end), (end, start)):
            reach = z[:, one] - z[:, other]
            cut = (NEAR - z[:, other]) / np.where(reach == 0, 1.0, reach)
            cut = np.where(z[:, one] < NEAR, cut, 1.0)
            depth = np.maximum(z[:, other] + cut * reach, NEAR)
            seen = np.maximum(z[:, one], z[:, other]) >= NEAR
            column = 0.5 * self.width + self.focal * (x[:, other] + cut * (x[:, one] - x[:, other])) / depth
            row = 0.5 * self.height - self.focal * (y[:, other] + cut * (y[:, one] - y[:, other])) / depth
            limits.append((column, row, seen))
        return self._clipped(limits)

    def _clipped(
        self, limits: list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]]
    ) -> list[Rectangle]:
        seen = np.concatenate([part[2] for part in limits], axis=1)
        bounds = []
        for which, size in ((0, self.width), (1, self.height)):
            places = np.clip(np.concatenate([part[which] for part in limits], axis=1), -2.0, size + 2.0)
            low = np.floor(np.where(seen, places, size + 2.0).min(axis=1)) - 1.0
            high = np.ceil(np.where(seen, places, -2.0).max(axis=1)) + 1.0
            bounds.append(np.clip(low, 0, size).astype(int).tolist())
            bounds.append(np.clip(high, 0, size).astype(int).tolist())
        left, right, top, bottom = bounds
        return list(zip(left, top, right, bottom, strict=True))
