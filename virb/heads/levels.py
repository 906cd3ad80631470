"""Heads: maps of any encoder, brought to what a dense head asks for. Nothing here knows an architecture.

A head names the strides it wants. Each gets the level whose stride is nearest; where several wanted strides share
one stride of the encoder (a plain vision transformer has only one), its levels are spread over them evenly, the
deepest for the coarsest. What lies off the wanted grid by more than a half octave is resized by fixed weights.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from virb.core.errors import NumericsError, UsageError
from virb.core.types import Level

Levels = tuple[Level, ...]
"""The maps of one encoder under one view, fine to coarse."""
Size = tuple[int, int]
Moments = tuple[tuple[torch.Tensor, torch.Tensor], ...]
"""Mean and deviation of every channel, [C] each, for each level."""

_SAME = 0.5
"""Octaves by which a level's stride may miss the wanted one and still stand for it (14 for 16 is 0.2)."""
_TINY = 1e-6
"""A channel whose deviation is below this share of the mean deviation is constant, and is only centred."""


@dataclass(frozen=True)
class Inputs:
    """What a dense head is built for: the levels of one frame, the view's pixels, the frames of a sample."""

    levels: Levels
    size: Size
    frames: int = 1

    def __post_init__(self) -> None:
        if not self.levels:
            raise UsageError(
                "this encoder returns no maps, only an embedding",
                "a map [N, C, h, w] for tasks with an answer per pixel",
                "choose image-level tasks (--tasks image), or let the module return its last map",
            )

    def stride(self, place: int) -> float:
        """Return the stride of a level: pixels of the view per cell, as one number for both directions."""
        level = self.levels[place]
        return math.sqrt(self.size[0] * self.size[1] / (level.height * level.width))

    def channels(self, place: int) -> int:
        """Return the channels of a level with the frames side by side."""
        return self.levels[place].channels * self.frames


@dataclass(frozen=True)
class Origin:
    """Where a wanted map comes from: a level, and cells wanted per cell that the level has."""

    place: int
    scale: float

    def fit(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a map of this level [n, C, h, w] on the wanted grid."""
        if self.scale == 1:
            return tensor
        height, width = (max(1, math.ceil(cells * self.scale - 0.01)) for cells in tensor.shape[-2:])
        return resize(tensor, (height, width))


def choose(inputs: Inputs, strides: Sequence[int]) -> tuple[Origin, ...]:
    """Return the level that stands for each wanted stride, in the order of the question."""
    octaves = [math.log2(inputs.stride(place)) for place in range(len(inputs.levels))]
    nearest = {stride: min(octaves, key=lambda octave: (abs(octave - math.log2(stride)), octave)) for stride in strides}
    chosen = {}
    for octave in set(nearest.values()):
        members = [place for place, other in enumerate(octaves) if math.isclose(other, octave, abs_tol=1e-3)]
        wanted = sorted(stride for stride in strides if nearest[stride] == octave)
        for turn, stride in enumerate(wanted, start=1):
            miss = octave - math.log2(stride)
            place = members[-(-turn * len(members) // len(wanted)) - 1]
            chosen[stride] = Origin(place, 1 if abs(miss) < _SAME else 2**miss)
    return tuple(chosen[stride] for stride in strides)


def resize(tensor: torch.Tensor, size: Size, align_corners: bool = False) -> torch.Tensor:
    """Return [..., H, W]: bilinear where a side grows, the mean over areas where it shrinks.

    As two products with fixed matrices: on a CPU the backward pass of `interpolate` costs more than all the rest of
    a linear head (measured, 5 times the products), and on a GPU it adds in no fixed order.
    """
    height, width = tensor.shape[-2:]
    if width != size[1]:
        tensor = torch.matmul(tensor, _weights(width, size[1], align_corners, tensor.device).T.to(tensor.dtype))
    if height != size[0]:
        tensor = torch.matmul(_weights(height, size[0], align_corners, tensor.device).to(tensor.dtype), tensor)
    return tensor


@functools.lru_cache(maxsize=64)
def _weights(before: int, after: int, align_corners: bool, device: torch.device) -> torch.Tensor:
    """Return [after, before]: what each old cell gives to each new one."""
    with torch.inference_mode(False):  # it is kept, and may meet a backward pass later
        cells, weights = torch.arange(after), torch.zeros(after, before)
        if after < before:
            old = torch.arange(before)
            first, last = cells * before // after, -(-(cells + 1) * before // after)
            weights = ((old >= first[:, None]) & (old < last[:, None])).float()
            return (weights / weights.sum(1, keepdim=True)).to(device)
        if align_corners:
            place = cells * ((before - 1) / max(1, after - 1))
        else:
            place = ((cells + 0.5) * (before / after) - 0.5).clamp_(min=0)
        low = place.floor().long().clamp_(max=before - 1)
        share = place - low
        weights[cells, low] += 1 - share
        weights[cells, (low + 1).clamp_(max=before - 1)] += share
        return weights.to(device)


class LevelMoments:
    """Mean and deviation of every channel of every level over the training samples, in one pass of batches.

    Sums run over values less the first batch's mean, so a large common offset costs no digits; both frames of a
    pair count as samples.
    """

    def __init__(self, levels: Levels) -> None:
        self._pivots: list[torch.Tensor] = []
        self._sums: list[torch.Tensor] = []  # sums and sums of squares, float64 [2, C] per level
        self._counts = [0] * len(levels)

    @torch.no_grad()
    def add(self, maps: Sequence[torch.Tensor]) -> None:
        """Count one batch: for each level [n, C, h, w] or [n, T, C, h, w]."""
        planes = [tensor.float().flatten(0, -4).transpose(0, 1).flatten(1) for tensor in maps]  # [C, n * T * h * w]
        if not self._pivots:
            self._pivots = [plane.mean(1, keepdim=True) for plane in planes]
            self._sums = [plane.new_zeros(2, len(plane), dtype=torch.float64) for plane in planes]
        for place, plane in enumerate(planes):
            centred = plane - self._pivots[place]
            self._sums[place] += torch.stack([centred.sum(1), centred.square().sum(1)])
            self._counts[place] += plane.shape[1]

    def result(self) -> Moments:
        """Return mean and deviation per level; features that are not finite are an error."""
        found: list[tuple[torch.Tensor, torch.Tensor]] = []
        for pivot, (total, squares), count in zip(self._pivots, self._sums, self._counts, strict=True):
            _check(squares, len(found))
            shift = total / count
            std = (squares / count - shift.square()).clamp_(min=0).sqrt()
            std = torch.where(std > _TINY * std.mean(), std, torch.ones_like(std))
            found.append(((pivot[:, 0] + shift).float(), std.float()))
        return tuple(found)


def _check(squares: torch.Tensor, place: int) -> None:
    bad = int((~torch.isfinite(squares)).sum())
    if bad:
        raise NumericsError(
            f"{bad} of {len(squares)} channels of map {place + 1} are NaN or infinite on training samples",
            "finite maps",
            "check the encoder's weights; 'virb cache clear' removes stored features",
        )
