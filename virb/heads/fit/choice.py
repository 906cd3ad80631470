"""Fit: how the grid's cells are told apart: curves, and the choice on validation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
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


@dataclass(frozen=True)
class NeighbourSetting:
    """One number of neighbours."""

    neighbours: int


@dataclass(frozen=True)
class Choice:
    """Which setting was taken, and how all of them compared."""

    settings: tuple[Setting, ...] | tuple[NeighbourSetting, ...]
    chosen: int
    validation: np.ndarray  # [G], mean over seeds at the last epoch; nan without validation
    curves: Curves

    @property
    def setting(self) -> Setting | NeighbourSetting:
        """The one that was taken."""
        return self.settings[self.chosen]

    @property
    def train_loss(self) -> float | None:
        """The chosen setting's at the end; none where nothing is trained."""
        losses = self.curves.train_loss[-1]
        return losses[self.chosen] if losses else None


def choose(settings: tuple[Setting, ...], curves: Curves, metric: Metric, error: Callable[[int], float]) -> Choice:
    """Return the choice of a setting; one that diverged in any seed is out, and said so.

    Scores of a few hundred samples are too coarse to tell settings apart, and taking the highest takes the luckiest.
    So: of all settings within one standard error of the highest mean score, the one with the lowest loss.
    """
    scores, losses = np.array(curves.val_score[-1]), np.array(curves.val_loss[-1])
    finite = np.isfinite(curves.train_loss[-1])
    if not finite.any():
        raise NumericsError("every setting diverged in at least one seed", "one that did not", "check the features")
    if not finite.all():
        log.warning("%d of %d settings diverged and are out of the choice", int((~finite).sum()), len(finite))
    if np.isnan(scores).all():  # nothing held out: the protocol has one setting
        return Choice(settings, int(np.flatnonzero(finite)[0]), scores, curves)
    order = scores if metric.direction == "higher" else -scores
    order = np.where(finite, order, -np.inf)
    close = np.flatnonzero(order >= order.max() - error(int(order.argmax())))
    chosen = int(close[np.argmin(np.where(np.isfinite(losses[close]), losses[close], np.inf))])
    return Choice(settings, chosen, scores, curves)


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


def named_by_seed(states: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Return the tensors of every seed's head under one roof."""
    return {f"seed{seed}.{name}": tensor for seed, named in enumerate(states) for name, tensor in named.items()}
