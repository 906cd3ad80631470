"""Page: what the interactive plots draw: scores turned so that up is better, and coefficients of every two tasks."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np

from virb.core.text import clean, show
from virb.leaderboard import Board, Cell, Column
from virb.metrics.stats import METHODS, correlation


def figures(board: Board) -> dict[str, Any]:
    """Return a board as JSON for the plots; encoders and tasks are named by their places in the lists."""
    scores = [
        [_point(board.cells.get((row.encoder, column.name)), column) for row in board.rows] for column in board.columns
    ]
    powers = [
        column.power(point[0] for point in points if point)
        for column, points in zip(board.columns, scores, strict=True)
    ]
    return {
        "encoders": [clean(row.encoder) for row in board.rows],
        "tasks": [_task(column, power) for column, power in zip(board.columns, powers, strict=True)],
        "scores": scores,
        "pairs": _pairs(board),
    }


def _task(column: Column, power: int) -> dict[str, Any]:
    return {
        "name": column.name,
        "title": clean(column.title),
        "group": column.quadrant,
        "extra": column.extra,
        "label": column.label(power),
        "divisor": 10**power,
        "share": column.unit == "share",
    }


def _point(cell: Cell | None, column: Column) -> list[Any] | None:
    """Return a score, the ends of its interval, and all three in words."""
    if cell is None or not math.isfinite(cell.value):
        return None
    words = show(cell.value, column.unit)
    if cell.low is None or cell.high is None:
        return [_digits(column.turned(cell.value)), None, None, words]
    ends = sorted(column.turned(end) for end in (cell.low, cell.high))
    bounds = f" [{show(cell.low, column.unit)}, {show(cell.high, column.unit)}]"
    return [_digits(column.turned(cell.value)), *map(_digits, ends), words + bounds]


def _digits(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _pairs(board: Board) -> dict[str, list[Any]]:
    """Return, for every two tasks by their places, how many encoders have both and the three coefficients."""
    scores = board.matrix()
    found = {}
    for first, second in combinations(range(len(board.columns)), 2):
        results = [correlation(scores[:, first], scores[:, second], method) for method in METHODS]
        spans = [[_two(value) for value in (one.value, one.low, one.high)] for one in results]
        found[f"{first}-{second}"] = [results[0].n, *spans]
    return found


def _two(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
