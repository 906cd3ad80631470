"""Analysis: mean ranks over the tasks that encoders share, their intervals, and who cannot be told apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import studentized_range

from virb.analysis.scores import Array, paired, standardised
from virb.core.digest import seed_of
from virb.core.errors import VirbError
from virb.leaderboard import common_tasks
from virb.leaderboard.board import Board
from virb.metrics.stats import LEVEL, mean_ranks, rank_intervals

_DRAWS = 2000


@dataclass(frozen=True)
class Ranking:
    """Encoders from best to worst, by mean rank over common tasks."""

    order: NDArray[np.int_]
    """Places in the scores, best first."""
    mean: Array
    low: Array
    high: Array
    over: Literal["tasks", "test samples"]
    """What intervals are over: the samples of these very tasks, or, where no replicates are known, the tasks."""
    tasks: int
    critical: float
    """Mean ranks that differ by less are not told apart (Nemenyi)."""
    alike: tuple[tuple[int, int], ...]
    """First and last of each longest run of encoders within the critical difference, as places in the order."""
    left_out: tuple[int, ...]
    """Encoders without a score on some common task: their ranks would be means over other tasks."""


def rank(scores: Board) -> Ranking:
    """Return the ranking of the encoders that have all common tasks, by the leaderboard's rule."""
    names = [task.name for task in scores.columns]
    known = np.isfinite(scores.matrix())
    covered = {
        name: {names[task] for task in np.flatnonzero(row)} for name, row in zip(scores.names, known, strict=True)
    }
    common = common_tasks(covered)
    kept = [place for place, name in enumerate(scores.names) if common and common <= covered[name]]
    if len(kept) < 2:
        raise VirbError(
            f"encoders that share their tasks with another one: {len(kept)} of {len(scores.names)}",
            "at least two, for ranks are means over common tasks",
            "name tasks that encoders share with --tasks, or evaluate what is missing",
        )
    chosen = scores.keep(kept, [place for place, name in enumerate(names) if name in common])
    goodness = chosen.matrix()
    mean = mean_ranks(goodness)
    replicates = paired(chosen, range(len(kept)))
    low, high = _over_tasks(goodness) if replicates is None else _over_samples(goodness, replicates)
    order = np.lexsort((np.array(kept), mean))
    critical = critical_difference(len(kept), len(common))
    return Ranking(
        order=np.array(kept)[order],
        mean=mean[order],
        low=low[order],
        high=high[order],
        over="tasks" if replicates is None else "test samples",
        tasks=len(common),
        critical=critical,
        alike=runs(mean[order], critical),
        left_out=tuple(place for place in range(len(scores.names)) if place not in kept),
    )


def _over_samples(goodness: Array, replicates: Array) -> tuple[Array, Array]:
    found = rank_intervals(goodness, replicates)
    return np.array([each.low for each in found]), np.array([each.high for each in found])


def _over_tasks(goodness: Array) -> tuple[Array, Array]:
    """Return the percentile interval of each mean rank, drawing tasks with replacement; one task has no interval."""
    encoders, count = goodness.shape
    if count < 2:
        return np.full(encoders, np.nan), np.full(encoders, np.nan)
    ranks = np.stack([mean_ranks(task[:, None]) for task in goodness.T], axis=1)
    generator = np.random.default_rng(seed_of("ranks over tasks"))
    drawn = ranks[:, generator.integers(0, count, size=(_DRAWS, count))].mean(axis=2)  # [E, R]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    return low, high


def critical_difference(encoders: int, tasks: int) -> float:
    """Return Nemenyi's critical difference of mean ranks, as Demsar (JMLR 2006) has it."""
    quantile = float(studentized_range.ppf(LEVEL, encoders, np.inf)) / np.sqrt(2)
    return float(quantile * np.sqrt(encoders * (encoders + 1) / (6 * tasks)))


def runs(mean: Array, critical: float) -> tuple[tuple[int, int], ...]:
    """Return the longest runs of sorted mean ranks that lie within the critical difference, two members or more."""
    found: list[tuple[int, int]] = []
    for first in range(len(mean)):
        last = int(np.searchsorted(mean, mean[first] + critical, side="right")) - 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(found)


def best(scores: Board, most: int) -> list[int]:
    """Return the places of the best encoders by their mean deviation over the tasks they have, best first."""
    sums = np.nan_to_num(standardised(scores))
    known = np.isfinite(scores.matrix()).sum(axis=1)
    means = np.where(known > 0, sums.sum(axis=1) / np.maximum(known, 1), -np.inf)
    return [int(place) for place in np.argsort(-means, kind="stable")[:most] if known[place]]
