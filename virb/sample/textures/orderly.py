"""Sample (data): texture classes that repeat: lines, lattices, weaves."""

from __future__ import annotations

import numpy as np

from virb.sample.engine.fields import (
    Dice,
    Floats,
    angle,
    centred,
    clouds,
    fraction,
    inside,
    length,
    mix,
    noise,
    odd,
    scattered,
    smooth,
    wave,
    whole,
)
from virb.sample.textures.sheet import Look, Sheet, families


def banded(sheet: Sheet, dice: Dice) -> Look:
    """Few wide bands of uneven width that blend into one another."""
    place = sheet.u * dice.between(2.8, 4.2)
    place = place + 0.5 * noise(place * 1.3, place * 0.0, dice.key())
    return Look(smooth(np.clip(0.5 + 0.8 * wave(place), 0.0, 1.0)))


def striped(sheet: Sheet, dice: Dice) -> Look:
    """Sharp stripes, as wide as the gaps between them."""
    count = dice.between(5.5, 9.0)
    return Look(inside(np.abs(centred(sheet.u * count)) - 0.25, count * sheet.pixel))


def lined(sheet: Sheet, dice: Dice) -> Look:
    """Thin lines far apart on plain ground."""
    count = dice.between(6.0, 9.0)
    place = sheet.u * count + 0.12 * noise(sheet.u * 6.0, sheet.v * 6.0, dice.key())
    return Look(inside(np.abs(centred(place)) - 0.07, count * sheet.pixel))


def grooved(sheet: Sheet, dice: Dice) -> Look:
    """Round ribs with narrow furrows between, seen by their shading."""
    count = dice.between(6.0, 9.0)
    side = centred(sheet.u * count)
    furrow = inside(0.43 - np.abs(side), 0.1)
    return Look(0.5 * furrow, np.sqrt(0.26 - side * side) * (1.1 / count))


def pleated(sheet: Sheet, dice: Dice) -> Look:
    """Folds lying one over the next: ramps that break off sharply."""
    count = dice.between(4.5, 6.5)
    place = fraction(sheet.u * count + 0.3 * noise(sheet.u * 2.0, sheet.v * 2.0, dice.key()))
    edge = inside(0.94 - place, 2.0 * count * sheet.pixel)
    return Look(np.maximum(0.75 * (1.0 - place) * (1.0 - edge), edge))


def grid(sheet: Sheet, dice: Dice) -> Look:
    """Thin lines that cross at right angles."""
    count = dice.between(5.5, 8.5)
    line = np.minimum(np.abs(centred(sheet.u * count)), np.abs(centred(sheet.v * count)))
    return Look(inside(line - 0.06, count * sheet.pixel))


def chequered(sheet: Sheet, dice: Dice) -> Look:
    """Squares of alternating colour."""
    count = dice.between(3.0, 5.0)
    width = 2.0 * count * sheet.pixel
    u = inside(np.abs(centred(sheet.u * count)) - 0.25, width * 0.5)
    v = inside(np.abs(centred(sheet.v * count)) - 0.25, width * 0.5)
    return Look(u + v - 2.0 * u * v)


def waffled(sheet: Sheet, dice: Dice) -> Look:
    """Square pits between broad raised bars."""
    count = dice.between(4.0, 6.0)
    from_middle = np.maximum(np.abs(centred(sheet.u * count)), np.abs(centred(sheet.v * count)))
    wall = smooth(np.clip((from_middle - 0.22) * 6.0, 0.0, 1.0))
    return Look(0.3 * (1.0 - wall), wall * (0.22 / count))


def meshed(sheet: Sheet, dice: Dice) -> Look:
    """A net of slanting wires with knots over dark holes."""
    count = dice.between(4.5, 6.5)
    u, v = centred((sheet.u + 0.7 * sheet.v) * count), centred((sheet.u - 0.7 * sheet.v) * count)
    wire = np.minimum(np.abs(u), np.abs(v))
    knot = length(u, v) - 0.24
    width = 1.4 * count * sheet.pixel
    solid = np.maximum(inside(wire - 0.13, width), inside(knot, width))
    return Look(solid, np.maximum(0.13 - wire, 0.0) * (1.5 / count))


