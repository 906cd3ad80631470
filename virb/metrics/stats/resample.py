"""Statistics: bootstrap replicates, intervals and paired differences of per-sample statistics.

Replicate weights are seeded by the test split's digest alone. Two encoders scored on the same test split are
therefore resampled alike, and the difference of their replicates is the paired bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from virb.core.digest import seed_of
from virb.core.errors import VirbError

REPLICATES = 1000
LEVEL = 0.95
_BLOCK = 4_000_000
"""Weights in memory at a time: replicates x samples."""


@dataclass(frozen=True)
class Interval:
    """A value with its percentile interval."""

    value: float
    low: float
    high: float


def weight_blocks(groups: np.ndarray, seed: str, replicates: int = REPLICATES) -> Iterator[np.ndarray]:
    """Yield blocks [r, N] of how often each sample is drawn; groups are drawn whole, as many as there are."""
    codes = np.unique(groups, return_inverse=True)[1]
    count = int(codes.max()) + 1
    generator = np.random.default_rng(seed_of(f"bootstrap/{seed}"))
    per_block = max(1, _BLOCK // max(1, len(groups)))
    for start in range(0, replicates, per_block):
        rows = min(per_block, replicates - start)
        drawn = generator.integers(0, count, size=(rows, count))
        offsets = np.arange(rows)[:, None] * count
        times = np.bincount((drawn + offsets).ravel(), minlength=rows * count).reshape(rows, count)
        yield times[:, codes].astype(np.float64)


def seed_draws(seeds: int, seed: str, replicates: int = REPLICATES) -> np.ndarray:
    """Return which training seeds each replicate averages over, [R, S]: drawn with replacement too."""
    generator = np.random.default_rng(seed_of(f"seeds/{seed}"))
    return generator.integers(0, seeds, size=(replicates, seeds))


def bootstrap(
    statistics: Sequence[np.ndarray],
    groups: np.ndarray,
    seed: str,
    totals: Callable[[np.ndarray, np.ndarray], np.ndarray],
    value: Callable[[np.ndarray], np.ndarray],
    replicates: int = REPLICATES,
) -> np.ndarray:
    """Return R replicates of the mean over seeds of a metric; one array of statistics [N, s] per seed."""
    blocks = [
        np.stack([value(totals(rows, weights)) for rows in statistics])
        for weights in weight_blocks(groups, seed, replicates)
    ]
    values = np.concatenate(blocks, axis=1)  # [S, R]
    draws = seed_draws(len(statistics), seed, replicates)
    return np.asarray(values[draws, np.arange(replicates)[:, None]].mean(axis=1))


def interval(value: float, replicates: np.ndarray, units: int | None = None, level: float = LEVEL) -> Interval:
    """Return the percentile interval of the replicates around a value.

    Of few independent units (samples, or groups where samples are not independent) plain percentiles are too narrow:
    the standard error is that of n and not of n - 1, and Student's distribution is wider than the normal. They are
    moved out by as much (Hesterberg 2015, expanded percentiles), as far as there are replicates.
    """
    tail = _tail(units, level)
    ordered = np.sort(np.asarray(replicates, float))
    last = int(np.isfinite(ordered).sum()) - 1  # nan stands at the end
    low, high = np.interp([tail * last, (1.0 - tail) * last], np.arange(last + 1), ordered[: last + 1])
    return Interval(float(value), float(low), float(high))


@cache
def _tail(units: int | None, level: float) -> float:
    """Return the share of replicates below the interval."""
    if units is None:
        return (1.0 - level) / 2.0
    if units < 2:  # one scene says nothing of others
        return 0.0
    from scipy.special import ndtr, stdtrit

    return float(ndtr(stdtrit(units - 1, (1.0 - level) / 2.0) * np.sqrt(units / (units - 1))))


def paired_difference(
    first: tuple[float, Sequence[float]],
    second: tuple[float, Sequence[float]],
    units: int | None = None,
    level: float = LEVEL,
) -> Interval:
    """Return the interval of `first - second`, each a value with its replicates from the same test split."""
    if len(first[1]) != len(second[1]):
        raise VirbError(
            f"the two scores have {len(first[1])} and {len(second[1])} replicates",
            "the same number, from the same test split",
            "evaluate both encoders with the same version of virb",
        )
    differences = np.asarray(first[1]) - np.asarray(second[1])
    return interval(first[0] - second[0], differences, units, level)
