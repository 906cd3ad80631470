"""Sample (data): things of the house and kitchen, each told by its shape, in colours and proportions of its own."""

from __future__ import annotations

import math
from itertools import pairwise

from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Material, any_colour, colour_of, shade_of
from virb.sample.engine.models import DARK, STEEL, WHITE, Model, grained, paint, tinted
from virb.sample.things.furniture import cloth, wood


def _glaze(dice: Dice) -> Material:
    """Return a glazed or painted surface, perhaps with a pattern."""
    first = any_colour(dice, (0.1, 0.9), (0.35, 1.0))
    second = any_colour(dice, (0.0, 0.8), (0.3, 1.0))
    pattern = dice.pick(("plain", "plain", "stripes", "dots", "zigzag", "checker"))
    scale = dice.between(4.0, 9.0)
    return Material(first, second, pattern, (scale, scale), (dice.between(0, 9), dice.between(0, 9)), gloss=0.5)


def soccer_ball(dice: Dice) -> Model:
    """Return a ball with patches."""
    model = Model()
    pale = any_colour(dice, (0.0, 0.3), (0.8, 1.0))
    patches = Material(
        pale, any_colour(dice, (0.0, 0.9), (0.05, 0.4)), "dots", (3.0, 3.0), (dice.between(0, 9), 0.0), 0.3
    )
    model.ball((0, 0, 0.5), (0.5, 0.5, 0.5), patches, dice.between(0, 360), dice.between(0, 90))
    return model


def wine_bottle(dice: Dice) -> Model:
    """Return a body, a shoulder, a long neck and a label."""
    model = Model()
    glass = Material(tinted(dice, dice.pick((0.3, 0.08, 0.0, 0.58)), 0.6, 0.25, 2.0), gloss=0.9)
    wide, tall = dice.between(0.13, 0.18), dice.between(0.5, 0.62)
    model.drum(0.0, tall, wide, glass)
    model.ball((0, 0, tall), (wide, wide, wide * 1.1), glass)
    model.drum(tall, 0.95 - tall, wide * 0.36, glass)
    model.drum(0.86, 0.1, wide * 0.42, paint(any_colour(dice, (0.3, 0.9), (0.2, 0.8)), 0.3))
    model.drum(tall * 0.25, tall * 0.5, wide * 1.015, paint(any_colour(dice, (0.0, 0.3), (0.75, 1.0)), 0.0))
    return model


def coffee_mug(dice: Dice) -> Model:
    """Return a wide cup with a handle at its side."""
    model = Model()
    glaze, tall = _glaze(dice), dice.between(0.85, 1.15)
    model.drum(0.0, tall, 0.42, glaze)
    model.drum(tall, 0.004, 0.37, paint((0.2, 0.1, 0.05), 0.4))
    points = [(0.38, 0.8), (0.62, 0.8), (0.74, 0.5), (0.62, 0.22), (0.38, 0.2)]
    for (x, z), (x2, z2) in pairwise(points):
        model.limb((x, 0, z * tall), (x2, 0, z2 * tall), 0.07, paint(glaze.first, 0.5))
    return model


def bowl(dice: Dice) -> Model:
    """Return a wide half ball with something in it."""
    model = Model()
    glaze, deep = _glaze(dice), dice.between(0.28, 0.42)
    model.drum(0.0, 0.05, 0.2, glaze)
    for step in range(5):  # rings of rising width stand for the round wall
        share = (step + 1) / 5
        model.drum(deep * step / 5, deep / 5, 0.5 * math.sqrt(1.0 - (1.0 - share) ** 2), glaze)
    filling = dice.pick(
        (paint((0.85, 0.75, 0.5), 0.0), paint(tinted(dice, 0.0, 0.7, 0.6), 0.2), WHITE, paint((0.2, 0.3, 0.1)))
    )
    model.drum(deep, 0.006, 0.45, filling)
    return model


def table_lamp(dice: Dice) -> Model:
    """Return a foot, a stem and a lit shade."""
    model = Model()
    foot = _glaze(dice)
    tone = any_colour(dice, (0.05, 0.5), (0.8, 1.0))
    shade = Material(
        tone, shade_of(tone, 0.8), dice.pick(("plain", "stripes", "dots")), (5.0, 5.0), glow=dice.between(0.1, 0.6)
    )
    if dice.chance(0.5):
        model.drum(0.0, 0.05, 0.24, foot)
        model.drum(0.05, 0.55, 0.035, STEEL)
    else:
        model.ball((0, 0, 0.27), (0.2, 0.2, 0.27), foot)
    low, high, top = dice.between(0.3, 0.42), dice.between(0.14, 0.24), 0.58
    for step in range(6):
        model.drum(top + 0.07 * step, 0.07, low + (high - low) * step / 5, shade)
    return model