def woven(sheet: Sheet, dice: Dice) -> Look:
    """Ribbons that pass over and under each other at right angles."""
    count = dice.between(5.0, 7.0)
    u, v = sheet.u * count, sheet.v * count
    over = odd(whole(u + 0.5) + whole(v + 0.5)) == 0
    across, along = np.where(over, centred(u), centred(v)), np.where(over, centred(v), centred(u))
    gap = inside(0.4 - np.abs(across), 2.0 * count * sheet.pixel)
    thread = 0.12 * wave(5.0 * across)
    arch = np.maximum(0.3 - along * along, 0.0) * 1.1
    ribbon = np.where(over, np.float32(0.15), np.float32(0.5)) + thread
    return Look(np.clip(np.maximum(ribbon, gap), 0.0, 1.0), arch / count)


def knitted(sheet: Sheet, dice: Dice) -> Look:
    """Columns of V-shaped stitches."""
    count = dice.between(5.5, 7.5)
    side = centred(sheet.u * count)
    stitch = centred(sheet.v * count * 1.15 - 0.9 * np.abs(side))
    off = np.abs(np.abs(side) - 0.25) * 3.2
    body = np.clip(1.0 - off * off - 4.5 * stitch * stitch, 0.0, 1.0)
    return Look(1.0 - np.clip(2.2 * body, 0.0, 1.0), np.sqrt(body) * (0.3 / count))


def braided(sheet: Sheet, dice: Dice) -> Look:
    """Plaits of three strands side by side."""
    count = dice.between(2.4, 3.4)
    side, along = centred(sheet.u * count), sheet.v * count * 1.1
    top = np.full_like(side, -2.0)
    body = np.zeros_like(side)
    for strand in range(3):
        phase = along + strand / 3.0
        off = (side - 0.27 * wave(phase)) * 5.0
        rise = np.where(np.abs(off) < 1.0, wave(2.0 * phase + 0.25), np.float32(-2.0))
        nearer = rise > top
        top = np.maximum(top, rise)
        body = np.where(nearer, 1.0 - off * off, body)
    hair = 0.15 * noise(sheet.u * 60.0, sheet.v * 12.0, dice.key())
    return Look(np.clip(1.6 * np.maximum(body, 0.0) - hair, 0.0, 1.0), np.sqrt(np.maximum(body, 0.0)) * (0.2 / count))


def interlaced(sheet: Sheet, dice: Dice) -> Look:
    """Rings linked with their neighbours, over here and under there."""
    count = dice.between(2.6, 3.6)
    width = count * sheet.pixel
    rings, parts = [], []
    for shift in (0.0, 0.5):
        x, y = centred(sheet.u * count + shift), centred(sheet.v * count + shift)
        off = np.abs(length(x, y) - 0.4)
        rings.append(off)
        parts.append(wave(2.0 * angle(x, y) + 0.125))
    first, second = (inside(off - 0.085, width) for off in rings)
    first_edge, second_edge = (inside(np.abs(off - 0.085) - 0.018, width) for off in rings)
    over = inside(-parts[0], 0.05)
    fill = np.maximum(first, second) * 0.75
    lower = mix(first_edge * (1 - second), second_edge * (1 - first), over)
    upper = mix(second_edge, first_edge, over)
    return Look(np.clip(fill * (1.0 - np.maximum(lower, upper)), 0.0, 1.0))


def zigzagged(sheet: Sheet, dice: Dice) -> Look:
    """Chevrons."""
    count = dice.between(3.5, 5.5)
    steep = dice.between(0.9, 1.3)
    place = sheet.v * count * 1.1 + steep * np.abs(centred(sheet.u * count))
    return Look(inside(np.abs(centred(place)) - 0.25, 1.6 * count * sheet.pixel))


def honeycombed(sheet: Sheet, dice: Dice) -> Look:
    """Six-sided cells with walls of even thickness."""
    count = dice.between(5.0, 7.5)
    wall = _hexagon(sheet.u * count, sheet.v * count)
    return Look(inside(wall - 0.07, count * sheet.pixel), np.minimum(wall, 0.2) * (-0.6 / count))


