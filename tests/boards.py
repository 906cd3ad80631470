"""Scores made from numbers alone, for the analyses and the figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from virb.analysis.scores import Cell, Column, Scores, Who
from virb.cards.select import all_tasks
from virb.core.digest import seed_of
from virb.records.record import CurveFacts

TASKS = [
    Column(
        name=task.name,
        title=task.title,
        level=task.level,
        kind=task.kind,
        extra=task.extra,
        metric=task.metric,
        unit="px" if task.metric == "epe" else "value" if task.metric == "pixel_mae" else "share",
        direction="lower" if task.metric in ("epe", "pixel_mae") else "higher",
        ceiling=0.0 if task.metric in ("epe", "pixel_mae") else 1.0,
        floor=None,
    )
    for task in all_tasks()
    if not task.extra
]


def who(name: object, **facts: object) -> Who:
    """An encoder of which only the given facts are known."""
    empty = Who(str(name), seed_of(str(name)).to_bytes(16, "big").hex(), "", "", "", None, None, {})
    return replace(empty, **facts)  # type: ignore[arg-type]


def board(
    values: np.ndarray,
    tasks: Sequence[Column] = TASKS,
    encoders: Sequence[Who] | None = None,
    name: Callable[[int], str] = "encoder{:03d}".format,
    source: str = "real",
    floors: bool = True,
) -> Scores:
    """Scores [E, T] with intervals, floors and curves; nan leaves a cell out."""
    known = list(encoders or [who(name(place)) for place in range(len(values))])
    cells = {
        (row, column): cell(float(values[row, column]), tasks[column], floors)
        for row in range(len(values))
        for column in range(len(tasks))
        if not np.isnan(values[row, column])
    }
    return Scores(
        source=source,  # type: ignore[arg-type]
        protocol="standard",
        encoders=tuple(known),
        names=tuple(encoder.name for encoder in known),
        tasks=tuple(tasks),
        cells=cells,
    )


def cell(value: float, task: Column, floors: bool) -> Cell:
    """One score between a floor and a ceiling, with the curve that led to it."""
    curves = CurveFacts(
        epochs=[1, 2, 3], train_loss=[3.0, 2.0, 1.0], val_loss=[3.0, 2.5, 2.4], val_score=[0.1, value / 2, value]
    )
    if not floors:
        return Cell(value, 1.0 if task.higher else 0.0)
    ceiling, floor = (1.0, 0.1) if task.higher else (0.0, 5.0 if task.unit == "px" else 0.5)
    margin = 0.05 * abs(floor - ceiling)
    return Cell(value, ceiling, value - margin, value + margin, floor, None, None, curves)


def many(encoders: int, missing: float = 0.0, tasks: Sequence[Column] = TASKS, seed: int = 0) -> np.ndarray:
    """Scores [E, T] that an ability common to all tasks moves, with some cells left out."""
    generator = np.random.default_rng(seed)
    ability = generator.normal(size=(encoders, 1)) + 0.7 * generator.normal(size=(encoders, len(tasks)))
    shares = 1 / (1 + np.exp(-0.5 * ability))
    scale = np.array([1.0 if task.higher else -4.0 if task.unit == "px" else -0.4 for task in tasks])
    made = np.where(scale > 0, shares, (1 - shares) * np.abs(scale))
    return np.where(generator.random(made.shape) < missing, np.nan, made)


def facts(rows: Sequence[Mapping[str, object]]) -> list[Who]:
    """Encoders from their facts."""
    return [who(**{"name": f"e{place}", **row}) for place, row in enumerate(rows)]
