"""Sample (data): things that stand out of doors - towers, signs, vehicles, trees - each told by its shape."""

from __future__ import annotations

import math

from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Material, any_colour, shade_of
from virb.sample.engine.models import DARK, STEEL, TYRE, WHITE, Model, grained, paint, tinted
from virb.sample.things.furniture import wood

GLASS = Material((0.25, 0.32, 0.38), gloss=0.8)


def _masonry(dice: Dice, scale: float = 6.0) -> Material:
    """Return stone, brick or plaster."""
    tone = tinted(dice, dice.between(0.02, 0.14), 0.3, 0.75, 2.0)
    return grained(dice, tone, dice.pick(("bricks", "tiles", "cloudy")), scale, 0.75)


def water_tower(dice: Dice) -> Model:
    """Return a tank high on four legs."""
    model = Model()
    tank = Material(any_colour(dice, (0.0, 0.5), (0.5, 0.95)), gloss=0.3)
    wide, tall = dice.between(0.24, 0.32), dice.between(0.5, 0.62)
    for x, y in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        model.limb((0.3 * x, 0.3 * y, 0), (0.17 * x, 0.17 * y, tall), 0.022, STEEL)
    for height in (0.2, 0.4):
        model.box((0, 0, height), (0.5, 0.02, 0.02), STEEL, 45.0)
        model.box((0, 0, height), (0.5, 0.02, 0.02), STEEL, -45.0)
    if dice.chance(0.5):
        model.ball((0, 0, tall + 0.18), (wide, wide, 0.22), tank)
    else:
        model.drum(tall, 0.28, wide, tank)
        model.spike(tall + 0.28, 0.14, wide * 1.08, paint(shade_of(tank.first, 0.6)))
    return model


def traffic_light(dice: Dice) -> Model:
    """Return three lamps, one lit, in a box on a pole."""
    model = Model()
    case = paint(dice.pick(((0.1, 0.1, 0.11), (0.12, 0.2, 0.14), (0.75, 0.6, 0.1))), 0.2)
    model.drum(0.0, 0.55, 0.03, STEEL)
    model.box((0, 0, 0.76), (0.14, 0.2, 0.5), case)
    lit = dice.whole(0, 2)
    for number, colour in enumerate(((0.95, 0.12, 0.1), (1.0, 0.75, 0.1), (0.1, 0.85, 0.35))):
        on = number == lit
        lamp = Material(colour if on else shade_of(colour, 0.35), gloss=0.4, glow=0.8 if on else 0.0)
        model.ball((0.07, 0, 0.92 - 0.16 * number), (0.04, 0.065, 0.065), lamp)
        model.box((0.11, 0, 0.995 - 0.16 * number), (0.1, 0.15, 0.012), case)
    return model


def stop_sign(dice: Dice) -> Model:
    """Return a red plate with a pale bar on a post."""
    model = Model()
    red, rim = paint(tinted(dice, 0.0, 0.85, 0.75), 0.2), WHITE
    model.drum(0.0, 0.75, 0.02, STEEL)
    for tilt in (0.0, 45.0, 90.0, 135.0):  # each pair of opposite sides of the eight
        model.add("box", (0.0, 0.0, 0.76), (0.235 * 0.4142, 0.008, 0.235), rim, 90.0, tilt)
        model.add("box", (0.004, 0.0, 0.76), (0.215 * 0.4142, 0.008, 0.215), red, 90.0, tilt)
    for number in range(4):
        model.box((0.012, 0.105 * (number - 1.5), 0.76), (0.02, 0.06, 0.14), WHITE)
        model.box((0.014, 0.105 * (number - 1.5), 0.76), (0.02, 0.02, 0.06), red)
    return model


def park_bench(dice: Dice) -> Model:
    """Return slats for seat and back on two frames."""
    model = Model()
    slat, iron = wood(dice, 3.0), paint(tinted(dice, 0.4, 0.2, 0.2, 2.0), 0.3)
    for step in range(3):
        model.box((0.06 + 0.13 * step - 0.1, 0, 0.38), (0.1, 1.3, 0.035), slat)
        model.box((-0.2 - 0.03 * step, 0, 0.5 + 0.13 * step), (0.035, 1.3, 0.1), slat)
    for y in (-0.55, 0.55):
        model.limb((-0.16, y, 0.36), (-0.3, y, 0.84), 0.025, iron)
        model.limb((0.2, y, 0.36), (0.24, y, 0.0), 0.03, iron)
        model.limb((-0.16, y, 0.36), (-0.22, y, 0.0), 0.03, iron)
        model.limb((-0.2, y, 0.55), (0.24, y, 0.57), 0.025, iron)
    return model


