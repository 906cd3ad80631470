"""Sample (data): texture classes that do not repeat: spots, cracks, fibres, stains."""

from __future__ import annotations

import math

import numpy as np

from virb.sample.engine.fields import (
    Cells,
    Dice,
    Floats,
    cells,
    centred,
    clouds,
    fraction,
    inside,
    length,
    mix,
    noise,
    ridges,
    scattered,
    smooth,
    wave,
    whole,
)
from virb.sample.textures.sheet import Look, Sheet, families


def blotchy(sheet: Sheet, dice: Dice) -> Look:
    """Large patches with soft edges."""
    scale = dice.between(4.0, 6.0)
    patches = clouds(sheet.u * scale, sheet.v * scale, dice.key(), 2)
    return Look(smooth(np.clip((patches - 0.5) * 4.5 + 0.5, 0.0, 1.0)))


def stained(sheet: Sheet, dice: Dice) -> Look:
    """Spills of different strength, each with a darker rim."""
    share = 0.12 * clouds(sheet.u * 8.0, sheet.v * 8.0, dice.key(), 2)
    for scale in (2.2, 3.4):
        spill = cells(sheet.u * scale, sheet.v * scale, dice.key())
        edge = spill.nearest + 0.35 * (clouds(sheet.u * 7.0, sheet.v * 7.0, dice.key(), 2) - 0.5)
        off = edge - 0.2 - 0.25 * spill.tone
        share = share + 0.28 * inside(off, 0.04) + 0.4 * inside(np.abs(off) - 0.012, 0.03)
    return Look(np.minimum(share, 1.0))


def smeared(sheet: Sheet, dice: Dice) -> Look:
    """Broad strokes dragged in one direction, fading along the way."""
    bent = sheet.v + 0.12 * wave(sheet.u * dice.between(0.5, 0.9))
    drag = clouds(sheet.u * 1.6, bent * 13.0, dice.key(), 3)
    fade = noise(sheet.u * 2.5, bent * 3.0, dice.key())
    return Look(np.clip((drag - 0.5) * 2.4 + 0.9 * (fade - 0.5) + 0.5, 0.0, 1.0))


def fibrous(sheet: Sheet, dice: Dice) -> Look:
    """Fine long fibres that run together."""
    bent = sheet.u + 0.05 * noise(sheet.u * 3.0, sheet.v * 2.0, dice.key())
    fine = ridges(bent * dice.between(22.0, 28.0), sheet.v * 2.2, dice.key(), 1)
    finer = ridges(bent * 40.0, sheet.v * 3.5, dice.key(), 1)
    return Look(np.clip(1.1 - 1.3 * np.minimum(fine, 0.35 + finer), 0.0, 1.0))


def matted(sheet: Sheet, dice: Dice) -> Look:
    """Tangled hair in every direction."""
    share = np.zeros_like(sheet.u)
    for strand in range(5):
        turn = math.radians(36.0 * strand + dice.between(-15.0, 15.0))
        cosine, sine = math.cos(turn), math.sin(turn)
        along, across = sheet.u * cosine - sheet.v * sine, sheet.u * sine + sheet.v * cosine
        curl = across + 0.06 * wave(along * 2.0 + dice.between(0.0, 1.0))
        hair = inside(ridges(along * 2.5, curl * 13.0, dice.key(), 1) - 0.09, 0.15)
        share = np.maximum(share * 0.75, hair * (0.55 + 0.09 * strand))
    return Look(share)


