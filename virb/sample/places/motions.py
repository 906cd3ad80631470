"""Sample (data): people in motion, each action a few solids that know where they are at any time of a clip."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from virb.sample.engine.camera import Camera, Vector
from virb.sample.engine.fields import Dice
from virb.sample.engine.light import shade
from virb.sample.engine.materials import Material, any_colour, colour_of, shade_of
from virb.sample.engine.render import develop
from virb.sample.engine.scene import Scene, SceneView
from virb.sample.engine.shapes import Primitive
from virb.sample.engine.trace import pixel_rays, trace
from virb.sample.places.site import Site, daylight

WIDTH, HEIGHT = 72, 56
Motion: TypeAlias = Callable[[float], list[Primitive]]
"""Time, from 0 at the clip's begin to 1 at its end -> the solids that move, as they are then."""


@dataclass(frozen=True)
class Clip:
    """A place that stays, what moves in it, and a camera held by an unsteady hand."""

    still: Scene
    camera: Camera
    motion: Motion
    sway: float

    def frame(self, time: float, dice: Dice) -> NDArray[np.uint8]:
        """Return the picture [H,W,3] at a time, its edges as hard as a cheap camera's: that halves the work."""
        scene = replace(self.still, primitives=(*self.still.primitives, *self.motion(time)))
        yaw = self.camera.yaw + self.sway * math.sin(5.0 * time + 9.0 * self.sway)
        view = SceneView(scene, replace(self.camera, yaw=yaw))
        rays = pixel_rays(view.camera)
        colour, _ = shade(view, rays, trace(view, rays))
        return develop(colour.reshape(HEIGHT, WIDTH, 3), scene.noise, dice)


@dataclass(frozen=True)
class Person:
    """What somebody wears, and how tall they are."""

    shirt: Material
    trousers: Material
    skin: Material
    tall: float

    @staticmethod
    def any(dice: Dice) -> Person:
        """Return somebody."""
        skin = Material(colour_of(0.07, dice.between(0.25, 0.6), dice.between(0.35, 0.95)))
        shirt, trousers = any_colour(dice, (0.2, 0.95), (0.3, 1.0)), any_colour(dice, (0.0, 0.7), (0.15, 0.7))
        return Person(Material(shirt), Material(trousers), skin, dice.between(1.55, 1.9))

    def body(
        self, hip: Vector, hands: tuple[Vector, Vector], feet: tuple[Vector, Vector], lean: float = 0.0
    ) -> list[Primitive]:
        """Return the solids of a person whose hip, hands and feet are here; `lean` moves the shoulders along y."""
        size = self.tall / 1.75
        neck = (hip[0], hip[1] + lean, hip[2] + 0.55 * size)
        head = (neck[0], neck[1] + 0.2 * lean, neck[2] + 0.2 * size)
        solids = [limb(hip, neck, 0.16 * size, self.shirt)]
        solids.append(Primitive("sphere", head, (0.12 * size, 0.12 * size, 0.15 * size), self.skin))
        solids += [limb(neck, hand, 0.06 * size, self.skin, casts=False) for hand in hands]
        return solids + [limb(hip, foot, 0.075 * size, self.trousers) for foot in feet]


def limb(start: Vector, end: Vector, radius: float, material: Material, casts: bool = True) -> Primitive:
    """Return a cylinder from one point to another."""
    way = [there - here for here, there in zip(start, end, strict=True)]
    long = math.dist(start, end)
    centre = (start[0] + way[0] / 2, start[1] + way[1] / 2, start[2] + way[2] / 2)
    tilt = math.degrees(math.acos(max(-1.0, min(1.0, way[2] / long))))
    turn = math.degrees(math.atan2(way[1], way[0]))
    return Primitive("cylinder", centre, (radius, radius, long / 2), material, turn=turn, tilt=tilt, casts=casts)


def _ball(centre: Vector, radius: float, material: Material) -> Primitive:
    return Primitive("sphere", centre, (radius, radius, radius), material)