def _hexagon(u: Floats, v: Floats) -> Floats:
    """Return the distance to the wall of the six-sided cell, one cell per unit."""
    tall = 1.7320508
    one = (centred(u), centred(v / tall) * tall)
    other = (centred(u + 0.5), centred(v / tall + 0.5) * tall)
    nearer = one[0] * one[0] + one[1] * one[1] < other[0] * other[0] + other[1] * other[1]
    x, y = (np.abs(np.where(nearer, a, b)) for a, b in zip(one, other, strict=True))
    return 0.5 - np.maximum(x, 0.5 * x + 0.8660254 * y)


def dotted(sheet: Sheet, dice: Dice) -> Look:
    """Many small dots in rows."""
    count = dice.between(9.0, 12.0)
    return Look(inside(length(centred(sheet.u * count), centred(sheet.v * count)) - 0.24, count * sheet.pixel))


def polka_dotted(sheet: Sheet, dice: Dice) -> Look:
    """Big dots in staggered rows."""
    count = dice.between(3.0, 4.5)
    v = sheet.v * count * 1.1
    u = sheet.u * count + 0.5 * odd(whole(v))
    return Look(inside(length(centred(u), fraction(v) - 0.5) - dice.between(0.27, 0.34), count * sheet.pixel))


def perforated(sheet: Sheet, dice: Dice) -> Look:
    """A plate with rows of holes, each with a lit rim."""
    count = dice.between(5.5, 7.5)
    v = sheet.v * count * 1.15
    u = sheet.u * count + 0.5 * odd(whole(v))
    x, y = centred(u), fraction(v) - 0.5
    width = count * sheet.pixel
    hole = inside(length(x, y) - 0.3, width)
    depth = inside(length(x + 0.08, y + 0.08) - 0.27, width)
    return Look(hole * (0.45 + 0.55 * depth), np.maximum(0.36 - length(x, y), 0.0) * (-0.8 / count))


def studded(sheet: Sheet, dice: Dice) -> Look:
    """Round metal heads in rows, each with a highlight."""
    count = dice.between(3.8, 5.5)
    x, y = centred(sheet.u * count), centred(sheet.v * count)
    round_off = 0.1 - x * x - y * y
    head = inside(length(x, y) - 0.316, count * sheet.pixel)
    shine = inside(length(x + 0.1, y + 0.1) - 0.07, 0.08)
    return Look(np.maximum(0.35 * head, shine), np.sqrt(np.maximum(round_off, 0.0)) * (0.8 / count))


def scaly(sheet: Sheet, dice: Dice) -> Look:
    """Rounded scales in rows, each lying over the next."""
    count = dice.between(4.5, 6.5)
    u, v = sheet.u * count, sheet.v * count * 1.6
    share = np.zeros_like(u)
    found = np.zeros(u.shape, np.bool_)
    for step in (1, 0):
        row = whole(v) + step
        x, y = centred(u + 0.5 * odd(row)), (v - row.astype(np.float32)) / 1.6 + 0.62
        off = length(x, y) - 0.62
        here = (off < 0) & ~found
        column = whole(u + 0.5 * odd(row) + 0.5)
        tone = 0.35 * scattered(column, row, 31) + 0.3 * np.clip(y, 0.0, 1.0)
        share = np.where(here, np.maximum(tone, inside(-off - 0.06, count * sheet.pixel)), share)
        found |= here
    return Look(share)


def lacelike(sheet: Sheet, dice: Dice) -> Look:
    """Flowers of thread with scalloped rims, joined by fine bars."""
    count = dice.between(2.4, 3.4)
    x, y = centred(sheet.u * count), centred(sheet.v * count)
    radius, turn = length(x, y), angle(x, y)
    width = count * sheet.pixel
    scallop = inside(np.abs(radius - 0.38 - 0.035 * np.abs(wave(6.0 * turn))) - 0.03, width)
    petal = inside(np.abs(radius - 0.2 - 0.08 * wave(8.0 * turn)) - 0.03, width)
    beads = inside(length(radius - 0.3, centred(16.0 * turn) * radius * 0.4) - 0.03, width)
    bars = inside(np.minimum(np.abs(np.abs(x) - 0.5), np.abs(np.abs(y) - 0.5)) - 0.025, width)
    eye = inside(np.abs(radius - 0.06) - 0.025, width)
    return Look(np.maximum(np.maximum(np.maximum(scallop, petal), np.maximum(beads, bars)), eye))