def crosshatched(sheet: Sheet, dice: Dice) -> Look:
    """Pen strokes in two or three slanting directions, denser in the shadows."""
    shadow = noise(sheet.u * 2.5, sheet.v * 2.5, dice.key())
    share = np.zeros_like(sheet.u)
    for layer, turn in enumerate((40.0, -40.0, 5.0)):
        cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        along, across = sheet.u * cosine - sheet.v * sine, sheet.u * sine + sheet.v * cosine
        count = dice.between(12.0, 15.0)
        place = across * count + 0.3 * noise(along * 5.0, across * 5.0, dice.key())
        broken = noise(along * 6.0, across * count, dice.key()) + 0.9 * shadow - 0.35 - 0.3 * layer
        share = np.maximum(share, inside(np.abs(centred(place)) - 0.16 * np.clip(3.0 * broken, 0.0, 1.0), 0.16))
    return Look(np.clip(1.5 * share - 0.3, 0.0, 1.0))


def marbled(sheet: Sheet, dice: Dice) -> Look:
    """Drifting clouds of colour crossed by fine veins."""
    flow = clouds(sheet.u * 2.6, sheet.v * 2.6, dice.key(), 4)
    place = sheet.u * 1.2 + sheet.v * 0.7 + dice.between(1.6, 2.1) * flow
    drift = 0.5 + 0.5 * wave(place * 1.3)
    vein = inside(np.abs(centred(place * 2.6)) - 0.02, 0.09)
    return Look(np.maximum(0.55 * drift * drift, vein))


def swirly(sheet: Sheet, dice: Dice) -> Look:
    """Stripes wound up by several eddies."""
    u, v = sheet.u, sheet.v
    for eddy in range(4):
        x = u - 0.5 * ((eddy & 1) - 0.5) + dice.between(-0.12, 0.12)
        y = v - 0.5 * ((eddy >> 1) - 0.5) + dice.between(-0.12, 0.12)
        size = dice.between(0.16, 0.24)
        fall = np.clip(1.0 - (x * x + y * y) * (1.0 / (2.2 * size * size)), 0.0, 1.0)
        turn = dice.pick((-1.0, 1.0)) * dice.between(0.7, 1.0) * fall * fall
        cosine, sine = wave(turn + 0.25), wave(turn)
        u, v = u - x + x * cosine - y * sine, v - y + x * sine + y * cosine
    count = dice.between(6.0, 8.0)
    return Look(inside(np.abs(centred(u * count)) - 0.22, 2.5 * count * sheet.pixel))


def veined(sheet: Sheet, dice: Dice) -> Look:
    """A leaf's ribs: one in the middle, slanting ones on both sides, a fine net between."""
    middle = sheet.u + dice.between(-0.15, 0.15) + 0.03 * noise(sheet.v * 3.0, sheet.v, dice.key())
    side = np.abs(middle)
    rib = inside(side - 0.014, 2.0 * sheet.pixel)
    count = dice.between(4.5, 6.5)
    wobble = 0.25 * noise(sheet.u * 5.0, sheet.v * 5.0, dice.key())
    shift = np.where(middle < 0, np.float32(0.5), np.float32(0.0))
    slant = centred(sheet.v * count - side * count * 0.9 + side * side * count * 0.6 + wobble + shift)
    branch = inside(np.abs(slant) - 0.055, 1.6 * count * sheet.pixel)
    net = cells(sheet.u * 13.0, sheet.v * 13.0, dice.key())
    return Look(np.maximum(np.maximum(rib, branch), 0.4 * inside(net.second - net.nearest - 0.06, 0.15)))


def cracked(sheet: Sheet, dice: Dice) -> Look:
    """Dry plates apart by jagged cracks."""
    scale = dice.between(3.2, 5.0)
    key = dice.key()
    u = sheet.u * scale + 0.35 * (noise(sheet.u * 14.0, sheet.v * 14.0, key) - 0.5)
    v = sheet.v * scale + 0.35 * (noise(sheet.u * 14.0, sheet.v * 14.0, key + 1) - 0.5)
    plate = cells(u, v, dice.key())
    crack = inside(plate.second - plate.nearest - 0.07, 0.05)
    dust = 0.22 * noise(sheet.u * 30.0, sheet.v * 30.0, dice.key())
    return Look(np.maximum(crack, 0.12 * plate.tone + dust))


