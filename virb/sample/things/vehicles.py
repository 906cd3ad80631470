"""Sample (data): cars, trucks, buses, bicycles and people, each a few solids in its own frame: front along x."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from virb.sample.engine.camera import Vector
from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Colour, Material, any_colour, colour_of, shade_of
from virb.sample.engine.shapes import Primitive

GLASS = Material((0.13, 0.16, 0.19), gloss=0.7, metal=0.25)
RUBBER = Material((0.1, 0.1, 0.11))
STEEL = Material((0.45, 0.46, 0.48), gloss=0.3)


@dataclass(frozen=True)
class StreetObject:
    """Something that stands or moves in a street: its class, its footprint and its solids, the ground at 0."""

    label: str
    length: float
    width: float
    solids: tuple[Primitive, ...]

    def placed(
        self, place: Vector, turn: float, instance: int, casts: bool = True, away: float = 0.0
    ) -> list[Primitive]:
        """Return the solids at this place of the world, turned about the vertical, fewer of them from afar."""
        cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        moved = []
        solids = self.solids
        if away > 40.0:
            solids = solids[:3]
        elif away > 26.0 and len(solids) > 8:  # a vehicle without its wheels and lights
            solids = tuple(one for one in solids if max(one.half) > 0.5)
        for one in solids:
            ahead, aside, up = one.centre
            centre = (
                place[0] + ahead * cosine - aside * sine,
                place[1] + ahead * sine + aside * cosine,
                place[2] + up,
            )
            shadow = casts and one.casts
            moved.append(replace(one, centre=centre, turn=one.turn + turn, instance=instance, casts=shadow))
        return moved


def box(centre: Vector, size: Vector, material: Material, tilt: float = 0.0, casts: bool = True) -> Primitive:
    """Return a box of this full size."""
    return Primitive("box", centre, (size[0] / 2, size[1] / 2, size[2] / 2), material, tilt=tilt, casts=casts)


def ball(centre: Vector, radii: Vector, material: Material, tilt: float = 0.0) -> Primitive:
    """Return an ellipsoid."""
    return Primitive("sphere", centre, radii, material, tilt=tilt)


def rod(centre: Vector, radius: float, height: float, material: Material, tilt: float = 0.0) -> Primitive:
    """Return a cylinder of this full height, upright unless it leans forward by `tilt` degrees."""
    return Primitive("cylinder", centre, (radius, radius, height / 2), material, tilt=tilt)


def disc(centre: Vector, radius: float, thick: float, material: Material, turn: float = 0.0) -> Primitive:
    """Return a cylinder whose axis lies along x, or along y at a turn of 90 degrees."""
    half = (radius, radius, thick / 2)
    return Primitive("cylinder", centre, half, material, turn=turn, tilt=90.0, casts=False)


def _wheels(length: float, width: float, radius: float, axles: Iterable[float] = (-0.31, 0.31)) -> list[Primitive]:
    """Return a pair of wheels on each axle, given as shares of the length from the middle."""
    return [
        disc((share * length, side * (width / 2 - 0.09), radius), radius, 0.22, RUBBER, 90.0)
        for share in axles
        for side in (-1, 1)
    ]


def _lights(length: float, width: float, height: float) -> list[Primitive]:
    """Return white lights in front and red ones behind."""
    white = Material((0.95, 0.93, 0.85), gloss=0.5, glow=0.35)
    red = Material((0.75, 0.06, 0.06), gloss=0.4, glow=0.3)
    return [
        box((way * length / 2, side * (width / 2 - 0.22), height), (0.06, 0.3, 0.14), lens, casts=False)
        for way, lens in ((1, white), (-1, red))
        for side in (-1, 1)
    ]


def paint(dice: Dice) -> Material:
    """Return a car's paint: most are white, gray or black."""
    gray = dice.between(0.1, 0.95)
    tone = (gray, gray, min(1.0, gray * 1.03))
    if dice.chance(0.5):
        tone = any_colour(dice, (0.55, 0.95), (0.3, 0.9))
    return Material(tone, gloss=0.5, metal=0.2)


