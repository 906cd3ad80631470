"""Sample (data): four-legged animals of any build, coat and pose, made of ellipsoids, rods and cones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from virb.sample.engine.camera import Vector
from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Colour, Material, shade_of
from virb.sample.engine.models import DARK, Model, grained, paint
from virb.sample.engine.shapes import Primitive

POSES = ("stand", "sit", "lie")


@dataclass(frozen=True)
class Build:
    """Proportions, in body lengths: trunk and legs, head and what is on it, tail."""

    girth: float = 0.2  # radius of the trunk
    legs: float = 0.4
    thick: float = 0.05  # radius of a leg
    neck: float = 0.15
    head: float = 0.17
    muzzle: float = 0.8  # how far it reaches before the skull, in head radii
    snout: float = 0.5  # its radius, in head radii
    ears: str = "pointed"  # bat, hanging, folded, round
    ear: float = 1.0
    tail: str = "long"  # curled, plume, short, bushy
    ruff: float = 0.0  # radius of a collar of hair, in girths


@dataclass(frozen=True)
class Coat:
    """What each part is covered with; a saddle lies on the back of some."""

    body: Material
    legs: Material
    head: Material
    muzzle: Material
    ears: Material
    tail: Material
    chest: Material
    eyes: Material = DARK
    paws: Material | None = None
    saddle: Material | None = None

    @staticmethod
    def plain(material: Material, eyes: Material = DARK) -> Coat:
        """Return a coat that is the same all over."""
        return Coat(material, material, material, material, material, material, material, eyes)


@dataclass(frozen=True)
class Beast:
    """An animal: all but the head, and the head, in one frame."""

    body: Model
    head: Model

    def whole(self) -> Model:
        """Return both as one."""
        return Model([*self.body.solids, *self.head.solids])

    def placed(self, turn: float, scale: float) -> tuple[list[Primitive], list[Primitive]]:
        """Return the solids of the body and of the head at the origin, as instance 1."""
        origin = (0.0, 0.0, 0.0)
        return self.body.placed(origin, turn, scale, 1), self.head.placed(origin, turn, scale, 1)


def beast(build: Build, coat: Coat, pose: str, dice: Dice) -> Beast:
    """Return an animal, about one body length long; it looks where the dice say."""
    body = Model()
    girth, legs = build.girth, build.legs
    rump, chest = {
        "stand": ((-0.33, legs + 0.8 * girth), (0.33, legs + 0.9 * girth)),
        "sit": ((-0.22, 0.85 * girth), (0.14, legs + 0.85 * girth)),
        "lie": ((-0.33, 0.9 * girth), (0.33, 1.05 * girth)),
    }[pose]
    _trunk(body, build, coat, rump, chest)
    _front_legs(body, build, coat, pose, chest, dice)
    _hind_legs(body, build, coat, pose, rump, dice)
    _tail(body, build, coat, pose, rump, dice)
    lift = build.neck + 0.6 * build.head
    where = (chest[0] + 0.6 * girth + 0.35 * lift, 0.0, chest[1] + 0.45 * girth + 0.75 * lift)
    body.limb(
        (chest[0] + 0.25 * girth, 0.0, chest[1] + 0.1 * girth), where, 0.62 * build.head + 0.1 * girth, coat.chest
    )
    if build.ruff:
        size = build.ruff * girth
        body.ball((chest[0] + 0.5 * girth, 0.0, chest[1] + 0.35 * girth), (0.8 * size, size, size), coat.chest)
    head = Model()
    head.join(_head(build, coat), where, dice.between(-55.0, 55.0))
    return Beast(body, head)


def _trunk(model: Model, build: Build, coat: Coat, rump: tuple[float, float], chest: tuple[float, float]) -> None:
    girth = build.girth
    reach = math.dist(rump, chest)
    way = ((chest[0] - rump[0]) / reach, (chest[1] - rump[1]) / reach)
    start = (rump[0] - way[0] * 0.8 * girth, 0.0, max(rump[1] - way[1] * 0.8 * girth, 0.35 * girth))
    end = (chest[0] + way[0] * 0.8 * girth, 0.0, chest[1] + way[1] * 0.8 * girth)
    model.limb(start, end, girth, coat.body, "sphere")
    model.ball((rump[0], 0.0, rump[1]), (0.95 * girth, 0.92 * girth, 0.95 * girth), coat.body)
    model.ball((chest[0], 0.0, chest[1]), (girth, 0.96 * girth, 1.08 * girth), coat.body)
    model.ball((chest[0] + 0.25 * girth, 0.0, chest[1] - 0.1 * girth), (0.85 * girth, 0.75 * girth, girth), coat.chest)
    if coat.saddle is not None:
        up = 0.22 * girth
        begin, finish = (start[0] * 0.8, 0.0, start[2] + up), (end[0] * 0.55, 0.0, end[2] * 0.97 + up)
        model.limb(begin, finish, 1.0 * girth, coat.saddle, "sphere")


def _foot(model: Model, build: Build, coat: Coat, place: Vector) -> None:
    thick = build.thick
    model.dot(
        (place[0] + 0.6 * thick, place[1], 0.7 * thick), (1.7 * thick, 1.2 * thick, 0.8 * thick), coat.paws or coat.legs
    )


def _front_legs(model: Model, build: Build, coat: Coat, pose: str, chest: tuple[float, float], dice: Dice) -> None:
    for side in (-0.55, 0.55):
        shoulder = (chest[0] + 0.1 * build.girth, side * build.girth, chest[1] - 0.2 * build.girth)
        if pose == "lie":
            foot = (chest[0] + 0.3 + 0.5 * build.legs, side * build.girth, build.thick)
        else:
            step = dice.between(-0.12, 0.12) if pose == "stand" else 0.0
            foot = (chest[0] + 0.05 + step, side * build.girth, build.thick)
        model.limb(shoulder, foot, build.thick, coat.legs)
        _foot(model, build, coat, foot)


def _hind_legs(model: Model, build: Build, coat: Coat, pose: str, rump: tuple[float, float], dice: Dice) -> None:
    for side in (-0.6, 0.6):
        if pose == "stand":
            foot = (rump[0] - 0.05 + dice.between(-0.12, 0.12), side * build.girth, build.thick)
            hip = (rump[0], side * build.girth, rump[1] - 0.2 * build.girth)
            model.limb(hip, foot, 1.1 * build.thick, coat.legs)
            thigh = (0.5 * build.girth, 0.4 * build.girth, 0.8 * build.girth)
            model.ball((rump[0], side * build.girth, rump[1] - 0.35 * build.girth), thigh, coat.body)
        else:
            thigh = (0.9 * build.girth, 0.42 * build.girth, 0.62 * build.girth)
            model.ball((rump[0] + 0.3 * build.girth, 1.35 * side * build.girth, 0.6 * build.girth), thigh, coat.body)
            foot = (rump[0] + 1.0 * build.girth, 1.5 * side * build.girth, build.thick)
        _foot(model, build, coat, foot)


def _tail(model: Model, build: Build, coat: Coat, pose: str, rump: tuple[float, float], dice: Dice) -> None:
    girth, swing = build.girth, dice.between(-0.15, 0.15)
    root = (rump[0] - 0.75 * girth, 0.0, rump[1] + 0.35 * girth)
    low = pose != "stand"
    if build.tail == "curled":
        points = [(-0.75, 0.4), (-1.05, 0.95), (-0.75, 1.45), (-0.25, 1.4), (-0.2, 1.1)]
        path = [(rump[0] + x * girth, 0.5 * swing, rump[1] + z * girth) for x, z in points]
        for start, end in pairwise(path):
            model.limb(start, end, 0.2 * girth, coat.tail)
    elif build.tail == "plume":
        model.ball(
            (rump[0] - 0.2 * girth, swing, rump[1] + 1.15 * girth), (0.75 * girth, 0.4 * girth, 0.5 * girth), coat.tail
        )
    elif build.tail == "short":
        model.limb(root, (root[0] - 0.3 * girth, 0.0, root[2] + 0.5 * girth), 0.16 * girth, coat.tail)
    else:
        thick = 0.45 * girth if build.tail == "bushy" else 0.8 * build.thick
        down = (root[0] - 0.25, swing, 1.2 * thick if low else max(0.1, root[2] - dice.between(-0.3, 0.25)))
        kind = "sphere" if build.tail == "bushy" else "cylinder"
        model.limb(root, down, thick, coat.tail, kind)
        if kind == "cylinder":
            model.limb(down, (down[0] - 0.12, 2.5 * swing, down[2] + (0.0 if low else 0.15)), 0.9 * thick, coat.tail)


def _head(build: Build, coat: Coat) -> Model:
    """Return a head around the origin that looks along x."""
    model = Model()
    size = build.head
    model.ball((0, 0, 0), (size, 0.95 * size, 0.95 * size), coat.head)
    reach, snout = build.muzzle * size, build.snout * size
    if reach > 0:
        model.ball(
            (0.65 * size + 0.35 * reach, 0, -0.25 * size), (0.25 * size + 0.65 * reach, snout, 0.8 * snout), coat.muzzle
        )
    front = max(0.97 * size, 0.85 * size + reach)
    model.dot((front, 0, -0.12 * size), (0.14 * size, 0.2 * size, 0.14 * size), DARK)
    for side in (-1, 1):
        model.dot((0.78 * size, 0.42 * side * size, 0.28 * size), (0.2 * size, 0.19 * size, 0.19 * size), coat.eyes)
        model.dot((0.92 * size, 0.46 * side * size, 0.28 * size), (0.09 * size, 0.09 * size, 0.13 * size), DARK)
        _ear(model, build, coat, side)
    return model


def _ear(model: Model, build: Build, coat: Coat, side: int) -> None:
    size, ear = build.head, build.ear
    if build.ears in ("pointed", "bat"):
        wide = 0.42 if build.ears == "pointed" else 0.55
        foot, tip = (0.0, 0.5 * side * size, 0.6 * size), (0.05 * size, 0.95 * side * size, (0.9 + 0.85 * ear) * size)
        model.limb(foot, tip, wide * size, coat.ears, "cone")
    elif build.ears == "hanging":
        centre = (-0.1 * size, 0.98 * side * size, (0.35 - 0.75 * ear) * size)
        model.ball(centre, (0.42 * size, 0.16 * size, 0.9 * ear * size), coat.ears)
    elif build.ears == "folded":
        model.ball((0.2 * size, 0.82 * side * size, 0.5 * size), (0.4 * size, 0.2 * size, 0.38 * size), coat.ears)
    else:
        model.ball(
            (-0.1 * size, 0.75 * side * size, 0.75 * size),
            (0.15 * size, 0.32 * ear * size, 0.32 * ear * size),
            coat.ears,
        )


def fur(dice: Dice, colour: Colour, length: float = 0.0, gloss: float = 0.05) -> Material:
    """Return hair of this colour, the longer the rougher."""
    if length == 0.0:
        return Material(colour, shade_of(colour, 0.88), "speckles", (14.0, 14.0), gloss=gloss)
    return grained(dice, colour, "speckles", 9.0 - 3.0 * length, 1.0 - 0.35 * length, gloss)


def eyes(colour: Colour) -> Material:
    """Return an iris."""
    return paint(colour, 0.6)
