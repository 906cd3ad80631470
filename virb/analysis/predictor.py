"""Analysis: whether ImageNet accuracy foretells other tasks, by quadrant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import stdtr, stdtrit
from scipy.stats import rankdata

from virb.analysis.correlation import LEAST
from virb.analysis.finding import Effect, Question, Reply, judge, several
from virb.analysis.scores import Array
from virb.leaderboard.board import QUADRANTS, Board
from virb.metrics.stats import LEVEL, correlation

FORETELLS = Question(
    "predictor",
    "Does the score on ImageNet foretell that on other tasks, and in which quadrants?",
    "Per task, Spearman's rank correlation over encoders with Fisher's interval. Per quadrant, the mean over its "
    "tasks with a jackknife error over encoders: the tasks share their encoders, and an error over tasks would miss "
    "that. Holm over quadrants, and over tasks.",
    "The paper draws lines with bands and gives matrices of coefficients, each tested as if it were the only one.",
    "rank correlation with the ImageNet score over encoders; errors negated",
)


def predictor(scores: Board, reference: str = "imagenet") -> Reply:
    """Return how far the reference task foretells the others."""
    names = [task.name for task in scores.columns]
    if reference not in names:
        return FORETELLS.answered(f"Cannot tell: no encoder here has a score on {reference}.")
    goodness = scores.matrix()
    x = goodness[:, names.index(reference)]
    others = [place for place, name in enumerate(names) if name not in (reference, "imagenetv2")]
    if np.isfinite(x).sum() <= LEAST or not others:
        return FORETELLS.answered(
            f"Cannot tell: {int(np.isfinite(x).sum())} encoders and {len(others)} other tasks are too few."
        )
    tasks = judge([_of_task(scores, x, place) for place in others])
    quadrants = [
        (quadrant, [place for place in others if scores.columns[place].quadrant == quadrant]) for quadrant in QUADRANTS
    ]
    means = judge(
        [
            replace(of_quadrant(name, x, goodness[:, places]), more=_ends([tasks[others.index(p)] for p in places]))
            for name, places in quadrants
            if places
        ]
    )
    return FORETELLS.answered(_sentence(means), (*means, *tasks), [_overlap(scores)])


def _of_task(scores: Board, x: Array, place: int) -> Effect:
    found = correlation(x, scores.matrix()[:, place], "spearman")
    return Effect(scores.columns[place].name, found.value, found.low, found.high, found.n, found.p)


def of_quadrant(name: str, x: Array, columns: Array) -> Effect:
    """Return the mean correlation of several tasks, with an error over the encoders that they share."""
    there = np.flatnonzero(np.isfinite(x))
    whole = mean_correlation(x, columns)
    parts = np.array([mean_correlation(np.delete(x, place), np.delete(columns, place, axis=0)) for place in there])
    n = len(there)
    if n <= LEAST or not math.isfinite(whole) or not np.isfinite(parts).all():
        return Effect(name, whole, math.nan, math.nan, n, math.nan)
    error = math.sqrt((n - 1) / n * float(((parts - parts.mean()) ** 2).sum()))
    half = float(stdtrit(n - 2, (1 + LEVEL) / 2)) * error
    p = 2 * float(stdtr(n - 2, -abs(whole) / error)) if error > 0 else float(whole == 0)
    return Effect(name, whole, max(-1.0, whole - half), min(1.0, whole + half), n, p)


def mean_correlation(x: Array, columns: Array) -> float:
    """Return the mean of rank correlations; nan where none can be had."""
    there = np.isfinite(x)
    x, columns = x[there], columns[there]
    whole = np.isfinite(columns).all(axis=0)
    found = list(_rank_correlations(x, columns[:, whole]))
    for column in columns[:, ~whole].T:
        known = np.isfinite(column)
        found += list(_rank_correlations(x[known], column[known, None]))
    kept = [value for value in found if math.isfinite(value)]
    return float(np.mean(kept)) if kept else math.nan


def _rank_correlations(x: Array, columns: Array) -> Array:
    """Return Spearman's coefficient of each column [N, T] with x, all of them at once: a jackknife asks often."""
    if len(x) < LEAST:
        return np.full(columns.shape[1], np.nan)
    first = rankdata(x) - (len(x) + 1) / 2
    others = rankdata(columns, axis=0) - (len(x) + 1) / 2
    scale = np.sqrt((first**2).sum() * (others**2).sum(axis=0))
    return np.where(scale > 0, first @ others / np.where(scale > 0, scale, 1.0), np.nan)


def _ends(effects: Sequence[Effect]) -> dict[str, str]:
    """Return the tasks of least and of largest correlation: a mean hides how far they are apart."""
    known = sorted((effect for effect in effects if math.isfinite(effect.value)), key=lambda effect: effect.value)
    if not known:
        return {}
    return {end: f"{effect.label} {effect.value:+.2f}" for end, effect in (("least", known[0]), ("most", known[-1]))}


def _sentence(means: tuple[Effect, ...]) -> str:
    kinds = {
        verdict: [f"{effect.label} ({_span(effect)})" for effect in means if effect.verdict == verdict]
        for verdict in ("higher", "lower", "cannot tell")
    }
    parts = [
        f"a better score on ImageNet goes with {word} ones on {several(kinds[verdict])} tasks"
        for verdict, word in (("higher", "better"), ("lower", "worse"))
        if kinds[verdict]
    ]
    parts += [f"cannot tell for {several(kinds['cannot tell'])} tasks"] if kinds["cannot tell"] else []
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]} (mean rank correlations)."


def _span(effect: Effect) -> str:
    return f"{effect.value:.2f} [{effect.low:.2f}, {effect.high:.2f}]"


def _overlap(scores: Board) -> str:
    """Warn where the encoders are a choice that narrows what can be seen."""
    if scores.source != "published":
        return ""
    return (
        "Only encoders above 40 % on ImageNet are in the paper's figure: a narrower range makes correlations smaller, "
        "and a broken encoder, bad at everything, would make them larger."
    )
