"""Submit: the validation score of a record's chosen setting, made again from its heads on the samples held out.

Of the other settings a bundle holds no heads, and of the epochs before the last none either: only training again
tells what these were.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from virb.cards.protocol import PixelTraining
from virb.core.types import Predicted, Split
from virb.data.tiles import Mosaic
from virb.heads.fit import Choice, FittedStack
from virb.heads.fit.choice import NeighbourSetting
from virb.metrics import Metric
from virb.metrics.stats import bootstrap
from virb.run.tasks import metrics_of
from virb.submit.part import Part, drawn

_MOST, _MOST_PICTURES = 1000, 300
"""Samples held out of image tasks that are encoded again, at random of more; of pixel tasks, else none."""
_LOSS_SAME, _LOSS_OTHER = 1e-3, 5e-2
_PIXELS_SAME, _PIXELS_OTHER = 5e-3, 5e-2
"""Relative: how much a loss and a pixel metric may differ on the same numerics, and on others."""
_FAR = 3
"""Classes by which an answer is turned where classes are compared by their distance."""
_ROUNDED = 1e-6
_ERRORS = 5
"""Standard errors by which a part of the samples held out may differ from all."""


@dataclass(frozen=True)
class Held:
    """What came of it: a contradiction, or what was compared."""

    problem: str = ""
    told: str = ""


def image_held(part: Part, fitted: FittedStack) -> Held:
    """Return whether heads on pooled features give the validation score and loss that a record says."""
    val = part.owner.dataset.val
    if not len(val):
        return _nothing(part)
    split = val.take(drawn(len(val), min(len(val), _MOST), part.how.seed, f"held/{part.record.keys.resume}"))
    metric, rows, losses = metrics_of(part.owner)[0], [], []
    for outputs, targets in fitted.answers(part.pooled(part.owners_images, split), split):
        rows.append(torch.stack([metric.statistics(one, targets) for one in outputs]).cpu().numpy())
        losses.append(torch.stack([functional.cross_entropy(one, targets, reduction="none") for one in outputs]).cpu())
    statistics, loss = np.concatenate(rows, 1), torch.cat(losses, 1).double().mean(0).numpy()
    share, left = _LOSS_SAME if part.like else _LOSS_OTHER, 1 - len(split) / len(val)
    error = math.sqrt(left / len(split)) * float(loss.std())
    problems = [
        *_apart(
            "validation score",
            part.record.setting.validation,
            _value(metric, statistics),
            _turns(part, metric, split.targets) + _ERRORS * _error(metric, statistics, split, left),
        ),
        *_apart(
            "validation loss at its end",
            part.record.curves.val_loss[-1],
            float(loss.mean()),
            share * abs(float(loss.mean())) + _ERRORS * error,
        ),
    ]
    return Held("; ".join(problems), "its validation score and loss came out again")


def pixels_held(part: Part, answered: Callable[[Split | Mosaic], Iterator[Predicted]]) -> Held:
    """Return whether heads on maps give the validation score that a record says; only those of the search count."""
    prepared, training, metric = part.job.prepared, part.job.prepared.training, part.metrics[0]
    val = prepared.pieces.val if prepared.pieces else prepared.dataset.val
    if not len(val):
        return _nothing(part)
    if len(val) > _MOST_PICTURES:
        return Held(told=f"its validation score was not, for it takes more than {_MOST_PICTURES} pictures")
    assert isinstance(training, PixelTraining)
    rows = [
        torch.stack([metric.statistics(one, wanted) for one in predictions[: training.search_seeds]]).cpu().numpy()
        for predictions, wanted in answered(val)
    ]
    found = _value(metric, np.concatenate(rows, 1))
    room = (_PIXELS_SAME if part.like else _PIXELS_OTHER) * max(abs(found), 1e-2)
    problems = _apart("validation score", part.record.setting.validation, found, room)
    return Held("; ".join(problems), "its validation score came out again")


def neighbours_held(part: Part, choice: Choice) -> Held:
    """Return whether every number of neighbours has the validation score that a record says, as none needs heads."""
    owner = part.owner
    if not len(owner.dataset.val):
        return _nothing(part)
    numbers = [setting.neighbours for setting in choice.settings if isinstance(setting, NeighbourSetting)]
    if [setting.neighbours for setting in part.record.settings] != numbers:
        return Held(f"it says other numbers of neighbours than {numbers}")
    room = _turns(part, metrics_of(owner)[0], owner.dataset.val.targets)
    problems = [
        problem
        for setting, found in zip(part.record.settings, choice.validation, strict=True)
        for problem in _apart(f"validation score of {setting.text}", setting.validation, float(found), room)
    ]
    return Held("; ".join(problems), "its validation scores came out again")


def _nothing(part: Part) -> Held:
    claimed = any(one.validation is not None for one in part.record.settings)
    return Held("it has validation scores, and nothing is held out" if claimed else "", "nothing is held out")


def _value(metric: Metric, statistics: np.ndarray) -> float:
    """Return the mean over seeds of statistics [S, n, s]."""
    return float(np.mean([metric.value(metric.totals(rows)) for rows in statistics]))


def _turns(part: Part, metric: Metric, targets: np.ndarray) -> float:
    """Return what the few answers that other digits turn can make of a score, were they of the rarest class."""
    counts = np.bincount(targets)
    some = 1 + len(targets) // 1000 if part.like else 2 + len(targets) // 20
    if metric.name == "mean_per_class":
        counts = counts[counts > 0]
        return some / (len(counts) * int(counts.min()))
    return some * (_FAR if metric.rank == 0 else 1) / len(targets)


def _error(metric: Metric, statistics: np.ndarray, split: Split, left: float) -> float:
    """Return the standard error of a score on a part of the samples, of which this share was left out."""
    if not left:
        return 0.0
    replicates = bootstrap(list(statistics), split.groups, split.digest, metric.totals, metric.value, replicates=200)
    return math.sqrt(left) * float(np.nanstd(replicates))


def _apart(what: str, claimed: float | None, found: float, room: float) -> list[str]:
    """Return the contradiction between a record and what was found, if there is one."""
    if claimed is None or not math.isfinite(found):
        same = claimed is None and not math.isfinite(found)
        return [] if same else [f"it says {what} {claimed}, its heads give {found:.4g}"]
    if abs(claimed - found) <= room + _ROUNDED:
        return []
    return [f"it says {what} {claimed:.4g}, its heads give {found:.4g}"]
