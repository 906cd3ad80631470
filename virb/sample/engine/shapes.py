"""Sample (data): the solids of a scene, kept as columns, and where rays meet them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from virb.sample.engine.camera import Vector
from virb.sample.engine.fields import Bools, Floats, Ints, angle
from virb.sample.engine.materials import PATTERNS, Material

KINDS = ("plane", "box", "sphere", "cylinder", "cone")
PLANE, BOX, SPHERE, CYLINDER, CONE = range(5)
TINY = 1e-9
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
_EDGES = np.array([[a, b] for a in range(8) for b in range(a) if bin(a ^ b).count("1") == 1], np.intp)
_SWEPT = np.concatenate([_EDGES, _EDGES + 8, np.stack([np.arange(8), np.arange(8) + 8], axis=1)])

Triple: TypeAlias = tuple[Floats, Floats, Floats]
Frames: TypeAlias = tuple[tuple[NDArray[np.float64], ...], NDArray[np.intp]]
"""Corners of P boxes (x, y, z as [P,C]) and the edges between them [E,2]."""


@dataclass(frozen=True)
class Primitive:
    """A solid: half sizes along its own axes, tilted about its y axis and then turned about the vertical.

    A sphere with three half sizes is an ellipsoid, a plane is a rectangle seen from both sides that faces its
    own z axis, a cylinder stands along its own z axis, a cone too, its tip on top.
    """

    kind: str
    centre: Vector
    half: Vector
    material: Material
    instance: int = 0
    turn: float = 0.0
    tilt: float = 0.0
    casts: bool = True  # a shadow


def rotation(turn: float, tilt: float) -> list[list[float]]:
    """Return the matrix of a tilt about y and then a turn about z, in degrees, with exact zeros."""
    cos_turn, sin_turn = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    cos_tilt, sin_tilt = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    matrix = [
        [cos_turn * cos_tilt, -sin_turn, cos_turn * sin_tilt],
        [sin_turn * cos_tilt, cos_turn, sin_turn * sin_tilt],
        [-sin_tilt, 0.0, cos_tilt],
    ]
    return [[round(part, 12) + 0.0 for part in row] for row in matrix]


class Shapes:
    """P primitives as columns: one array per quantity, so that pairs of ray and solid are worked in bulk."""

    def __init__(self, primitives: Sequence[Primitive]) -> None:
        primitives = sorted(primitives, key=lambda one: KINDS.index(one.kind))  # one kind, one run of columns
        self.primitives = tuple(primitives)
        self.kind: Ints = np.array([KINDS.index(one.kind) for one in primitives], np.int32)
        self.instance = np.array([one.instance for one in primitives], np.int32)
        self.casts = np.array([one.casts for one in primitives], np.bool_)
        self.centre64 = np.array([one.centre for one in primitives], np.float64)
        self.half64 = np.array([[max(part, 1e-4) for part in one.half] for one in primitives], np.float64)
        self.rotation64 = np.array([rotation(one.turn, one.tilt) for one in primitives], np.float64)
        self.centre = self.centre64.astype(np.float32)
        self.half = self.half64.astype(np.float32)
        self.rotation = self.rotation64.astype(np.float32)
        self.to_unit64 = self.rotation64.transpose(0, 2, 1) / self.half64[:, :, None]
        self.to_unit = self.to_unit64.astype(np.float32)

    def __len__(self) -> int:
        return len(self.primitives)

    @cached_property
    def colours(self) -> tuple[Triple, Triple]:
        """Return first and second colours in linear light, red, green, blue as [P] each."""
        table = np.array([(*one.material.first, *one.material.second) for one in self.primitives], np.float32)
        red, green, blue, red2, green2, blue2 = (table * table).T
        return (red, green, blue), (red2, green2, blue2)

    @cached_property
    def finish(self) -> Triple:
        """Return gloss, metal and glow as [P] each."""
        materials = [one.material for one in self.primitives]
        table = np.array([(one.gloss, one.metal, one.glow) for one in materials], np.float32)
        return table[:, 0], table[:, 1], table[:, 2]

    @cached_property
    def mapping(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Return pattern cells per metre and shifts, as [P] each."""
        table = np.array([(*one.material.scale, *one.material.shift) for one in self.primitives], np.float32)
        return table[:, 0], table[:, 1], table[:, 2], table[:, 3]

    @cached_property
    def pattern(self) -> Ints:
        """Return the number of each pattern, [P]."""
        names = list(PATTERNS)
        return np.array([names.index(one.material.pattern) for one in self.primitives], np.int32)

    @cached_property
    def corners(self) -> tuple[NDArray[np.float64], ...]:
        """Return the corners of the box around each solid: x, y, z as [P,8]."""
        reach = [_CORNERS[None, :, axis] * self.half64[:, axis, None] for axis in range(3)]
        turned = self.rotation64
        return tuple(
            self.centre64[:, row, None]
            + turned[:, row, 0, None] * reach[0]
            + turned[:, row, 1, None] * reach[1]
            + turned[:, row, 2, None] * reach[2]
            for row in range(3)
        )

    @cached_property
    def radius(self) -> NDArray[np.float64]:
        """Return the radius of the ball around each solid, [P]."""
        x, y, z = (self.half64[:, axis] for axis in range(3))
        wide = np.maximum(x, y)
        reach = np.where(self.kind == SPHERE, np.maximum(wide, z), np.sqrt(x * x + y * y + z * z))
        return np.where(self.kind == CYLINDER, np.sqrt(wide * wide + z * z), reach)

    def unit_origin(self, origin: Vector) -> NDArray[np.float32]:
        """Return a world point in each solid's own unit space, [P,3]."""
        offset = np.array(origin, np.float64)[None, :] - self.centre64
        to_unit = self.to_unit64
        parts = [
            to_unit[:, row, 0] * offset[:, 0] + to_unit[:, row, 1] * offset[:, 1] + to_unit[:, row, 2] * offset[:, 2]
            for row in range(3)
        ]
        return np.stack(parts, axis=1).astype(np.float32)


