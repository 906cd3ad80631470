"""Sample (data): what stands along a street: houses, trees, walls and fences, posts, lights and signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Colour, Material, any_colour, colour_of, shade_of
from virb.sample.things.vehicles import STEEL, StreetObject, ball, box, disc, rod


def shift(dice: Dice) -> tuple[float, float]:
    """Return where a pattern begins."""
    return dice.between(0.0, 60.0), dice.between(0.0, 60.0)


def worn(dice: Dice, tone: Colour, pattern: str, scale: float) -> Material:
    """Return a pattern in a colour and a slightly darker one."""
    return Material(tone, shade_of(tone, dice.between(0.72, 0.88)), pattern, (scale, scale), shift(dice))


def grayish(dice: Dice, low: float, high: float, saturation: float = 0.12) -> Colour:
    """Return a colour of little saturation and this brightness."""
    return any_colour(dice, (0.0, saturation), (low, high))


def facade(dice: Dice) -> Material:
    """Return a wall with windows, or of bricks or glass."""
    tone = any_colour(dice, (0.05, 0.5), (0.5, 0.95))
    if dice.chance(0.6):
        tone = colour_of(dice.between(0.02, 0.13), dice.between(0.1, 0.55), dice.between(0.55, 0.95))
    pattern = dice.pick(("windows", "windows", "windows", "panes"))
    glass = shade_of(grayish(dice, 0.12, 0.35, 0.3), 1.0)
    first, second = (tone, glass) if pattern == "windows" else (glass, tone)
    return Material(first, second, pattern, (1 / dice.between(1.8, 3.2), 1 / dice.between(2.8, 3.4)), shift(dice))


def building(dice: Dice, facades: Sequence[Material], storeys: tuple[float, float]) -> StreetObject:
    """Return a house; its front is its left and right side, for it is as deep as it is wide."""
    width, height = dice.between(8.0, 16.0), dice.between(*storeys)
    wall = replace(dice.pick(facades), shift=(dice.between(0.0, 1.0), 0.0))
    solids = [box((0, 0, height / 2), (width, 9.0, height), wall)]
    if dice.chance(0.6):
        roof = Material(grayish(dice, 0.2, 0.45, 0.4))
        solids.append(box((0, 0, height + 0.5), (width - 0.4, 7.6, 1.6), roof, casts=False))
    if dice.chance(0.5):
        band = Material(grayish(dice, 0.15, 0.4, 0.5), any_colour(dice, (0.3, 0.9), (0.5, 0.95)), "panes", (0.4, 0.3))
        solids.append(box((0, 0, 1.6), (width - 0.6, 9.3, 3.0), band, casts=False))
    return StreetObject("building", width, 9.0, tuple(solids))


def tree(dice: Dice, leaf: Colour) -> StreetObject:
    """Return a trunk under one to three balls of leaves."""
    height, reach = dice.between(2.0, 3.2), dice.between(1.1, 2.1)
    tone = shade_of(leaf, dice.between(0.8, 1.2))
    leaves = Material(tone, shade_of(tone, 0.45), "speckles", (2.5, 2.5), shift(dice))
    bark = Material((0.3, 0.24, 0.18), (0.2, 0.16, 0.12), "cloudy", (5.0, 5.0))
    solids = [
        rod((0, 0, height / 2), dice.between(0.1, 0.2), height, bark),
        ball((0, 0, height + 0.7 * reach), (reach, reach, reach * dice.between(0.9, 1.3)), leaves),
    ]
    for _ in range(dice.whole(0, 2)):
        aside = (
            dice.between(-0.6, 0.6) * reach,
            dice.between(-0.6, 0.6) * reach,
            height + dice.between(0.2, 1.6) * reach,
        )
        solids.append(ball(aside, (0.75 * reach, 0.75 * reach, 0.65 * reach), leaves))
    return StreetObject("vegetation", 2 * reach, 2 * reach, tuple(solids))


def hedge(dice: Dice, leaf: Colour) -> StreetObject:
    """Return a long cut bush, or three round ones."""
    tone = shade_of(leaf, dice.between(0.7, 1.1))
    leaves = Material(tone, shade_of(tone, 0.5), "speckles", (3.0, 3.0), shift(dice))
    length, height = dice.between(4.0, 9.0), dice.between(0.9, 2.4)
    if dice.chance(0.5):
        return StreetObject("vegetation", length, 1.0, (box((0, 0, height / 2), (length, 1.0, height), leaves),))
    bushes = [
        ball((share * length, 0, height * 0.4), (length * 0.2, 0.9, height * 0.6), leaves) for share in (-0.3, 0.0, 0.3)
    ]
    return StreetObject("vegetation", length, 1.8, tuple(bushes))


def barrier(dice: Dice) -> StreetObject:
    """Return a wall or a fence along the street."""
    length = dice.between(6.0, 12.0)
    if dice.chance(0.5):
        stone = worn(dice, any_colour(dice, (0.1, 0.5), (0.4, 0.75)), dice.pick(("bricks", "tiles")), 3.0)
        height = dice.between(1.2, 2.4)
        return StreetObject("wall", length, 0.3, (box((0, 0, height / 2), (length, 0.3, height), stone),))
    wire = Material(grayish(dice, 0.6, 0.9, 0.3), grayish(dice, 0.1, 0.3, 0.3), "stripes", (3.0, 3.0))
    height = dice.between(1.0, 1.7)
    rail = box((0, 0, height), (length, 0.1, 0.1), STEEL)
    return StreetObject("fence", length, 0.1, (box((0, 0, height / 2), (length, 0.04, height), wire), rail))


def lamp_post(dice: Dice) -> StreetObject:
    """Return a tall post with an arm over the road, to its left."""
    height, tone = dice.between(5.0, 7.5), Material(grayish(dice, 0.25, 0.6))
    post, arm = rod((0, 0, height / 2), 0.1, height, tone), box((0, 0.8, height), (0.2, 1.7, 0.12), tone, casts=False)
    return StreetObject("pole", 0.2, 0.2, (post, arm))


def traffic_light(dice: Dice) -> tuple[StreetObject, StreetObject]:
    """Return a pole and the light on it, which looks back along the road."""
    height = dice.between(2.5, 3.4)
    pole = StreetObject("pole", 0.2, 0.2, (rod((0, 0, height / 2), 0.07, height, STEEL),))
    case = Material((0.07, 0.08, 0.07))
    burning = dice.pick(((0, (1.0, 0.1, 0.05)), (2, (0.1, 0.95, 0.4)), (1, (1.0, 0.7, 0.1))))
    solids = [box((0, 0, height + 0.45), (0.3, 0.42, 1.1), case)]
    for place in range(3):
        colour = burning[1] if place == burning[0] else (0.16, 0.14, 0.12)
        lens = Material(colour, glow=0.7 if place == burning[0] else 0.0)
        solids.append(disc((-0.16, 0, height + 0.78 - 0.33 * place), 0.13, 0.06, lens))
    return pole, StreetObject("traffic light", 0.3, 0.42, tuple(solids))


def sign(dice: Dice) -> tuple[StreetObject, StreetObject]:
    """Return a pole and one or two signs on it: round, square, or a long board."""
    height = dice.between(2.0, 2.9)
    pole = StreetObject("pole", 0.1, 0.1, (rod((0, 0, height / 2), 0.05, height, STEEL),))
    white, red, blue, yellow = (0.95, 0.95, 0.93), (0.8, 0.08, 0.1), (0.08, 0.25, 0.7), (0.95, 0.8, 0.1)
    solids = []
    for up in range(dice.whole(1, 2)):
        z = height - 0.3 - 0.75 * up
        first, second = dice.pick(((red, white), (blue, white), (white, red), (yellow, white), (red, white)))
        if dice.chance(0.6):
            face = Material(first, second, "rings", (0.45, 0.45))
            solids.append(disc((-0.09, 0, z), 0.38, 0.05, face))
        else:
            face = Material(first, second, dice.pick(("plain", "stripes", "checker")), (1.6, 1.6), shift(dice))
            wide = dice.between(0.55, 0.95)
            solids.append(box((-0.09, 0, z), (0.05, wide, dice.between(0.4, 0.65)), face))
    return pole, StreetObject("traffic sign", 0.1, 0.8, tuple(solids))