def clip(dice: Dice, action: Callable[[Dice, Site], Motion]) -> Clip:
    """Return a clip of an action that faces x, somewhere in or out of doors, seen from some side."""
    site = Site()
    _place(site, dice)
    motion = action(dice, site)
    turn, away = math.radians(dice.between(-25.0, 25.0)), dice.between(4.2, 5.4)
    eye = (-away * math.cos(turn), -away * math.sin(turn), dice.between(1.1, 1.9))
    yaw = math.degrees(turn) + dice.between(-3.0, 3.0)
    camera = Camera(eye, yaw, dice.between(-4.0, 3.0), dice.between(46.0, 54.0), WIDTH, HEIGHT)
    lamp, ambient, sky = daylight(dice)
    return Clip(Scene(tuple(site.solids), lamp, ambient, *sky), camera, motion, dice.between(0.2, 1.0))


def _place(site: Site, dice: Dice) -> None:
    """Add a calm ground and what stands far behind: nothing, a wall, or bushes; no action has a place of its own."""
    tone = any_colour(dice, (0.05, 0.3), (0.5, 0.8))
    pattern, scale = dice.pick((("cloudy", 1.0), ("plain", 1.0), ("planks", 3.0)))
    shift = (dice.between(0.0, 60.0), dice.between(0.0, 60.0))
    ground = Material(tone, shade_of(tone, 0.85), pattern, (scale, scale), shift)
    site.sheet((20.0, 0.0, 0.0), (90.0, 90.0), ground, 90.0 * dice.whole(0, 1))
    behind = dice.pick(("nothing", "wall", "wall", "bushes"))
    if behind == "wall":
        paint = any_colour(dice, (0.03, 0.25), (0.6, 0.95))
        wall = Material(paint, shade_of(paint, 0.9), dice.pick(("plain", "cloudy", "tiles")), (1.0, 1.0))
        x = dice.between(2.5, 6.0)
        site.box((x + 0.2, 0.0, 2.5), (0.4, 40.0, 5.0), wall, dice.between(-12.0, 12.0))
    elif behind == "bushes":
        green = colour_of(dice.between(0.2, 0.4), dice.between(0.3, 0.7), dice.between(0.3, 0.6))
        for number in range(4):
            centre = (dice.between(7.0, 10.0), -6.0 + 4.0 * number + dice.between(-1.0, 1.0), 0.3)
            site.ball(centre, (1.5, dice.between(1.2, 2.2), dice.between(0.8, 1.6)), Material(green))


def _turns(dice: Dice, slowest: float, fastest: float) -> Callable[[float], float]:
    """Return what tells the angle, in radians, of something that goes round or to and fro, either way."""
    pace, start = dice.between(slowest, fastest) * dice.pick((-1.0, 1.0)), dice.between(0.0, 1.0)
    return lambda time: 2.0 * math.pi * (pace * time + start)


def _bounce(turn: float) -> float:
    """Return the height, from 0 to 1, of what falls and jumps up again once in half a turn."""
    part = turn / math.pi % 1.0
    return 4.0 * part * (1.0 - part)


def trampoline(dice: Dice, site: Site) -> Motion:
    """Return somebody who jumps high over a round mat and spreads arms and legs on the way."""
    person, turn, high = Person.any(dice), _turns(dice, 0.8, 1.5), dice.between(0.5, 0.85)
    rim = Material(any_colour(dice, (0.3, 0.9), (0.3, 0.9)))
    mat, wide = 0.45, dice.between(1.2, 1.6)
    site.pillar((0.0, 0.0, mat - 0.1), wide, 0.08, rim)
    site.pillar((0.0, 0.0, mat - 0.05), wide - 0.2, 0.06, Material((0.08, 0.08, 0.1)))
    for way in (45, 135, 225, 315):
        x, y = math.cos(math.radians(way)), math.sin(math.radians(way))
        site.pillar((x * (wide - 0.1), y * (wide - 0.1), 0.0), 0.05, mat, rim)

    def motion(time: float) -> list[Primitive]:
        up = _bounce(turn(time))
        hip = (0.0, 0.0, mat + 0.85 + high * up)
        hand, foot = (0.3 + 0.35 * up, hip[2] + 0.2 + 0.6 * up), (0.1 + 0.3 * up, hip[2] - 0.8 + 0.1 * up)
        hands = ((0.0, hand[0], hand[1]), (0.0, -hand[0], hand[1]))
        return person.body(hip, hands, ((0.0, foot[0], foot[1]), (0.0, -foot[0], foot[1])))

    return motion


