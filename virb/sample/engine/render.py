"""Sample (data): a small ray caster, from a scene and a camera to colour, depth and instances."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from virb.sample.engine.camera import Camera
from virb.sample.engine.fields import Bools, Dice, Floats, Ints
from virb.sample.engine.light import shade
from virb.sample.engine.scene import Scene, SceneView
from virb.sample.engine.trace import extra_rays, pixel_rays, trace

_difficulty: ContextVar[float] = ContextVar("difficulty", default=1.0)
TONE_STEP, LIGHT_STEP = 0.15, 0.1
"""Neighbours whose red, green and blue together, and whose light, differ by more get four more rays each."""


@dataclass(frozen=True)
class Rendering:
    """A picture and what is in it.

    rgb [H,W,3] uint8; depth [H,W] float32 metres along the camera's axis, infinite where nothing is;
    instance [H,W] int32, -1 where nothing is; point [H,W,3] float32 of the world, NaN where nothing is.
    """

    rgb: NDArray[np.uint8]
    depth: Floats
    instance: Ints
    point: Floats


def _jumps(colour: Floats, light: Floats, solid: Ints) -> Bools:
    """Return the pixels [H,W] at an edge of a solid or a shadow that shows; patterns soften their own edges."""
    tone = colour[:, :, 0] + colour[:, :, 1] + colour[:, :, 2]
    jump = np.zeros(solid.shape, np.bool_)
    down = _step(tone[1:] - tone[:-1], light[1:] - light[:-1], solid[1:] != solid[:-1])
    jump[1:] |= down
    jump[:-1] |= down
    across = _step(tone[:, 1:] - tone[:, :-1], light[:, 1:] - light[:, :-1], solid[:, 1:] != solid[:, :-1])
    jump[:, 1:] |= across
    jump[:, :-1] |= across
    return jump


def _step(tone: Floats, light: Floats, other: Bools) -> Bools:
    return (np.abs(tone) > TONE_STEP) & (other | (np.abs(light) > LIGHT_STEP))


def render(scene: Scene, camera: Camera, dice: Dice | None = None) -> Rendering:
    """Return the picture of a scene; `dice` throws the sensor's noise, without it there is none."""
    size = (camera.height, camera.width)
    view, rays = SceneView(scene, camera), pixel_rays(camera)
    hits = trace(view, rays)
    colour, light = shade(view, rays, hits)
    jumps = _jumps(colour.reshape(*size, 3), light.reshape(size), hits.solid.reshape(size))
    if jumps.any():
        more = extra_rays(camera, jumps)
        extra = shade(view, more, trace(view, more))[0].reshape(more.samples, -1, 3)
        colour[jumps.ravel()] = (extra[0] + extra[1] + extra[2] + extra[3]) * 0.25
    found = hits.solid >= 0
    instance = np.where(found, scene.shapes.instance.take(np.maximum(hits.solid, 0)), np.int32(-1))
    reach = np.where(found, hits.depth, np.float32(np.nan))
    point = [place + reach * part for place, part in zip(camera.position, rays.direction, strict=True)]
    return Rendering(
        rgb=develop(colour.reshape(*size, 3), scene.noise if dice else 0.0, dice),
        depth=hits.depth.reshape(size),
        instance=instance.reshape(size),
        point=np.stack(point, axis=-1).reshape(*size, 3),
    )


@contextmanager
def difficulty(factor: float) -> Iterator[None]:
    """Take pictures with a worse camera: this many times less contrast and more noise. Targets stay as they are."""
    before = _difficulty.set(factor)
    try:
        yield
    finally:
        _difficulty.reset(before)


def develop(colour: Floats, noise: float = 0.0, dice: Dice | None = None) -> NDArray[np.uint8]:
    """Return display values [H,W,C] as bytes with a sensor's noise: four dice of 256 sides, all but normal."""
    steps = colour * 255.0
    harder = _difficulty.get()
    if harder != 1.0:  # nearer to grey, and more noise
        steps, noise = (steps - 127.5) * np.float32(1.0 / harder) + np.float32(127.5), noise * harder
    if dice is not None and noise > 0:
        thrown = dice.bytes(4 * colour.size).reshape(4, *colour.shape).astype(np.float32)
        steps = steps + (thrown[0] + thrown[1] + thrown[2] + thrown[3] - 510.0) * (noise / 147.8)
    return np.floor(np.clip(steps, 0.0, 255.0) + 0.5).astype(np.uint8)
