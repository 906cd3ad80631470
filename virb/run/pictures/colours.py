"""Pictures: pixel targets as colours. Classes by a fixed palette, values by viridis, flow by a wheel of hues."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from virb.core.types import IGNORED, LabelKind

Colours: TypeAlias = NDArray[np.uint8]
_GRAY = (96, 96, 96)
UNKNOWN_FLOW = (64, 64, 64)
"""Measured flow is sparse: single pixels could not be hatched."""
UNKNOWN_CLASS = (255, 0, 255)
"""A class beyond the list: it should never be seen."""
UNSCORED_FLOW = (150, 150, 150)
"""The same in an error, whose colours begin at black."""
WRONG = (225, 25, 25)
"""A pixel of the wrong class."""


@dataclass(frozen=True)
class Scale:
    """What the colours of values or of flow stand for: the same for every sample of a sheet."""

    low: float
    high: float


def class_colours(names: Sequence[str]) -> Colours:
    """Return a colour [K,3] per class: a class keeps its own whatever else is shown; background is gray."""
    from matplotlib import colormaps
    from matplotlib.colors import hsv_to_rgb

    bright = [colormaps["tab20"](place)[:3] for place in (0, 2, 4, 6, 8, 10, 12, 16, 18, 1, 3, 5, 7, 9, 11, 13, 17, 19)]
    later = [
        tuple(hsv_to_rgb((number * 0.618034 % 1, (0.9, 0.55, 0.75)[number % 3], (0.95, 0.75, 0.55)[number // 3 % 3])))
        for number in range(max(0, len(names) - len(bright)))
    ]
    colours: Colours = np.rint(255 * np.array([*bright, *later][: len(names)]).reshape(-1, 3)).astype(np.uint8)
    if names and re.match("background|other|not ", names[0]):
        colours[1:], colours[0] = colours[:-1].copy(), _GRAY
    return colours


def shrink(target: NDArray[np.generic], size: tuple[int, int]) -> NDArray[np.generic]:
    """Return a target at a width and height by the nearest value: labels have no averages."""
    width, height = size
    rows = ((np.arange(height) + 0.5) * target.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * target.shape[1] / width).astype(int)
    small: NDArray[np.generic] = target[rows][:, columns]
    return small


def scale_of(kind: LabelKind, targets: Sequence[NDArray[np.generic]]) -> Scale:
    """Return the range of the colours over several targets, without the outermost values that would pale the rest."""
    values = [_known(kind, target) for target in targets]
    every = np.concatenate([np.zeros(0), *values])
    if not every.size:
        return Scale(0.0, 1.0)
    low, high = np.percentile(every, (1, 95 if kind == "flow" else 99))
    return Scale(0.0 if kind == "flow" else float(low), max(float(high), float(low) + 1e-6))


def range_text(kind: LabelKind, target: NDArray[np.generic], names: Sequence[str]) -> str:
    """Return in words what one target holds."""
    if kind == "classes":
        found, counts = np.unique(target, return_counts=True)
        shares = sorted(zip(counts / target.size, found.tolist(), strict=True), reverse=True)
        return ", ".join(f"{_name(code, names)} {share:.0%}" for share, code in shares[:3])
    known = _known(kind, target)
    if not known.size:
        return "nothing known"
    unknown = 1 - known.size / (target.size / (2 if kind == "flow" else 1))
    span = f"up to {known.max():.1f} px" if kind == "flow" else f"{known.min():.3g} to {known.max():.3g}"
    return span + (f", {max(unknown, 0.01):.0%} unknown" if unknown else "")


def _name(code: int, names: Sequence[str]) -> str:
    return "ignored" if code == IGNORED else names[code] if code < len(names) else f"class {code}?"


def _known(kind: LabelKind, target: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the values that are known, or the lengths of known flow."""
    if kind == "classes":
        return np.zeros(0)
    numbers = target.astype(np.float64)
    numbers = np.hypot(numbers[..., 0], numbers[..., 1]) if kind == "flow" else numbers.ravel()
    return numbers[np.isfinite(numbers)]


def draw_target(kind: LabelKind, target: NDArray[np.generic], scale: Scale, colours: Colours) -> Colours:
    """Return a target as colours [H,W,3]; what is ignored or unknown is hatched in gray, of flow dark gray."""
    if kind == "classes":
        codes = target.astype(int)
        padded = np.concatenate([colours, np.tile(np.array(UNKNOWN_CLASS, np.uint8), (256 - len(colours), 1))])
        return _hatched(padded[codes], codes == IGNORED)
    numbers = target.astype(np.float64)
    unknown: NDArray[np.bool_] = ~np.isfinite(numbers)
    if target.ndim == 3:
        unknown = np.asarray(unknown.any(2))
    if kind == "flow":
        return np.where(unknown[..., None], np.array(UNKNOWN_FLOW, np.uint8), _flow(np.nan_to_num(numbers), scale))
    level = np.clip((np.nan_to_num(numbers) - scale.low) / (scale.high - scale.low), 0, 1)
    if level.ndim == 3:
        return _hatched(np.rint(255 * level).astype(np.uint8), unknown)
    return _hatched(_mapped("viridis", level), unknown)


