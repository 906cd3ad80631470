"""Metrics of whole images: one output [K] and one class per sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from virb.core.target import TargetFacts
from virb.metrics.common import Direction, Metric, add_rows, columns, known, ratio

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Mean:
    """A metric whose value is the mean of one number per sample; a row is (number, counted)."""

    name: str
    unit: str
    direction: Direction
    ceiling: float
    rank: int = 0
    """For top-k: how many best outputs count as a hit; 0 for the absolute error of the best class."""

    def fitted_to(self, facts: TargetFacts, classes: int) -> Metric:
        """Return this one, which is the same everywhere."""
        return self

    def counted(self, target: torch.Tensor) -> torch.Tensor:
        """Return that every class counts."""
        return known(target)

    def per_class(self, totals: np.ndarray) -> np.ndarray | None:
        """Return nothing."""
        return None

    def statistics(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return [N, 2]: the number, which is a hit for top-k and a distance between classes for the error, and 1."""
        if self.rank == 0:
            found = (output.argmax(-1) - target).abs()
        else:
            best = output.topk(min(self.rank, output.shape[-1]), dim=-1).indices
            found = (best == target[:, None]).any(-1)
        return columns(found, found.new_ones(found.shape))

    def constant(self, targets: np.ndarray, classes: int) -> np.ndarray:
        """Return how frequent each class is, or for the error the class in the middle."""
        counts = np.bincount(targets, minlength=classes)
        if self.rank:
            return np.asarray(counts / counts.sum())
        return np.asarray(np.eye(classes)[int(np.median(targets))])

    def totals(self, statistics: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Return (sum, count)."""
        return add_rows(statistics, weights)

    def value(self, totals: np.ndarray) -> np.ndarray:
        """Return sum / count; nothing to count gives nan."""
        return ratio(totals[..., 0], totals[..., 1])


@dataclass(frozen=True)
class MeanPerClass:
    """The mean of the classes' own accuracies, over classes that occur; a row is (class, correct, counted)."""

    name: str = "mean_per_class"
    unit: str = "share"
    direction: Direction = "higher"
    ceiling: float = 1.0
    rank: ClassVar[int] = 1

    def fitted_to(self, facts: TargetFacts, classes: int) -> Metric:
        """Return this one, which is the same everywhere."""
        return self

    def counted(self, target: torch.Tensor) -> torch.Tensor:
        """Return that every class counts."""
        return known(target)

    def per_class(self, totals: np.ndarray) -> np.ndarray | None:
        """Return nothing."""
        return None

    def statistics(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return [N, 3]: the true class, whether it was found, and 1."""
        correct = output.argmax(-1) == target
        return columns(target, correct, correct.new_ones(correct.shape))

    def constant(self, targets: np.ndarray, classes: int) -> np.ndarray:
        """Return how frequent each class is; any constant finds one class and no other."""
        return np.asarray(np.bincount(targets, minlength=classes) / len(targets))

    def totals(self, statistics: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Return the classes' hits, then the classes' counts, [2K]."""
        classes = statistics[:, 0].astype(np.int64)
        membership = np.zeros((len(classes), int(classes.max(initial=0)) + 1))
        membership[np.arange(len(classes)), classes] = 1.0
        ones = np.ones(len(classes)) if weights is None else weights
        hits, counts = ((ones * column) @ membership for column in statistics.T[1:])
        return np.concatenate([hits, counts], axis=-1)

    def value(self, totals: np.ndarray) -> np.ndarray:
        """Return the mean over classes that have a sample."""
        hits, counts = np.split(totals, 2, axis=-1)
        present = counts > 0
        accuracies = np.where(present, hits / np.where(present, counts, 1.0), 0.0)
        return ratio(accuracies.sum(-1), present.sum(-1))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Mean("top1", "share", "higher", 1.0, rank=1),
        Mean("top5", "share", "higher", 1.0, rank=5),
        Mean("mae", "classes", "lower", 0.0),
        MeanPerClass(),
    )
}


def class_accuracies(targets: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Return each class's own accuracy, [K]; nan for a class without a sample. Predictions may be [S, N]."""
    predictions = np.atleast_2d(predictions)
    counts = np.bincount(targets, minlength=classes) * len(predictions)
    hits = np.bincount(np.broadcast_to(targets, predictions.shape)[predictions == targets], minlength=classes)
    return ratio(hits, counts)
