"""Sample (data): the 47 texture classes; a class is a family of patterns, never a colour."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from virb.sample.engine.fields import Dice, Floats, mix, noise
from virb.sample.engine.materials import Colour, colour_of
from virb.sample.engine.render import develop
from virb.sample.textures import orderly, wild
from virb.sample.textures.sheet import Look, Recipe, Sheet

FAMILIES: dict[str, Recipe] = {**orderly.FAMILIES, **wild.FAMILIES}
"""How each class of `classes.DTD` is drawn; a test holds the two lists equal."""


def texture(name: str, dice: Dice, size: int = 128) -> NDArray[np.uint8]:
    """Return a picture [size,size,3] of this class in random colours, light, direction, scale and bend."""
    sheet = _sheet(dice, size)
    look = FAMILIES[name](sheet, dice)
    picture = _coloured(look, dice) * _light(look, sheet, dice)[:, :, None]
    return develop(np.sqrt(np.clip(picture, 0.0, 1.0)), 2.5, dice)


def _sheet(dice: Dice, size: int) -> Sheet:
    """Return places in image widths around the middle, turned by about a multiple of 90 degrees, a little bent."""
    steps = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(1.0 / size) - 0.5
    x, y = np.broadcast_to(steps[None, :], (size, size)), np.broadcast_to(steps[:, None], (size, size))
    turn = math.radians(90.0 * dice.whole(0, 3) + dice.between(-18.0, 18.0))
    cosine, sine = math.cos(turn), math.sin(turn)
    u, v = x * cosine - y * sine, x * sine + y * cosine
    bend, key = dice.between(0.0, 0.07), dice.key()
    u, v = (
        u + bend * (noise(u * 3.0, v * 3.0, key) - 0.5),
        v + bend * (noise(u * 3.0, v * 3.0, key + 1) - 0.5),
    )
    return Sheet(u, v, x, y, 1.0 / size)


def _palette(dice: Dice) -> tuple[Colour, Colour, Colour]:
    """Return three colours of any hue, the first two well apart in brightness, either one the lighter."""
    dark = colour_of(dice.between(0, 1), dice.between(0.1, 0.8), dice.between(0.15, 0.45))
    light = colour_of(dice.between(0, 1), dice.between(0.05, 0.6), dice.between(0.7, 1.0))
    third = colour_of(dice.between(0, 1), dice.between(0.3, 0.9), dice.between(0.3, 1.0))
    return (dark, light, third) if dice.chance(0.5) else (light, dark, third)


def _coloured(look: Look, dice: Dice) -> Floats:
    """Return linear colours [H,W,3]."""
    first, second, third = _palette(dice)
    layers = []
    for low, high, other in zip(first, second, third, strict=True):
        layer = mix(low * low, high * high, look.share)
        layers.append(layer if look.third is None else mix(layer, other * other, look.third))
    return np.stack(layers, axis=-1)


def _light(look: Look, sheet: Sheet, dice: Dice) -> Floats:
    """Return what the light does to the colours: uneven over the sheet, and raking over its relief."""
    turn = math.radians(dice.between(0.0, 360.0))
    side, down = math.cos(turn), math.sin(turn)
    light = dice.between(0.8, 1.15) * (1.0 + dice.between(0.0, 0.5) * (sheet.x * side + sheet.y * down))
    strength = dice.between(0.8, 1.2)
    if look.height is None:
        return light
    slope = np.zeros_like(look.height)
    slope[:, 1:-1] = (look.height[:, 2:] - look.height[:, :-2]) * (0.5 * side / sheet.pixel)
    slope[1:-1] += (look.height[2:] - look.height[:-2]) * (0.5 * down / sheet.pixel)
    slope[0], slope[-1], slope[:, 0], slope[:, -1] = slope[1], slope[-2], slope[:, 1], slope[:, -2]
    return light * np.clip(1.0 + strength * slope, 0.15, 2.0)