def hourglass(dice: Dice) -> Model:
    """Return two cones tip to tip between plates and posts."""
    model = Model()
    frame, glass = wood(dice, 6.0), Material(any_colour(dice, (0.05, 0.4), (0.6, 0.95)), gloss=0.8)
    sand = paint(tinted(dice, dice.between(0.0, 0.15), 0.5, 0.8), 0.0)
    model.drum(0.0, 0.07, 0.34, frame)
    model.drum(0.93, 0.07, 0.34, frame)
    model.spike(0.07, 0.48, 0.27, sand if dice.chance(0.5) else glass)
    model.spike(0.93, -0.48, 0.27, glass)
    for number in range(3):
        turn = 2.0 * math.pi * number / 3
        model.drum(0.05, 0.9, 0.03, frame, 0.29 * math.cos(turn), 0.29 * math.sin(turn))
    return model


def teapot(dice: Dice) -> Model:
    """Return a round belly with a spout, a handle and a lid."""
    model = Model()
    glaze, flat = _glaze(dice), dice.between(0.75, 1.0)
    plain = paint(glaze.first, 0.5)
    model.ball((0, 0, 0.36 * flat), (0.4, 0.4, 0.36 * flat), glaze)
    model.limb((0.3, 0, 0.25 * flat), (0.62, 0, 0.62 * flat), 0.07, plain)
    points = [(-0.33, 0.52), (-0.58, 0.56), (-0.66, 0.34), (-0.55, 0.16), (-0.35, 0.2)]
    for (x, z), (x2, z2) in pairwise(points):
        model.limb((x, 0, z * flat), (x2, 0, z2 * flat), 0.045, plain)
    model.ball((0, 0, 0.69 * flat), (0.2, 0.2, 0.06), plain)
    model.ball((0, 0, 0.78 * flat), (0.055, 0.055, 0.055), plain)
    return model


def ice_cream(dice: Dice) -> Model:
    """Return a cone with its tip down and one to three scoops."""
    model = Model()
    wafer = Material(tinted(dice, 0.09, 0.55, 0.8), tinted(dice, 0.07, 0.6, 0.55), "grid", (11.0, 11.0))
    model.spike(0.6, -0.6, 0.17, wafer)
    for scoop in range(dice.whole(1, 3)):
        flavour = grained(dice, any_colour(dice, (0.1, 0.6), (0.6, 1.0)), "cloudy", 8.0, 0.85, 0.1)
        model.ball((dice.between(-0.02, 0.02), 0, 0.66 + 0.2 * scoop), (0.19, 0.19, 0.17), flavour)
    return model


def teddy(dice: Dice) -> Model:
    """Return a sitting bear of balls."""
    model = Model()
    tone = dice.pick(
        (tinted(dice, 0.08, 0.5, 0.6, 2.0), tinted(dice, 0.07, 0.3, 0.85), any_colour(dice, (0.1, 0.5), (0.5, 0.95)))
    )
    plush, pale = grained(dice, tone, "speckles", 12.0, 0.75), paint(shade_of(tone, 1.3), 0.0)
    model.ball((0, 0, 0.32), (0.27, 0.29, 0.32), plush)
    model.ball((0.03, 0, 0.76), (0.22, 0.24, 0.22), plush)
    model.ball((0.22, 0, 0.7), (0.1, 0.11, 0.08), pale)
    model.dot((0.31, 0, 0.73), (0.03, 0.04, 0.03), DARK)
    for side in (-1, 1):
        model.ball((0, 0.2 * side, 0.95), (0.05, 0.1, 0.1), plush)
        model.dot((0.22, 0.09 * side, 0.81), (0.03, 0.03, 0.03), DARK)
        model.limb((0.05, 0.2 * side, 0.5), (0.28, 0.36 * side, 0.3), 0.1, plush, "sphere")
        model.limb((0.0, 0.18 * side, 0.12), (0.5, 0.28 * side, 0.1), 0.11, plush, "sphere")
        model.ball((0.46, 0.27 * side, 0.13), (0.06, 0.11, 0.12), pale)
    return model


