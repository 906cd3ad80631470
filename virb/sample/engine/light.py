"""Sample (data): surfaces where rays end, and the light they send back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from virb.sample.engine.camera import Vector
from virb.sample.engine.fields import Bools, Floats, Ints, mix
from virb.sample.engine.materials import PATTERNS
from virb.sample.engine.scene import Scene, SceneView
from virb.sample.engine.shapes import KINDS, Shapes, Triple, combine, meet, unit_surface
from virb.sample.engine.trace import Hits, Rays, runs, unit_rays


@dataclass(frozen=True)
class Surface:
    """What M of the rays meet: which rays, their solids, points, normals towards the eye, ways, pattern places."""

    ray: NDArray[np.intp]
    solid: Ints
    point: Triple
    normal: Triple
    view: Triple
    u: Floats
    v: Floats


def surface(view: SceneView, rays: Rays, hits: Hits) -> Surface:
    """Return the surface where rays end, solid by solid."""
    shapes = view.scene.shapes
    ray = np.flatnonzero(hits.solid >= 0)
    ray = ray[np.argsort(hits.solid.take(ray).astype(np.int16), kind="stable")]
    solid, depth = hits.solid.take(ray), hits.depth.take(ray)
    way = [part.take(ray) for part in rays.direction]
    point = [place + depth * part for place, part in zip(view.camera.position, way, strict=True)]
    counts = np.bincount(solid, minlength=len(shapes))
    normal, u, v = _local_surface(shapes, counts, solid, _three(point))
    shorter = 1.0 / np.sqrt(way[0] * way[0] + way[1] * way[1] + way[2] * way[2])
    eye = [part * shorter for part in way]
    facing = normal[0] * eye[0] + normal[1] * eye[1] + normal[2] * eye[2]
    flip = np.where(facing > 0, np.float32(-1.0), np.float32(1.0))
    return Surface(ray, solid, _three(point), _three([part * flip for part in normal]), _three(eye), u, v)


def _local_surface(
    shapes: Shapes, counts: NDArray[np.intp], solid: Ints, point: Triple
) -> tuple[Triple, Floats, Floats]:
    """Return outward normals and pattern places of points [M] sorted by solid."""
    empty = np.empty(len(solid), np.float32)
    normal = [empty.copy() for _ in range(3)]
    along, up = empty.copy(), empty.copy()
    start = 0
    for kind in range(len(KINDS)):
        solids = np.flatnonzero((shapes.kind == kind) & (counts > 0))
        share = counts[solids]
        run = slice(start, start + int(share.sum()))
        start = run.stop
        if not len(solids):
            continue
        centre = [np.repeat(shapes.centre[solids, i], share) for i in range(3)]
        offset = _three([part[run] - middle for part, middle in zip(point, centre, strict=True)])
        place = _three([combine(shapes.to_unit[solids, i], offset, share) for i in range(3)])
        half = _three([np.repeat(shapes.half[solids, i], share) for i in range(3)])
        own, along[run], up[run] = unit_surface(kind, place, half)
        for i in range(3):
            normal[i][run] = combine(shapes.rotation[solids, i], own, share)
    scale_u, scale_v, shift_u, shift_v = (np.repeat(part, counts) for part in shapes.mapping)
    return _three(normal), along * scale_u + shift_u, up * scale_v + shift_v


def _three(parts: Sequence[Floats]) -> Triple:
    return parts[0], parts[1], parts[2]


def albedo(scene: Scene, seen: Surface, distance: Floats, pixel: float) -> Triple:
    """Return the surfaces' own colours in linear light; `pixel` is the angle of one pixel."""
    shapes = scene.shapes
    slant = np.abs(_dot(seen.normal, seen.view))
    scale = np.maximum(shapes.mapping[0], shapes.mapping[1]).take(seen.solid)
    width = np.maximum(distance * scale * pixel / np.maximum(slant, 0.15), 1e-4)
    share = np.zeros_like(distance)
    pattern = shapes.pattern.take(seen.solid)
    for number, function in enumerate(PATTERNS.values()):
        if number and (shapes.pattern == number).any():  # number 0 is plain
            here = np.flatnonzero(pattern == number)
            if len(here):
                share[here] = function(seen.u.take(here), seen.v.take(here), width.take(here))
    first, second = shapes.colours
    pairs = zip(first, second, strict=True)
    return _three([mix(one.take(seen.solid), other.take(seen.solid), share) for one, other in pairs])


def _dot(a: Triple, b: Triple) -> Floats:
    product: Floats = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return product


def shade(view: SceneView, rays: Rays, hits: Hits) -> tuple[Floats, Floats]:
    """Return what each ray sees as display values [N,3] in [0, 1], and the light that falls there [N]."""
    colour = np.empty((len(hits.depth), 3), np.float32)
    fallen = np.ones(len(hits.depth), np.float32)
    if (hits.solid < 0).any():
        _backdrop(view.scene, rays, colour)
    seen = surface(view, rays, hits)
    if len(seen.ray):
        light, shine = _lighting(view, rays, hits, seen)
        fallen[seen.ray] = light
        own = albedo(view.scene, seen, hits.depth.take(seen.ray), 1.0 / view.camera.focal)
        for channel in range(3):
            linear = np.minimum(own[channel] * light + shine, 1.0)
            colour[seen.ray, channel] = np.sqrt(linear)
    return colour, fallen


