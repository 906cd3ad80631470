"""Plots: task scores against a reference task, the paper's figure: four panels, a line with its band per task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from virb.analysis.correlation import Relation
from virb.analysis.plots.profile import key
from virb.analysis.plots.style import FAINT, GRID, SMALL, TEXT, TOP, WIDTH, Canvas, labels, look, look_of, number
from virb.analysis.scores import title
from virb.leaderboard.board import QUADRANTS, Board, Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAND_FROM = 5
"""Encoders from which a band is drawn: one over fewer is wider than the panel and hides everything."""
_HIGH, _LEFT, _LINE, _RULE = 2.1, 0.55, 0.145, 0.2
"""Inches: a panel's height, room for its numbers, a line of the legend, the panel's heading."""


def draw(scores: Board, relations: Sequence[Relation], reference: Column) -> Figure:
    """Return the figure: one panel for each quadrant that has a task."""
    panels = [
        (quadrant, [relation for relation in relations if relation.task.quadrant == quadrant]) for quadrant in QUADRANTS
    ]
    panels = [(quadrant, members) for quadrant, members in panels if members]
    rows = [panels[start : start + 2] for start in range(0, len(panels), 2)]
    heights = [_RULE + _HIGH + 0.62 + _LINE * max(len(members) for _, members in row) + 0.15 for row in rows]
    with look():
        sheet = Canvas(TOP + sum(heights))
        most = max(len(relation.x) for relation in relations)
        sheet.title(
            f"Task scores against {_axis(reference)}", f"{title(scores)}; up to {most} encoders, one marker each"
        )
        wide = WIDTH / min(2, len(panels))
        for line, row in enumerate(rows):
            for place, (quadrant, members) in enumerate(row):
                _panel(sheet, (place * wide, TOP + sum(heights[:line]), wide), quadrant, members, reference)
        return sheet.figure


def _axis(task: Column) -> str:
    return f"{task.name} {task.metric}" if task.higher else f"{task.name} {task.metric}, negated"


def _panel(
    sheet: Canvas, place: tuple[float, float, float], quadrant: str, members: Sequence[Relation], reference: Column
) -> None:
    left, top, wide = place
    sheet.words(left + 0.1, top, quadrant.replace("-", "-level, "), size=TEXT + 0.5, room=wide - 0.2)
    axes = sheet.axes(left + _LEFT, top + _RULE, wide - _LEFT - 0.15, _HIGH)
    scales = [relation.task.power(relation.y.tolist()) for relation in members]
    for turn, (relation, scale) in enumerate(zip(members, scales, strict=True)):
        _series(axes, relation, scale, turn)
    _limits(axes, members, scales)
    axes.grid(color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel(_axis(reference), labelpad=2)
    negated = any(not relation.task.higher for relation in members)
    axes.set_ylabel("score (errors negated: up is better)" if negated else "score", labelpad=2)
    _legend(sheet, (left + 0.1, top + _RULE + _HIGH + 0.42, wide - 0.25), members, scales)


def _series(axes: Axes, relation: Relation, scale: int, turn: int) -> None:
    color, marker = look_of(turn)
    x, y = relation.x, relation.y / 10**scale
    size = 3.6 if len(x) <= 60 else 2.4
    axes.plot(
        x, y, marker, color=color, markersize=size, markeredgecolor="white", markeredgewidth=0.3, alpha=0.85, zorder=3
    )
    if relation.line is None or len(x) < 2:
        return
    ends = np.linspace(x.min(), x.max(), 25)
    axes.plot(ends[[0, -1]], relation.line.at(ends[[0, -1]]) / 10**scale, color=color, linewidth=1.1, zorder=2)
    if len(x) >= BAND_FROM:
        low, high = relation.line.band(ends)
        axes.fill_between(ends, low / 10**scale, high / 10**scale, color=color, alpha=0.16, linewidth=0, zorder=1)


def _limits(axes: Axes, members: Sequence[Relation], scales: Sequence[int]) -> None:
    """Show all points; a band over few encoders may leave the panel."""
    x = np.concatenate([relation.x for relation in members])
    y = np.concatenate([relation.y / 10**scale for relation, scale in zip(members, scales, strict=True)])
    for values, limit in ((x, axes.set_xlim), (y, axes.set_ylim)):
        if len(values):
            low, high = float(values.min()), float(values.max())
            margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
            limit(low - margin, high + margin)


def _legend(
    sheet: Canvas, place: tuple[float, float, float], members: Sequence[Relation], scales: Sequence[int]
) -> None:
    left, top, wide = place
    figures = wide - 1.06
    sheet.words(left + figures, top, "Pearson r [95 %]", size=SMALL, color=FAINT)
    named = [relation.task.label(scale) for relation, scale in zip(members, scales, strict=True)]
    for turn, (label, relation) in enumerate(zip(labels(named, figures - 0.26, SMALL), members, strict=True)):
        line = top + _LINE * (turn + 1)
        key(sheet, left + 0.05, line - 0.008, turn)
        sheet.words(left + 0.24, line, label, size=SMALL, room=figures - 0.26)
        sheet.words(left + figures, line, coefficient(relation), size=SMALL, room=1.15)


def coefficient(relation: Relation) -> str:
    """Return Pearson's coefficient with its interval as a reader wants it."""
    found = relation.by("pearson")
    if math.isnan(found.value):
        return f"– (n = {found.n})" if found.n < 3 else "– (all equal)"
    return f"{number(found.value)} [{number(found.low)}, {number(found.high)}]"