def _mapped(name: str, level: NDArray[np.float64]) -> Colours:
    from matplotlib import colormaps

    return np.asarray(colormaps[name](level, bytes=True))[..., :3].astype(np.uint8)


def _flow(flow: NDArray[np.float64], scale: Scale) -> Colours:
    """Return direction as hue, red to the right and on by yellow downwards, and length as saturation."""
    from matplotlib.colors import hsv_to_rgb

    hue = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * math.pi) % 1
    length = np.clip(np.hypot(flow[..., 0], flow[..., 1]) / scale.high, 0, 1)
    colours: Colours = np.rint(255 * hsv_to_rgb(np.stack([hue, length, np.ones_like(hue)], -1))).astype(np.uint8)
    return colours


def _hatched(colours: Colours, where: NDArray[np.bool_]) -> Colours:
    height, width = where.shape
    stripes = (np.arange(height)[:, None] + np.arange(width)) % 8 < 4
    gray = np.where(stripes, 150, 70).astype(np.uint8)[..., None]
    return np.where(where[..., None], gray, colours).astype(np.uint8)


def error_of(
    kind: LabelKind, prediction: NDArray[np.generic], target: NDArray[np.generic], counted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return how wrong each pixel is [H,W], nan where nothing counts.

    Classes: 1 where it is another. Values: the distance, of colours its mean. Flow: the length of the difference.
    """
    if kind == "classes":
        wrong: NDArray[np.float64] = (prediction != target).astype(np.float64)
    else:
        away = prediction.astype(np.float64) - target.astype(np.float64)
        wrong = np.hypot(away[..., 0], away[..., 1]) if kind == "flow" else np.abs(away)
        wrong = wrong.mean(2) if wrong.ndim == 3 else wrong
    return np.where(counted, wrong, np.nan)


def draw_error(kind: LabelKind, error: NDArray[np.float64], picture: Colours, scale: Scale) -> Colours:
    """Return errors as colours: wrong classes red over the gray picture, others from black to bright by inferno."""
    unknown = ~np.isfinite(error)
    if kind == "classes":
        gray = np.repeat(picture.mean(2, keepdims=True), 3, axis=2)
        drawn = np.where((error > 0)[..., None], 0.25 * gray + 0.75 * np.array(WRONG), gray)
        return _hatched(np.rint(drawn).astype(np.uint8), unknown)
    mapped = _mapped("inferno", np.clip(np.nan_to_num(error) / scale.high, 0, 1))
    if kind == "flow":
        return np.where(unknown[..., None], np.array(UNSCORED_FLOW, np.uint8), mapped)
    return _hatched(mapped, unknown)


def overlay(kind: LabelKind, picture: Colours, drawn: Colours, target: NDArray[np.generic], scale: Scale) -> Colours:
    """Return the target laid over its picture; flow as arrows from where a point was to where it went."""
    if kind == "flow":
        return _arrows(picture, target.astype(np.float64), scale)
    laid: Colours = np.rint(0.5 * picture.mean(2, keepdims=True) + 0.5 * drawn).astype(np.uint8)
    return laid


def arrow_factor(scale: Scale) -> int:
    """Return how many times longer than the flow arrows are drawn, so that small ones are seen."""
    return max(1, min(8, round(16 / scale.high)))


def _arrows(picture: Colours, flow: NDArray[np.float64], scale: Scale) -> Colours:
    """Return the picture, darkened, with an arrow every few pixels; flow is in pixels of this picture."""
    canvas = Image.fromarray((picture * 0.6).astype(np.uint8))
    draw, step, factor = ImageDraw.Draw(canvas), 20, arrow_factor(scale)
    for y in range(step // 2, flow.shape[0], step):
        for x in range(step // 2, flow.shape[1], step):
            right, down = flow[y, x] * factor
            if math.isfinite(right) and math.isfinite(down):
                draw.line((x, y, x + right, y + down), fill=(255, 220, 0))
                draw.ellipse((x - 1, y - 1, x + 1, y + 1), fill=(255, 60, 60))
    return np.asarray(canvas)


def colour_bar(width: int, height: int, name: str = "viridis") -> Colours:
    """Return what low to high values look like, from left to right; errors are drawn in inferno."""
    return _mapped(name, np.tile(np.linspace(0, 1, width), (height, 1)))


def colour_wheel(size: int) -> Colours:
    """Return what every direction and length of flow looks like, from the middle outwards."""
    span = np.linspace(-1, 1, size)
    right, down = np.meshgrid(span, span)
    flow = np.stack([right, down], -1)
    wheel = _flow(flow, Scale(0.0, 1.0))
    wheel[np.hypot(right, down) > 1] = 255
    return wheel
