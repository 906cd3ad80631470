"""Sample (data): what a scene is: solids, one lamp, what lies behind, and how a camera looks at it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from virb.sample.engine.camera import Camera, Rectangle, Vector
from virb.sample.engine.materials import Colour
from virb.sample.engine.shapes import Primitive, Shapes, shadow_frames, wire_frames

SUN_AWAY = 300.0
"""Metres to a lamp that stands for the sun: far enough for parallel light, near enough for 32-bit depth."""


@dataclass(frozen=True)
class Lamp:
    """The one light: where it is, how bright, and how fast it fades (1 / (1 + fading * metres squared))."""

    position: Vector
    power: float = 1.0
    fading: float = 0.0

    @staticmethod
    def sun(azimuth: float, height: float, power: float = 1.0) -> Lamp:
        """Return light from one direction, in degrees: all but parallel."""
        flat = SUN_AWAY * math.cos(math.radians(height))
        turn = math.radians(azimuth)
        up = SUN_AWAY * math.sin(math.radians(height))
        return Lamp((flat * math.cos(turn), flat * math.sin(turn), up), power)


@dataclass(frozen=True)
class Scene:
    """Solids, light, the colours behind everything (at the horizon and straight up) and the sensor's noise."""

    primitives: tuple[Primitive, ...]
    lamp: Lamp
    ambient: float = 0.35
    horizon: Colour = (0.75, 0.8, 0.85)
    zenith: Colour = (0.45, 0.6, 0.85)
    noise: float = 2.5  # standard deviation in steps of 255
    lowest: float | None = None  # nothing that shows a shadow lies below this height, where that is known

    @cached_property
    def shapes(self) -> Shapes:
        """Return the solids as columns."""
        return Shapes(self.primitives)

    @cached_property
    def shadow_reach(self) -> float:
        """Return how many times farther from the lamp than a solid its shadow may fall: to the end of the scene."""
        corners = self.shapes.corners
        far = max(
            math.dist(self.lamp.position, (x, y, z))
            for x in (float(corners[0].min()), float(corners[0].max()))
            for y in (float(corners[1].min()), float(corners[1].max()))
            for z in (float(corners[2].min()), float(corners[2].max()))
        )
        centres = self.shapes.centre64[self.shapes.casts]
        gaps = [math.dist(self.lamp.position, centre) for centre in centres.tolist()]
        return min(50.0, far / max(0.3, min(gaps, default=far)))

    @cached_property
    def shadow_reaches(self) -> float | NDArray[np.float64]:
        """Return the same for each solid [P,1] where the lowest height is known: there its shadow ends."""
        if self.lowest is None:
            return self.shadow_reach
        height = self.lamp.position[2]
        under = np.maximum(height - self.shapes.corners[2].max(axis=1, keepdims=True), 1e-3)
        reaches: NDArray[np.float64] = np.minimum(self.shadow_reach, (height - self.lowest) / under)
        return reaches


@dataclass(frozen=True)
class SceneView:
    """A scene seen by a camera; which pixels each solid and each shadow may touch is worked out once."""

    scene: Scene
    camera: Camera

    @cached_property
    def rectangles(self) -> list[Rectangle]:
        """Return the pixels that may show each solid."""
        return self.camera.rectangles(*wire_frames(self.scene.shapes))

    @cached_property
    def shadow_rectangles(self) -> list[Rectangle]:
        """Return the pixels that each solid may darken."""
        scene = self.scene
        return self.camera.rectangles(*shadow_frames(scene.shapes, scene.lamp.position, scene.shadow_reaches))
