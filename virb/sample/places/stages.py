"""Sample (data): where things are photographed: in a room, on a lawn, in a street, before a screen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Colour, Material, any_colour, colour_of, shade_of
from virb.sample.engine.models import Framing, Model, framed, grained, paint, tinted
from virb.sample.engine.render import Rendering, render
from virb.sample.engine.scene import Lamp, Scene
from virb.sample.engine.shapes import Primitive, Shapes
from virb.sample.things.furniture import AT_WALLS, wood

REACH = 40.0
"""Half the side of a ground, in sizes of the thing on it."""
SMALL = 0.08


@dataclass(frozen=True)
class Stage:
    """What surrounds a thing of size 1 at the origin that is seen along x: solids and the sky's colours."""

    solids: tuple[Primitive, ...]
    horizon: Colour
    zenith: Colour
    outdoors: bool


StageMaker: TypeAlias = Callable[[Dice], Stage]


def _ground(dice: Dice, material: Material, turn: float | None = None) -> Primitive:
    angle = dice.between(0.0, 360.0) if turn is None else turn
    return Primitive("plane", (0.0, 0.0, 0.0), (REACH, REACH, 0.0), material, 0, angle, casts=False)


def _wall(dice: Dice, material: Material, away: float, slant: float = 25.0) -> Primitive:
    """Return a wall across the view, askew."""
    turn = 180.0 + dice.between(-slant, slant)
    return Primitive("plane", (away, 0.0, 3.0), (3.0, REACH, 0.0), material, 0, turn, 90.0, casts=False)


def screen(dice: Dice) -> Stage:
    """Return a seamless backdrop of one light colour."""
    tone = colour_of(dice.between(0, 1), dice.between(0.0, 0.25), dice.between(0.75, 1.0))
    return Stage((_ground(dice, paint(tone, 0.0)),), tone, tone, False)


def _paper(dice: Dice, pattern: str, scale: tuple[float, float]) -> Material:
    first = any_colour(dice, (0.05, 0.5), (0.45, 0.95))
    second = shade_of(first, dice.between(0.5, 0.85)) if dice.chance(0.6) else any_colour(dice, (0.1, 0.5), (0.4, 0.95))
    size = dice.between(*scale)
    return Material(first, second, pattern, (size, size), (dice.between(0, 60), dice.between(0, 60)), gloss=0.05)


def indoors(dice: Dice) -> Stage:
    """Return a floor, one wall, and perhaps a piece of furniture at it."""
    floor = _paper(dice, dice.pick(("planks", "planks", "tiles", "checker", "speckles", "damask")), (0.8, 2.5))
    paper = _paper(dice, dice.pick(("plain", "plain", "stripes", "dots", "damask", "cloudy", "bricks")), (0.6, 2.0))
    away = dice.between(1.2, 3.5)
    solids = [_ground(dice, floor), _wall(dice, paper, away)]
    if dice.chance(0.6):
        piece = Model(dice.pick(AT_WALLS)(dice).solids)
        solids += piece.placed((away - 0.4, dice.between(-1.5, 1.5), 0.0), 180.0, dice.between(0.9, 1.6))
    tone = shade_of(paper.first, 0.9)
    return Stage(tuple(solids), tone, tone, False)


def table(dice: Dice) -> Stage:
    """Return a table's top with a far, plain room behind."""
    top = wood(dice, dice.between(0.8, 2.0)) if dice.chance(0.6) else _paper(dice, "checker", (0.8, 2.0))
    board = Primitive("box", (0.4, 0.0, -0.1), (dice.between(1.5, 3.0), dice.between(2.5, 5.0), 0.1), top)
    floor = Primitive("plane", (0.0, 0.0, -4.0), (REACH, REACH, 0.0), _paper(dice, "planks", (0.3, 0.6)), casts=False)
    tone = any_colour(dice, (0.0, 0.4), (0.35, 0.9))
    return Stage((board, floor, _wall(dice, paint(tone, 0.0), dice.between(5.0, 9.0))), tone, tone, False)


def _sky(dice: Dice) -> tuple[Colour, Colour]:
    if dice.chance(0.3):  # overcast
        grey = dice.between(0.6, 0.95)
        return (grey, grey, grey), (grey * 0.9, grey * 0.92, grey * 0.95)
    return tinted(dice, 0.57, 0.18, 0.9), tinted(dice, 0.6, 0.5, 0.85)


def _bush(dice: Dice) -> Model:
    """Return a bush, a broad-leaved or a pointed tree of about 1 to 4 high."""
    model = Model()
    leaf = grained(dice, tinted(dice, 0.28, 0.55, 0.4, 2.0), "speckles", 4.0, 0.5)
    kind = dice.pick(("bush", "round", "pointed"))
    tall = dice.between(0.8, 1.6)
    if kind == "bush":
        model.ball((0, 0, tall * 0.4), (tall * 0.7, tall * 0.8, tall * 0.5), leaf)
        return model
    bark = grained(dice, tinted(dice, 0.08, 0.4, 0.35), "speckles", 6.0)
    model.drum(0.0, tall, 0.12 * tall, bark)
    if kind == "round":
        model.ball((0, 0, tall * 1.6), (tall * 0.8, tall * 0.8, tall * 0.9), leaf)
    else:
        model.spike(tall * 0.5, tall * 2.2, tall * 0.75, leaf)
    return model


