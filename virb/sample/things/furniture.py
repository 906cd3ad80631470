"""Sample (data): furniture, each piece a few solids in its own frame: front along x, width along y, floor at 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from virb.sample.engine.camera import Vector
from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Colour, Material, any_colour, colour_of, shade_of
from virb.sample.engine.shapes import Primitive


@dataclass
class Piece:
    """A piece of furniture under construction, centred on its footprint of `depth` by `width` metres."""

    name: str
    depth: float
    width: float
    solids: list[Primitive] = field(default_factory=list)

    def box(self, centre: Vector, size: Vector, material: Material, turn: float = 0.0) -> None:
        """Add a box of this full size."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        self.solids.append(Primitive("box", centre, half, material, turn=turn))

    def pillar(self, centre: Vector, radius: float, height: float, material: Material) -> None:
        """Add an upright cylinder of this full height."""
        self.solids.append(Primitive("cylinder", centre, (radius, radius, height / 2), material))

    def ball(self, centre: Vector, radii: Vector, material: Material) -> None:
        """Add an ellipsoid."""
        self.solids.append(Primitive("sphere", centre, radii, material))

    def placed(self, x: float, y: float, turn: float, instance: int) -> list[Primitive]:
        """Return the solids at this place of the world, turned about the vertical."""
        cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        moved = []
        for one in self.solids:
            ahead, aside, up = one.centre
            centre = (x + ahead * cosine - aside * sine, y + ahead * sine + aside * cosine, up)
            moved.append(Primitive(one.kind, centre, one.half, one.material, instance, one.turn + turn))
        return moved


Maker: TypeAlias = Callable[[Dice], Piece]


def wood(dice: Dice, scale: float = 8.0) -> Material:
    """Return boards of some wood, or painted."""
    tone = colour_of(dice.between(0.04, 0.11), dice.between(0.35, 0.7), dice.between(0.35, 0.85))
    if dice.chance(0.35):
        tone = any_colour(dice, (0.2, 0.7), (0.45, 0.95))
    return Material(tone, shade_of(tone, 0.55), "planks", (scale, scale), _shift(dice), gloss=0.1)


def cloth(dice: Dice) -> Material:
    """Return a fabric with some pattern."""
    first = any_colour(dice, (0.2, 0.8), (0.4, 0.95))
    second = any_colour(dice, (0.1, 0.7), (0.3, 0.95)) if dice.chance(0.5) else shade_of(first, 0.6)
    pattern = dice.pick(("stripes", "checker", "dots", "speckles", "zigzag", "damask", "waves"))
    scale = dice.between(4.0, 8.0)
    return Material(first, second, pattern, (scale, scale), _shift(dice))


def plain(colour: Colour, gloss: float = 0.1) -> Material:
    """Return a surface of one colour."""
    return Material(colour, gloss=gloss)


def _shift(dice: Dice) -> tuple[float, float]:
    return dice.between(0.0, 60.0), dice.between(0.0, 60.0)


def cupboard(dice: Dice) -> Piece:
    """Return a tall or low chest with drawers or doors."""
    depth, width = dice.between(0.4, 0.6), dice.between(0.8, 1.6)
    height = dice.pick((dice.between(0.7, 1.0), dice.between(1.7, 2.1)))
    tone = wood(dice).first
    columns, rows = dice.whole(1, 3), dice.whole(2, 4)
    front = Material(tone, shade_of(tone, 0.3), "drawers", (columns / width, rows / height), gloss=0.1)
    piece = Piece("cupboard", depth, width)
    piece.box((0, 0, height / 2), (depth, width, height), front)
    if dice.chance(0.6):
        radius = dice.between(0.08, 0.16)
        vase = plain(any_colour(dice, (0.4, 0.9), (0.5, 1.0)), 0.6)
        aside = dice.between(-0.3, 0.3) * width
        piece.ball((0, aside, height + 1.4 * radius), (radius, radius, 1.4 * radius), vase)
    return piece


def bookshelf(dice: Dice) -> Piece:
    """Return shelves full of books."""
    depth, width, height = 0.32, dice.between(0.8, 1.8), dice.between(1.2, 2.1)
    rows = round(height / 0.36)
    low, high = any_colour(dice, (0.3, 0.7), (0.15, 0.35)), any_colour(dice, (0.3, 0.9), (0.7, 1.0))
    piece = Piece("bookshelf", depth, width)
    back = Material(low, high, "books", (3.0, rows / height), (dice.whole(0, 50), 0.0))
    piece.box((0, 0, height / 2), (depth, width, height), back)
    frame = wood(dice)
    piece.box((0.01, 0, height + 0.02), (depth + 0.02, width + 0.06, 0.05), frame)
    return piece


def sofa(dice: Dice) -> Piece:
    """Return a seat with a back and two arms."""
    depth, width = 0.85, dice.between(1.3, 2.0)
    fabric = cloth(dice)
    side = plain(shade_of(fabric.first, 0.75), 0.0)
    piece = Piece("sofa", depth, width)
    piece.box((0.05, 0, 0.22), (depth - 0.1, width - 0.36, 0.44), fabric)
    piece.box((-depth / 2 + 0.11, 0, 0.45), (0.22, width - 0.36, 0.9), fabric)
    for sign in (-1, 1):
        piece.box((0, sign * (width / 2 - 0.09), 0.31), (depth, 0.18, 0.62), side)
    return piece