def mailbox(dice: Dice) -> Model:
    """Return a box with a round roof and a flag on a post."""
    model = Model()
    tin = paint(any_colour(dice, (0.0, 0.9), (0.25, 0.9)), 0.4)
    post = wood(dice, 6.0)
    model.box((0, 0, 0.33), (0.1, 0.1, 0.66), post)
    model.box((0, 0, 0.75), (0.58, 0.28, 0.2), tin)
    model.limb((-0.29, 0, 0.85), (0.29, 0, 0.85), 0.14, tin)
    model.box((0.29, 0, 0.76), (0.01, 0.22, 0.18), paint(shade_of(tin.first, 0.7), 0.3))
    model.box((-0.02, 0.16, 0.95), (0.03, 0.015, 0.26), paint((0.85, 0.1, 0.1)))
    model.box((0.04, 0.16, 1.04), (0.12, 0.015, 0.08), paint((0.85, 0.1, 0.1)))
    return model


def beacon(dice: Dice) -> Model:
    """Return a lighthouse: a slender tower, banded or plain, a gallery, a lantern and a cap."""
    model = Model()
    pale = any_colour(dice, (0.0, 0.1), (0.85, 1.0))
    band = paint(any_colour(dice, (0.5, 0.9), (0.3, 0.85)), 0.1) if dice.chance(0.6) else paint(pale, 0.1)
    wide = dice.between(0.13, 0.18)
    for step in range(5):
        model.drum(0.15 * step, 0.15, wide * (1.0 - 0.1 * step), band if step % 2 else paint(pale, 0.1))
    model.drum(0.75, 0.03, wide * 0.95, DARK)
    model.drum(0.78, 0.11, wide * 0.48, Material((1.0, 0.95, 0.6), gloss=0.6, glow=0.5))
    model.spike(0.89, 0.1, wide * 0.62, paint(any_colour(dice, (0.5, 0.9), (0.2, 0.7)), 0.2))
    return model


def bus(dice: Dice) -> Model:
    """Return a long box on four wheels with a row of windows."""
    model = Model()
    body = paint(tinted(dice, 0.125, 0.85, 0.92), 0.4)
    trim = DARK
    model.box((0, 0, 0.33), (1.2, 0.36, 0.4), body)
    model.box((0.68, 0, 0.22), (0.18, 0.34, 0.2), body)
    for side in (-0.185, 0.185):
        for number in range(6):
            model.box((-0.48 + 0.18 * number, side, 0.42), (0.13, 0.012, 0.13), GLASS)
        model.box((0, side, 0.24), (1.2, 0.008, 0.025), trim)
    model.box((0.605, 0, 0.42), (0.01, 0.3, 0.16), GLASS)
    for y in (-0.09, 0.09):
        model.box((-0.605, y, 0.42), (0.01, 0.13, 0.14), GLASS)
        model.dot((0.77, 1.4 * y, 0.22), (0.012, 0.03, 0.03), WHITE)
    model.box((0, 0, 0.54), (1.1, 0.32, 0.03), WHITE if dice.chance(0.4) else body)
    for x in (-0.38, 0.48):
        for y in (-0.16, 0.16):
            model.wheel(x, y, 0.11, 0.07, TYRE)
    return model


def car(dice: Dice) -> Model:
    """Return a low body, a cabin of glass and four wheels."""
    model = Model()
    body = paint(any_colour(dice, (0.0, 0.95), (0.2, 0.95)), 0.7)
    back = dice.between(-0.32, -0.12)
    model.box((0, 0, 0.2), (1.1, 0.44, 0.17), body)
    model.ball((0.5, 0, 0.2), (0.12, 0.22, 0.09), body)
    model.ball((-0.5, 0, 0.2), (0.12, 0.22, 0.09), body)
    model.box(((back + 0.18) / 2 - 0.02, 0, 0.35), (0.2 - back, 0.38, 0.16), GLASS)
    model.limb((0.16, 0, 0.39), (0.36, 0, 0.27), 0.04, body)
    model.box(((back + 0.12) / 2 - 0.02, 0, 0.435), (0.14 - back, 0.38, 0.03), body)
    for y in (-0.195, 0.195):
        model.box(((back + 0.18) / 2 - 0.02, y, 0.35), (0.03, 0.006, 0.16), body)
        model.dot((0.6, 0.8 * y, 0.21), (0.03, 0.04, 0.03), WHITE)
    for x in (-0.34, 0.36):
        for y in (-0.2, 0.2):
            model.wheel(x, y, 0.12, 0.08, TYRE)
    return model


