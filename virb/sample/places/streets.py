"""Sample (data): streets: what stands along them, who is on them, and the scene that a camera there sees.

The road runs along x, its middle at y = 0, its surface at z = 0. A look says how a street is built and lit, so
that pictures of one drive or city have it in common; frontage and traffic are thrown for a stretch of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Colour, Material, colour_of
from virb.sample.engine.scene import Lamp, Scene
from virb.sample.engine.shapes import Primitive
from virb.sample.places.roadside import (
    barrier,
    building,
    facade,
    grayish,
    hedge,
    lamp_post,
    sign,
    traffic_light,
    tree,
    worn,
)
from virb.sample.things.vehicles import StreetObject

KERB = 0.13
SURFACES = ("road", "sidewalk", "terrain")
"""The first three instances of every street; each other class that is no thing has one instance, each thing its own."""
THINGS = ("person", "rider", "car", "truck", "bus", "bicycle")
SEEN = 76.0
"""Metres ahead that are worth drawing."""
THIN, TOO_THIN = ("pole", "traffic light", "traffic sign"), 45.0
"""What is less than a pixel wide beyond so many metres."""
SHADED = 24.0
"""Metres within which shadows show."""
SHARP = 200.0
"""The focal length, in pixels, for which these distances hold."""
LARGE = ("building", "vegetation")
"""What closes the view and is drawn from afar with any camera."""


@dataclass(frozen=True)
class StreetStyle:
    """How a street is built, coloured and lit."""

    lane: float  # half the width of one lane
    parking: float
    sidewalk: float
    verge: float  # from the sidewalk to the buildings
    asphalt: Material
    paving: Material
    ground: Material
    grassy: bool
    facades: tuple[Material, ...]
    storeys: tuple[float, float]
    gaps: float  # chance of a gap between buildings
    trees: float  # chance of a tree at each place for one
    leaf: Colour
    sun: tuple[float, float, float]  # azimuth, height, power
    ambient: float
    sky: tuple[Colour, Colour]

    @property
    def half(self) -> float:
        """Return half the width of the road."""
        return 2.0 * self.lane + self.parking

    @property
    def front(self) -> float:
        """Return how far from the middle the buildings stand."""
        return self.half + self.sidewalk + self.verge


@dataclass(frozen=True)
class Placed:
    """A model in the street; it may move `speed` metres along its heading and turn `swing` degrees each frame."""

    model: StreetObject
    x: float
    y: float
    turn: float = 0.0
    z: float = 0.0
    speed: float = 0.0
    swing: float = 0.0

    def later(self) -> Placed:
        """Return the same thing one frame later."""
        turn = math.radians(self.turn)
        x, y = self.x + self.speed * math.cos(turn), self.y + self.speed * math.sin(turn)
        return replace(self, x=x, y=y, turn=self.turn + self.swing)


@dataclass(frozen=True)
class Composed:
    """A scene, the class of each instance in it, and for each instance what was placed (None where many were)."""

    scene: Scene
    labels: tuple[str, ...]
    placed: tuple[Placed | None, ...]


def look(dice: Dice) -> StreetStyle:
    """Return one way that a street may be."""
    grassy = dice.chance(0.65)
    leaf = colour_of(dice.between(0.17, 0.38), dice.between(0.35, 0.75), dice.between(0.28, 0.55))
    grass = colour_of(dice.between(0.14, 0.33), dice.between(0.3, 0.65), dice.between(0.35, 0.6))
    ground = worn(dice, grass, "speckles", 1.5) if grassy else worn(dice, grayish(dice, 0.4, 0.65), "tiles", 0.8)
    bright = dice.chance(0.55)
    sun = (dice.between(0.0, 360.0), dice.between(38.0, 65.0), dice.between(0.6, 0.85))
    if not bright:
        sun = (dice.between(0.0, 360.0), dice.between(70.0, 80.0), dice.between(0.2, 0.3))
    level = dice.between(0.78, 0.97)
    blue = dice.between(0.1, 0.45) if bright else dice.between(0.0, 0.1)
    horizon, zenith = colour_of(0.58, blue * 0.3, level), colour_of(0.6, blue, level * 0.95)
    low = dice.whole(2, 4)
    return StreetStyle(
        lane=dice.between(1.6, 1.95),
        parking=dice.pick((0.0, 2.1, 2.1)),
        sidewalk=dice.between(1.8, 4.0),
        verge=dice.pick((0.0, dice.between(1.5, 4.0), dice.between(3.0, 8.0))),
        asphalt=worn(dice, grayish(dice, 0.25, 0.5), "cloudy", dice.between(0.3, 0.8)),
        paving=worn(dice, grayish(dice, 0.42, 0.72, 0.2), dice.pick(("tiles", "bricks", "tiles")), 1.6),
        ground=ground,
        grassy=grassy,
        facades=tuple(facade(dice) for _ in range(5)),
        storeys=(low * 3.0, (low + dice.whole(1, 3)) * 3.0),
        gaps=dice.between(0.15, 0.6),
        trees=dice.between(0.1, 0.8),
        leaf=leaf,
        sun=sun,
        ambient=dice.between(0.44, 0.58) if bright else dice.between(0.66, 0.82),
        sky=(horizon, zenith),
    )


def frontage(dice: Dice, style: StreetStyle, start: float, end: float) -> list[Placed]:
    """Return what stands along both sides of a stretch of street."""
    placed: list[Placed] = []
    for side in (-1, 1):
        placed += _houses(dice, style, start, end, side)
        placed += _kerbside(dice, style, start, end, side)
    return placed


def _houses(dice: Dice, style: StreetStyle, start: float, end: float, side: int) -> list[Placed]:
    """Return a row of buildings, and in the gaps trees, hedges, walls and fences."""
    placed, along = [], start
    while along < end:
        if dice.chance(style.gaps):
            length = dice.between(5.0, 14.0)
            edge = hedge(dice, style.leaf) if dice.chance(0.3) else barrier(dice)
            if dice.chance(0.9):
                placed.append(Placed(edge, along + length / 2, side * (style.front + 0.6)))
            for share in (0.25, 0.75):
                if dice.chance(0.3 + 0.5 * style.trees):
                    behind = style.front + dice.between(3.0, 8.0)
                    placed.append(Placed(tree(dice, style.leaf), along + share * length, side * behind))
        else:
            house = building(dice, style.facades, style.storeys)
            length = house.length + 0.05
            placed.append(Placed(house, along + length / 2, side * (style.front + 4.6 + dice.between(0.0, 0.6))))
        along += length
    return placed


def _kerbside(dice: Dice, style: StreetStyle, start: float, end: float, side: int) -> list[Placed]:
    """Return trees, lamp posts, lights and signs between road and sidewalk, one to a place."""
    placed: list[Placed] = []
    y = side * (style.half + 0.45)
    facing = 180.0 if side > 0 else 0.0
    along = start + dice.between(0.0, 6.0)
    while along < end:
        kind = dice.between(0.0, 1.0)
        if kind < 0.5 * style.trees:
            placed.append(Placed(tree(dice, style.leaf), along, y, z=KERB))
        elif kind < 0.62:
            placed.append(Placed(lamp_post(dice), along, y, facing, KERB))
        elif kind < 0.9:
            makers: Callable[[Dice], tuple[StreetObject, StreetObject]] = traffic_light if kind < 0.74 else sign
            placed += [Placed(model, along, y, z=KERB) for model in makers(dice)]
        along += dice.between(4.5, 9.0)
    return placed


def compose(
    style: StreetStyle,
    placed: Iterable[Placed],
    here: float,
    focal: float,
    extra: Sequence[tuple[str, Primitive]] = (),
    later: bool = False,
) -> Composed:
    """Return the scene around and ahead of `here`, as fine as a camera of this focal length in pixels can see.

    `extra` solids are instances of their own. One frame later the same solids have moved: nothing comes or goes.
    """
    labels = list(SURFACES)
    groups: list[Placed | None] = [None] * len(labels)
    solids = _surfaces(style, here)
    for one in placed:
        label, ahead = one.model.label, one.x - here
        away = ahead * SHARP / focal
        farthest = TOO_THIN if label in THIN else SEEN
        if ahead < -3.0 - one.model.length / 2 or (ahead if label in LARGE else away) > farthest:
            continue
        if label in THINGS or label not in labels:
            labels.append(label)
            groups.append(one if label in THINGS else None)
            number = len(labels) - 1
        else:
            number = labels.index(label)
        at = one.later() if later else one
        solids += one.model.placed((at.x, at.y, at.z), at.turn, number, away < SHADED, away)
    for label, solid in extra:
        labels.append(label)
        groups.append(None)
        solids.append(replace(solid, instance=len(labels) - 1))
    azimuth, height, power = style.sun
    sun = Lamp.sun(azimuth, height, power)
    lamp = replace(sun, position=(sun.position[0] + here, sun.position[1], sun.position[2]))
    scene = Scene(tuple(solids), lamp, style.ambient, *style.sky, lowest=-0.1)
    return Composed(scene, tuple(labels), tuple(groups))


def _surfaces(style: StreetStyle, here: float) -> list[Primitive]:
    """Return road, its lines, sidewalks and the ground beyond, patterns fixed to the street and not to `here`."""
    white = Material((0.85, 0.85, 0.83))
    line = replace(white, second=style.asphalt.first, pattern="stripes", scale=(1 / 6.0, 1.0))
    start = 12.0 * round((here + 40.0) / 12.0)  # whole lengths of the patterns
    solids = [
        _flat(start, 0.0, 90.0, style.half, 0.0, style.asphalt, 0),
        _flat(start, 0.0, 90.0, 0.07, 0.012, line, 0),
        _flat(start, 0.0, 200.0, 200.0, -0.06, style.ground, 2 if style.grassy else 1),
    ]
    for side in (-1, 1):
        if style.parking:
            solids.append(_flat(start, side * 2.0 * style.lane, 90.0, 0.06, 0.012, white, 0))
        y = side * (style.half + style.sidewalk / 2)
        half = (90.0, style.sidewalk / 2, KERB / 2 + 0.05)
        solids.append(Primitive("box", (start, y, KERB / 2 - 0.05), half, style.paving, 1, casts=False))
    return solids


def _flat(x: float, y: float, length: float, width: float, z: float, material: Material, instance: int) -> Primitive:
    """Return a rectangle on the ground of these half sizes, its pattern's first direction along the street."""
    return Primitive("plane", (x, y, z), (width, length, 0.0), material, instance, turn=90.0, casts=False)