def crystalline(sheet: Sheet, dice: Dice) -> Look:
    """Facets of very different brightness that meet in sharp lines."""
    scale = dice.between(4.0, 6.0)
    facet = cells(sheet.u * scale, sheet.v * scale * dice.between(0.6, 1.0), dice.key())
    tilt = wave(facet.tone * 7.0) * facet.across + wave(facet.tone * 5.0) * facet.up
    edge = inside(facet.second - facet.nearest - 0.02, 0.04)
    return Look(np.clip(np.maximum(0.1 + 0.7 * facet.tone + 0.6 * tilt, 0.9 * edge), 0.0, 1.0))


def bubbly(sheet: Sheet, dice: Dice) -> Look:
    """Bubbles of many sizes: a thin outline and a glint."""
    share = np.zeros_like(sheet.u)
    for scale in (dice.between(3.5, 4.5), dice.between(7.0, 9.0)):
        spot = cells(sheet.u * scale, sheet.v * scale, dice.key(), 0.7)
        radius = 0.22 + 0.2 * spot.tone
        width = 1.3 * scale * sheet.pixel
        rim = inside(np.abs(spot.nearest - radius) - 0.035, width)
        body = inside(spot.nearest - radius, width)
        glint = inside(length(spot.across - 0.4 * radius, spot.up - 0.4 * radius) - 0.22 * radius, width)
        share = np.maximum(share * (1.0 - 0.75 * body), np.maximum(np.maximum(rim, glint), 0.18 * body))
    return Look(share)


def bumpy(sheet: Sheet, dice: Dice) -> Look:
    """Soft swellings of one colour, close together."""
    scale = dice.between(5.0, 7.0)
    swell = cells(sheet.u * scale, sheet.v * scale, dice.key(), 0.8)
    dome = np.maximum(0.6 - swell.nearest * swell.nearest, 0.0)
    return Look(0.12 * swell.tone, dome * (1.1 / scale))


def pitted(sheet: Sheet, dice: Dice) -> Look:
    """A rough plate with scattered small dents."""
    scale = dice.between(8.0, 11.0)
    dent = cells(sheet.u * scale, sheet.v * scale, dice.key())
    radius = 0.15 + 0.25 * dent.tone
    deep = np.maximum(1.0 - dent.nearest * dent.nearest / (radius * radius), 0.0)
    rough = noise(sheet.u * 35.0, sheet.v * 35.0, dice.key())
    return Look(0.45 * deep * deep, 0.012 * rough - deep * (0.3 / scale))


def porous(sheet: Sheet, dice: Dice) -> Look:
    """A sponge: holes of all sizes, wall to wall."""
    share = np.zeros_like(sheet.u)
    key = dice.key()
    u = sheet.u + 0.03 * noise(sheet.u * 9.0, sheet.v * 9.0, key)
    v = sheet.v + 0.03 * noise(sheet.u * 9.0, sheet.v * 9.0, key + 1)
    for scale in (dice.between(5.0, 6.5), dice.between(11.0, 13.0)):
        hole = cells(u * scale, v * scale, dice.key())
        share = np.maximum(share, inside(hole.nearest - 0.2 - 0.28 * hole.tone, 0.12))
    return Look(share, share * -0.012)


def potholed(sheet: Sheet, dice: Dice) -> Look:
    """A gravel road with a few large ragged holes."""
    scale = dice.between(1.9, 2.5)
    hole = cells(sheet.u * scale, sheet.v * scale, dice.key())
    ragged = 0.4 * (clouds(sheet.u * 9.0, sheet.v * 9.0, dice.key(), 2) - 0.5)
    off = hole.nearest - 0.22 - 0.15 * hole.tone + ragged * 0.6
    gravel = noise(sheet.u * 45.0, sheet.v * 45.0, dice.key())
    pit = inside(off, 0.06)
    return Look(np.maximum(0.35 * gravel * (1.0 - pit), 0.85 * pit), np.clip(off, -0.12, 0.03) * 0.2)


