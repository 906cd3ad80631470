"""Sample (data): tabletop scenes, three to ten solids on a ground, as in CLEVR."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from virb.sample.engine.camera import Camera, Vector
from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Material, any_colour, shade_of
from virb.sample.engine.render import Rendering, render
from virb.sample.engine.scene import Lamp, Scene
from virb.sample.engine.shapes import Primitive

SHAPES = {"cube": "box", "sphere": "sphere", "cylinder": "cylinder"}
SIZES = {"large": 0.74, "small": 0.48}
SURFACES = {"rubber": (0.12, 0.0), "metal": (0.9, 1.0)}  # gloss, metal
COLOURS = {
    "gray": (87, 87, 87), "red": (173, 35, 35), "blue": (42, 75, 215), "green": (29, 105, 20),
    "brown": (129, 74, 25), "purple": (129, 38, 192), "cyan": (41, 208, 208), "yellow": (255, 238, 51),
}  # fmt: skip
"""The eight colours of CLEVR."""

DEPTHS = ((7.55, 8.0), (8.0, 8.5), (8.5, 9.0), (9.0, 9.5), (9.5, 10.0), (10.0, 10.8))
"""Where the nearest object may stand: one range for each of VTAB's six classes of camera depth."""
FARTHEST = 12.9
GAP = 0.2
FEWEST_PIXELS = 40
"""An object shows at least this many of its own pixels (of 144 x 96) and this share of its outline."""
LEAST_SHARE = 0.45


@dataclass(frozen=True)
class ClevrObject:
    """One object: what it is called, where its centre is, how far its footprint and its outline reach."""

    shape: str
    size: str
    colour: str
    surface: str
    turn: float
    centre: Vector
    half: float

    @property
    def footprint(self) -> float:
        """Return the radius of the circle on the ground that holds it."""
        return self.half * (math.sqrt(2.0) if self.shape == "cube" else 1.0)

    @property
    def outline(self) -> float:
        """Return about the radius of its outline, in metres."""
        return self.half * {"cube": 1.22, "sphere": 1.0, "cylinder": 1.15}[self.shape]

    def primitive(self, instance: int) -> Primitive:
        """Return the solid."""
        red, green, blue = (part / 255 for part in COLOURS[self.colour])
        gloss, metal = SURFACES[self.surface]
        material = Material((red, green, blue), gloss=gloss, metal=metal)
        return Primitive(SHAPES[self.shape], self.centre, (self.half,) * 3, material, instance, self.turn)


@dataclass(frozen=True)
class Tabletop:
    """A scene, its camera, its things in the order of their instances, which start at 1, and its picture."""

    scene: Scene
    camera: Camera
    things: tuple[ClevrObject, ...]
    rendering: Rendering


def tabletop(dice: Dice, count: int, depth_class: int, width: int = 144, height: int = 96) -> Tabletop:
    """Return a scene of `count` things, none touching another, all visible, the nearest in this depth class."""
    while True:
        camera = _camera(dice, width, height)
        things = _place(dice, camera, count, dice.between(*DEPTHS[depth_class]))
        if things is not None:
            scene = _scene(dice, camera, things)
            rendering = render(scene, camera, dice)
            if all_visible(rendering, camera, things):
                return Tabletop(scene, camera, things, rendering)


def _camera(dice: Dice, width: int, height: int) -> Camera:
    """Return a camera that looks down at the middle of the world from any side, always nearly as far away."""
    yaw = dice.between(-180.0, 180.0)
    away = 7.9 + dice.between(-0.1, 0.1)
    turn = math.radians(yaw)
    position = (-away * math.cos(turn), -away * math.sin(turn), 6.3 + dice.between(-0.1, 0.1))
    return Camera(position, yaw, -38.0 + dice.between(-0.7, 0.7), 45.0, width, height)


