"""Sample (data): things under construction, solids in a frame of their own: front along x, floor at 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from virb.sample.engine.camera import Camera, Vector
from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Colour, Material, colour_of, shade_of
from virb.sample.engine.shapes import Primitive, Shapes


@dataclass
class Model:
    """A thing under construction."""

    solids: list[Primitive] = field(default_factory=list)

    def add(
        self, kind: str, centre: Vector, half: Vector, material: Material, turn: float = 0.0, tilt: float = 0.0
    ) -> None:
        """Add a solid by its half sizes."""
        self.solids.append(Primitive(kind, centre, half, material, turn=turn, tilt=tilt))

    def dot(self, centre: Vector, radii: Vector, material: Material) -> None:
        """Add an ellipsoid too small to throw a shadow worth its time."""
        self.solids.append(Primitive("sphere", centre, radii, material, casts=False))

    def box(self, centre: Vector, size: Vector, material: Material, turn: float = 0.0, tilt: float = 0.0) -> None:
        """Add a box of this full size."""
        self.add("box", centre, (size[0] / 2, size[1] / 2, size[2] / 2), material, turn, tilt)

    def ball(self, centre: Vector, radii: Vector, material: Material, turn: float = 0.0, tilt: float = 0.0) -> None:
        """Add an ellipsoid."""
        self.add("sphere", centre, radii, material, turn, tilt)

    def drum(self, foot: float, height: float, radius: float, material: Material, x: float = 0, y: float = 0) -> None:
        """Add an upright cylinder that begins at this height."""
        self.add("cylinder", (x, y, foot + height / 2), (radius, radius, height / 2), material)

    def spike(self, foot: float, height: float, radius: float, material: Material, x: float = 0, y: float = 0) -> None:
        """Add an upright cone that begins at this height; a negative height points it down."""
        half = (radius, radius, abs(height) / 2)
        self.add("cone", (x, y, foot + height / 2), half, material, tilt=180.0 if height < 0 else 0.0)

    def limb(self, start: Vector, end: Vector, radius: float, material: Material, kind: str = "cylinder") -> None:
        """Add a rod (or another kind of solid) from one point to another; a cone's tip is at its end."""
        way = [there - here for here, there in zip(start, end, strict=True)]
        reach = math.sqrt(sum(part * part for part in way))
        middle = (start[0] + way[0] / 2, start[1] + way[1] / 2, start[2] + way[2] / 2)
        turn = round(math.degrees(math.atan2(way[1], way[0])), 6)
        tilt = round(math.degrees(math.acos(max(-1.0, min(1.0, way[2] / max(reach, 1e-9))))), 6)
        self.add(kind, middle, (radius, radius, reach / 2), material, turn, tilt)

    def hoop(self, centre: Vector, radius: float, thick: float, material: Material, parts: int = 8) -> None:
        """Add a ring that stands upright in the plane of x and z."""
        turns = [2.0 * math.pi * number / parts for number in range(parts + 1)]
        points = [(centre[0] + radius * math.cos(a), centre[1], centre[2] + radius * math.sin(a)) for a in turns]
        for start, end in pairwise(points):
            self.limb(start, end, thick, material)

    def wheel(self, x: float, y: float, radius: float, thick: float, material: Material) -> None:
        """Add a wheel that rolls along x and stands on the ground."""
        self.add("cylinder", (x, y, radius), (radius, radius, thick / 2), material, 90.0, 90.0)
        self.add("cylinder", (x, y, radius), (radius / 2, radius / 2, thick / 2 + 0.01), HUB, 90.0, 90.0)

    def join(self, other: Model, place: Vector = (0.0, 0.0, 0.0), turn: float = 0.0, scale: float = 1.0) -> None:
        """Add all solids of another model."""
        self.solids += other.placed(place, turn, scale)

    def placed(self, place: Vector, turn: float = 0.0, scale: float = 1.0, instance: int = 0) -> list[Primitive]:
        """Return the solids at this place of the world, scaled and turned about the vertical."""
        cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        moved = []
        for one in self.solids:
            ahead, aside, up = (part * scale for part in one.centre)
            centre = (place[0] + ahead * cosine - aside * sine, place[1] + ahead * sine + aside * cosine, place[2] + up)
            half = (one.half[0] * scale, one.half[1] * scale, one.half[2] * scale)
            grain = one.material
            if scale != 1.0 and grain.pattern != "plain":
                grain = replace(grain, scale=(grain.scale[0] / scale, grain.scale[1] / scale))
            moved.append(Primitive(one.kind, centre, half, grain, instance, one.turn + turn, one.tilt, one.casts))
        return moved


