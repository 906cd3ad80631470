"""Sample (data): what surfaces are made of, evaluated where a ray meets them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

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
    noise,
    odd,
    scattered,
    shrink,
    wave,
    whole,
)

Colour: TypeAlias = tuple[float, float, float]
"""Red, green, blue as they are shown, each in [0, 1]."""
Pattern: TypeAlias = Callable[[Floats, Floats, Floats], Floats]
"""(u [N], v [N], width [N]) -> share of the second colour [N]; one cell per unit, softened over width."""


@dataclass(frozen=True)
class Material:
    """A pattern in two colours, `scale` cells per metre, that may shine, mirror like metal, or glow."""

    first: Colour
    second: Colour = (0.0, 0.0, 0.0)
    pattern: str = "plain"
    scale: tuple[float, float] = (1.0, 1.0)
    shift: tuple[float, float] = (0.0, 0.0)
    gloss: float = 0.0
    metal: float = 0.0
    glow: float = 0.0


def plain(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return one colour."""
    return np.zeros_like(u)


def stripes(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return upright stripes, one pair per unit."""
    return inside(np.abs(centred(u)) - 0.25, width)


def checker(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return squares of alternating colour, one per unit."""
    across = inside(np.abs(centred(u * 0.5)) - 0.25, width * 0.5)
    up = inside(np.abs(centred(v * 0.5)) - 0.25, width * 0.5)
    return across + up - 2.0 * across * up


def dots(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return staggered dots."""
    u = u + 0.5 * odd(whole(v))
    return inside(length(centred(u), fraction(v) - 0.5) - 0.27, width)


def grid(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return thin lines around unit squares."""
    return inside(np.minimum(np.abs(centred(u)), np.abs(centred(v))) - 0.05, width)


def tiles(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return unit squares of slightly different tone between joints."""
    tone = 0.45 * scattered(whole(u), whole(v), 11)
    return np.maximum(shrink(tone, 0.22, width), grid(u, v, width))


def bricks(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return courses of bricks twice as wide as high, mortar in the second colour."""
    row = whole(v)
    u = u * 0.5 + 0.5 * odd(row)
    joint = np.minimum(np.abs(centred(u)) * 2.0, np.abs(centred(v))) - 0.06
    return np.maximum(shrink(0.5 * scattered(whole(u), row, 12), 0.25, width), inside(joint, width))


def planks(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return long boards side by side, each with its tone and grain."""
    row = whole(v)
    u = u * 0.2 + scattered(row, row, 13)
    tone = 0.55 * scattered(whole(u), row, 14) + 0.25 * noise(u * 3.0, v * 6.0, 15)
    joint = np.minimum(np.abs(centred(u)) * 5.0, np.abs(centred(v))) - 0.03
    return np.maximum(shrink(tone, 0.4, width), inside(joint, width))


def cloudy(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return soft blotches."""
    return shrink(clouds(u, v, 16, 2), 0.5, width)


def speckles(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return fine grain such as a carpet's."""
    return shrink(noise(u * 3.0, v * 3.0, 17) * 0.7 + noise(u, v, 18) * 0.3, 0.5, width * 2.0)


def rings(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return circles around the centre of each unit square."""
    radius = length(centred(u), centred(v))
    return inside(np.abs(centred(radius * 4.0)) - 0.25, width * 4.0)


def zigzag(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return chevrons lying on their side."""
    return inside(np.abs(centred(v + 0.5 * np.abs(centred(u)) * 2.0)) - 0.25, width * 1.5)


def waves(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return wavy stripes."""
    return inside(np.abs(centred(u + 0.2 * wave(v * 0.5))) - 0.25, width * 1.2)


def damask(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return staggered four-leaved flowers, a wallpaper's."""
    u = u + 0.5 * odd(whole(v))
    x, y = centred(u), fraction(v) - 0.5
    return inside(length(x, y) - 0.26 - 0.14 * wave(angle(x, y) * 4.0), width)


def books(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return rows of spines of many tones and heights over dark boards."""
    row = whole(v)
    column = whole(u * 5.0)
    tall = 0.62 + 0.3 * scattered(column, row, 19)
    spine = inside(fraction(v) - tall, width) * inside(0.12 - fraction(v), width)
    return shrink(spine * (0.25 + 0.75 * scattered(column, row, 20)), 0.4, width * 2.0)


def drawers(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return fronts with a gap around and a knob in the middle of each."""
    gap = inside(np.minimum(np.abs(centred(u)), np.abs(centred(v))) - 0.035, width)
    knob = inside(length(fraction(u) - 0.5, fraction(v) - 0.5) - 0.08, width)
    return np.maximum(gap, knob)


def panes(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return a window's bars in the second colour before a brightening sky."""
    bars = inside(np.minimum(np.abs(centred(u)), np.abs(centred(v))) - 0.07, width)
    return np.maximum(bars, 0.2 * fraction(v * 0.5))


def painting(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return broad shapes, as on a picture."""
    return inside(clouds(u * 1.3, v * 1.3, 21, 2) - 0.5 + 0.12 * wave(u), width + 0.05)


def windows(u: Floats, v: Floats, width: Floats) -> Floats:
    """Return rows of upright windows in a wall, each with its tone."""
    glass = np.maximum(np.abs(centred(u)) * 1.25, np.abs(centred(v)))
    tone = 0.75 + 0.25 * scattered(whole(u + 0.5), whole(v + 0.5), 22)
    return shrink(inside(glass - 0.3, width) * tone, 0.25, width)


PATTERNS: dict[str, Pattern] = {
    pattern.__name__: pattern
    for pattern in (
        plain, stripes, checker, dots, grid, tiles, bricks, planks, cloudy, speckles, rings, zigzag, waves,
        damask, books, drawers, panes, painting, windows,
    )
}  # fmt: skip


def colour_of(hue: float, saturation: float, value: float) -> Colour:
    """Return the colour with this hue (in turns), saturation and value."""
    place = hue % 1.0 * 6.0
    high = value
    low = value * (1.0 - saturation)
    rising = low + (high - low) * (place % 1.0)
    falling = high - (high - low) * (place % 1.0)
    return (
        (high, rising, low), (falling, high, low), (low, high, rising),
        (low, falling, high), (rising, low, high), (high, low, falling),
    )[int(place) % 6]  # fmt: skip


def any_colour(dice: Dice, saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
    """Return a colour of any hue within these bounds."""
    return colour_of(dice.between(0, 1), dice.between(*saturation), dice.between(*value))


def shade_of(colour: Colour, factor: float) -> Colour:
    """Return a darker (below 1) or lighter (above 1) version of a colour."""
    red, green, blue = (min(1.0, max(0.0, part * factor)) for part in colour)
    return red, green, blue