def barrel(dice: Dice) -> Model:
    """Return staves that bulge, held by dark hoops."""
    model = Model()
    tone = tinted(dice, 0.08, 0.5, 0.55, 2.0) if dice.chance(0.7) else any_colour(dice, (0.2, 0.7), (0.4, 0.8))
    staves = Material(tone, shade_of(tone, 0.5), "stripes", (9.0, 1.0), (dice.between(0, 9), 0.0))
    hoop = paint(tinted(dice, 0.1, 0.1, 0.25), 0.4)
    for step, wide in enumerate((0.31, 0.35, 0.37, 0.37, 0.35, 0.31)):
        model.drum(step / 6, 1 / 6, wide, staves)
    for height, wide in ((0.02, 0.325), (0.24, 0.365), (0.7, 0.365), (0.92, 0.325)):
        model.drum(height, 0.06, wide, hoop)
    return model


def _shown(dice: Dice) -> Material:
    """Return what a screen shows: a picture, text, or nothing much."""
    first, second = any_colour(dice, (0.2, 0.9), (0.2, 0.9)), any_colour(dice, (0.0, 0.6), (0.5, 1.0))
    pattern = dice.pick(("painting", "books", "cloudy", "plain"))
    shift = (dice.between(0, 9), dice.between(0, 9))
    return Material(first, second, pattern, (3.0, 3.0), shift, gloss=0.4, glow=0.3)


def monitor(dice: Dice) -> Model:
    """Return a screen on a stand, showing something."""
    model = Model()
    case = paint(dice.pick(((0.08, 0.08, 0.09), (0.75, 0.75, 0.72), (0.3, 0.3, 0.33))), 0.3)
    wide, tall = dice.between(0.85, 1.0), dice.between(0.5, 0.68)
    shown = _shown(dice)
    model.box((0, 0, 0.25 + tall / 2), (0.08, wide, tall), case)
    model.box((0.045, 0, 0.25 + tall / 2), (0.01, wide * 0.92, tall * 0.88), shown)
    model.box((-0.04, 0, 0.16), (0.06, 0.12, 0.3), case)
    model.drum(0.0, 0.03, 0.2, case)
    return model


def laptop(dice: Dice) -> Model:
    """Return a lid that leans back over keys."""
    model = Model()
    case = paint(dice.pick(((0.1, 0.1, 0.11), (0.75, 0.76, 0.78), (0.5, 0.5, 0.52))), 0.4)
    keys = Material((0.15, 0.15, 0.16), (0.5, 0.5, 0.52), "tiles", (14.0, 14.0))
    shown = _shown(dice)
    lean = dice.between(8.0, 30.0)
    back, up = -0.33 * math.sin(math.radians(lean)), 0.33 * math.cos(math.radians(lean))
    model.box((0, 0, 0.02), (0.66, 0.95, 0.04), case)
    model.box((-0.04, 0, 0.042), (0.36, 0.82, 0.006), keys)
    model.box((0.24, 0, 0.042), (0.12, 0.26, 0.006), paint((0.35, 0.35, 0.36)))
    model.box((-0.33 + back, 0, 0.03 + up), (0.03, 0.95, 0.66), case, tilt=-lean)
    model.box((-0.31 + back, 0, 0.035 + up), (0.012, 0.86, 0.56), shown, tilt=-lean)
    return model


def dumbbell(dice: Dice) -> Model:
    """Return a short bar with weights at both ends, lying down."""
    model = Model()
    iron = paint(dice.pick(((0.12, 0.12, 0.13), (0.35, 0.35, 0.38), any_colour(dice, (0.5, 0.9), (0.4, 0.9)))), 0.3)
    wide, round_ones = dice.between(0.15, 0.2), dice.chance(0.35)
    model.limb((0, -0.5, wide), (0, 0.5, wide), 0.05, STEEL)
    for side in (-1, 1):
        if round_ones:
            model.ball((0, 0.38 * side, wide), (wide, wide, wide), iron)
        else:
            model.limb((0, 0.25 * side, wide), (0, 0.42 * side, wide), wide, iron)
            model.limb((0, 0.42 * side, wide), (0, 0.49 * side, wide), 0.75 * wide, iron)
    return model


def umbrella(dice: Dice) -> Model:
    """Return an open canopy on a thin stick."""
    model = Model()
    first = any_colour(dice, (0.4, 1.0), (0.4, 1.0))
    second = any_colour(dice, (0.0, 0.8), (0.5, 1.0)) if dice.chance(0.5) else shade_of(first, 0.8)
    canopy = Material(first, second, "stripes", (8 / (2 * math.pi * 0.5) * 0.5, 1.0), gloss=0.1)
    model.spike(0.62, dice.between(0.24, 0.36), 0.5, canopy)
    model.drum(0.05, 0.95, 0.016, STEEL)
    for start, end in (((0, 0, 0.06), (0.05, 0, 0.02)), ((0.05, 0, 0.02), (0.1, 0, 0.07))):
        model.limb(start, end, 0.022, DARK)
    return model


