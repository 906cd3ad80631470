"""Fit: how the grid's cells are told apart: curves, and the choice on validation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from virb.core.errors import NumericsError
from virb.core.types import Split
from virb.metrics import Metric
from virb.metrics.stats import bootstrap

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setting:
    """One cell of the grid."""

    learning_rate: float
    weight_decay: float
    standardise: bool


@dataclass(frozen=True)
class Curves:
    """What training looked like, as means over seeds; each inner list has one number per setting."""

    epochs: list[int] = field(default_factory=list)
    train_loss: list[list[float]] = field(default_factory=list)
    val_loss: list[list[float]] = field(default_factory=list)
    val_score: list[list[float]] = field(default_factory=list)


def average(curves: list[Curves]) -> Curves:
    """Return the mean of several seeds' curves."""

    def mean(name: str) -> list[list[float]]:
        table: list[list[float]] = np.mean([getattr(curve, name) for curve in curves], axis=0).tolist()
        return table

    return Curves(curves[0].epochs, mean("train_loss"), mean("val_loss"), mean("val_score"))


def choose(curves: Curves, metric: Metric, error: Callable[[int], float]) -> tuple[int, np.ndarray]:
    """Return the chosen setting; one that diverged in any seed is out, and said so."""
    scores, losses = np.array(curves.val_score[-1]), np.array(curves.val_loss[-1])
    finite = np.isfinite(curves.train_loss[-1])
    if not finite.any():
        raise NumericsError("every setting diverged in at least one seed", "one that did not", "check the features")
    if not finite.all():
        log.warning("%d of %d settings diverged and are out of the choice", int((~finite).sum()), len(finite))
    if np.isnan(scores).all():  # nothing held out: the protocol has one setting
        return int(np.flatnonzero(finite)[0]), scores
    order = scores if metric.direction == "higher" else -scores
    order = np.where(finite, order, -np.inf)
    close = np.flatnonzero(order >= order.max() - error(int(order.argmax())))
    return int(close[np.argmin(np.where(np.isfinite(losses[close]), losses[close], np.inf))]), scores


def standard_error(rows: list[np.ndarray], val: Split, metric: Metric) -> float:
    """Return the standard error of a setting's mean validation score: by samples or by groups, the smaller of both.

    Two or three scenes are held out of a small set, and so few give no honest error. The smaller one never lets a
    setting in that is plainly worse.
    """
    found = [
        bootstrap(rows, groups, val.digest, metric.totals, metric.value, replicates=200)
        for groups in (np.arange(len(val)), val.groups)
    ]
    return float(min(np.nanstd(replicates) for replicates in found))


@contextmanager
def one_thread(wanted: bool) -> Iterator[None]:
    """Train small heads on one thread: waking the others costs more than they bring, most of all on a busy machine."""
    before = torch.get_num_threads()
    if wanted:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