def _bushes(dice: Dice, count: int) -> list[Primitive]:
    solids: list[Primitive] = []
    for _ in range(count):
        place = (dice.between(2.5, 9.0), dice.between(-6.0, 6.0), 0.0)
        solids += _bush(dice).placed(place, dice.between(0, 360), dice.between(0.7, 1.4))
    return solids


def lawn(dice: Dice) -> Stage:
    """Return grass under the sky, with bushes and perhaps a fence behind."""
    grass = grained(
        dice, tinted(dice, 0.26, 0.55, 0.55, 1.5), dice.pick(("speckles", "cloudy")), dice.between(1.5, 4.0)
    )
    solids = [_ground(dice, grass), *_bushes(dice, dice.whole(0, 4))]
    if dice.chance(0.4):
        boards = wood(dice, dice.between(1.5, 3.0))
        away = dice.between(2.0, 5.0)
        solids.append(
            Primitive("box", (away, 0.0, 0.5), (0.05, REACH, dice.between(0.4, 0.8)), boards, 0, dice.between(-15, 15))
        )
    return Stage(tuple(solids), *_sky(dice), True)


def street(dice: Dice) -> Stage:
    """Return paving before a wall of bricks or plaster."""
    grey = tinted(dice, dice.between(0.05, 0.6), 0.08, 0.55, 1.5)
    paving = grained(dice, grey, dice.pick(("tiles", "bricks", "speckles")), dice.between(0.8, 2.0), 0.75)
    wall = grained(
        dice,
        tinted(dice, dice.between(0.0, 0.12), 0.4, 0.6, 1.5),
        dice.pick(("bricks", "bricks", "cloudy", "panes")),
        dice.between(1.0, 2.5),
        0.7,
    )
    solids = [_ground(dice, paving), _wall(dice, wall, dice.between(1.5, 4.0), 35.0)]
    return Stage(tuple(solids), *_sky(dice), True)


def open_country(dice: Dice) -> Stage:
    """Return bare ground - sand, snow, earth - with hills at the horizon."""
    tone = dice.pick(
        (
            tinted(dice, 0.11, 0.4, 0.8),
            tinted(dice, 0.6, 0.04, 0.92),
            tinted(dice, 0.07, 0.45, 0.5),
            tinted(dice, 0.2, 0.4, 0.55),
        )
    )
    solids = [_ground(dice, grained(dice, tone, "cloudy", dice.between(0.5, 2.0), 0.8))]
    for _ in range(dice.whole(0, 3)):
        hill = paint(tinted(dice, dice.between(0.2, 0.6), 0.25, 0.5, 1.5), 0.0)
        radius = dice.between(6.0, 14.0)
        centre = (dice.between(22.0, 34.0), dice.between(-22.0, 22.0), 0.0)
        solids.append(Primitive("sphere", centre, (radius, radius * 1.4, radius * 0.5), hill, casts=False))
    return Stage(tuple(solids), *_sky(dice), True)


def lamp_for(dice: Dice, stage: Stage) -> tuple[Lamp, float]:
    """Return a lamp on the camera's side of the thing, and how bright the shadows are."""
    side = 180.0 + dice.between(-110.0, 110.0)
    if stage.outdoors:
        return Lamp.sun(side, dice.between(25.0, 70.0), dice.between(0.75, 1.1)), dice.between(0.3, 0.5)
    turn, away = math.radians(side), dice.between(2.0, 4.0)
    lamp = Lamp((away * math.cos(turn), away * math.sin(turn), dice.between(3.0, 6.0)), dice.between(0.8, 1.2), 0.012)
    return lamp, dice.between(0.3, 0.5)


def photo(
    solids: Sequence[Primitive],
    stage: Stage,
    framing: Framing,
    dice: Dice,
    size: tuple[int, int],
    noise: float = 2.5,
    focus: Sequence[Primitive] | None = None,
) -> Rendering:
    """Return a picture, so wide and high, of a thing of size 1 at the origin (instance 1), or of a part of it.

    All else is instance 0, the sky -1.
    """
    lamp, ambient = lamp_for(dice, stage)
    scene = Scene((*stage.solids, *solids), lamp, ambient, stage.horizon, stage.zenith, noise)
    return render(scene, framed(focus or solids, framing, *size), dice)


def sized(model: Model, turn: float) -> list[Primitive]:
    """Return a model at the origin as instance 1, turned, and so scaled that its longest side is 1.

    Its small parts throw no shadow, which nobody misses and which costs a fifth of the time.
    """
    corners = Shapes(model.solids).corners
    longest = max(float(part.max()) - float(part.min()) for part in corners)
    solids = model.placed((0.0, 0.0, 0.0), turn, 1.0 / longest, 1)
    return [one if max(one.half) > SMALL else replace(one, casts=False) for one in solids]
