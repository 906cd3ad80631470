"""Sample (data): a place under construction, and the view that is taken of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from virb.sample.engine.camera import Camera, Vector
from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Colour, Material, colour_of
from virb.sample.engine.scene import Lamp, Scene
from virb.sample.engine.shapes import Primitive
from virb.sample.things.furniture import Piece

SIZES = ((128, 96), (128, 96), (112, 112), (96, 128))
"""Widths and heights of pictures that people take, more of them lying than standing."""


@dataclass(frozen=True)
class Shot:
    """A scene and the camera that takes a picture of it."""

    scene: Scene
    camera: Camera


@dataclass
class Site:
    """Solids being put together: x leads away from the camera, y to its left, z up."""

    solids: list[Primitive] = field(default_factory=list)

    def box(self, centre: Vector, size: Vector, material: Material, turn: float = 0.0, tilt: float = 0.0) -> None:
        """Add a box of this full size."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        self.solids.append(Primitive("box", centre, half, material, turn=turn, tilt=tilt))

    def pillar(self, foot: Vector, radius: float, height: float, material: Material) -> None:
        """Add an upright cylinder that stands on a point."""
        centre = (foot[0], foot[1], foot[2] + height / 2)
        self.solids.append(Primitive("cylinder", centre, (radius, radius, height / 2), material))

    def ball(self, centre: Vector, radii: Vector, material: Material, turn: float = 0.0, tilt: float = 0.0) -> None:
        """Add an ellipsoid."""
        self.solids.append(Primitive("sphere", centre, radii, material, turn=turn, tilt=tilt))

    def cone(self, foot: Vector, radii: tuple[float, float], height: float, material: Material) -> None:
        """Add an upright cone that stands on a point."""
        centre = (foot[0], foot[1], foot[2] + height / 2)
        self.solids.append(Primitive("cone", centre, (*radii, height / 2), material))

    def sheet(self, centre: Vector, size: tuple[float, float], material: Material, turn: float = 0.0) -> None:
        """Add a flat rectangle on the ground, which throws no shadow."""
        half = (size[0] / 2, size[1] / 2, 0.0)
        self.solids.append(Primitive("plane", centre, half, material, turn=turn, casts=False))

    def gable(self, centre: Vector, size: tuple[float, float], material: Material, turn: float = 0.0) -> None:
        """Add a roof of 45 degrees over a house of this length and width; only `centre` to its ridge shows."""
        side = size[1] / 2 * 2**0.5
        half = (side / 2, size[0] / 2, side / 2)
        self.solids.append(Primitive("box", centre, half, material, turn=turn + 90.0, tilt=45.0))

    def put(self, piece: Piece, x: float, y: float, turn: float, up: float = 0.0) -> None:
        """Add a piece of furniture, its front turned away from x by this much."""
        placed = piece.placed(x, y, turn, 0)
        self.solids += [replace(one, centre=(one.centre[0], one.centre[1], one.centre[2] + up)) for one in placed]

    def join(self, other: Site, x: float, y: float, turn: float) -> None:
        """Add what another site holds, its middle put to this place and turned."""
        cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        for one in other.solids:
            ahead, aside, up = one.centre
            centre = (x + ahead * cosine - aside * sine, y + ahead * sine + aside * cosine, up)
            self.solids.append(replace(one, centre=centre, turn=one.turn + turn))

    def shot(self, camera: Camera, lamp: Lamp, ambient: float, sky: tuple[Colour, Colour]) -> Shot:
        """Return the finished scene and its camera."""
        return Shot(Scene(tuple(self.solids), lamp, ambient, *sky), camera)


def looking(dice: Dice, eye: Vector, yaw: float, pitch: float, field_of_view: float) -> Camera:
    """Return a camera with one of the usual shapes of picture, its place and aim shaken a little."""
    width, height = dice.pick(SIZES)
    angle = field_of_view * (0.85 if height > width else 1.0)
    return Camera(eye, yaw + dice.between(-5.0, 5.0), pitch + dice.between(-3.0, 3.0), angle, width, height)


def daylight(dice: Dice) -> tuple[Lamp, float, tuple[Colour, Colour]]:
    """Return a sun, the light of the sky, and its colours at the horizon and above: clear, hazy, grey or late."""
    kind = dice.pick(("clear", "clear", "hazy", "grey", "late"))
    high, power, ambient = dice.between(30.0, 60.0), dice.between(0.75, 1.05), dice.between(0.34, 0.45)
    horizon, zenith = colour_of(0.57, 0.18, 0.95), colour_of(dice.between(0.56, 0.61), 0.6, 0.85)
    if kind == "hazy":
        horizon, zenith = colour_of(0.12, 0.08, 0.95), colour_of(0.56, 0.25, 0.85)
    elif kind == "grey":
        power, ambient = 0.3, 0.65
        horizon, zenith = colour_of(0.6, 0.03, 0.82), colour_of(0.6, 0.06, 0.68)
    elif kind == "late":
        high, power = dice.between(14.0, 25.0), 0.9
        horizon, zenith = colour_of(dice.between(0.03, 0.1), 0.5, 0.97), colour_of(0.64, 0.45, 0.55)
    return Lamp.sun(dice.pick((-1.0, 1.0)) * dice.between(40.0, 170.0), high, power), ambient, (horizon, zenith)
