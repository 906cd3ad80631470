"""Metrics of pixels: what to compare with below (the best constant map) and above (what a coarse map could tell)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from virb.core.errors import DataError
from virb.core.types import IGNORED, LabelKind
from virb.metrics.common import Metric, refuse_unknown

if TYPE_CHECKING:
    import torch

RARITIES = tuple(step / 10 for step in range(11))
"""From the most frequent class to the one that is most above its share."""
_BATCH = 64
_CELLS = 1 << 24
"""Counts in memory at a time when targets are pooled: 128 MiB."""


class PositionFloor:
    """The constant predictor of pixel tasks: each position's most frequent class on train, or its mean.

    Fitted batch by batch on targets of one size. The mean and not the median, which would be better by absolute
    error, because it needs one number a position instead of all. Where no training picture says anything, the
    answer is that of all positions together. Of classes that are equally frequent the first is taken.

    The most frequent class is best for the share of right pixels, but not for an overlap: it never says what is rare,
    and what is never said overlaps with nothing. So frequencies can be divided by a power of each class's share of
    all pixels, `rarity`; who scores chooses the power that is best on train.
    """

    def __init__(self, kind: LabelKind, classes: int = IGNORED) -> None:
        import torch

        self.kind, self.classes = kind, classes
        self.counts = torch.zeros(0, dtype=torch.int32)  # [K, H, W], or of values [..., H, W]
        self.sums = torch.zeros(0, dtype=torch.float64)  # [..., H, W], of values only

    def add(self, target: torch.Tensor) -> None:
        """Take in targets [n, ..., H, W] of one size."""
        shape = (self.classes, *target.shape[1:]) if self.kind == "classes" else tuple(target.shape[1:])
        if not self.counts.numel():
            self.counts = self.counts.to(target.device).new_zeros(shape)
            self.sums = self.sums.to(target.device).new_zeros(() if self.kind == "classes" else shape)
        if self.counts.shape != shape:
            raise DataError(
                f"targets of {tuple(target.shape[1:])} after others of {tuple(self.counts.shape[-2:])}",
                "targets of one size",
                "resize all of them to the size that is evaluated",
            )
        if self.kind == "classes":
            self._add_classes(target)
        else:
            self._add_values(target)

    def _add_classes(self, target: torch.Tensor) -> None:
        """Count class after class where they are few; else picture after picture: in one, no count is raised twice."""
        labels = target.flatten(1).long()
        counted = labels != IGNORED
        refuse_unknown("target", labels, counted, self.classes)
        table = self.counts.view(self.classes, -1)
        if self.classes <= len(labels):
            for number in range(self.classes):
                table[number] += (labels == number).sum(0).int()
            return
        for row, kept in zip(labels, counted, strict=True):
            places = kept.nonzero().squeeze(1)
            table[row[places], places] += 1

    def _add_values(self, target: torch.Tensor) -> None:
        counted = target.isfinite()
        self.counts += counted.sum(0).int()
        self.sums += target.double().where(counted, 0.0).sum(0)

    def output(self, height: int | None = None, width: int | None = None, rarity: float = 0.0) -> torch.Tensor:
        """Return the map: classes int64 [H, W], or float32 [..., H, W]; at another size by the nearest position."""
        if not bool(self.counts.any()):
            raise DataError(
                "no training picture has a pixel with a target",
                "at least one, to fit the constant predictor",
                "look at the label files: all of it is void",
            )
        found = self._majority(rarity) if self.kind == "classes" else self._mean()
        if height is None or width is None:
            return found
        rows, columns = (_cells(new, old, found) for new, old in ((height, found.shape[-2]), (width, found.shape[-1])))
        return found[..., rows, :][..., columns]

    def _majority(self, rarity: float) -> torch.Tensor:
        totals = self.counts.flatten(1).long().sum(1)
        weighted = self.counts
        if rarity:
            weighted = self.counts / (totals / totals.sum()).clamp(min=1e-12).pow(rarity)[:, None, None]
        return weighted.argmax(0).where(self.counts.any(0), totals.argmax())

    def _mean(self) -> torch.Tensor:
        known = self.counts > 0
        overall = self.sums.sum((-2, -1), keepdim=True) / self.counts.long().sum((-2, -1), keepdim=True)
        return (self.sums / self.counts.clamp(min=1)).where(known, overall).float()


def best_rarity(floor: PositionFloor, metric: Metric, targets: Iterable[torch.Tensor]) -> float:
    """Return the power that makes the constant map best by a metric on training targets; the smallest of equals."""
    maps = [floor.output(rarity=rarity) for rarity in RARITIES]
    sums = [np.zeros(())] * len(maps)
    for wanted in targets:
        for place, constant in enumerate(maps):
            rows = metric.statistics(constant.expand(wanted.shape), wanted)
            sums[place] = sums[place] + metric.totals(rows.cpu().numpy())
    values = [float(metric.value(total)) for total in sums]
    ordered = values if metric.direction == "higher" else [-value for value in values]
    return RARITIES[int(np.nanargmax(ordered))]


def position_constant(kind: LabelKind, targets: np.ndarray, classes: int, metric: Metric) -> np.ndarray:
    """Return the map that is best by a metric for training targets [n, ..., H, W] that are in memory."""
    import torch

    floor, given = PositionFloor(kind, classes or IGNORED), torch.from_numpy(targets)
    floor.add(given)
    rarity = best_rarity(floor, metric, torch.split(given, _BATCH)) if kind == "classes" else 0.0
    return np.asarray(floor.output(rarity=rarity).numpy())


def coarsened(target: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return targets [n, ..., H, W] as a map of height x width could tell them, at their own size.

    Each cell says the most frequent class of its pixels, or the mean of its values. Scored as a prediction, that is
    about what an encoder's finest map can reach; it is for information only.
    """
    rows, columns = (
        _cells(own, min(own, coarse), target) for own, coarse in zip(target.shape[-2:], (height, width), strict=True)
    )
    cell = (rows[:, None] * min(width, target.shape[-1]) + columns).flatten()
    count = min(height, target.shape[-2]) * min(width, target.shape[-1])
    if target.is_floating_point():
        return _mean_cells(target.flatten(0, -3).flatten(1), cell, count).view(target.shape)
    return _majority_cells(target.flatten(1), cell, count).view(target.shape)