def paisley(sheet: Sheet, dice: Dice) -> Look:
    """Bent drops with an outline, a core and a border of dots."""
    count = dice.between(2.4, 3.4)
    v = sheet.v * count
    row = whole(v)
    u = sheet.u * count + 0.5 * odd(row)
    sign = 1.0 - 2.0 * odd(row)
    x, y = centred(u) * sign, (fraction(v) - 0.55) * sign
    bent = x + 0.9 * np.maximum(y, 0.0) * np.maximum(y, 0.0) - 0.04
    off = length(bent / np.maximum(1.0 - 1.6 * np.maximum(y, 0.0), 0.12), y * 0.85) - 0.27
    width = 1.5 * count * sheet.pixel
    rim = inside(np.abs(off) - 0.03, width)
    core = inside(np.abs(off + 0.13) - 0.022, width)
    eye = inside(length(bent, y + 0.04) - 0.06, width)
    dots = inside(np.abs(off - 0.1) - 0.02, width) * inside(0.0 - wave(14.0 * angle(bent, y)), 0.4)
    return Look(np.maximum(np.maximum(rim, core), np.maximum(eye, dots)), third=0.6 * inside(off + 0.13, width))


def frilly(sheet: Sheet, dice: Dice) -> Look:
    """Rows of ruffles whose free edges wave."""
    count, folds = dice.between(3.2, 4.4), dice.between(5.0, 7.0)
    base = sheet.v * count
    swing = wave(sheet.u * folds + 0.4 * scattered(whole(base), whole(base), dice.key()))
    place = fraction(base + 0.2 * swing)
    rim = inside(np.abs(place - 0.93) - 0.06, 2.0 * count * sheet.pixel)
    fold = place * wave(sheet.u * folds * 2.0 + 0.5 * place)
    return Look(np.maximum(0.45 + 0.4 * fold * (place < 0.87), rim) * (0.35 + 0.65 * place), fold * (0.1 / folds))


def cobwebbed(sheet: Sheet, dice: Dice) -> Look:
    """Threads from a middle, joined by sagging threads around it."""
    x, y = sheet.u + dice.between(-0.2, 0.2), sheet.v + dice.between(-0.2, 0.2)
    spokes, turns = dice.whole(9, 13), dice.between(9.0, 13.0)
    radius = length(x, y)
    turn = angle(x, y) + 0.012 * noise(x * 5.0, y * 5.0, dice.key())
    side = centred(turn * spokes)
    spoke = np.abs(side) * radius * (6.2832 / spokes)
    sag = radius * (1.0 + 0.28 * (0.25 - side * side) * 4.0)
    ring = np.abs(centred(sag * turns)) / turns
    return Look(np.maximum(inside(spoke - 0.005, sheet.pixel), inside(ring - 0.005, sheet.pixel)))


def spiralled(sheet: Sheet, dice: Dice) -> Look:
    """One spiral, or a few arms of one."""
    x, y = sheet.u + dice.between(-0.15, 0.15), sheet.v + dice.between(-0.15, 0.15)
    arms, turns = dice.pick((1, 1, 2, 3)), dice.between(4.5, 7.0)
    hand = dice.pick((-1.0, 1.0))
    place = length(x, y) * turns + hand * arms * angle(x, y)
    return Look(inside(np.abs(centred(place)) - 0.25, turns * sheet.pixel + 0.02))


def gauzy(sheet: Sheet, dice: Dice) -> Look:
    """A thin cloth with soft folds and a weave that just shows."""
    threads = dice.between(24.0, 30.0)
    weave = 0.25 * (wave(sheet.u * threads) + wave(sheet.v * threads))
    drape = clouds(sheet.u * 2.2, sheet.v * 0.8, dice.key(), 2)
    fold = 0.5 + 0.5 * wave(2.5 * drape + sheet.u * 1.5)
    return Look(np.clip(0.15 + 0.6 * fold + weave * (0.3 + 0.4 * fold), 0.0, 1.0))


FAMILIES = families(
    banded, striped, lined, grooved, pleated, grid, chequered, waffled, meshed, woven, knitted, braided, interlaced,
    zigzagged, honeycombed, dotted, polka_dotted, perforated, studded, scaly, lacelike, paisley, frilly, cobwebbed,
    spiralled, gauzy,
)  # fmt: skip
