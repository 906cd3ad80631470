"""Score: chosen heads -> per-sample statistics of the test split -> record (stages 6 and 7). Test is used once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

import numpy as np
import torch

from virb.core.digest import seed_of
from virb.core.errors import NumericsError
from virb.core.types import IGNORED, Dataset, Features
from virb.data.facts import metric_of
from virb.data.targets import Targets, any_known
from virb.heads.fit import Fitted, FittedNeighbours, PixelFitted, predict, predict_neighbours, predict_pixels
from virb.metrics import Metric, PositionFloor, best_rarity, class_accuracies, coarsened
from virb.metrics.stats import Interval, bootstrap, interval
from virb.records.record import (
    Score,
    number,
)
from virb.run.plan import Job
from virb.run.truth import Truth

_BATCH = 64
AnyFitted = Fitted | FittedNeighbours | PixelFitted
_COMPARED = 2000
"""Training pictures on which constant maps are compared, at the most."""


@dataclass(frozen=True)
class Scored:
    """Per-sample statistics of the test split under every metric, seed by seed, and of what stands below and above."""

    statistics: dict[str, np.ndarray]  # metric -> [S, N, s]
    constant: dict[str, np.ndarray]  # metric -> [N, s], of the best constant predictor
    predictions: np.ndarray | None = None  # [S, N], of image-level tasks
    resolution: np.ndarray | None = None  # [N, s] of the primary metric, of targets as coarse as the finest map
    blank: dict[str, int] = field(default_factory=dict)  # samples of which no pixel counts, of train and test


def score(job: Job, fitted: Fitted | FittedNeighbours, features: Features, device: torch.device) -> Scored:
    """Return statistics of every test sample, each scored exactly once per seed."""
    test, classes = job.prepared.dataset.test, len(job.prepared.dataset.classes)
    metrics = _metrics(job)
    rows: dict[str, list[np.ndarray]] = {metric.name: [] for metric in metrics}
    predictions, done = [], 0
    answers = (
        predict_neighbours(fitted, features, test)
        if isinstance(fitted, FittedNeighbours)
        else predict(fitted, features, test, device)
    )
    for logits in answers:
        _check_finite(logits)
        targets = torch.from_numpy(test.targets[done : done + len(logits)]).to(device)
        done += len(logits)
        predictions.append(logits.argmax(-1).T.cpu().numpy())
        for metric in metrics:
            by_seed = [metric.statistics(logits[:, seed], targets) for seed in range(logits.shape[1])]
            rows[metric.name].append(torch.stack(by_seed).cpu().numpy())
    constant = {}
    for metric in metrics:
        output = torch.from_numpy(metric.constant(job.prepared.learnt.train.targets, classes))
        constant[metric.name] = metric.statistics(output.expand(len(test), -1), torch.from_numpy(test.targets)).numpy()
    joined = {name: np.concatenate(parts, axis=1) for name, parts in rows.items()}
    return Scored(joined, constant, np.concatenate(predictions, axis=1))


def score_pixels(job: Job, fitted: PixelFitted, features: Features, truth: Truth, device: torch.device) -> Scored:
    """Return statistics of every test sample of a pixel task, each scored exactly once per seed."""
    dataset = job.prepared.dataset
    metrics = _metrics(job)
    floors = constant_maps(dataset, truth.whole, metrics, device)
    rows: dict[str, list[np.ndarray]] = {metric.name: [] for metric in metrics}
    below: dict[str, list[np.ndarray]] = {metric.name: [] for metric in metrics}
    above, blank = [], 0
    for predictions, wanted in predict_pixels(fitted, features, truth.targets, job.prepared.tested, device):
        for one in predictions:
            _check_finite(one)
        for metric in metrics:
            constant = floors[metric.name](int(wanted.shape[-2]), int(wanted.shape[-1])).expand(wanted.shape)
            by_seed = [metric.statistics(one, wanted) for one in predictions]
            rows[metric.name].append(torch.stack(by_seed).cpu().numpy())
            below[metric.name].append(metric.statistics(constant, wanted).cpu().numpy())
        above.append(metrics[0].statistics(_coarse(wanted, features, truth.targets.size), wanted).cpu().numpy())
        blank += int((~any_known(wanted)).sum())
    return Scored(
        {name: np.concatenate(parts, axis=1) for name, parts in rows.items()},
        {name: np.concatenate(parts) for name, parts in below.items()},
        resolution=np.concatenate(above),
        blank={"train": int(truth.whole.blank(dataset.train.targets).sum()), "test": blank},
    )


def _coarse(wanted: torch.Tensor, features: Features, size: int) -> torch.Tensor:
    """Return targets as the finest map could tell them; that of a piece goes on as far as the picture does."""
    finest = max(features.levels, key=lambda level: level.height)
    height, width = (
        -(-side * cells // size) for side, cells in zip(wanted.shape[-2:], (finest.height, finest.width), strict=True)
    )
    return coarsened(wanted, height, width)


def constant_maps(
    dataset: Dataset, targets: Targets, metrics: Sequence[Metric], device: torch.device
) -> dict[str, Callable[[int, int], torch.Tensor]]:
    """Return by metric the best constant map on train, at any size: a class for each position, or its mean.

    A position is one of the whole picture, also where heads see pieces and cannot know where these lie.
    """
    floor = PositionFloor(targets.kind, len(dataset.classes) or IGNORED)
    train = dataset.train.targets
    for target in _batches(targets, train, device):
        floor.add(target)
    some = np.sort(np.random.default_rng(seed_of("floor")).permutation(train)[:_COMPARED])
    found: dict[str, Callable[[int, int], torch.Tensor]] = {}
    for metric in metrics:
        rarity = best_rarity(floor, metric, _batches(targets, some, device)) if targets.kind == "classes" else 0.0
        found[metric.name] = lru_cache(maxsize=4)(partial(floor.output, rarity=rarity))
    return found


def _batches(targets: Targets, rows: np.ndarray, device: torch.device) -> Iterator[torch.Tensor]:
    for start in range(0, len(rows), _BATCH):
        yield targets.take(rows[start : start + _BATCH]).to(device)


def _check_finite(outputs: torch.Tensor) -> None:
    if outputs.is_floating_point() and not torch.isfinite(outputs).all():
        raise NumericsError(
            "the chosen head answers with NaN or infinity on test samples",
            "finite outputs",
            "look for test images whose features lie far outside those of training",
        )


def _metrics(job: Job) -> list[Metric]:
    return [metric_of(job.task, name, len(job.prepared.dataset.classes)) for name in job.prepared.metrics]


def value_of(metric: Metric, rows: np.ndarray) -> float:
    """Return a metric of one seed's statistics [N, s]."""
    return float(metric.value(metric.totals(rows)))


