"""Plots: one encoder or several over tasks and quadrants, between each task's floor and its ceiling.

Published numbers have no floor: they are drawn in standard deviations from the mean over encoders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from virb.analysis.plots.style import FAINT, INK, SMALL, TOP, WIDTH, Canvas, labels, look, look_of, named_rows
from virb.analysis.scores import Array, normalised, standardised, title
from virb.core.errors import VirbError
from virb.leaderboard.board import QUADRANTS, Board

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 8
"""Encoders that can be told apart in one figure; all others are grey."""
LINE = 0.17
"""Inches from one line of a legend to the next."""
_LEFT, _RIGHT, _FOOT = 1.75, 0.15, 0.55


def draw(scores: Board, chosen: Sequence[int]) -> Figure:
    """Return the profile of the chosen encoders, with all others behind them."""
    heights = scale(scores)
    with look():
        rows = layout(scores)
        step = 0.14 + 0.027 * len(chosen)
        foot = _FOOT + LINE * ((len(chosen) + 1) // 2 + (len(chosen) < len(scores.names)))
        height = step * len(rows)
        sheet = Canvas(TOP + height + foot)
        sheet.title("Profile over tasks and quadrants", title(scores))
        axes = sheet.axes(_LEFT, TOP, WIDTH - _LEFT - _RIGHT, height)
        _frame(axes, rows, floors=has_floors(scores))
        _background(axes, heights, rows, chosen)
        for turn, encoder in enumerate(chosen):
            offset = (turn - (len(chosen) - 1) / 2) * 0.62 / max(len(chosen), 2)
            _series(axes, scores, heights, rows, encoder, turn, offset)
        below = legend(sheet, [scores.names[place] for place in chosen], TOP + height + _FOOT - 0.08)
        if more := len(scores.names) - len(chosen):
            sheet.words(0.15, below, f"|  {more} other encoders", size=SMALL, color=FAINT)
        return sheet.figure


def layout(scores: Board) -> list[tuple[str, int | None]]:
    """Return the rows from top to bottom: a quadrant's mean with no task, then its tasks."""
    rows: list[tuple[str, int | None]] = []
    for quadrant in QUADRANTS:
        places = [place for place, task in enumerate(scores.columns) if task.quadrant == quadrant]
        if places:
            rows += [(quadrant, None), *((scores.columns[place].name, place) for place in places)]
    return rows


def has_floors(scores: Board) -> bool:
    """Tell whether every score has a floor to be measured from."""
    return all(column.floor is not None for column in scores.columns)


def scale(scores: Board) -> Array:
    """Return what is drawn [E, T]: the way from floor to ceiling, or deviations where there are no floors."""
    if has_floors(scores):
        return normalised(scores)
    if len(scores.names) < 2:
        raise VirbError(
            f"there is one encoder here, {scores.names[0]}, and its numbers have no floor",
            "two encoders or more, whose spread is the measure then",
            "name more results with --records",
        )
    return standardised(scores)


def quadrant_mean(scores: Board, heights: Array, encoder: int, quadrant: str) -> float:
    """Return an encoder's mean over a quadrant's tasks; nan unless it has them all, for means over others differ."""
    places = [place for place, task in enumerate(scores.columns) if task.quadrant == quadrant]
    return float(heights[encoder, places].mean())


def _frame(axes: Axes, rows: list[tuple[str, int | None]], *, floors: bool) -> None:
    named_rows(axes, [name for name, _ in rows], _LEFT)
    for place, (tick, (_, task)) in enumerate(zip(axes.get_yticklabels(), rows, strict=True)):
        if task is None:
            tick.set_fontweight("bold")
            axes.axhspan(place - 0.5, place + 0.5, color="#f2f2f2", zorder=0, linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    axes.set_xlabel(
        "(score − floor) / (ceiling − floor):  0 is the best constant answer, 1 a perfect one"
        if floors
        else "standard deviations from the mean over encoders (errors negated): right is better"
    )


def _background(axes: Axes, heights: Array, rows: list[tuple[str, int | None]], chosen: Sequence[int]) -> None:
    others = [place for place in range(len(heights)) if place not in set(chosen)]
    there = [(place, task) for place, (_, task) in enumerate(rows) if task is not None]
    columns = heights[np.ix_(others, [task for _, task in there])]
    at = np.broadcast_to([float(place) for place, _ in there], columns.shape)
    axes.plot(columns.ravel(), at.ravel(), "|", color="#b5b5b5", markersize=6, zorder=2, alpha=0.7)


def _series(
    axes: Axes,
    scores: Board,
    heights: Array,
    rows: list[tuple[str, int | None]],
    encoder: int,
    turn: int,
    offset: float,
) -> None:
    color, marker = look_of(turn)
    there = [(place, task) for place, (_, task) in enumerate(rows) if task is not None]
    there = [(place, task) for place, task in there if np.isfinite(heights[encoder, task])]
    at = np.array([place + offset for place, _ in there])
    if has_floors(scores):
        ends = np.array([_span(scores, encoder, task) for _, task in there]).reshape(-1, 2)
        axes.hlines(at, ends[:, 0], ends[:, 1], color=color, linewidth=1.0, zorder=3)
    style: dict[str, Any] = {"marker": marker, "color": color, "linestyle": "none", "zorder": 4}
    points = [heights[encoder, task] for _, task in there]
    axes.plot(points, at, markersize=4.2, markeredgecolor="white", markeredgewidth=0.4, **style)
    heads = [(place + offset, name) for place, (name, task) in enumerate(rows) if task is None]
    means = [quadrant_mean(scores, heights, encoder, name) for _, name in heads]
    axes.plot(means, [head for head, _ in heads], markersize=5.5, markeredgecolor=INK, markeredgewidth=0.6, **style)


def _span(scores: Board, encoder: int, task: int) -> Array:
    """Return a score's interval between floor and ceiling."""
    column = scores.columns[task]
    cell = scores.cells[scores.names[encoder], column.name]
    return column.normalised(np.array([cell.low, cell.high], dtype=np.float64))


def legend(sheet: Canvas, names: Sequence[str], top: float) -> float:
    """Name the series in two columns, and return where the line below them begins."""
    room = WIDTH / 2 - 0.45
    for turn, label in enumerate(labels(names, room)):
        left, line = 0.15 + (turn % 2) * WIDTH / 2, top + (turn // 2) * LINE
        key(sheet, left, line, turn)
        sheet.words(left + 0.2, line, label, room=room)
    return top + ((len(names) + 1) // 2) * LINE


def key(sheet: Canvas, left: float, top: float, turn: int) -> None:
    """Draw the marker of the n-th series beside a line of text whose upper left corner is near."""
    color, marker = look_of(turn)
    place = (left + 0.06) / sheet.width, 1 - (top + 0.055) / sheet.height
    sheet.figure.add_artist(
        Line2D(
            [place[0]],
            [place[1]],
            marker=marker,
            color=color,
            markersize=4.5,
            markeredgecolor="white",
            markeredgewidth=0.4,
        )
    )