def _backdrop(scene: Scene, rays: Rays, colour: Floats) -> None:
    x, y, z = rays.direction
    height = np.clip(2.5 * z / np.sqrt(x * x + y * y + z * z), 0.0, 1.0)
    for channel in range(3):
        colour[:, channel] = mix(scene.horizon[channel], scene.zenith[channel], height)


def _lighting(view: SceneView, rays: Rays, hits: Hits, seen: Surface) -> tuple[Floats, Floats]:
    """Return what multiplies a surface's colour and what is added: its highlight."""
    scene, lamp = view.scene, view.scene.lamp
    line = _three([place - part for place, part in zip(lamp.position, seen.point, strict=True)])
    squared = _dot(line, line)
    shorter = 1.0 / np.sqrt(squared)
    line = _three([part * shorter for part in line])
    facing = _dot(line, seen.normal)
    dark = _shadowed(view, rays, hits, seen, facing > 0)
    lit = np.where(dark, np.float32(0.0), np.float32(lamp.power) / (1.0 + lamp.fading * squared))
    gloss, metal, glow = (part.take(seen.solid) for part in scene.shapes.finish)
    light = glow + scene.ambient * (0.8 + 0.2 * seen.normal[2]) + lit * np.maximum(facing, 0.0)
    shine = np.zeros_like(light)
    glossy = np.flatnonzero(gloss > 0)
    if len(glossy):
        part = _glossy(_subset(line, glossy), _subset(seen.view, glossy), _subset(seen.normal, glossy))
        strong = metal.take(glossy)
        shine[glossy] = gloss.take(glossy) * part[0] * lit.take(glossy)
        light[glossy] = light.take(glossy) * (1.0 - 0.55 * strong) + 1.1 * strong * part[1]
    return light, shine


def _subset(parts: Triple, chosen: NDArray[np.intp]) -> Triple:
    return _three([part.take(chosen) for part in parts])


def _glossy(line: Triple, view: Triple, normal: Triple) -> tuple[Floats, Floats]:
    """Return the highlight and a mirrored room: dark ground, bright sky, one soft box."""
    half = _three([a - b for a, b in zip(line, view, strict=True)])
    cosine = np.maximum(_dot(half, normal), 0.0) / np.sqrt(np.maximum(_dot(half, half), 1e-6))
    for _ in range(5):  # to the 32nd power
        cosine = cosine * cosine
    twice = 2.0 * _dot(view, normal)
    x, y, z = (way - twice * up for way, up in zip(view, normal, strict=True))
    sky = np.clip(0.5 + 4.0 * z, 0.0, 1.0)
    box = np.clip(6.0 * (0.55 * x + 0.35 * y + 0.5 * z) - 3.5, 0.0, 1.0)
    return cosine, 0.12 + sky * (0.3 + 0.35 * z) + 0.5 * box


def _shadowed(view: SceneView, rays: Rays, hits: Hits, seen: Surface, facing: Bools) -> Bools:
    """Return which of the points [M] facing the lamp have a solid between; lines run from lamp to point."""
    shapes, lamp = view.scene.shapes, view.scene.lamp.position
    place = np.full(len(hits.depth), -1, np.int32)
    place[seen.ray] = np.where(facing, np.arange(len(seen.ray), dtype=np.int32), -1)
    line = _three([part - start for part, start in zip(seen.point, lamp, strict=True)])
    squared = _dot(line, line)
    before = 1.0 - 0.003 / np.sqrt(squared)
    dark = np.zeros(len(seen.ray), np.bool_)
    origin = shapes.unit_origin(lamp)
    for kind, solids, ray, counts in runs(shapes, rays, view.shadow_rectangles, shapes.casts):
        point, solids, counts = _near_line(shapes, lamp, seen, line, squared, (place.take(ray), solids, counts))
        if len(point):
            way = _three([part.take(point) for part in line])
            reach = meet(kind, *unit_rays(shapes, origin, solids, counts, way))
            dark[point[reach < before.take(point)]] = True
    return dark


def _near_line(
    shapes: Shapes, lamp: Vector, seen: Surface, line: Triple, squared: Floats,
    runs: tuple[Ints, Ints, NDArray[np.intp]],
) -> tuple[Ints, Ints, NDArray[np.intp]]:  # fmt: skip
    """Return the pairs of point and solid whose line passes through the ball around the solid."""
    point, solids, counts = runs
    which = np.repeat(np.arange(len(solids), dtype=np.int32), counts)
    valid = point >= 0
    point, which = point[valid], which[valid]
    counts = np.bincount(which, minlength=len(solids))
    offset = shapes.centre64[solids] - np.array(lamp, np.float64)
    away = offset[:, 0] * offset[:, 0] + offset[:, 1] * offset[:, 1] + offset[:, 2] * offset[:, 2]
    beyond = (away * (1.0 - 2e-6) - 1.02 * shapes.radius[solids] ** 2).astype(np.float32)
    along = combine(offset.astype(np.float32), _three([part.take(point) for part in line]), counts)
    near = along * along >= beyond.take(which) * squared.take(point)
    near &= (along > 0) & (seen.solid.take(point) != solids.take(which))
    point, which = point[near], which[near]
    return point, solids, np.bincount(which, minlength=len(solids))
