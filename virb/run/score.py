"""Score: chosen heads -> per-sample statistics of the test split -> record (stages 6 and 7). Test is used once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from virb.core.errors import NumericsError
from virb.core.types import Features
from virb.heads.fit import Fitted
from virb.metrics import Metric, class_accuracies
from virb.metrics.stats import Interval, bootstrap, interval
from virb.records.record import (
    Score,
    number,
)
from virb.run.plan import Job
from virb.run.tasks import metrics_of
from virb.run.truth import Truth


@dataclass(frozen=True)
class Scored:
    """Per-sample statistics of the test split under every metric, seed by seed, and of what stands below and above."""

    statistics: dict[str, np.ndarray]  # metric -> [S, N, s]
    constant: dict[str, np.ndarray]  # metric -> [N, s], of the best constant predictor
    predictions: np.ndarray | None = None  # [S, N], of image-level tasks
    resolution: np.ndarray | None = None  # [N, s] of the primary metric, of targets as coarse as the finest map
    blank: dict[str, int] = field(default_factory=dict)  # samples of which no pixel counts, of train and test


def score(job: Job, fitted: Fitted, truth: Truth, features: Features, device: torch.device) -> Scored:
    """Return statistics of every test sample, each scored exactly once per seed."""
    metrics = metrics_of(job.prepared)
    floors = truth.floors(metrics, device)
    rows: dict[str, list[np.ndarray]] = {metric.name: [] for metric in metrics}
    below: dict[str, list[np.ndarray]] = {metric.name: [] for metric in metrics}
    beside: dict[str, list[np.ndarray]] = {}
    for outputs, wanted in fitted.answers(features, job.prepared.tested):
        for one in outputs:
            _check_finite(one)
        for metric in metrics:
            by_seed = [metric.statistics(one, wanted) for one in outputs]
            rows[metric.name].append(torch.stack(by_seed).cpu().numpy())
            below[metric.name].append(metric.statistics(floors[metric.name](wanted), wanted).cpu().numpy())
        for name, part in truth.beside(outputs, wanted, features, metrics[0]).items():
            beside.setdefault(name, []).append(part)
    joined = {name: np.concatenate(parts) for name, parts in beside.items()}
    return Scored(
        {name: np.concatenate(parts, axis=1) for name, parts in rows.items()},
        {name: np.concatenate(parts) for name, parts in below.items()},
        predictions=joined["predictions"].T if "predictions" in joined else None,
        resolution=joined.get("resolution"),
        blank={"train": truth.blank, "test": int((~joined["known"]).sum()) if "known" in joined else 0},
    )


def _check_finite(outputs: torch.Tensor) -> None:
    if outputs.is_floating_point() and not torch.isfinite(outputs).all():
        raise NumericsError(
            "the chosen head answers with NaN or infinity on test samples",
            "finite outputs",
            "look for test images whose features lie far outside those of training",
        )


def value_of(metric: Metric, rows: np.ndarray) -> float:
    """Return a metric of one seed's statistics [N, s]."""
    return float(metric.value(metric.totals(rows)))


def measured(
    metric: Metric, statistics: Sequence[np.ndarray], groups: np.ndarray, test_digest: str
) -> tuple[Score, np.ndarray]:
    """Return a metric's mean over seeds with its interval, and the replicates behind it."""
    value = float(np.mean([metric.value(metric.totals(rows)) for rows in statistics]))
    replicates = bootstrap(statistics, groups, test_digest, metric.totals, metric.value)
    return score_of(metric, interval(value, replicates, units(groups))), replicates


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


def units(groups: np.ndarray) -> int:
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