def _cells(size: int, cells: int, like: torch.Tensor) -> torch.Tensor:
    """Return which of the cells each position is in."""
    import torch

    return torch.arange(size, device=like.device) * cells // size


def _mean_cells(values: torch.Tensor, cell: torch.Tensor, count: int) -> torch.Tensor:
    known = values.isfinite()
    sums = values.new_zeros(len(values), count).double()
    sums.index_add_(1, cell, values.double().where(known, 0.0))
    counts = sums.new_zeros(sums.shape).index_add_(1, cell, known.double())
    return (sums / counts.clamp(min=1))[:, cell].to(values.dtype)


def _majority_cells(labels: torch.Tensor, cell: torch.Tensor, count: int) -> torch.Tensor:
    """Return each cell's most frequent class, the first of equals; one picture after another bounds the memory."""
    import torch

    kept = labels != IGNORED
    classes = int(labels.where(kept, 0).max()) + 1 if labels.numel() else 1
    step = max(1, _CELLS // (count * classes))
    parts = []
    for some, counted in zip(torch.split(labels.long(), step), torch.split(kept, step), strict=True):
        offsets = torch.arange(len(some), device=some.device)[:, None] * count
        places = (offsets + cell) * classes + some
        table = places[counted].bincount(minlength=len(some) * count * classes)
        parts.append(table.view(len(some), count, classes).argmax(-1)[:, cell])
    return torch.cat(parts).to(labels.dtype)
