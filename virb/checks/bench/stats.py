"""Bench: how often 95 % intervals hold the truth, on simulated test splits whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from virb.metrics import METRICS, PIXEL_METRICS, MeanIoU, Metric
from virb.metrics.stats import METHODS, bootstrap, correlation, interval, mean_ranks, rank_intervals, weight_blocks

Draw = Callable[[np.random.Generator], tuple[list[np.ndarray], np.ndarray]]
"""One simulated test split: statistics [N, s] of each seed, and groups [N]."""
_LARGE = 200_000
"""Samples whose value stands for the truth where there is no formula."""
_HARD = 0.7
"""How much of a sample's difficulty all encoders share."""


@dataclass(frozen=True)
class Population:
    """A kind of test split, its metric and the value that an endless one would have."""

    name: str
    metric: Metric
    draw: Draw
    truth: float


def accuracy(
    random: np.random.Generator, samples: int, share: float, seeds: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """Top-1 of heads that differ a little from seed to seed around the same share."""
    hard = random.random(samples)
    shares = share + random.normal(0, 0.004, seeds)
    rows = [(_HARD * hard + (1 - _HARD) * random.random(samples) < _threshold(one)) for one in shares]
    return [np.stack([row, np.ones(samples)], axis=-1).astype(float) for row in rows], np.arange(samples)


def _threshold(share: float | np.ndarray) -> float | np.ndarray:
    """Return below which value a sum of two uniform parts stays with this chance, for chances between 0.25 and 0.75."""
    return 0.5 * (1 - _HARD) + _HARD * share


def overlap(random: np.random.Generator, samples: int, classes: int = 6) -> tuple[list[np.ndarray], np.ndarray]:
    """Pixels of six classes, each in half of the pictures, found more or less."""
    there = random.gamma(1.5, 1000, (samples, classes)) * (random.random((samples, classes)) < 0.5)
    found = there * random.beta(6, 2, (samples, classes))
    wrong = random.gamma(1, 150, (samples, classes)) * (random.random((samples, classes)) < 0.6)
    return [np.concatenate([found, wrong, there - found], axis=1)], np.arange(samples)


def depth(random: np.random.Generator, groups: int, members: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Relative errors of pictures, lognormal, alike within a scene."""
    codes = np.repeat(np.arange(groups), members)
    errors = np.exp(random.normal(-2, 0.4, groups)[codes] + random.normal(0, 0.3, len(codes)))
    return [np.stack([errors, np.ones(len(codes))], axis=-1)], codes


def grouped(random: np.random.Generator, groups: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Hits in videos of unequal length, some easy and some hard."""
    codes = np.repeat(np.arange(groups), random.integers(3, 20, groups))
    hits = random.random(len(codes)) < random.beta(4, 2, groups)[codes]
    return [np.stack([hits, np.ones(len(codes))], axis=-1).astype(float)], codes


def scenes() -> Iterator[Population]:
    """Yield the kinds of test splits whose intervals are counted."""
    random = np.random.default_rng(7)
    top1, absrel, iou = METRICS["top1"], PIXEL_METRICS["absrel"], MeanIoU(6)
    yield Population("accuracy, 300 samples", top1, partial(accuracy, samples=300, share=0.7, seeds=1), 0.7)
    yield Population("accuracy, 300 samples, 3 seeds", top1, partial(accuracy, samples=300, share=0.5, seeds=3), 0.5)
    many = overlap(random, _LARGE)[0][0]
    yield Population("IoU, 200 pictures", iou, partial(overlap, samples=200), float(iou.value(iou.totals(many))))
    error = float(np.exp(-2 + 0.4**2 / 2 + 0.3**2 / 2))
    yield Population("depth, 300 pictures", absrel, partial(depth, groups=300, members=1), error)
    yield Population("depth, 40 scenes of 8", absrel, partial(depth, groups=40, members=8), error)
    yield Population("accuracy, 40 videos", top1, partial(grouped, groups=40), 4 / 6)
    yield Population("accuracy, 12 videos", top1, partial(grouped, groups=12), 4 / 6)


def coverage(scene: Population, sets: int, seed: int = 0) -> float:
    """Return the share of simulated sets whose interval holds the truth."""
    held = 0
    for number in range(sets):
        statistics, groups = scene.draw(np.random.default_rng([seed, number]))
        metric = scene.metric
        value = float(np.mean([metric.value(metric.totals(rows)) for rows in statistics]))
        replicates = bootstrap(statistics, groups, f"{scene.name}/{seed}/{number}", metric.totals, metric.value)
        span = interval(value, replicates, len(np.unique(groups)))
        held += span.low <= scene.truth <= span.high
    return held / sets


@dataclass(frozen=True)
class Field:
    """Encoders on tasks, and how their true shares lie."""

    encoders: int
    tasks: int
    apart: float
    """The deviation of true shares; the noise of one task's is about 0.015."""
    general: float
    """How much of its variance is the encoder's on all tasks."""
    levels: int = 0
    """Abilities that there are; 0 is as many as encoders."""

    def shares(self, random: np.random.Generator) -> np.ndarray:
        """Return true shares [K, T]."""
        ability = random.normal(size=(self.encoders, 1))
        if self.levels:
            step = np.arange(self.encoders)[:, None] * self.levels // self.encoders
            ability = (step - step.mean()) / step.std()
        liking = random.normal(size=(self.encoders, self.tasks))
        mixed = ability * np.sqrt(self.general) + liking * np.sqrt(1 - self.general)
        return np.asarray(np.clip(0.5 + self.apart * mixed, 0.26, 0.74))


RANKS = {
    "10 encoders far apart, 20 tasks": Field(10, 20, 0.05, 0.5),
    "10 encoders close together, 5 tasks": Field(10, 5, 0.02, 0.0),
    "10 encoders in nearly one order, 20 tasks": Field(10, 20, 0.02, 0.8),
    "30 encoders, 10 tasks": Field(30, 10, 0.02, 0.5),
    "4 encoders, 10 tasks": Field(4, 10, 0.02, 0.5),
    "10 encoders, 1 task": Field(10, 1, 0.02, 0.0),
    "5 pairs of equals, 20 tasks": Field(10, 20, 0.02, 0.99, levels=5),
    "5 and 6 equals, 20 tasks": Field(11, 20, 0.02, 0.99, levels=2),
    "10 within a third of the noise, 20 tasks": Field(10, 20, 0.005, 0.5),
    "the same in one order on all tasks": Field(10, 20, 0.005, 1.0),
    "within a fifth, in one order on all": Field(10, 20, 0.003, 1.0),
}


def rank_coverage(field: Field, sets: int, samples: int = 300) -> float:
    """Return the share of encoders whose interval holds their true mean rank."""
    held, encoders, tasks = 0, field.encoders, field.tasks
    for number in range(sets):
        random = np.random.default_rng([encoders, tasks, number])
        shares = field.shares(random)
        hits = np.empty((encoders, tasks, samples))
        replicates = np.empty((encoders, tasks, 300))
        for task in range(tasks):
            hard, own = random.random(samples), random.random((encoders, samples))
            hits[:, task] = _HARD * hard + (1 - _HARD) * own < _threshold(shares[:, task, None])
            weights = np.concatenate(list(weight_blocks(np.arange(samples), f"{number}/{task}", 300)))
            replicates[:, task] = hits[:, task] @ weights.T / samples
        spans = rank_intervals(hits.mean(-1), replicates)
        true = mean_ranks(shares)
        held += sum(span.low <= rank <= span.high for span, rank in zip(spans, true, strict=True))
    return held / (sets * encoders)


def correlation_coverage(strength: float, sets: int, encoders: int = 28) -> dict[str, float]:
    """Return the share of intervals that hold the true coefficient, of two normal columns that go together so far."""
    truth = {
        "pearson": strength,
        "spearman": 6 / np.pi * np.arcsin(strength / 2),
        "kendall": 2 / np.pi * np.arcsin(strength),
    }
    held = dict.fromkeys(METHODS, 0)
    random = np.random.default_rng([28, int(100 * strength)])
    for _ in range(sets):
        first, second = random.normal(size=(2, encoders))
        second = strength * first + np.sqrt(1 - strength**2) * second
        for method in METHODS:
            found = correlation(first, second, method)
            held[method] += found.low <= truth[method] <= found.high
    return {method: count / sets for method, count in held.items()}


def report(sets: int) -> None:
    """Print how often intervals hold the truth."""
    print(f"Share of 95 % intervals that hold the truth, {sets} simulated sets each\n")
    for scene in scenes():
        print(f"{scene.name:45s} {100 * coverage(scene, sets):5.1f} %")
    for name, field in RANKS.items():
        share = rank_coverage(field, max(1, sets // field.encoders))
        print(f"{'mean rank, ' + name:45s} {100 * share:5.1f} %")
    for strength in (0.0, 0.5, 0.9):
        found = correlation_coverage(strength, sets)
        shares = ", ".join(f"{method} {100 * share:.1f} %" for method, share in found.items())
        print(f"{f'correlation {strength:g} of 28 encoders':45s} {shares}")
