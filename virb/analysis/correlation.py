"""Analysis: how task scores go with a reference task, and with one another, over encoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from virb.analysis.scores import Array
from virb.core.errors import UsageError, VirbError, did_you_mean
from virb.leaderboard.board import Board, Column
from virb.metrics.stats import METHODS, Correlation, Line, correlation, line

if TYPE_CHECKING:
    import pandas as pd

    from virb.metrics.stats.relation import Method

LEAST = 3
"""Encoders that a coefficient needs."""


@dataclass(frozen=True)
class Relation:
    """One task against the reference: its line, and its coefficients by three methods; up is better in both."""

    task: Column
    x: Array
    y: Array
    """The encoders that have both scores."""
    line: Line | None
    coefficients: tuple[Correlation, ...]

    def by(self, method: Method) -> Correlation:
        """Return the coefficient of one method."""
        return next(found for found in self.coefficients if found.method == method)


def against(scores: Board, reference: str = "imagenet", above: float | None = None) -> list[Relation]:
    """Return every other task's relation to the reference, over encoders whose reference score is above a bound."""
    names = [task.name for task in scores.columns]
    if reference not in names:
        raise UsageError(
            f"no encoder here has a score on {reference}{did_you_mean(reference, names)}",
            f"records of the reference task; there are {', '.join(names[:30])}",
            "name one that is there with --reference, or evaluate it too",
        )
    goodness = scores.matrix()
    column = goodness[:, names.index(reference)]
    x = column if above is None else np.where(column > above, column, np.nan)
    if len(names) < 2:
        raise VirbError(
            f"{reference} is the only task here", "a second task to set against it", "evaluate other tasks too"
        )
    enough(int(np.isfinite(x).sum()), f"have a score on {reference}" + ("" if above is None else f" above {above}"))
    return [
        _relation(task, x, goodness[:, place]) for place, task in enumerate(scores.columns) if task.name != reference
    ]


def enough(encoders: int, what: str) -> None:
    """Refuse to correlate over fewer encoders than make a coefficient."""
    if encoders < LEAST:
        raise VirbError(
            f"encoders that {what}: {encoders}",
            f"at least {LEAST}, for a coefficient is over encoders",
            "evaluate more encoders, or name more results with --records (there is paper2021)",
        )


def _relation(task: Column, x: Array, y: Array) -> Relation:
    both = np.isfinite(x) & np.isfinite(y)
    found = tuple(correlation(x, y, method) for method in METHODS)
    return Relation(task, x[both], y[both], line(x, y), found)


def table(relations: Sequence[Relation], reference: str) -> pd.DataFrame:
    """Return the coefficients, one row per task."""
    import pandas as pd

    return pd.DataFrame([_row(relation, reference) for relation in relations])


def _row(relation: Relation, reference: str) -> dict[str, Any]:
    task, drawn = relation.task, relation.line
    row: dict[str, Any] = {
        "task": task.name,
        "quadrant": task.quadrant,
        "metric": task.metric,
        "negated": not task.higher,
        "reference": reference,
        "n": len(relation.x),
    }
    for found in relation.coefficients:
        values = (found.value, found.low, found.high, found.p)
        row |= {f"{found.method}{end}": value for end, value in zip(("", "_low", "_high", "_p"), values, strict=True)}
    return row | {"slope": drawn.slope if drawn else None, "intercept": drawn.intercept if drawn else None}


@dataclass(frozen=True)
class TaskMatrix:
    """Coefficients between tasks [T, T], in an order that puts alike tasks beside one another."""

    tasks: tuple[Column, ...]
    values: Array
    counts: NDArray[np.int_]
    """Encoders that have both tasks."""
    tree: Array
    """Average linkage of 1 - coefficient, as scipy has it; its leaves are the tasks in their order here."""
    method: Method


def between(scores: Board, method: Method = "spearman") -> TaskMatrix:
    """Return the clustered coefficients between all tasks; nan where too few encoders have both, or all are equal."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(scores.columns) < 2:
        raise VirbError(
            f"there is one task here, {scores.columns[0].name}", "at least two tasks", "evaluate other tasks too"
        )
    goodness = scores.matrix()
    known = np.isfinite(goodness)
    counts = known.T.astype(int) @ known.astype(int)
    enough(int((counts - np.diag(np.diag(counts))).max()), "have scores on two tasks")
    values = np.array([[correlation(one, other, method).value for other in goodness.T] for one in goodness.T])
    distance = 1 - np.nan_to_num((values + values.T) / 2)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    order = leaves_list(tree)
    tree[:, :2] = np.vectorize(_renumber(order).get)(tree[:, :2].astype(int))
    return TaskMatrix(
        tuple(scores.columns[place] for place in order),
        values[np.ix_(order, order)],
        counts[np.ix_(order, order)],
        tree,
        method,
    )


def _renumber(order: NDArray[Any]) -> dict[int, int]:
    """Return new numbers of a tree's nodes when its leaves are put in this order; inner nodes keep theirs."""
    leaves = {int(old): new for new, old in enumerate(order)}
    return leaves | {inner: inner for inner in range(len(order), 2 * len(order))}