def tank(dice: Dice) -> Model:
    """Return tracks, a low hull, a turret and its gun."""
    model = Model()
    steel = grained(dice, tinted(dice, dice.between(0.1, 0.3), 0.4, 0.42, 1.5), "cloudy", 5.0, 0.6)
    model.box((0, 0, 0.22), (0.85, 0.4, 0.16), steel)
    for side in (-0.24, 0.24):
        model.box((0, side, 0.13), (0.8, 0.12, 0.2), DARK)
        for x in (-0.38, -0.19, 0.0, 0.19, 0.38):
            model.wheel(x, side * 1.22, 0.09, 0.03, paint(shade_of(steel.first, 0.7)))
    model.ball((-0.05, 0, 0.33), (0.24, 0.19, 0.13), steel)
    model.limb((0.1, 0, 0.35), (0.75, 0, dice.between(0.36, 0.5)), 0.028, paint(steel.first))
    return model


def airplane(dice: Dice) -> Model:
    """Return a tube with wings, engines and a tail, on its wheels."""
    model = Model()
    skin = paint(any_colour(dice, (0.0, 0.12), (0.75, 1.0)), 0.5)
    accent = paint(any_colour(dice, (0.5, 0.95), (0.3, 0.9)), 0.4)
    high = 0.2
    model.limb((-0.45, 0, high), (0.36, 0, high), 0.075, skin)
    model.ball((0.36, 0, high), (0.15, 0.075, 0.075), skin)
    model.limb((-0.44, 0, high), (-0.66, 0, high + 0.05), 0.075, skin, "cone")
    sweep = dice.between(10.0, 32.0)
    for side in (-1, 1):
        back = 0.27 * math.tan(math.radians(sweep))
        model.box((0.05 - back, 0.3 * side, high - 0.03), (0.16, 0.56, 0.018), skin, side * sweep)
        model.box((-0.52, 0.13 * side, high + 0.03), (0.09, 0.24, 0.014), accent, side * sweep)
        model.limb((0.0, 0.22 * side, high - 0.08), (0.15, 0.22 * side, high - 0.08), 0.035, accent)
        model.limb((0.0, 0.06 * side, high), (0.0, 0.08 * side, 0.03), 0.012, DARK)
    model.box((-0.53, 0, high + 0.13), (0.12, 0.016, 0.2), accent, tilt=-25.0)
    model.limb((0.36, 0, high), (0.36, 0, 0.03), 0.012, DARK)
    model.box((0, 0, high + 0.02), (0.75, 0.152, 0.014), DARK)
    return model


def minaret(dice: Dice) -> Model:
    """Return a slender shaft with galleries and a pointed cap."""
    model = Model()
    stone = _masonry(dice, 8.0)
    wide = dice.between(0.05, 0.07)
    model.box((0, 0, 0.1), (wide * 2.8, wide * 2.8, 0.2), stone)
    model.drum(0.2, 0.65, wide, stone)
    for height in (0.5, 0.72)[: dice.whole(1, 2)]:
        model.drum(height, 0.025, wide * 1.6, paint(shade_of(stone.first, 0.75)))
    model.drum(0.85, 0.02, wide * 1.15, stone)
    model.spike(0.87, 0.14, wide * 0.95, paint(any_colour(dice, (0.2, 0.8), (0.3, 0.7)), 0.3))
    return model


def pyramid(dice: Dice) -> Model:
    """Return steps of stone that end in a tip."""
    model = Model()
    stone = grained(dice, tinted(dice, 0.1, 0.4, 0.75), "bricks", 14.0, 0.8)
    steps = dice.pick((5, 7, 12))
    for step in range(steps):
        side = 1.0 - step / steps
        model.box((0, 0, 0.55 * (step + 0.5) / steps), (side, side, 0.55 / steps), stone)
    return model


def castle(dice: Dice) -> Model:
    """Return walls between towers with pointed roofs."""
    model = Model()
    stone = _masonry(dice, 9.0)
    roof = paint(any_colour(dice, (0.3, 0.7), (0.25, 0.6)), 0.0)
    model.box((0, 0, 0.2), (0.6, 0.7, 0.4), stone)
    model.box((0.31, 0, 0.1), (0.02, 0.14, 0.2), DARK)
    for x, y in ((0.3, 0.38), (0.3, -0.38), (-0.3, 0.38), (-0.3, -0.38)):
        tall = dice.between(0.45, 0.65)
        model.drum(0.0, tall, 0.12, stone, x, y)
        model.spike(tall, 0.25, 0.15, roof, x, y)
    model.drum(0.0, 0.75, 0.13, stone)
    model.spike(0.75, 0.25, 0.16, roof)
    return model