def bed(dice: Dice) -> Piece:
    """Return a bed with its head at the wall."""
    depth, width = 2.0, dice.between(1.1, 1.6)
    piece = Piece("bed", depth, width)
    piece.box((0, 0, 0.16), (depth, width, 0.32), wood(dice))
    piece.box((0.1, 0, 0.42), (depth - 0.2, width - 0.04, 0.2), cloth(dice))
    piece.box((-depth / 2 + 0.04, 0, 0.5), (0.08, width, 1.0), wood(dice))
    piece.ball((-depth / 2 + 0.35, 0, 0.56), (0.2, width * 0.32, 0.1), plain((0.95, 0.95, 0.92), 0.0))
    return piece


def table(dice: Dice) -> Piece:
    """Return a table on four legs or one, with something on it."""
    depth, width, height = dice.between(0.7, 1.0), dice.between(1.0, 1.7), dice.between(0.68, 0.78)
    surface = wood(dice)
    leg = plain(shade_of(surface.first, 0.6))
    piece = Piece("table", depth, width)
    piece.box((0, 0, height), (depth, width, 0.06), surface)
    for sign_x in (-1, 1):
        for sign_y in (-1, 1):
            piece.pillar((sign_x * (depth / 2 - 0.07), sign_y * (width / 2 - 0.07), height / 2), 0.04, height, leg)
    bowl = plain(any_colour(dice, (0.5, 0.9), (0.5, 1.0)), 0.6)
    radius = dice.between(0.09, 0.15)
    piece.ball((0.0, dice.between(-0.3, 0.3), height + 0.03 + radius), (radius, radius, radius), bowl)
    return piece


def chair(dice: Dice) -> Piece:
    """Return a chair with a back."""
    fabric = cloth(dice)
    piece = Piece("chair", 0.46, 0.46)
    piece.box((0, 0, 0.44), (0.44, 0.44, 0.07), fabric)
    piece.box((-0.2, 0, 0.7), (0.05, 0.44, 0.48), fabric)
    piece.pillar((0, 0, 0.21), 0.05, 0.42, plain((0.2, 0.2, 0.22), 0.4))
    return piece


def plant(dice: Dice) -> Piece:
    """Return a pot with leaves."""
    radius, height = dice.between(0.14, 0.22), dice.between(0.25, 0.4)
    green = colour_of(dice.between(0.22, 0.4), dice.between(0.5, 0.8), dice.between(0.35, 0.65))
    leaf = Material(green, shade_of(green, 0.45), "speckles", (12.0, 12.0), _shift(dice))
    piece = Piece("plant", 2 * radius + 0.1, 2 * radius + 0.1)
    pot = Material(any_colour(dice, (0.3, 0.7), (0.5, 0.9)), (0.9, 0.9, 0.85), "zigzag", (6.0, 6.0), gloss=0.3)
    piece.pillar((0, 0, height / 2), radius, height, pot)
    tall = dice.between(0.35, 0.6)
    piece.ball((0, 0, height + tall * 0.8), (radius * 1.5, radius * 1.5, tall), leaf)
    return piece


def floor_lamp(dice: Dice) -> Piece:
    """Return a lamp on a stand."""
    height = dice.between(1.3, 1.7)
    piece = Piece("lamp", 0.4, 0.4)
    piece.pillar((0, 0, 0.02), 0.16, 0.04, plain((0.25, 0.25, 0.25), 0.5))
    piece.pillar((0, 0, height / 2), 0.025, height, plain((0.3, 0.3, 0.3), 0.6))
    piece.pillar((0, 0, height), 0.2, 0.3, plain(any_colour(dice, (0.1, 0.6), (0.8, 1.0)), 0.0))
    return piece


def fridge(dice: Dice) -> Piece:
    """Return a tall shining box with two doors."""
    height = dice.between(1.6, 1.9)
    tone = dice.pick(((0.88, 0.9, 0.92), (0.7, 0.72, 0.75), (0.75, 0.3, 0.28), (0.45, 0.65, 0.6)))
    door = Material(tone, (0.2, 0.2, 0.2), "drawers", (1 / 0.66, 2 / height), gloss=0.5)
    piece = Piece("fridge", 0.64, 0.66)
    piece.box((0, 0, height / 2), (0.64, 0.66, height), door)
    return piece


def crate(dice: Dice) -> Piece:
    """Return a box on the floor, perhaps askew, perhaps with a ball on top."""
    side, height = dice.between(0.35, 0.6), dice.between(0.3, 0.6)
    material = cloth(dice) if dice.chance(0.5) else wood(dice, 10.0)
    piece = Piece("crate", side * 1.3, side * 1.3)
    piece.box((0, 0, height / 2), (side, side, height), material, dice.between(-20, 20))
    if dice.chance(0.4):
        ball = Material(any_colour(dice, (0.6, 1.0), (0.6, 1.0)), (1.0, 1.0, 1.0), "stripes", (3.0, 3.0), gloss=0.4)
        piece.ball((0, 0, height + 0.13), (0.13, 0.13, 0.13), ball)
    return piece


def stool(dice: Dice) -> Piece:
    """Return a round seat."""
    radius, height = dice.between(0.18, 0.28), dice.between(0.4, 0.6)
    piece = Piece("stool", 2 * radius, 2 * radius)
    piece.pillar((0, 0, height / 2), radius, height, cloth(dice))
    return piece


AT_WALLS: tuple[Maker, ...] = (
    cupboard,
    cupboard,
    bookshelf,
    sofa,
    bed,
    plant,
    floor_lamp,
    fridge,
    crate,
    stool,
)
IN_THE_MIDDLE: tuple[Maker, ...] = (table, table, crate, stool, sofa)