def paint(colour: Colour, gloss: float = 0.1) -> Material:
    """Return a surface of one colour."""
    return Material(colour, gloss=gloss)


def tinted(dice: Dice, hue: float, saturation: float, value: float, spread: float = 1.0) -> Colour:
    """Return a colour near this hue (in turns), saturation and value."""
    return colour_of(
        hue + dice.between(-0.02, 0.02) * spread,
        min(1.0, max(0.0, saturation + dice.between(-0.1, 0.1) * spread)),
        min(1.0, max(0.02, value * (1.0 + dice.between(-0.15, 0.15) * spread))),
    )


def grained(
    dice: Dice, first: Colour, pattern: str, scale: float, contrast: float = 0.6, gloss: float = 0.0
) -> Material:
    """Return a colour and a darker (or lighter) one of it in a pattern at a random place."""
    shift = (dice.between(0.0, 60.0), dice.between(0.0, 60.0))
    return Material(first, shade_of(first, contrast), pattern, (scale, scale), shift, gloss)


HUB = paint((0.6, 0.6, 0.62), 0.5)
TYRE = paint((0.08, 0.08, 0.09), 0.1)
DARK = paint((0.06, 0.06, 0.07), 0.5)
WHITE = paint((0.95, 0.95, 0.93), 0.2)
STEEL = Material((0.7, 0.71, 0.73), gloss=0.7, metal=0.8)


@dataclass(frozen=True)
class Framing:
    """How a picture is taken: direction in degrees, lens, how much of it the thing fills, how far off the middle."""

    yaw: float
    pitch: float
    field_of_view: float = 40.0
    fill: float = 0.8
    aside: float = 0.0
    up: float = 0.0


def framed(solids: Sequence[Primitive], framing: Framing, width: int, height: int) -> Camera:
    """Return a camera that sees these solids from this direction and as large as asked, off the middle by shares."""
    corners = [part.ravel() for part in Shapes(solids).corners]
    lows, highs = [float(part.min()) for part in corners], [float(part.max()) for part in corners]
    middle = [(low + high) / 2 for low, high in zip(lows, highs, strict=True)]
    away = 2.0 * math.dist(lows, highs)
    camera = _at(middle, framing, away, width, height)
    for _ in range(3):
        away *= _filled(camera, corners) / framing.fill
        camera = _at(middle, framing, away, width, height)
    room = max(0.06, 1.0 - framing.fill)
    lens = math.radians(framing.field_of_view) / 2
    turned = math.degrees(math.atan(math.tan(lens) * room * framing.aside))
    raised = math.degrees(math.atan(math.tan(lens) * height / width * room * framing.up))
    return replace(camera, yaw=camera.yaw + turned, pitch=camera.pitch - raised)


def _filled(camera: Camera, points: Sequence[NDArray[np.float64]]) -> float:
    """Return how far from the middle the points (x, y, z as [N]) reach, 1 being the edge of the picture."""
    offset = [part - here for part, here in zip(points, camera.position, strict=True)]
    x, y, depth = (a * offset[0] + b * offset[1] + c * offset[2] for a, b, c in camera.axes)
    shown = np.maximum(depth, 1e-3)
    across = float(np.abs(x / shown).max()) * camera.focal / (camera.width / 2)
    return max(across, float(np.abs(y / shown).max()) * camera.focal / (camera.height / 2))


def _at(middle: Sequence[float], framing: Framing, away: float, width: int, height: int) -> Camera:
    """Return the camera this far from a point, never under the ground."""
    turn, lift = math.radians(framing.yaw), math.radians(framing.pitch)
    flat = away * math.cos(lift)
    position = (
        middle[0] - flat * math.cos(turn),
        middle[1] - flat * math.sin(turn),
        max(0.03, middle[2] - away * math.sin(lift)),
    )
    pitch = math.degrees(math.atan2(middle[2] - position[2], flat))
    return Camera(position, framing.yaw, pitch, framing.field_of_view, width, height)
