"""Statistics: mean ranks over tasks, how sure they are, and which encoders no test tells apart.

A bootstrap of ranks alone misses the truth: it adds the noise of resampling to the noise that is in the scores, so the
best encoder looks worse in every replicate. Here scores are first drawn towards what noise leaves of them, by empirical
Bayes: a task's true scores are a general ability of the encoder and a part of its own, both normal; replicates then
spread around the posterior. Every replicate draws the two variances too: of a board on which encoders differ by less
than noise, one estimate of them would be far too sure.

Intervals hold at least 93 % of true mean ranks where encoders lie far apart, close together, in groups of equals, in
nearly one order, or within a third of one task's noise (`virb bench stats`). One kind of board is worse:
encoders in the very same order on every task and within a fifth of that noise, where they hold about 90 %.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from virb.core.digest import seed_of
from virb.metrics.stats.resample import LEVEL, Interval
from virb.metrics.stats.testing import holm, p_of_difference

_LEAST = 1e-2
"""The variance of ability, in units of noise, below which no board can be told from one of equal encoders: their ranks
are then anything."""


def mean_ranks(scores: np.ndarray) -> np.ndarray:
    """Return mean ranks over tasks of scores [K, T, ...], higher is better and 1 is best; equal scores share."""
    ranks = _ranks(np.moveaxis(np.asarray(scores, float), 0, -1))
    return np.asarray(np.moveaxis(ranks.mean(axis=0), -1, 0))


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Return the ranks along the last axis, from the highest down; equals get the mean of their places."""
    order = np.argsort(-scores, axis=-1)  # in any order of equals: they share a place
    ordered = np.take_along_axis(scores, order, axis=-1)
    places = np.broadcast_to(np.arange(scores.shape[-1], dtype=float), scores.shape)
    new = np.ones(scores.shape, bool)
    new[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    if not new.all():
        first = np.maximum.accumulate(np.where(new, places, 0.0), axis=-1)
        ends = np.roll(new, -1, axis=-1)
        last = np.where(ends, places, scores.shape[-1])[..., ::-1]
        places = (first + np.minimum.accumulate(last, axis=-1)[..., ::-1]) / 2
    ranks = np.empty(scores.shape)
    np.put_along_axis(ranks, order, places + 1, axis=-1)
    return ranks


def rank_intervals(scores: np.ndarray, replicates: np.ndarray, level: float = LEVEL) -> list[Interval]:
    """Return mean ranks with their intervals, of scores [K, T] and paired replicates [K, T, R], higher is better."""
    ranks = mean_ranks(scores)
    tail = (1 - level) / 2
    low, high = np.quantile(mean_ranks(_posterior(scores, replicates)), [tail, 1 - tail], axis=-1)
    return [
        Interval(float(rank), float(min(rank, one)), float(max(rank, two)))
        for rank, one, two in zip(ranks, low, high, strict=True)
    ]


def _posterior(scores: np.ndarray, replicates: np.ndarray) -> np.ndarray:
    """Return draws [K, T, R] of the true scores in units of each task's noise; only their order has a meaning."""
    encoders, tasks = scores.shape
    found = scores - scores.mean(0)
    around = replicates - scores[..., None]
    around = around - around.mean(0)
    noise = np.sqrt(around.var(-1).sum(0) / max(1, encoders - 1))
    noise[noise == 0] = np.finfo(float).tiny ** 0.25  # nothing moves: the order is certain
    found, around = found / noise, around / noise[:, None]
    ability = found.mean(1)
    own, general = _variances(found, ability, replicates.shape[-1])
    several = tasks * (general + _LEAST) + own
    along, across = several / (several + 1), own / (own + 1)
    middle = across * found[..., None] + (along - across) * ability[:, None, None]
    spread = np.sqrt(across) * around + (np.sqrt(along) - np.sqrt(across)) * around.mean(1, keepdims=True)
    return np.asarray(middle + spread)


def _variances(found: np.ndarray, ability: np.ndarray, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Return draws of a task's own variance and of ability's, with the noise of 1 taken off: what squares leave open.

    A sum of squares over its expectation is chi-square; turned around, it says which variances may have given it.
    """
    encoders, tasks = found.shape
    random = np.random.default_rng(seed_of("variances of ranks"))
    within = ((found - ability[:, None]) ** 2).sum()
    freedom = (encoders - 1) * (tasks - 1)
    one = within / random.chisquare(freedom, draws) if freedom else np.ones(draws)
    many = tasks * (ability**2).sum() / random.chisquare(max(1, encoders - 1), draws)
    own = np.maximum(0.0, one - 1)
    return own, np.maximum(0.0, (many - own - 1) / tasks)


def places(
    ranks: Sequence[float] | np.ndarray, means: np.ndarray, replicates: np.ndarray, level: float = LEVEL
) -> list[int]:
    """Return places that ties share: one more than the encoders that rank better and that a test tells apart.

    The test is that of all pairs' mean scores [K] with paired replicates [K, R], after Holm.
    """
    first, second = np.triu_indices(len(means), 1)
    covariance = np.atleast_2d(np.cov(replicates))
    variance = np.diag(covariance)[first] + np.diag(covariance)[second] - 2 * covariance[first, second]
    error = np.sqrt(np.maximum(variance, 0.0))
    apart = holm(p_of_difference(means[first] - means[second], error)) < 1 - level
    told = np.zeros((len(means), len(means)), bool)
    told[first, second] = told[second, first] = apart
    better = np.asarray(ranks)[None, :] < np.asarray(ranks)[:, None]
    return [1 + int(count) for count in (told & better).sum(1)]