def wire_frames(shapes: Shapes) -> Frames:
    """Return the boxes around all solids as corners and edges."""
    return shapes.corners, _EDGES


def shadow_frames(shapes: Shapes, lamp: Vector, reach: float | NDArray[np.float64]) -> Frames:
    """Return each box together with its image thrown from the lamp, `reach` times as far from it (or [P,1] times)."""
    swept = tuple(
        np.concatenate([corner, place + (corner - place) * reach], axis=1)
        for corner, place in zip(shapes.corners, lamp, strict=True)
    )
    return swept, _SWEPT


def combine(rows: NDArray[np.float32], parts: Triple, counts: NDArray[np.intp]) -> Floats:
    """Return one row of each solid's matrix times its rays: rows [S,3], rays in runs of `counts` [S]."""
    total: Floats | None = None
    for column, part in enumerate(parts):
        factor = rows[:, column]
        if factor.any():
            term = np.repeat(factor, counts) * part
            total = term if total is None else total + term
    return np.zeros_like(parts[0]) if total is None else total


def meet(kind: int, origin: Triple, ray: Triple) -> Floats:
    """Return how many ray lengths away each ray [N] meets the unit solid of its own space, infinity if never."""
    return (_meet_plane, _meet_box, _meet_sphere, _meet_cylinder, _meet_cone)[kind](origin, ray)


def _nonzero(part: Floats) -> Floats:
    return np.where(np.abs(part) < TINY, np.float32(TINY), part)


def _entered(enter: Floats, leave: Floats, valid: Bools) -> Floats:
    """Return the first meeting ahead: the way in, or the way out when the ray starts inside."""
    ahead = np.where(enter > 1e-6, enter, leave)
    return np.where(valid & (ahead > 1e-6), ahead, np.float32(np.inf))


def _meet_plane(origin: Triple, ray: Triple) -> Floats:
    reach = -origin[2] / _nonzero(ray[2])
    x, y = origin[0] + reach * ray[0], origin[1] + reach * ray[1]
    valid = (reach > 1e-6) & (np.abs(x) <= 1.0) & (np.abs(y) <= 1.0)
    return np.where(valid, reach, np.float32(np.inf))


def _meet_box(origin: Triple, ray: Triple) -> Floats:
    enter, leave = None, None
    for start, part in zip(origin, ray, strict=True):
        inverse = 1.0 / _nonzero(part)
        middle, half = -start * inverse, np.abs(inverse)
        enter = middle - half if enter is None else np.maximum(enter, middle - half)
        leave = middle + half if leave is None else np.minimum(leave, middle + half)
    assert enter is not None
    assert leave is not None
    return _entered(enter, leave, enter <= leave)


def _round(start: Sequence[Floats], part: Sequence[Floats]) -> tuple[Floats, Floats, Bools]:
    """Return the middle and half length of the chord through a unit circle or ball, and whether there is one.

    Measuring from the point nearest to the centre avoids the cancellation of the textbook formula.
    """
    square, along = part[0] * part[0], start[0] * part[0]
    for here, step in zip(start[1:], part[1:], strict=True):
        square, along = square + step * step, along + here * step
    square = np.maximum(square, TINY)
    middle = -along / square
    off = None
    for here, step in zip(start, part, strict=True):
        nearest = here + middle * step
        off = nearest * nearest if off is None else off + nearest * nearest
    assert off is not None
    return middle, np.sqrt(np.maximum(1.0 - off, 0.0) / square), off <= 1.0


def _meet_sphere(origin: Triple, ray: Triple) -> Floats:
    middle, half, valid = _round(origin, ray)
    return _entered(middle - half, middle + half, valid)


def _meet_cylinder(origin: Triple, ray: Triple) -> Floats:
    middle, half, valid = _round(origin[:2], ray[:2])
    inverse = 1.0 / _nonzero(ray[2])
    centre, reach = -origin[2] * inverse, np.abs(inverse)
    enter, leave = np.maximum(middle - half, centre - reach), np.minimum(middle + half, centre + reach)
    return _entered(enter, leave, valid & (enter <= leave))


