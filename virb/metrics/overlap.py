"""Metrics of pixels: how well regions of several classes lie on each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from virb.core.target import TargetFacts
from virb.core.types import IGNORED
from virb.metrics.common import (
    Direction,
    Metric,
    add_rows,
    columns,
    in_chunks,
    known,
    ratio,
    refuse_scores,
    refuse_unknown,
)
from virb.metrics.floor import position_constant
from virb.metrics.measures import smoothed

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class MeanIoU:
    """Intersection over union of each class over the whole set, and the mean of those that occur or are predicted.

    A row is the picture's true positives, false positives and false negatives of every class, [3K].
    """

    classes: int = IGNORED
    name: str = "miou"
    unit: str = "share"
    direction: Direction = "higher"
    ceiling: float = 1.0
    rank: ClassVar[int] = 1

    def fitted_to(self, facts: TargetFacts, classes: int) -> Metric:
        """Return the metric over so many classes."""
        return replace(self, classes=classes or self.classes)

    def counted(self, target: torch.Tensor) -> torch.Tensor:
        """Return the pixels that have a class."""
        return known(target)

    def statistics(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return [N, 3K]: true positives, false positives, false negatives."""
        import torch

        return in_chunks(lambda some, truth: torch.cat(class_counts(some, truth, self.classes), dim=1), output, target)

    def constant(self, targets: np.ndarray, classes: int) -> np.ndarray:
        """Return each position's most frequent class."""
        return position_constant("classes", targets, classes, self)

    def totals(self, statistics: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Return counts over the set, [3K]."""
        return add_rows(statistics, weights)

    def per_class(self, totals: np.ndarray) -> np.ndarray | None:
        """Return the classes' own intersections over unions, [..., K]; nan for one that is nowhere."""
        return _overlaps(totals)

    def value(self, totals: np.ndarray) -> np.ndarray:
        """Return the mean over classes that are anywhere in this set, or this resampling of it."""
        shares = _overlaps(totals)
        return ratio(np.nansum(shares, axis=-1), np.isfinite(shares).sum(-1))


@dataclass(frozen=True)
class PublishedMeanIoU:
    """The paper's number for several classes: per picture, over the classes in its target, then over pictures.

    The paper averaged over the classes of a whole batch, so that a class counted 1 in every picture of the batch
    without it, and its numbers followed the batch size. Here each picture is its own batch, pixels without a class
    are not counted, and a picture that has only skipped classes is left out, where the paper's value became nan.
    """

    classes: int = IGNORED
    skipped: tuple[int, ...] = (0,)
    name: str = "published_miou"
    unit: str = "share"
    direction: Direction = "higher"
    ceiling: float = 1.0
    rank: ClassVar[int] = 1

    def fitted_to(self, facts: TargetFacts, classes: int) -> Metric:
        """Return the metric over so many classes; none of them is skipped where class 0 is one like the others."""
        skipped = self.skipped if facts.background else ()
        return replace(self, classes=classes or self.classes, skipped=skipped)

    def counted(self, target: torch.Tensor) -> torch.Tensor:
        """Return the pixels that have a class."""
        return known(target)

    def statistics(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return [N, 2]: the mean over the picture's classes, and 1."""
        return in_chunks(self._rows, output, target)

    def _rows(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        hits, wrong, missed = class_counts(output, target, self.classes)
        present = hits + missed > 0
        present[:, list(self.skipped)] = False
        shares = smoothed(hits, hits + wrong + missed).where(present, 0.0)
        count = present.sum(-1)
        return columns(shares.sum(-1) / count.clamp(min=1), count > 0)

    def constant(self, targets: np.ndarray, classes: int) -> np.ndarray:
        """Return each position's most frequent class."""
        return position_constant("classes", targets, classes, self)

    def totals(self, statistics: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Return (sum, pictures)."""
        return add_rows(statistics, weights)

    def value(self, totals: np.ndarray) -> np.ndarray:
        """Return sum / pictures."""
        return ratio(totals[..., 0], totals[..., 1])

    def per_class(self, totals: np.ndarray) -> np.ndarray | None:
        """Return nothing."""
        return None


def _overlaps(totals: np.ndarray) -> np.ndarray:
    hits, wrong, missed = np.split(totals, 3, axis=-1)
    return ratio(hits, hits + wrong + missed)


def class_counts(
    output: torch.Tensor, target: torch.Tensor, classes: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return true positives, false positives and false negatives, float64 [n, K] each, of pixels that count."""
    refuse_scores(output)
    found, true = output.flatten(1).long(), target.flatten(1).long()
    counted = true != IGNORED
    refuse_unknown("target", true, counted, classes)
    refuse_unknown("prediction", found, counted, classes)
    hits = _count(true, counted & (found == true), classes)
    return hits, _count(found, counted, classes) - hits, _count(true, counted, classes) - hits


def _count(labels: torch.Tensor, counted: torch.Tensor, classes: int) -> torch.Tensor:
    """Return how many pixels of each picture have each class, [n, K]; what does not count falls in a last bin."""
    import torch

    bins = classes + 1
    offsets = torch.arange(len(labels), device=labels.device)[:, None] * bins
    places = labels.where(counted, classes) + offsets
    counts = places.flatten().bincount(minlength=len(labels) * bins)
    return counts.view(len(labels), bins)[:, :classes].double()