def dribbling(dice: Dice, site: Site) -> Motion:
    """Return somebody whose hand follows a ball between itself and the ground, as they walk a little."""
    person, turn = Person.any(dice), _turns(dice, 1.2, 2.2)
    ball = Material(
        colour_of(dice.between(0.02, 0.09), 0.8, dice.between(0.6, 0.95)), (0.1, 0.08, 0.06), "grid", (4, 4)
    )
    side, pace = dice.pick((-1.0, 1.0)), dice.between(-0.8, 0.8)

    def motion(time: float) -> list[Primitive]:
        y = pace * (time - 0.5)
        up = 0.14 + 0.75 * _bounce(turn(time))
        step = 0.18 * math.sin(turn(time) / 2)
        there = (-0.25, y + 0.5 * side, up)
        hands = ((-0.2, y + 0.45 * side, max(0.75, up + 0.12)), (0.1, y - 0.35 * side, 0.85))
        feet = ((0.0, y + 0.12 + step, 0.05), (0.0, y - 0.12 - step, 0.05))
        body = person.body((0.0, y, 0.85), hands, feet, 0.1 * side)
        return [*body, Primitive("sphere", there, (0.16, 0.16, 0.16), ball)]

    return motion


def football(dice: Dice, site: Site) -> Motion:
    """Return two people, one of whom throws an egg of leather to the other in a high arc."""
    thrower, catcher = Person.any(dice), Person.any(dice)
    side, apart, high = dice.pick((-1.0, 1.0)), dice.between(2.6, 3.4), dice.between(0.5, 1.0)
    leather = Material(colour_of(0.05, 0.65, dice.between(0.3, 0.55)), (0.9, 0.9, 0.9), "stripes", (3.0, 3.0))
    start, run = dice.between(0.05, 0.2), dice.between(0.3, 0.7)

    def motion(time: float) -> list[Primitive]:
        part = min(1.0, max(0.0, (time - start) / 0.65))
        y = side * apart * (part - 0.5)
        up = 1.5 + 4.0 * high * part * (1.0 - part)
        from_y, to_y = -side * apart / 2 - side * 0.25, side * apart / 2 + side * run * (part - 0.6)
        step = 0.25 * math.sin(14.0 * time)
        thrown = ((-0.2, from_y + side * 0.4, 1.75 - 0.7 * part), (0.2, from_y - side * 0.3, 1.0))
        caught = ((-0.1, to_y - side * 0.35, 1.0 + 0.6 * part), (0.1, to_y - side * 0.3, 1.0 + 0.6 * part))
        one = thrower.body((0.0, from_y, 0.85), thrown, ((0.0, from_y - 0.25, 0.05), (0.0, from_y + 0.25, 0.05)))
        two = catcher.body((0.0, to_y, 0.85), caught, ((0.0, to_y - 0.1 - step, 0.05), (0.0, to_y + 0.1 + step, 0.05)))
        egg = Primitive("sphere", (-0.1, y, up), (0.13, 0.24, 0.13), leather, tilt=0.0, turn=25.0 * side * (0.5 - part))
        return [*one, *two, egg]

    return motion


def poi(dice: Dice, site: Site) -> Motion:
    """Return somebody who whirls two bright balls on strings, one at each side."""
    person, turn = Person.any(dice), _turns(dice, 1.0, 2.0)
    glow = [Material(any_colour(dice, (0.5, 1.0), (0.9, 1.0)), glow=0.8) for _ in range(2)]
    cord, reach, shift = Material((0.85, 0.85, 0.8)), dice.between(0.55, 0.75), dice.pick((0.0, math.pi))

    def motion(time: float) -> list[Primitive]:
        hands = ((-0.25, 0.55, 1.25), (-0.25, -0.55, 1.25))
        solids = person.body((0.0, 0.0, 0.87), hands, ((0.0, 0.15, 0.05), (0.0, -0.15, 0.05)))
        for hand, way, material in zip(hands, (turn(time), shift - turn(time)), glow, strict=True):
            end = (hand[0] - 0.1, hand[1] + reach * math.sin(way), hand[2] + reach * math.cos(way))
            solids += [limb(hand, end, 0.02, cord, casts=False), _ball(end, 0.14, material)]
        return solids

    return motion


