"""Plots: coefficients between tasks, alike ones beside one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster.hierarchy import dendrogram

from virb.analysis.correlation import TaskMatrix
from virb.analysis.plots.style import FAINT, INK, PALETTE, SMALL, TEXT, TOP, WIDTH, Canvas, labels, look, number
from virb.analysis.scores import title
from virb.leaderboard.board import QUADRANTS, Board

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEFT, _TREE, _NAMES, _BAR, _FOOT = 1.55, 0.55, 1.45, 0.75, 0.3
_COLOURS = "PuOr_r"
"""Brewer's purple and orange: told apart with every kind of colour vision, white at 0."""


def draw(scores: Board, matrix: TaskMatrix) -> Figure:
    """Return the matrix as a figure: tree above, names below, a scale at the right."""
    with look():
        count = len(matrix.tasks)
        side = min(WIDTH - _LEFT - _BAR, 0.6 * count)
        sheet = Canvas(TOP + _TREE + side + _NAMES + _FOOT)
        name = {"spearman": "Spearman's rank correlation", "pearson": "Pearson's correlation"}.get(
            matrix.method, "Kendall's rank correlation"
        )
        sheet.title(f"{name} between tasks, over encoders", f"{title(scores)}; {_counts(matrix)}")
        _tree(sheet.axes(_LEFT, TOP, side, _TREE), matrix)
        axes = sheet.axes(_LEFT, TOP + _TREE, side, side)
        image = axes.imshow(np.ma.masked_invalid(matrix.values), cmap=_COLOURS, vmin=-1, vmax=1, aspect="auto")
        _names(axes, matrix)
        _numbers(axes, matrix, side / count)
        scale = sheet.figure.colorbar(image, cax=sheet.axes(_LEFT + side + 0.15, TOP + _TREE, 0.12, min(side, 2.0)))
        scale.outline.set_visible(False)
        scale.set_ticks([-1, -0.5, 0, 0.5, 1])
        _key(sheet, TOP + _TREE + side + _NAMES)
        return sheet.figure


def _counts(matrix: TaskMatrix) -> str:
    off = matrix.counts[~np.eye(len(matrix.tasks), dtype=bool)]
    low, high = int(off.min()), int(off.max())
    return f"{high} encoders" if low == high else f"{low} to {high} encoders for each pair"


def _tree(axes: Axes, matrix: TaskMatrix) -> None:
    axes.set_axis_off()
    shape = dendrogram(matrix.tree, no_plot=True)
    for across, up in zip(shape["icoord"], shape["dcoord"], strict=True):
        axes.plot(np.array(across) / 10, up, color=FAINT, linewidth=0.7, clip_on=False)
    axes.set_xlim(0, len(matrix.tasks))
    axes.set_ylim(0, max(float(matrix.tree[:, 2].max()), 1e-6) * 1.05)


def _names(axes: Axes, matrix: TaskMatrix) -> None:
    count = len(matrix.tasks)
    size = TEXT if count <= 25 else max(3.0, TEXT * 25 / count)
    names = [task.name for task in matrix.tasks]
    axes.set_xticks(range(count), labels(names, _NAMES - 0.1, size), rotation=90)
    axes.set_yticks(range(count), labels(names, _LEFT - 0.2, size))
    axes.tick_params(length=0, labelsize=size)
    for side in axes.spines.values():
        side.set_visible(False)
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        for label, task in zip(ticks, matrix.tasks, strict=True):
            label.set_color(PALETTE[QUADRANTS.index(task.quadrant)] if task.quadrant in QUADRANTS[:3] else INK)


def _numbers(axes: Axes, matrix: TaskMatrix, cell: float) -> None:
    """Write the coefficients where cells have room for them; a dash where there is none."""
    size = min(SMALL, cell * 72 * 0.34)  # four signs leave a gap to their neighbours
    if size < 3.5:
        return
    for row, line in enumerate(matrix.values):
        for column, value in enumerate(line):
            ink = "white" if abs(value) > 0.75 else INK
            text = short(value) if row != column else ""
            axes.text(column, row, text, ha="center", va="center", size=size, color=ink)


def short(value: float) -> str:
    """Return a coefficient in as few letters as say it."""
    text = number(value)
    return text.removesuffix(".00") if text.endswith("1.00") else text.replace("0.", ".", 1)


def _key(sheet: Canvas, top: float) -> None:
    left = 0.1
    for place, quadrant in enumerate(QUADRANTS):
        color = PALETTE[place] if place < 3 else INK
        sheet.words(left, top, quadrant, size=SMALL, color=color, room=1.2)
        left += 1.2
    sheet.words(left, top, "–: under three encoders, or all equal", size=SMALL, color=FAINT)
