"""Boxes: which parts of a picture are cut out: at random to train on, in a grid that overlaps to be tested on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from virb.core.target import Draw


class Box(NamedTuple):
    """A square of a picture, in its own pixels; what lies outside of the picture is padding."""

    top: int
    left: int
    side: int
    flipped: bool = False


class Tile(NamedTuple):
    """A box of a grid and the part of the picture that it answers for: no other tile answers for a pixel of that."""

    box: Box
    top: int
    bottom: int
    left: int
    right: int


def draw(
    random: np.random.Generator,
    height: int,
    width: int,
    size: int,
    rule: Draw,
    holds: Callable[[Box], bool] = lambda box: True,
) -> Box:
    """Return a box inside a picture; a picture that is smaller than it lies in its upper left corner."""
    for _ in range(rule.tries):
        box = _drawn(random, height, width, size, rule)
        if holds(box):
            break
    return box


def _drawn(random: np.random.Generator, height: int, width: int, size: int, rule: Draw) -> Box:
    # The side is that of the piece before enlarging: the corner is drawn where the enlarged picture has one.
    side = max(1, round(size / random.uniform(*rule.zoom))) if rule.zoom != (1.0, 1.0) else size
    top, left = (int(random.integers(0, max(0, length - side) + 1)) for length in (height, width))
    return Box(top, left, side, bool(rule.flips and random.random() < 0.5))


def grid(height: int, width: int, size: int, overlap: float) -> list[Tile]:
    """Return tiles that cover a picture, row by row, neighbours sharing that part of a side or more.

    A tile answers for its middle, up to halfway into what it shares: there a head has seen the most around a pixel.
    """
    return [
        Tile(Box(top, left, size), *down, *across)
        for top, down in _line(height, size, overlap)
        for left, across in _line(width, size, overlap)
    ]


def _line(length: int, size: int, overlap: float) -> list[tuple[int, tuple[int, int]]]:
    """Return where tiles begin along one side, spread evenly, and from where to where each answers."""
    step = max(1, size - round(overlap * size))
    count = 1 + max(0, -(-(length - size) // step))
    starts = [place * (length - size) // (count - 1) for place in range(count)] if count > 1 else [0]
    between = [(start + size + following) // 2 for start, following in itertools.pairwise(starts)]
    edges = [0, *between, length]
    return [(start, (edges[place], edges[place + 1])) for place, start in enumerate(starts)]
