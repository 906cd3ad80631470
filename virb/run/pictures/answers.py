"""Pictures: which test samples are shown, and what the head of the first seed answers on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from virb.core.digest import seed_of
from virb.core.types import Dataset
from virb.metrics import Metric

Array = NDArray[np.generic]
Several = Array | Sequence[Array]


@dataclass(frozen=True)
class Answers:
    """Some test samples, the worst first: n of N."""

    rows: NDArray[np.int64]  # [n], of the test split
    values: NDArray[np.float64]  # [n], the metric of each sample alone
    targets: Several  # n classes, or the targets as they were scored, [H, W] or [H, W, C] of any size
    predictions: Several  # of the same shapes
    counted: Several  # n, or [H, W] each: what the metric looks at


def image_answers(metric: Metric, dataset: Dataset, statistics: Array, predictions: Array, count: int) -> Answers:
    """Return some samples of an image-level task, from one seed's statistics [N, s] and predicted classes [N]."""
    rows, values = spread(metric, statistics, dataset.test.digest, count)
    return Answers(rows, values, dataset.test.targets[rows], predictions[rows], np.ones(len(rows), bool))


def pixel_answers(
    metric: Metric,
    dataset: Dataset,
    statistics: Array,
    predict: Callable[[NDArray[np.int64]], Iterable[tuple[list[torch.Tensor], torch.Tensor]]],
    count: int,
) -> Answers:
    """Return some samples of a pixel task, from the first seed's statistics [N, s]; only these are predicted anew.

    `predict` gives every seed's predictions and the targets of test samples, batch by batch.
    """
    rows, values = spread(metric, statistics, dataset.test.digest, count)
    found = [(one, wanted[place]) for by_seed, wanted in predict(rows) for place, one in enumerate(by_seed[0])]
    counts = [np.asarray(metric.counted(wanted).cpu().numpy()) for _, wanted in found]
    targets, predictions = ([_channels_last(pair[place]) for pair in found] for place in (1, 0))
    return Answers(rows, values, targets, predictions, counts)


def spread(metric: Metric, statistics: Array, digest: str, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return samples at even steps from the worst to the best, and the metric of each of them alone.

    Equal ones stand in an order that the digest draws. Samples of which nothing could be scored are left out, unless
    there are no others.
    """
    values = np.array([float(metric.value(metric.totals(statistics[row : row + 1]))) for row in range(len(statistics))])
    luck = np.random.default_rng(seed_of(f"show/{digest}")).permutation(len(values))
    known = np.flatnonzero(np.isfinite(values)) if np.isfinite(values).any() else np.arange(len(values))
    better = values[known] if metric.direction == "higher" else -values[known]
    ordered = known[np.lexsort((luck[known], better))]
    steps = np.linspace(0, len(ordered) - 1, min(count, len(ordered)))
    rows = ordered[np.rint(steps).astype(np.int64)]
    return rows, values[rows]


def _channels_last(found: torch.Tensor) -> Array:
    last = found.movedim(0, -1) if found.ndim == 3 else found
    return np.asarray(last.cpu().numpy())