def house(dice: Dice) -> Model:
    """Return walls with a door and windows under a ridge roof."""
    model = Model()
    wall, roof = _masonry(dice, 8.0), grained(dice, tinted(dice, dice.between(0.0, 0.1), 0.5, 0.45), "tiles", 10.0)
    model.box((0, 0, 0.25), (0.6, 0.9, 0.5), wall)
    for side in (-1, 1):
        model.box((0.2 * side, 0, 0.62), (0.5, 1.0, 0.04), roof, tilt=35.0 * side)
    model.box((0, 0, 0.58), (0.3, 0.88, 0.2), wall)
    model.box((0.305, 0, 0.16), (0.012, 0.14, 0.32), paint(any_colour(dice, (0.3, 0.8), (0.2, 0.7))))
    for y in (-0.28, 0.28):
        model.box((0.305, y, 0.28), (0.012, 0.16, 0.17), WHITE)
        model.box((0.308, y, 0.28), (0.012, 0.12, 0.13), GLASS)
    model.box((-0.1, 0.25, 0.8), (0.1, 0.1, 0.25), wall)
    return model


def skyscraper(dice: Dice) -> Model:
    """Return stacked blocks full of windows."""
    model = Model()
    tone = any_colour(dice, (0.0, 0.35), (0.4, 0.85))
    front = Material(
        tone, shade_of(tone, 0.35), dice.pick(("drawers", "checker", "grid", "stripes")), (14.0, 14.0), gloss=0.3
    )
    side, height = dice.between(0.26, 0.34), 0.0
    for share in (0.55, 0.25, 0.12)[: dice.whole(1, 3)]:
        tall = share * dice.between(0.9, 1.2)
        model.box((0, 0, height + tall / 2), (side, side, tall), front)
        height, side = height + tall, side * 0.7
    model.drum(height, 0.15, 0.012, STEEL)
    return model


def rocket(dice: Dice) -> Model:
    """Return a slim body with a pointed nose and fins."""
    model = Model()
    skin, accent = (
        paint(any_colour(dice, (0.0, 0.1), (0.8, 1.0)), 0.4),
        paint(any_colour(dice, (0.6, 0.95), (0.3, 0.9)), 0.3),
    )
    wide = dice.between(0.08, 0.12)
    model.drum(0.06, 0.66, wide, skin)
    model.spike(0.72, 0.26, wide, accent)
    model.drum(0.45, 0.06, wide * 1.02, accent)
    for number in range(4):
        turn = 90.0 * number + 45.0
        x, y = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        model.limb((1.4 * wide * x, 1.4 * wide * y, 0.0), (1.1 * wide * x, 1.1 * wide * y, 0.3), 0.045, accent, "cone")
    model.spike(0.08, -0.08, wide * 0.6, Material((1.0, 0.6, 0.15), glow=0.8))
    return model


def pine_tree(dice: Dice) -> Model:
    """Return a trunk with three tiers of dark needles."""
    model = Model()
    needles = grained(dice, tinted(dice, 0.36, 0.5, 0.3, 2.0), "speckles", 14.0, 0.5)
    model.drum(0.0, 0.2, 0.045, grained(dice, (0.35, 0.25, 0.17), "speckles", 14.0))
    for tier in range(3):
        model.spike(0.14 + 0.24 * tier, 0.4, dice.between(0.27, 0.33) - 0.07 * tier, needles)
    return model


def oak_tree(dice: Dice) -> Model:
    """Return a trunk under a broad crown of several balls."""
    model = Model()
    leaf = grained(dice, tinted(dice, dice.pick((0.27, 0.3, 0.12)), 0.55, 0.42, 2.0), "speckles", 10.0, 0.5)
    model.drum(0.0, 0.5, 0.06, grained(dice, (0.35, 0.27, 0.2), "speckles", 14.0))
    model.ball((0, 0, 0.68), (0.3, 0.3, 0.26), leaf)
    for number in range(4):
        turn = math.radians(90.0 * number + dice.between(-30, 30))
        model.ball((0.24 * math.cos(turn), 0.24 * math.sin(turn), dice.between(0.52, 0.68)), (0.2, 0.2, 0.17), leaf)
    return model