def _meet_cone(origin: Triple, ray: Triple) -> Floats:
    """Return the first of up to two meetings with the mantle and one with the base.

    The ray is measured from its point nearest to the centre, so that far eyes lose no digits.
    """
    square = np.maximum(ray[0] * ray[0] + ray[1] * ray[1] + ray[2] * ray[2], TINY)
    middle = -(origin[0] * ray[0] + origin[1] * ray[1] + origin[2] * ray[2]) / square
    x, y, z = (here + middle * step for here, step in zip(origin, ray, strict=True))
    wide, narrowing = 0.5 - 0.5 * z, -0.5 * ray[2]
    a = _nonzero(ray[0] * ray[0] + ray[1] * ray[1] - narrowing * narrowing)
    b = x * ray[0] + y * ray[1] - wide * narrowing
    under = b * b - a * (x * x + y * y - wide * wide)
    root = np.sqrt(np.maximum(under, 0.0))
    first = np.full_like(middle, np.inf)
    for step in ((-b - root) / a, (-b + root) / a):
        mantle = (under >= 0) & (np.abs(z + step * ray[2]) <= 1.0) & (middle + step > 1e-6)
        first = np.where(mantle, np.minimum(first, middle + step), first)
    step = (-1.0 - z) / _nonzero(ray[2])
    across, aside = x + step * ray[0], y + step * ray[1]
    base = (across * across + aside * aside <= 1.0) & (middle + step > 1e-6)
    nearest: Floats = np.where(base, np.minimum(first, middle + step), first)
    return nearest


def unit_surface(kind: int, place: Triple, half: Triple) -> tuple[Triple, Floats, Floats]:
    """Return normal (own axes, length 1) and surface coordinates in metres at points [N] of unit solids."""
    return (_plane_surface, _box_surface, _sphere_surface, _cylinder_surface, _cone_surface)[kind](place, half)


def _plane_surface(place: Triple, half: Triple) -> tuple[Triple, Floats, Floats]:
    zero = np.zeros_like(place[0])
    return (zero, zero, zero + 1.0), place[1] * half[1], -place[0] * half[0]


def _sign(part: Floats) -> Floats:
    return np.where(part < 0, np.float32(-1.0), np.float32(1.0))


def _box_surface(place: Triple, half: Triple) -> tuple[Triple, Floats, Floats]:
    x, y, z = (np.abs(part) for part in place)
    on_top = (z >= x) & (z >= y)
    on_x = (x >= y) & ~on_top
    on_y = ~(on_top | on_x)
    normal = [_sign(part) * face for part, face in zip(place, (on_x, on_y, on_top), strict=True)]
    metres = [part * size for part, size in zip(place, half, strict=True)]
    along = np.where(on_x, metres[1], metres[0]) + np.where(on_x, half[1], half[0])
    up = np.where(on_top, metres[1] + half[1], metres[2] + half[2])
    return (normal[0], normal[1], normal[2]), along, up


def _sphere_surface(place: Triple, half: Triple) -> tuple[Triple, Floats, Floats]:
    x, y, z = (part / size for part, size in zip(place, half, strict=True))
    shorter = 1.0 / np.sqrt(x * x + y * y + z * z)
    along = angle(place[0], place[1]) * (2.0 * math.pi) * half[0]
    return (x * shorter, y * shorter, z * shorter), along, place[2] * half[2]


def _cylinder_surface(place: Triple, half: Triple) -> tuple[Triple, Floats, Floats]:
    radial = place[0] * place[0] + place[1] * place[1]
    on_cap = place[2] * place[2] > radial
    x, y = place[0] / half[0], place[1] / half[1]
    shorter = 1.0 / np.sqrt(np.maximum(x * x + y * y, TINY))
    normal = (x * shorter * ~on_cap, y * shorter * ~on_cap, _sign(place[2]) * on_cap)
    along = np.where(on_cap, place[0] * half[0], angle(place[0], place[1]) * (2.0 * math.pi) * half[0])
    return normal, along, np.where(on_cap, place[1] * half[1], place[2] * half[2] + half[2])


def _cone_surface(place: Triple, half: Triple) -> tuple[Triple, Floats, Floats]:
    radius = np.sqrt(place[0] * place[0] + place[1] * place[1])
    on_base = place[2] + 1.0 < np.abs(radius - 0.5 + 0.5 * place[2])
    x, y, z = place[0] / half[0], place[1] / half[1], (0.25 - 0.25 * place[2]) / half[2]
    shorter = 1.0 / np.sqrt(np.maximum(x * x + y * y + z * z, TINY))
    normal = (x * shorter * ~on_base, y * shorter * ~on_base, np.where(on_base, np.float32(-1.0), z * shorter))
    along = np.where(on_base, place[0] * half[0], angle(place[0], place[1]) * (2.0 * math.pi) * half[0])
    return normal, along, np.where(on_base, place[1] * half[1], place[2] * half[2] + half[2])