def swing(dice: Dice, site: Site) -> Motion:
    """Return somebody on a swing between two posts, who leans as it goes to and fro."""
    person, turn, widest = Person.any(dice), _turns(dice, 0.7, 1.3), dice.between(28.0, 46.0)
    wood = Material(any_colour(dice, (0.2, 0.8), (0.3, 0.85)))
    top, rope = dice.between(2.5, 2.8), 1.8
    frame = Site()
    for x in (-0.7, 0.7):
        for y in (-0.9, 0.9):
            frame.solids.append(limb((x, y, 0.0), (x, 0.0, top), 0.06, wood))
    frame.solids.append(limb((-0.8, 0.0, top), (0.8, 0.0, top), 0.06, wood))
    site.join(frame, 0.0, 0.0, 0.0)

    def motion(time: float) -> list[Primitive]:
        way = math.radians(widest * math.sin(turn(time)))
        y, up = rope * math.sin(way), top - rope * math.cos(way)
        legs = 0.45 * math.cos(turn(time))
        holds = tuple((x, 0.55 * y, top - 0.55 * (top - up)) for x in (-0.2, 0.2))
        feet = tuple((x, y + 0.45 * math.cos(way) + 0.3 * legs, up - 0.25 + 0.2 * abs(legs)) for x in (-0.1, 0.1))
        solids = person.body((0.0, y, up + 0.1), (holds[0], holds[1]), (feet[0], feet[1]), -0.25 * legs - 0.15)
        solids += [limb((x, 0.0, top), (x, y, up), 0.02, wood, casts=False) for x in (-0.22, 0.22)]
        return [*solids, Primitive("box", (0.0, y, up), (0.28, 0.14, 0.03), wood)]

    return motion


def dog(dice: Dice, site: Site) -> Motion:
    """Return somebody who walks by with a dog on a lead before them."""
    person, turn, side = Person.any(dice), _turns(dice, 1.3, 2.2), dice.pick((-1.0, 1.0))
    fur = Material(colour_of(0.07, dice.between(0.0, 0.7), dice.between(0.15, 0.9)))
    lead, far, long = Material((0.1, 0.1, 0.1)), dice.between(0.8, 1.3), dice.between(0.9, 1.3)

    def motion(time: float) -> list[Primitive]:
        y, step = side * (far * (2.0 * time - 1.0) - 0.4), 0.32 * math.sin(turn(time))
        hands = ((-0.15, y + 0.3 * side, 0.95), (0.1, y - step, 0.9))
        solids = person.body((0.0, y, 0.87), hands, ((-0.05, y + step, 0.05), (0.05, y - step, 0.05)), 0.05 * side)
        ahead, trot = y + side * long, 0.12 * math.sin(1.7 * turn(time))
        solids.append(Primitive("sphere", (-0.1, ahead, 0.42), (0.13, 0.32, 0.15), fur))
        solids.append(_ball((-0.1, ahead + 0.36 * side, 0.58), 0.13, fur))
        solids.append(
            limb((-0.1, ahead - 0.28 * side, 0.48), (-0.1, ahead - 0.45 * side, 0.7 + trot), 0.035, fur, casts=False)
        )
        for place, way in ((-0.2, trot), (0.2, -trot)):
            solids.append(limb((-0.1, ahead + place, 0.35), (-0.1, ahead + place + way, 0.02), 0.05, fur))
        return [*solids, limb(hands[0], (-0.1, ahead + 0.25 * side, 0.55), 0.015, lead, casts=False)]

    return motion
