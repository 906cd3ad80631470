"""Plots: how the numbers behind a finding lie within each category, as violins with their points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from virb.analysis.finding import Reply
from virb.analysis.plots.style import FAINT, INK, PALETTE, SMALL, TOP, WIDTH, Canvas, look, named_rows
from virb.analysis.scores import title
from virb.leaderboard.board import Board

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEFT, _RIGHT, _STEP, _FOOT = 1.75, 0.75, 0.55, 0.75
_LEAST = 8
"""Points from which a density says more than they do themselves."""


def draw(scores: Board, finding: Reply) -> Figure | None:
    """Return a finding's categories as violins; None where it is about no distribution."""
    if not finding.spread:
        return None
    with look():
        height = _STEP * len(finding.spread)
        sheet = Canvas(TOP + 0.2 + height + _FOOT)
        sheet.title(finding.question, title(scores))
        wide = WIDTH - _LEFT - _RIGHT
        axes = sheet.axes(_LEFT, TOP + 0.2, wide, height)
        _frame(axes, finding)
        for place, values in enumerate(finding.spread.values()):
            _violin(axes, place, np.array(values), PALETTE[place % len(PALETTE)])
            top = TOP + 0.2 + _STEP * (place + 0.5) - 0.055
            sheet.words(_LEFT + wide + 0.12, top, str(len(values)), size=SMALL, room=_RIGHT - 0.2)
        sheet.words(_LEFT + wide + 0.12, TOP + 0.04, "points", size=SMALL, color=FAINT, room=_RIGHT - 0.2)
        note = "A point is one encoder on one task; the bar is their median. Points of one task or encoder are alike."
        sheet.words(0.1, TOP + 0.2 + height + 0.5, note, size=SMALL, color=FAINT)
        return sheet.figure


def _frame(axes: Axes, finding: Reply) -> None:
    named_rows(axes, list(finding.spread), _LEFT)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    axes.set_xlabel(finding.unit, x=(WIDTH / 2 - _LEFT) / (WIDTH - _LEFT - _RIGHT))


def _violin(axes: Axes, place: int, values: np.ndarray, color: str) -> None:
    if len(values) >= _LEAST and np.ptp(values) > 0:
        parts = axes.violinplot([values], [place], orientation="horizontal", widths=0.86, showextrema=False)
        for body in parts["bodies"]:  # type: ignore[attr-defined]
            body.set(facecolor=color, edgecolor=color, alpha=0.25, linewidth=0.8)
    shaken = place + 0.16 * np.random.default_rng(place).uniform(-1, 1, len(values))
    axes.plot(values, shaken, ".", color=INK, markersize=2.6, alpha=0.45, markeredgewidth=0, zorder=2)
    axes.plot([np.median(values)] * 2, [place - 0.26, place + 0.26], color=INK, linewidth=1.6, zorder=3)