def wrinkled(sheet: Sheet, dice: Dice) -> Look:
    """Creases in every direction, seen by their shading."""
    scale = dice.between(2.6, 3.6)
    key = dice.key()
    u = sheet.u * scale + 0.5 * noise(sheet.u * 4.0, sheet.v * 4.0, key)
    v = sheet.v * scale + 0.5 * noise(sheet.u * 4.0, sheet.v * 4.0, key + 1)
    crease = ridges(u, v, dice.key(), 2)
    finer = ridges(u * 2.3, v * 1.4, dice.key(), 1)
    return Look(0.25 * (1.0 - np.minimum(3.0 * crease, 1.0)), (0.09 * crease + 0.03 * finer) * (2.6 / scale))


def flecked(sheet: Sheet, dice: Dice) -> Look:
    """Sparse narrow flecks that all point one way."""
    scale = dice.between(6.0, 8.0)
    fleck = cells(sheet.u * scale, sheet.v * scale * 1.6, dice.key())
    size = 0.5 + 0.6 * fleck.tone
    off = length(fleck.across * 1.1, fleck.up * 3.2) - 0.3 * size
    return Look(inside(off, 2.5 * scale * sheet.pixel) * (0.6 + 0.4 * fleck.tone))


def freckled(sheet: Sheet, dice: Dice) -> Look:
    """Small roundish spots, blurred, crowded here and rare there."""
    scale = dice.between(11.0, 14.0)
    spot = cells(sheet.u * scale, sheet.v * scale, dice.key())
    crowd = np.clip((noise(sheet.u * 3.2, sheet.v * 3.2, dice.key()) - 0.3) * 2.5, 0.0, 1.0)
    radius = (0.12 + 0.32 * spot.tone) * crowd
    return Look(0.85 * inside(spot.nearest - radius, 0.22) * (crowd > 0.05))


def sprinkled(sheet: Sheet, dice: Dice) -> Look:
    """Short rods of two colours, strewn in every direction."""
    layers = []
    for _ in range(2):
        scale = dice.between(5.0, 6.5)
        layers.append(_rods(cells(sheet.u * scale, sheet.v * scale, dice.key()), 1.5 * scale * sheet.pixel))
    return Look(layers[0], third=layers[1])


def _rods(seeds: Cells, width: float) -> Floats:
    """Return a short rod at each seed, turned at random."""
    cosine, sine = wave(seeds.tone * 0.5 + 0.25), wave(seeds.tone * 0.5)
    along = seeds.across * cosine + seeds.up * sine
    across = seeds.up * cosine - seeds.across * sine
    return inside(length(np.maximum(np.abs(along) - 0.26, 0.0), across) - 0.085, width)


def stratified(sheet: Sheet, dice: Dice) -> Look:
    """Layers of rock: uneven, gently folded, no two alike."""
    fold = 0.9 * clouds(sheet.u * 1.6, sheet.v * 0.9, dice.key(), 3)
    place = sheet.v * dice.between(5.0, 7.0) + fold * 1.2
    place = place + 0.8 * noise(place * 0.9, place * 0.0, dice.key())
    layer, key = whole(place), dice.key()
    blend = np.clip((fraction(place) - 0.9) * 10.0, 0.0, 1.0)
    tone = mix(scattered(layer, layer, key), scattered(layer + 1, layer + 1, key), blend)
    seam = 0.3 * noise(sheet.u * 3.0, place * 7.0, dice.key())
    return Look(np.clip(0.85 * tone + seam - 0.05, 0.0, 1.0))


FAMILIES = families(
    blotchy, stained, smeared, fibrous, matted, crosshatched, marbled, swirly, veined, cracked, crystalline, bubbly,
    bumpy, pitted, porous, potholed, wrinkled, flecked, freckled, sprinkled, stratified,
)  # fmt: skip