def chair(dice: Dice) -> Model:
    """Return a seat on four legs with a back of bars or boards."""
    model = Model()
    boards = wood(dice, 6.0)
    seat = cloth(dice) if dice.chance(0.4) else boards
    tall = dice.between(0.85, 1.1)
    model.box((0, 0, 0.45), (0.44, 0.44, 0.06), seat)
    for x, y in ((-0.19, -0.19), (-0.19, 0.19), (0.19, -0.19), (0.19, 0.19)):
        model.limb((x, y, 0.43), (1.15 * x, 1.15 * y, 0.0), 0.03, boards)
    if dice.chance(0.5):
        model.box((-0.21, 0, 0.3 + tall / 2), (0.04, 0.44, tall - 0.6), seat)
    for y in (-0.18, -0.06, 0.06, 0.18):
        model.limb((-0.2, y, 0.46), (-0.26, y, tall), 0.022, boards)
    model.box((-0.26, 0, tall), (0.04, 0.46, 0.08), boards)
    return model


def table(dice: Dice) -> Model:
    """Return a top on four legs."""
    model = Model()
    boards, deep, tall = wood(dice, 5.0), dice.between(0.5, 0.8), dice.between(0.45, 0.62)
    model.box((0, 0, tall), (deep, 1.0, 0.06), boards)
    for x in (-0.44, 0.44):
        for y in (-0.45, 0.45):
            model.drum(0.0, tall, 0.035, paint(shade_of(boards.first, 0.7)), x * deep, y)
    return model


def apple(dice: Dice) -> Model:
    """Return a fruit with a stalk and a leaf."""
    model = Model()
    skin = grained(dice, tinted(dice, dice.pick((0.0, 0.0, 0.25, 0.13)), 0.8, 0.75), "cloudy", 3.0, 0.75, 0.5)
    model.ball((0, 0, 0.42), (0.45, 0.45, 0.42), skin)
    model.limb((0, 0, 0.8), (0.06, 0, 1.0), 0.025, paint((0.3, 0.2, 0.1)))
    model.ball((0.14, 0.05, 0.94), (0.14, 0.07, 0.02), paint(colour_of(0.3, 0.7, 0.5)), 30.0)
    return model


def mushroom(dice: Dice) -> Model:
    """Return a pale stem under a round cap, spotted or not."""
    model = Model()
    cap = tinted(dice, dice.pick((0.0, 0.07, 0.1, 0.05)), 0.6, 0.65, 2.0)
    spots = dice.pick(("dots", "plain", "cloudy"))
    wide = dice.between(0.38, 0.5)
    model.drum(0.0, 0.55, dice.between(0.1, 0.17), grained(dice, (0.9, 0.86, 0.76), "speckles", 9.0, 0.85))
    model.ball(
        (0, 0, 0.55),
        (wide, wide, dice.between(0.26, 0.4)),
        Material(cap, (0.95, 0.93, 0.85), spots, (5.0, 5.0), gloss=0.2),
    )
    model.drum(0.5, 0.05, wide * 0.98, paint((0.85, 0.78, 0.65), 0.0))
    return model


def sunflower(dice: Dice) -> Model:
    """Return a dark disc in yellow petals on a stalk with leaves."""
    model = Model()
    green = paint(tinted(dice, 0.28, 0.6, 0.45), 0.0)
    petal = paint(tinted(dice, 0.13, 0.85, 0.95), 0.0)
    seeds = Material(tinted(dice, 0.07, 0.6, 0.25), (0.55, 0.4, 0.1), "dots", (22.0, 22.0))
    model.limb((-0.06, 0, 0.0), (-0.04, 0, 0.8), 0.025, green)
    for number in range(12):
        turn = 2.0 * math.pi * number / 12
        y, z = 0.3 * math.cos(turn), 0.3 * math.sin(turn)
        model.limb((0, 0.45 * y, 0.8 + 0.45 * z), (0.03, y, 0.8 + z), 0.06, petal, "sphere")
    model.ball((0.02, 0, 0.8), (0.05, 0.16, 0.16), seeds)
    for side in (-1, 1):
        model.ball((-0.05, 0.15 * side, 0.3 + 0.06 * side), (0.07, 0.17, 0.025), green)
    return model