def car(dice: Dice) -> StreetObject:
    """Return a saloon, hatchback, estate or van."""
    length, width = dice.between(3.8, 4.7), dice.between(1.7, 1.85)
    waist, roof = dice.between(0.8, 0.92), dice.between(1.4, 1.55)
    back, front = dice.pick(((-0.32, 0.2), (-0.46, 0.16), (-0.47, 0.22)))  # the cabin's ends, as shares of the length
    if dice.chance(0.15):
        roof, front = dice.between(1.8, 2.0), 0.3
    colour = paint(dice)
    cabin, middle = (front - back) * length, (front + back) * length / 2
    solids = [
        box((0, 0, (waist + 0.22) / 2), (length, width, waist - 0.22), colour),
        box((middle, 0, (waist + roof) / 2), (cabin, width * 0.9, roof - waist), GLASS),
        box((middle - 0.02, 0, roof), (cabin * 0.82, width * 0.84, 0.08), colour),
        box((middle - 0.12 * cabin, 0, (waist + roof) / 2), (0.12, width * 0.91, roof - waist), colour, casts=False),
        box((0, 0, 0.33), (length + 0.06, width * 0.97, 0.18), Material(shade_of(colour.first, 0.35)), casts=False),
        *_wheels(length, width, 0.31),
        *_lights(length, width, waist - 0.2),
    ]
    return StreetObject("car", length, width, tuple(solids))


def truck(dice: Dice) -> StreetObject:
    """Return a lorry: a cab and a tall box behind it."""
    length, width, height = dice.between(6.5, 9.0), dice.between(2.3, 2.5), dice.between(3.1, 3.7)
    cab = paint(dice)
    tone = any_colour(dice, (0.0, 0.75), (0.5, 0.95))
    pattern = dice.pick(("plain", "stripes", "painting"))
    load = Material(tone, shade_of(tone, 0.7), pattern, (0.8, 0.8), (dice.between(0, 60), 0.0))
    back = length - 2.3
    solids = [
        box((-1.15, 0, (height + 0.9) / 2), (back, width, height - 0.9), load),
        box((length / 2 - 1.05, 0, 1.5), (2.0, width * 0.94, 2.2), cab),
        box((length / 2 - 0.05, 0, 2.0), (0.08, width * 0.84, 0.8), GLASS, casts=False),
        box((length / 2 - 0.7, 0, 2.0), (0.8, width * 0.96, 0.7), GLASS, casts=False),
        box((-0.2, 0, 0.68), (length * 0.92, width * 0.5, 0.3), Material((0.16, 0.16, 0.17))),
        *_wheels(length, width, 0.48, (-0.38, -0.22, 0.36)),
        *_lights(length - 0.1, width, 0.75),
    ]
    return StreetObject("truck", length, width, tuple(solids))


def bus(dice: Dice) -> StreetObject:
    """Return a city bus: a long body with a band of windows all around."""
    length, width, height = dice.between(9.5, 12.0), 2.5, dice.between(2.9, 3.2)
    colour = Material(any_colour(dice, (0.3, 0.95), (0.55, 0.95)), gloss=0.4, metal=0.1)
    band = Material((0.14, 0.17, 0.2), shade_of(colour.first, 0.6), "panes", (0.7, 0.05), gloss=0.6, metal=0.2)
    solids = [
        box((0, 0, (height + 0.35) / 2), (length, width, height - 0.35), colour),
        box((0, 0, height * 0.62), (length + 0.06, width + 0.06, height * 0.34), band, casts=False),
        box((length / 2, 0, height * 0.9), (0.08, width * 0.6, 0.24), Material((1.0, 0.75, 0.2), glow=0.5)),
        *_wheels(length, width, 0.48, (-0.28, 0.33)),
        *_lights(length, width, 0.7),
    ]
    return StreetObject("bus", length, width, tuple(solids))


