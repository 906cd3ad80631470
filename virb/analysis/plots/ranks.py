"""Plots: mean ranks with intervals, and bars over encoders that cannot be told apart (critical difference)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from virb.analysis.plots.style import FAINT, PALETTE, SMALL, TOP, WIDTH, Canvas, look, named_rows, number
from virb.analysis.ranks import Ranking
from virb.analysis.scores import title
from virb.leaderboard.board import Board

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 40
"""Rows that a page has room for."""
_LEFT, _NUMBERS, _BARS, _STEP, _FOOT = 2.15, 0.45, 1.25, 0.185, 0.45


def draw(scores: Board, ranking: Ranking, most: int = MOST) -> Figure:
    """Return the ranking as a figure of its best encoders."""
    with look():
        shown = min(most, len(ranking.order))
        height = _STEP * max(shown, 2)
        below = notes(ranking, shown)
        sheet = Canvas(TOP + 0.2 + height + _FOOT + 0.14 * len(below))
        tasks = f"{ranking.tasks} task{'s' if ranking.tasks > 1 else ''}"
        sheet.title(f"Mean rank over {tasks}, best first", title(scores))
        wide = WIDTH - _LEFT - _NUMBERS - _BARS
        axes = sheet.axes(_LEFT, TOP + 0.2, wide, height)
        _frame(axes, scores, ranking, shown)
        _points(axes, ranking, shown)
        for place in range(shown):
            top = TOP + 0.2 + height * (place + 0.5) / max(shown, 2) - 0.055
            sheet.words(_LEFT + wide + 0.1, top, number(ranking.mean[place]), size=SMALL, room=_NUMBERS)
        _bars(sheet.axes(WIDTH - _BARS, TOP + 0.2, _BARS - 0.1, height), ranking, shown)
        sheet.words(_LEFT + wide + 0.1, TOP + 0.04, "mean", size=SMALL, color=FAINT, room=_NUMBERS)
        sheet.words(WIDTH - _BARS, TOP + 0.04, "not told apart", size=SMALL, color=FAINT, room=_BARS)
        for line, text in enumerate(below):
            sheet.words(0.1, TOP + 0.2 + height + 0.4 + 0.14 * line, text, size=SMALL, color=FAINT)
        return sheet.figure


def notes(ranking: Ranking, shown: int) -> list[str]:
    """Return what a reader must know of the bars, and who is not drawn."""
    lines = f"Lines: 95 % intervals over {ranking.over}. " if np.isfinite(ranking.low).any() else ""
    tasks = f"{ranking.tasks} tasks leave" if ranking.tasks > 1 else "one task leaves"
    first = (
        f"{lines}Bars join mean ranks that {tasks} undecided, closer than {number(ranking.critical)} (Nemenyi, 95 %)."
    )
    rest = [f"{shown} best of {len(ranking.order)} shown."] if shown < len(ranking.order) else []
    if ranking.left_out:
        rest.append(f"{len(ranking.left_out)} without a score on each of these tasks left out.")
    return [first, " ".join(rest)] if rest else [first]


def _frame(axes: Axes, scores: Board, ranking: Ranking, shown: int) -> None:
    named_rows(axes, [scores.names[place] for place in ranking.order[:shown]], _LEFT, least=2)
    reach = float(np.nanmax(np.concatenate([ranking.high[:shown], ranking.mean[:shown]])))
    axes.set_xlim(0.8, reach + 0.03 * reach + 0.2)
    axes.set_xlabel("mean rank (1 is best)")


def _points(axes: Axes, ranking: Ranking, shown: int) -> None:
    rows = np.arange(shown)
    axes.hlines(rows, ranking.low[:shown], ranking.high[:shown], color=PALETTE[0], linewidth=1.1)
    axes.plot(ranking.mean[:shown], rows, "o", color=PALETTE[0], markersize=4.2, markeredgecolor="white")


def _bars(axes: Axes, ranking: Ranking, shown: int) -> None:
    axes.set_axis_off()
    drawn = [(first, min(last, shown - 1)) for first, last in ranking.alike if first < shown - 1]
    axes.set_ylim(max(shown, 2) - 0.5, -0.5)
    axes.set_xlim(-0.5, max(12, len(drawn)) - 0.5)
    for place, (first, last) in enumerate(drawn):
        axes.vlines(place, first - 0.25, last + 0.25, color=FAINT, linewidth=min(2.5, 40 / max(len(drawn), 1)))
