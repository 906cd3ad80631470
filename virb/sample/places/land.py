"""Sample (data): land seen from far above, ten kinds of cover at about ten metres a pixel."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from virb.sample.engine.fields import (
    Dice,
    Floats,
    cells,
    centred,
    clouds,
    fraction,
    inside,
    noise,
    scattered,
    wave,
    whole,
)
from virb.sample.engine.materials import Colour, colour_of
from virb.sample.engine.models import tinted
from virb.sample.engine.render import develop


@dataclass(frozen=True)
class Ground:
    """Places of the picture in its own widths, turned by any angle, all [H,W]; and what one pixel covers."""

    u: Floats
    v: Floats
    pixel: float

    def turned(self, degrees: float) -> Ground:
        """Return the same places in axes turned by so much."""
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        return Ground(self.u * cosine - self.v * sine, self.u * sine + self.v * cosine, self.pixel)


Cover = Callable[[Ground, Dice], Floats]
"""Colours as they are shown, [H,W,3]."""


def blend(first: Colour | Floats, second: Colour | Floats, share: Floats) -> Floats:
    """Return `first` where share [H,W] is 0 and `second` where it is 1."""
    low, high = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return low + (high - low) * share[:, :, None].astype(np.float32)


def _green(dice: Dice) -> Colour:
    return tinted(dice, 0.27, 0.45, 0.42, 1.5)


def _soil(dice: Dice) -> Colour:
    return tinted(dice, 0.08, 0.35, 0.58, 1.5)


def _roof(dice: Dice) -> Colour:
    return dice.pick((tinted(dice, 0.03, 0.45, 0.62), tinted(dice, 0.6, 0.08, 0.6), tinted(dice, 0.08, 0.2, 0.78)))


@dataclass(frozen=True)
class Parcels:
    """Fields in long strips of uneven width: their column and row, and where the bounds run."""

    column: NDArray[np.int32]
    row: NDArray[np.int32]
    bound: Floats


def _parcels(ground: Ground, dice: Dice, across: float, along: float, wide: float) -> Parcels:
    """Return parcels of about these numbers across and along, with bounds this many pixels wide."""
    key = dice.key()
    v = ground.v * along + dice.between(0, 60)
    v = v + 0.35 * noise(v, np.zeros_like(v), key)
    row = whole(v)
    u = ground.u * across + 17.0 * scattered(row, row, key + 1)
    u = u + 0.4 * noise(u, row.astype(np.float32), key + 2)
    near = np.minimum(np.abs(centred(u)) / across, np.abs(centred(v)) / along)
    return Parcels(whole(u + 0.5), whole(v + 0.5), inside(near - 0.5 * wide * ground.pixel, ground.pixel))


def _fields(ground: Ground, dice: Dice, across: float, along: float) -> Floats:
    """Return parcels of bare soil, stubble and crops, with the marks of the plough."""
    parcels = _parcels(ground, dice, across, along, dice.between(0.3, 1.2))
    key = dice.key()
    tone, second = scattered(parcels.column, parcels.row, key), scattered(parcels.column, parcels.row, key + 1)
    colour = blend(_soil(dice), _green(dice), np.clip(tone * 3.0 - 1.0, 0.0, 1.0))
    colour = blend(colour, tinted(dice, 0.13, 0.35, 0.8), np.clip(second * 4.0 - 3.0, 0.0, 0.8))
    plough = wave(ground.u * 21.0 + second * 5.0) * (tone > 0.4) + wave(ground.v * 19.0) * (tone <= 0.4)
    light = 1.0 + 0.05 * plough + 0.15 * (noise(ground.u * 6.0, ground.v * 6.0, key + 2) - 0.5)
    return blend(colour * light[:, :, None], _green(dice), parcels.bound * 0.5)


def annual_crop(ground: Ground, dice: Dice) -> Floats:
    """Return large fields with straight bounds."""
    return _fields(ground, dice, dice.between(1.5, 3.0), dice.between(1.5, 4.0))


def forest(ground: Ground, dice: Dice) -> Floats:
    """Return closed crowns."""
    dark = tinted(dice, dice.pick((0.3, 0.35, 0.26)), 0.45, 0.24, 1.5)
    crowns = cells(ground.u * 24.0, ground.v * 24.0, dice.key())
    share = np.clip(0.75 - crowns.nearest, 0.0, 1.0) * 0.6 + 0.5 * clouds(ground.u * 5.0, ground.v * 5.0, dice.key())
    return blend(dark, tinted(dice, 0.28, 0.45, 0.42, 1.5), share * 0.6)


def herbaceous_vegetation(ground: Ground, dice: Dice) -> Floats:
    """Return dry grass, bare patches and scattered shrubs, with no straight line."""
    patches = clouds(ground.u * 4.0, ground.v * 4.0, dice.key())
    colour = blend(
        tinted(dice, 0.16, 0.35, 0.5, 1.5), tinted(dice, 0.09, 0.3, 0.62, 1.5), np.clip(patches * 3.0 - 1.0, 0.0, 1.0)
    )
    shrubs = cells(ground.u * 13.0, ground.v * 13.0, dice.key())
    cover = inside(shrubs.nearest - 0.35 * shrubs.tone, 0.3) * np.clip(2.0 - 3.0 * patches, 0.0, 1.0)
    return blend(colour, tinted(dice, 0.25, 0.4, 0.3), cover * 0.8)


def pasture(ground: Ground, dice: Dice) -> Floats:
    """Return even green meadows between dark hedges, a few trees."""
    parcels = _parcels(ground, dice, dice.between(0.8, 1.8), dice.between(0.8, 1.8), dice.between(1.5, 3.0))
    tone = scattered(parcels.column, parcels.row, dice.key())
    soft = 0.6 * tone + 0.5 * clouds(ground.u * 3.0, ground.v * 3.0, dice.key(), 2)
    colour = blend(tinted(dice, 0.26, 0.5, 0.5), tinted(dice, 0.22, 0.42, 0.62), soft)
    trees = cells(ground.u * 6.0, ground.v * 6.0, dice.key())
    gaps = noise(ground.u * 9.0, ground.v * 9.0, dice.key()) > 0.3
    dark = np.maximum(parcels.bound * gaps, inside(trees.nearest - 0.16, 0.1) * (trees.tone > 0.75))
    return blend(colour, tinted(dice, 0.3, 0.5, 0.24), dark * 0.9)


def permanent_crop(ground: Ground, dice: Dice) -> Floats:
    """Return parcels planted in rows, each in its own direction."""
    parcels = _parcels(ground, dice, dice.between(1.2, 2.5), dice.between(1.2, 2.5), 1.0)
    key = dice.key()
    turn, tone = scattered(parcels.column, parcels.row, key), scattered(parcels.column, parcels.row, key + 1)
    apart = dice.between(13.0, 19.0)
    first, second = wave(ground.u * apart), wave(ground.v * apart)
    rows = np.where(turn < 0.4, first, np.where(turn < 0.75, second, first * second))
    colour = blend(_soil(dice), tinted(dice, 0.07, 0.4, 0.5), tone)
    colour = blend(colour, tinted(dice, 0.26, 0.5, 0.36), np.clip(0.45 + 0.55 * rows, 0.0, 1.0) * (tone > 0.12))
    return blend(colour, tinted(dice, 0.1, 0.2, 0.7), parcels.bound * 0.7)


def _surroundings(ground: Ground, dice: Dice) -> Floats:
    """Return whatever a road or a river may run through."""
    return dice.pick((annual_crop, annual_crop, pasture, herbaceous_vegetation, forest))(ground, dice)


def highway(ground: Ground, dice: Dice) -> Floats:
    """Return a broad road that crosses the land, sometimes a second one."""
    colour = _surroundings(ground, dice)
    for _ in range(dice.pick((1, 1, 2))):
        way = ground.turned(dice.between(0.0, 360.0))
        middle = way.v - dice.between(-0.25, 0.25) - dice.between(-0.4, 0.4) * way.u * way.u
        wide = dice.between(1.3, 2.4) * ground.pixel
        colour = blend(colour, tinted(dice, 0.3, 0.3, 0.4), inside(np.abs(middle) - 2.2 * wide, ground.pixel) * 0.6)
        colour = blend(colour, tinted(dice, 0.1, 0.06, 0.66), inside(np.abs(middle) - wide, ground.pixel))
        colour = blend(
            colour, tinted(dice, 0.3, 0.2, 0.4), inside(np.abs(middle) - 0.35 * ground.pixel, ground.pixel) * 0.7
        )
    return colour


def _blocks(ground: Ground, dice: Dice, colour: Floats, per_width: float, filled: float, share: float) -> Floats:
    """Lay roofs over a ground: so many plots to the width, this part of each plot, this share of the plots."""
    key = dice.key()
    u, v = ground.u * per_width + dice.between(0, 60), ground.v * per_width * dice.between(0.7, 1.4)
    column, row = whole(u), whole(v)
    x, y = np.abs(fraction(u) - 0.5), np.abs(fraction(v) - 0.5)
    wide = 0.5 * filled * (0.6 + 0.4 * scattered(column, row, key))
    tall = 0.5 * filled * (0.6 + 0.4 * scattered(column, row, key + 1))
    built = scattered(column, row, key + 2) < share
    roof = inside(np.maximum(x - wide, y - tall), per_width * ground.pixel) * built
    shade = inside(np.maximum(np.abs(x - 0.1) - wide, np.abs(y - 0.1) - tall), per_width * ground.pixel) * built
    tone = scattered(column, row, key + 3)
    roofs = blend(blend(_roof(dice), _roof(dice), 1.0 * (tone > 0.4)), _roof(dice), 1.0 * (tone > 0.75))
    ridge = 1.0 + 0.12 * np.where(fraction(u) > 0.5, 1.0, -1.0).astype(np.float32)
    return blend(blend(colour, (0.15, 0.16, 0.17), shade * 0.6), roofs * ridge[:, :, None], roof)


def industrial(ground: Ground, dice: Dice) -> Floats:
    """Return large halls on paved ground."""
    paved = clouds(ground.u * 7.0, ground.v * 7.0, dice.key(), 2)
    colour = blend(tinted(dice, 0.08, 0.08, 0.5), tinted(dice, 0.1, 0.1, 0.66), paved)
    colour = blend(colour, _green(dice), 1.0 * (noise(ground.u * 4.0, ground.v * 4.0, dice.key()) > 0.72))
    colour = _blocks(ground, dice, colour, dice.between(2.2, 3.4), dice.between(0.8, 0.95), 0.85)
    return _blocks(ground, dice, colour, dice.between(5.5, 7.0), 0.6, 0.15)


def residential(ground: Ground, dice: Dice) -> Floats:
    """Return rows of small houses with gardens along streets."""
    gardens = clouds(ground.u * 14.0, ground.v * 14.0, dice.key(), 2)
    colour = blend(tinted(dice, 0.27, 0.35, 0.3), tinted(dice, 0.2, 0.25, 0.5), gardens)
    per_width = dice.between(9.0, 13.0)
    colour = _blocks(ground, dice, colour, per_width, dice.between(0.6, 0.85), dice.between(0.75, 0.95))
    streets = np.minimum(np.abs(centred(ground.u * per_width / 4.0)) / per_width, np.abs(centred(ground.v * 2.0)) / 8.0)
    return blend(colour, tinted(dice, 0.1, 0.05, 0.6), inside(streets * 4.0 - 0.8 * ground.pixel, ground.pixel) * 0.9)


def _water(ground: Ground, dice: Dice) -> Floats:
    deep = tinted(dice, dice.pick((0.6, 0.57, 0.48, 0.4)), 0.5, 0.32, 1.5)
    ripples = noise(ground.u * 5.0, ground.v * 16.0, dice.key())
    return blend(deep, tinted(dice, 0.52, 0.35, 0.45), np.clip(ripples * 0.35, 0.0, 1.0))


def river(ground: Ground, dice: Dice) -> Floats:
    """Return water that winds through the land between paler banks."""
    colour = _surroundings(ground, dice)
    way = ground.turned(dice.between(0.0, 360.0))
    bend = dice.between(0.04, 0.16) * wave(way.u * dice.between(0.4, 0.9) + dice.between(0, 1))
    rough = 0.05 * (noise(way.u * 6.0, way.v * 6.0, dice.key()) - 0.5)
    middle = np.abs(way.v - dice.between(-0.2, 0.2) - bend + rough)
    wide = dice.between(0.05, 0.13)
    colour = blend(
        colour, tinted(dice, 0.12, 0.25, 0.62), inside(middle - wide - 1.2 * ground.pixel, 2 * ground.pixel) * 0.7
    )
    return blend(colour, _water(ground, dice), inside(middle - wide, ground.pixel))


def sea_lake(ground: Ground, dice: Dice) -> Floats:
    """Return open water, now and then with a strip of shore."""
    colour = _water(ground, dice)
    if dice.chance(0.3):
        way = ground.turned(dice.between(0.0, 360.0))
        shore = way.v - dice.between(0.3, 0.5) + 0.12 * (clouds(way.u * 4.0, way.v * 4.0, dice.key()) - 0.5)
        colour = blend(colour, _surroundings(ground, dice), 1.0 - inside(shore, ground.pixel))
    return colour


COVERS: dict[str, Cover] = {
    "AnnualCrop": annual_crop, "Forest": forest, "HerbaceousVegetation": herbaceous_vegetation, "Highway": highway,
    "Industrial": industrial, "Pasture": pasture, "PermanentCrop": permanent_crop, "Residential": residential,
    "River": river, "SeaLake": sea_lake,
}  # fmt: skip
"""How each class of EuroSAT is drawn."""


def land(name: str, dice: Dice, size: int = 64) -> NDArray[np.uint8]:
    """Return a picture [size,size,3] of this cover, in the light and haze of some day."""
    steps = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(1.0 / size) - 0.5
    x, y = np.broadcast_to(steps[None, :], (size, size)), np.broadcast_to(steps[:, None], (size, size))
    ground = Ground(x, y, 1.0 / size).turned(dice.between(0.0, 360.0))
    colour = COVERS[name](ground, dice)
    haze, light = colour_of(0.6, dice.between(0.05, 0.35), dice.between(0.5, 0.7)), dice.between(0.7, 1.3)
    veil = np.float32(dice.between(0.05, 0.4))
    gains = np.array([light * dice.between(0.84, 1.16) for _ in range(3)], np.float32)
    clear = colour.astype(np.float32) * gains
    return develop(np.clip(clear + (np.array(haze, np.float32) - clear) * veil, 0.0, 1.0), 2.0, dice)