def measured(
    metric: Metric, statistics: Sequence[np.ndarray], groups: np.ndarray, test_digest: str
) -> tuple[Score, np.ndarray]:
    """Return a metric's mean over seeds with its interval, and the replicates behind it."""
    value = float(np.mean([metric.value(metric.totals(rows)) for rows in statistics]))
    replicates = bootstrap(statistics, groups, test_digest, metric.totals, metric.value)
    return score_of(metric, interval(value, replicates, _units(groups))), replicates


def score_of(metric: Metric, span: Interval) -> Score:
    """Return a metric's value with its interval and what a reader must know of the metric."""
    return Score(
        metric=metric.name,
        unit=metric.unit,
        direction=metric.direction,
        ceiling=metric.ceiling,
        value=span.value,
        low=span.low,
        high=span.high,
    )


def _units(groups: np.ndarray) -> int:
    """Return how many groups of samples are independent of one another."""
    return len(np.unique(groups))


def resolution_of(primary: Metric, rows: np.ndarray) -> float | None:
    """Return what targets as coarse as the finest map would score: information, no ceiling to divide by."""
    return number(round(value_of(primary, rows), 6))


def breakdown_of(
    primary: Metric,
    statistics: np.ndarray,
    targets: np.ndarray,
    predictions: np.ndarray | None,
    classes: Sequence[str],
) -> dict[str, float | None]:
    """Return the score class by class: accuracy of images, intersection over union of pixels."""
    if predictions is not None:
        shares = class_accuracies(targets, predictions, len(classes))
    else:
        by_seed = [own for rows in statistics if (own := primary.per_class(primary.totals(rows))) is not None]
        if not by_seed:
            return {}
        shares = np.mean(by_seed, axis=0)
    return {name: number(round(float(share), 6)) for name, share in zip(classes, shares, strict=True)}
