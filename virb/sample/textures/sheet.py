"""Sample (data): what a texture recipe is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from virb.sample.engine.fields import Dice, Floats


@dataclass(frozen=True)
class Sheet:
    """Places on a flat sheet in image widths: u, v along the pattern, x, y along the picture, all [H,W]."""

    u: Floats
    v: Floats
    x: Floats
    y: Floats
    pixel: float


@dataclass(frozen=True)
class Look:
    """Share of the second colour, share of a third laid over both, and height in image widths, all [H,W]."""

    share: Floats
    height: Floats | None = None
    third: Floats | None = None


Recipe: TypeAlias = Callable[[Sheet, Dice], Look]


def families(*recipes: Recipe) -> dict[str, Recipe]:
    """Return recipes by the name of their class: the function's own, with hyphens."""
    return {recipe.__name__.replace("_", "-"): recipe for recipe in recipes}