def bicycle(dice: Dice) -> StreetObject:
    """Return a bicycle that stands upright."""
    colour = Material(any_colour(dice, (0.3, 0.95), (0.2, 0.9)), gloss=0.3)
    tyre = Material((0.07, 0.07, 0.08), (0.5, 0.5, 0.52), "rings", (0.75, 0.75))
    solids = [
        disc((0.52, 0, 0.34), 0.34, 0.05, tyre, 90.0),
        disc((-0.52, 0, 0.34), 0.34, 0.05, tyre, 90.0),
        rod((-0.16, 0, 0.62), 0.035, 0.7, colour, -18.0),
        rod((0.42, 0, 0.68), 0.035, 0.76, colour, -18.0),
        rod((0.14, 0, 0.84), 0.035, 0.6, colour, 88.0),
        rod((0.1, 0, 0.56), 0.035, 0.68, colour, 48.0),
        box((-0.26, 0, 1.0), (0.26, 0.16, 0.07), RUBBER),
        box((0.3, 0, 1.06), (0.06, 0.56, 0.05), STEEL),
    ]
    return StreetObject("bicycle", 1.75, 0.56, tuple(solids))


def _skin(dice: Dice) -> Colour:
    return colour_of(dice.between(0.03, 0.08), dice.between(0.3, 0.6), dice.between(0.35, 0.92))


def _garment(dice: Dice, brightest: float) -> Material:
    tone = any_colour(dice, (0.1, 0.85), (0.12, brightest))
    pattern = dice.pick(("plain", "plain", "stripes", "checker"))
    return Material(tone, shade_of(tone, 0.6), pattern, (7.0, 7.0))


def person(dice: Dice) -> StreetObject:
    """Return somebody who stands or walks."""
    size, stride = dice.between(0.86, 1.06), dice.between(4.0, 24.0)
    coat, trousers, skin = _garment(dice, 0.95), _garment(dice, 0.6), Material(_skin(dice))
    hair = Material(colour_of(dice.between(0.03, 0.12), dice.between(0.1, 0.7), dice.between(0.08, 0.6)))
    sway = 0.43 * math.sin(math.radians(stride))
    solids = [
        ball((0, 0, 1.16 * size), (0.15 * size, 0.23 * size, 0.36 * size), coat),
        rod((sway * size, 0.09 * size, 0.44 * size), 0.085 * size, 0.88 * size, trousers, -stride),
        rod((-sway * size, -0.09 * size, 0.44 * size), 0.085 * size, 0.88 * size, trousers, stride),
        rod((-0.6 * sway * size, 0.26 * size, 1.1 * size), 0.055 * size, 0.62 * size, coat, stride),
        rod((0.6 * sway * size, -0.26 * size, 1.1 * size), 0.055 * size, 0.62 * size, coat, -stride),
        ball((0.01, 0, 1.62 * size), (0.11 * size, 0.1 * size, 0.14 * size), skin),
        ball((-0.03, 0, 1.67 * size), (0.115 * size, 0.11 * size, 0.12 * size), hair),
    ]
    return StreetObject("person", 0.6, 0.6, tuple(solids))


def rider(dice: Dice) -> StreetObject:
    """Return somebody who sits on a bicycle at the same place."""
    coat, trousers, skin = _garment(dice, 0.95), _garment(dice, 0.6), Material(_skin(dice))
    helmet = Material(any_colour(dice, (0.1, 0.9), (0.3, 1.0)), gloss=0.4)
    solids = [
        rod((0.02, 0.13, 0.72), 0.08, 0.7, trousers, -32.0),
        rod((-0.06, -0.13, 0.62), 0.08, 0.66, trousers, -8.0),
        ball((-0.06, 0, 1.3), (0.17, 0.22, 0.36), coat, 22.0),
        rod((0.2, 0.22, 1.22), 0.05, 0.56, coat, -52.0),
        rod((0.2, -0.22, 1.22), 0.05, 0.56, coat, -52.0),
        ball((0.12, 0, 1.72), (0.11, 0.1, 0.14), skin),
        ball((0.09, 0, 1.78), (0.13, 0.12, 0.1), helmet),
    ]
    return StreetObject("rider", 1.75, 0.56, tuple(solids))
