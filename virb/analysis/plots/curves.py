"""Plots: training and validation curves of records, one task at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from virb.analysis.plots.profile import LINE, legend
from virb.analysis.plots.style import FAINT, GRID, SMALL, TOP, WIDTH, Canvas, look, look_of
from virb.analysis.scores import title
from virb.core.errors import VirbError
from virb.leaderboard.board import Board, Column
from virb.records.record import CurveFacts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HIGH, _FOOT = 2.2, 0.55


def draw(scores: Board, column: Column, chosen: Sequence[int]) -> Figure:
    """Return loss and validation score over epochs of the chosen encoders on one task."""
    cells = [(name, scores.cells.get((name, column.name))) for name in (scores.names[place] for place in chosen)]
    found = [(name, cell.record.curves) for name, cell in cells if cell and cell.record]
    held = [(name, curves) for name, curves in found if curves.epochs]
    if not held:
        raise VirbError(
            f"no record of {column.name} here holds a curve",
            "records of kind 'measured': published numbers come without their training",
            "name other records with --records, or another task with --task",
        )
    with look():
        sheet = Canvas(TOP + _HIGH + _FOOT + LINE * ((len(held) + 1) // 2 + 1))
        sheet.title(f"Training of the chosen setting on {column.name}, means over seeds", title(scores))
        wide = (WIDTH - 1.5) / 2
        loss, score = sheet.axes(0.65, TOP + 0.1, wide, _HIGH), sheet.axes(1.4 + wide, TOP + 0.1, wide, _HIGH)
        for turn, (_, curves) in enumerate(held):
            _lines(loss, score, curves, turn)
        _frame(loss, "loss", "")
        better = "higher is better" if column.higher else "lower is better"
        _frame(score, f"validation {column.metric} ({better})", "" if score.lines else "nothing was held out")
        below = legend(sheet, [name for name, _ in held], TOP + _HIGH + _FOOT)
        sheet.words(0.15, below, "Loss: full lines training, dashed lines validation.", size=SMALL, color=FAINT)
        return sheet.figure


def _lines(loss: Axes, score: Axes, curves: CurveFacts, turn: int) -> None:
    color, marker = look_of(turn)
    many = len(curves.epochs)
    style: dict[str, Any] = {
        "color": color,
        "marker": marker,
        "markersize": 3.5,
        "markevery": max(1, many // 6),
        "linewidth": 1.2,
    }
    for axes, values, dashes in (
        (loss, curves.train_loss, "-"),
        (loss, curves.val_loss, "--"),
        (score, curves.val_score, "-"),
    ):
        known = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        if np.isfinite(known).any():
            axes.plot(curves.epochs, known, linestyle=dashes, **style)


def _frame(axes: Axes, label: str, empty: str) -> None:
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.grid(color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    if empty:
        axes.set_yticks([])
        axes.text(0.5, 0.5, empty, transform=axes.transAxes, ha="center", va="center", color=FAINT)
