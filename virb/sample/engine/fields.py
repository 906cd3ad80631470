"""Sample (data): scalar fields and dice, the alphabet in which scenes and patterns are written.

Arrays see only + - * / sqrt floor, comparisons and integer arithmetic. IEEE 754 rounds these in one way on
every vector unit, so that a file is the same to the byte with and without SIMD. Sines and powers are not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from virb.core.digest import seed_of

Floats: TypeAlias = NDArray[Any]  # float32; numpy's stubs would call float32 times a number float64
Ints: TypeAlias = NDArray[np.int32]
Bools: TypeAlias = NDArray[np.bool_]
Width: TypeAlias = "float | Floats"
"""How many pattern units one pixel covers: edges are softened over this much, which stands for antialiasing."""

_SIDE = 64
_T = TypeVar("_T")


class Dice:
    """One named stream of randomness; uniform draws only, because normal ones call the C library's log."""

    def __init__(self, *name: object) -> None:
        self.generator = np.random.Generator(np.random.PCG64(seed_of("/".join(map(str, name)))))

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * float(self.generator.random())

    def whole(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return int(self.generator.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        """Return True this often."""
        return float(self.generator.random()) < probability

    def pick(self, choices: Sequence[_T]) -> _T:
        """Return one of the choices."""
        return choices[self.whole(0, len(choices) - 1)]

    def key(self) -> int:
        """Return a name for a lattice of noise."""
        return self.whole(0, 2**20)

    def order(self, count: int) -> list[int]:
        """Return 0..count-1 shuffled."""
        return [int(place) for place in self.generator.permutation(count)]

    def bytes(self, count: int) -> NDArray[np.uint8]:
        """Return bytes that are the same on machines of either byte order."""
        return self.generator.integers(0, 256, count, dtype=np.uint8)


def balanced(index: int, kinds: int, *name: object) -> int:
    """Return the kind of item `index` so that each run of `kinds` items holds every kind once, shuffled."""
    return Dice(*name, index // kinds).order(kinds)[index % kinds]


def fraction(x: Floats) -> Floats:
    """Return the part after the point, in [0, 1)."""
    return x - np.floor(x)


def whole(x: Floats) -> Ints:
    """Return the cell number that x falls into."""
    return np.floor(x).astype(np.int32)


def odd(cell: Ints) -> Floats:
    """Return 1 in odd cells and 0 in even ones, in 32 bits like all else."""
    return (cell & 1).astype(np.float32)


def centred(x: Floats) -> Floats:
    """Return the signed distance to the nearest whole number, in [-0.5, 0.5]."""
    return x - np.floor(x + 0.5)


def wave(turns: Floats) -> Floats:
    """Return a sine of `turns` full turns, true to 0.001, from two parabolas."""
    x = centred(turns)
    rough = x * (8.0 - 16.0 * np.abs(x))
    return rough * (0.775 + 0.225 * np.abs(rough))


def angle(x: Floats, y: Floats) -> Floats:
    """Return the direction of (x, y) in turns, in [-0.5, 0.5], true to 0.0001."""
    across, up = np.abs(x), np.abs(y)
    ratio = np.minimum(across, up) / np.maximum(np.maximum(across, up), 1e-9)
    square = ratio * ratio
    turn = (((-0.0464964749 * square + 0.15931422) * square - 0.327622764) * square + 1.0) * ratio
    turn = turn * (0.5 / math.pi)
    turn = np.where(up > across, 0.25 - turn, turn)
    turn = np.where(x < 0, 0.5 - turn, turn)
    return np.where(y < 0, -turn, turn)


def length(x: Floats, y: Floats) -> Floats:
    """Return the distance from the origin."""
    root: Floats = np.sqrt(x * x + y * y)
    return root


def smooth(x: Floats) -> Floats:
    """Return x in [0, 1] eased in and out."""
    return x * x * (3.0 - 2.0 * x)


def inside(signed: Floats, width: Width) -> Floats:
    """Return 1 where a signed distance is negative, 0 where positive, softened over `width`."""
    return np.clip(0.5 - signed / width, 0.0, 1.0)


def mix(low: Floats | float, high: Floats | float, share: Floats) -> Floats:
    """Return `low` where share is 0 and `high` where it is 1."""
    mixed: Floats = low + (high - low) * share
    return mixed


def shrink(value: Floats, middle: float, width: Width) -> Floats:
    """Return `value` pulled to its mean where one pixel covers more than the pattern's detail."""
    pulled: Floats = middle + (value - middle) * np.clip(1.5 - np.asarray(width, np.float32), 0.0, 1.0)
    return pulled


@lru_cache(maxsize=512)
def lattice(key: int) -> Floats:
    """Return 64 x 64 numbers in [0, 1), flat; patterns repeat after 64 cells, more than an image shows."""
    start = (key * 0x85EBCA77 + 0x165667B1) & 0xFFFFFFFF
    state = np.arange(1, _SIDE * _SIDE + 1, dtype=np.uint32) * np.uint32(0x9E3779B1) ^ np.uint32(start)
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39), (15, 0x85EBCA6B)):
        state = (state ^ (state >> np.uint32(shift))) * np.uint32(factor)
    table = (state >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    table.setflags(write=False)
    return table


def scattered(column: Ints, row: Ints, key: int) -> Floats:
    """Return a number in [0, 1) for each cell."""
    return lattice(key).take(((row & 63) << 6) | (column & 63))


def noise(u: Floats, v: Floats, key: int) -> Floats:
    """Return value noise in [0, 1) with one knot per unit."""
    left, low = np.floor(u), np.floor(v)
    x, y = smooth(u - left), smooth(v - low)
    column, row = left.astype(np.int32), low.astype(np.int32)
    first, second = column & 63, (column + 1) & 63
    below, above = (row & 63) << 6, ((row + 1) & 63) << 6
    table = lattice(key)
    bottom = mix(table.take(below | first), table.take(below | second), x)
    top = mix(table.take(above | first), table.take(above | second), x)
    return mix(bottom, top, y)


def clouds(u: Floats, v: Floats, key: int, octaves: int = 3) -> Floats:
    """Return noise of several sizes, in [0, 1); each octave is turned so that no lattice shows."""
    total = noise(u, v, key)
    share, sum_of_shares = 0.5, 1.0
    for octave in range(1, octaves):
        u, v = 1.62 * u - 1.18 * v + 7.3, 1.18 * u + 1.62 * v - 3.1
        total = total + share * noise(u, v, key + octave)
        sum_of_shares += share
        share *= 0.5
    return total * (1.0 / sum_of_shares)


def ridges(u: Floats, v: Floats, key: int, octaves: int = 3) -> Floats:
    """Return the distance of clouds from their middle, in [0, 1): thin winding valleys at 0."""
    return np.minimum(np.abs(clouds(u, v, key, octaves) - 0.5) * 4.0, 1.0)


@dataclass(frozen=True)
class Cells:
    """Scattered points: distance to the nearest and the second, a number and the offset of the nearest."""

    nearest: Floats
    second: Floats
    tone: Floats
    across: Floats
    up: Floats


def cells(u: Floats, v: Floats, key: int, jitter: float = 0.9) -> Cells:
    """Return where each place lies among points scattered one per unit square."""
    column, row = whole(u), whole(v)
    x, y = u - column.astype(np.float32), v - row.astype(np.float32)
    first = np.full_like(u, 9.0)
    second, tone, across, up = first, first, first, first
    base = 0.5 - 0.5 * jitter
    for step_row in (-1, 0, 1):
        line = ((row + step_row) & 63) << 6
        for step_column in (-1, 0, 1):
            place = line | ((column + step_column) & 63)
            dx = lattice(key).take(place) * jitter + (base + step_column) - x
            dy = lattice(key + 1).take(place) * jitter + (base + step_row) - y
            square = dx * dx + dy * dy
            nearer = square < first
            second = np.minimum(second, np.maximum(first, square))
            first = np.minimum(first, square)
            tone = np.where(nearer, lattice(key + 2).take(place), tone)
            across, up = np.where(nearer, dx, across), np.where(nearer, dy, up)
    return Cells(np.sqrt(first), np.sqrt(second), tone, across, up)