def _place(dice: Dice, camera: Camera, count: int, nearest: float) -> tuple[ClevrObject, ...] | None:
    """Return things thrown like darts, the first at the nearest depth, or None if they do not fit."""
    things: list[ClevrObject] = []
    misses = 0
    while len(things) < count:
        depth = dice.between(nearest + 0.05, FARTHEST) if things else nearest
        thing = _thing(dice, camera, depth)
        if _fits(thing, things, camera):
            things.append(thing)
        else:
            misses += 1
            if misses > 150:
                return None
    return tuple(things)


def _thing(dice: Dice, camera: Camera, depth: float) -> ClevrObject:
    shape, size = dice.pick(list(SHAPES)), dice.pick(list(SIZES))
    half = SIZES[size] * {"cube": 0.76, "sphere": 1.0, "cylinder": 0.85}[shape]
    aside = dice.between(-1.0, 1.0) * 0.4 * depth
    right, _, forward = camera.axes
    flat = math.hypot(forward[0], forward[1])
    ahead = (depth - (half - camera.position[2]) * forward[2]) / flat
    centre = (
        camera.position[0] + ahead * forward[0] / flat + aside * right[0],
        camera.position[1] + ahead * forward[1] / flat + aside * right[1],
        half,
    )
    colour, surface = dice.pick(list(COLOURS)), dice.pick(list(SURFACES))
    return ClevrObject(shape, size, colour, surface, dice.between(0.0, 360.0), centre, half)


def _fits(thing: ClevrObject, others: list[ClevrObject], camera: Camera) -> bool:
    """Return whether a thing is within the picture, touches none and hides little of any other."""
    column, row, depth = camera.project(thing.centre)
    radius = thing.outline * camera.focal / depth
    if not (radius < column < camera.width - radius and radius < row < camera.height - radius):
        return False
    for other in others:
        if math.dist(thing.centre[:2], other.centre[:2]) < thing.footprint + other.footprint + GAP:
            return False
        x, y, away = camera.project(other.centre)
        if math.hypot(x - column, y - row) < 0.72 * (radius + other.outline * camera.focal / away):
            return False
    return True


def _scene(dice: Dice, camera: Camera, things: tuple[ClevrObject, ...]) -> Scene:
    ground = any_colour(dice, (0.0, 0.25), (0.45, 0.8))
    pattern = dice.pick(("plain", "cloudy", "cloudy", "speckles", "tiles"))
    scale = dice.between(0.25, 0.6) if pattern == "tiles" else dice.between(0.8, 2.0)
    shift = (dice.between(0.0, 60.0), dice.between(0.0, 60.0))
    other = shade_of(ground, dice.between(0.8, 0.93))
    floor = Material(ground, other, pattern, (scale, scale), shift, gloss=0.06)
    turn = dice.between(0.0, 360.0)
    plane = Primitive("plane", (0.0, 0.0, 0.0), (60.0, 60.0, 0.0), floor, 0, turn, casts=False)
    side = math.radians(camera.yaw + 180.0 + dice.between(-100.0, 100.0))
    away = dice.between(3.5, 6.5)
    lamp = (away * math.cos(side), away * math.sin(side), dice.between(7.0, 10.0))
    solids = tuple(thing.primitive(number) for number, thing in enumerate(things, 1))
    ambient = dice.between(0.26, 0.4)
    return Scene((plane, *solids), Lamp(lamp, dice.between(0.75, 1.1)), ambient)


def all_visible(rendering: Rendering, camera: Camera, things: tuple[ClevrObject, ...]) -> bool:
    """Return whether each thing shows enough of itself to be counted."""
    pixels = np.bincount(rendering.instance[rendering.instance >= 0], minlength=len(things) + 1)[1:]
    for thing, seen in zip(things, pixels.tolist(), strict=True):
        radius = thing.outline * camera.focal / camera.project(thing.centre)[2]
        if seen < max(FEWEST_PIXELS, LEAST_SHARE * 2.8 * radius * radius):
            return False
    return True
