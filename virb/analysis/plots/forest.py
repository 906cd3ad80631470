"""Plots: the effects of a finding with their intervals, filled where the test decides and hollow where it cannot."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from virb.analysis.finding import Effect, Reply
from virb.analysis.findings import signed
from virb.analysis.plots.style import FAINT, INK, PALETTE, SMALL, TOP, WIDTH, Canvas, look, named_rows
from virb.analysis.scores import title
from virb.leaderboard.board import Board

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEFT, _RIGHT, _STEP, _FOOT = 1.75, 1.75, 0.185, 0.6
_COLOURS = {"higher": PALETTE[2], "lower": PALETTE[1], "cannot tell": FAINT}


def draw(scores: Board, finding: Reply) -> Figure | None:
    """Return a finding's effects as a figure; None where it has none to draw."""
    effects = [effect for effect in finding.effects if math.isfinite(effect.value)]
    if not effects:
        return None
    with look():
        height = _STEP * max(len(effects), 2)
        sheet = Canvas(TOP + 0.2 + height + _FOOT)
        sheet.title(finding.question, title(scores))
        wide = WIDTH - _LEFT - _RIGHT
        axes = sheet.axes(_LEFT, TOP + 0.2, wide, height)
        _frame(axes, effects, finding.unit)
        for place, effect in enumerate(effects):
            _row(axes, place, effect)
            top = TOP + 0.2 + height * (place + 0.5) / max(len(effects), 2) - 0.055
            sheet.words(_LEFT + wide + 0.1, top, _numbers(effect), size=SMALL, room=1.35)
            sheet.words(WIDTH - 0.28, top, str(effect.n), size=SMALL, room=0.28)
        sheet.words(_LEFT + wide + 0.1, TOP + 0.04, "effect [95 %]", size=SMALL, color=FAINT, room=1.3)
        sheet.words(WIDTH - 0.28, TOP + 0.04, "n", size=SMALL, color=FAINT, room=0.28)
        note = "Filled: the test decides after Holm's correction. Hollow: it cannot tell."
        sheet.words(0.1, TOP + 0.2 + height + 0.42, note, size=SMALL, color=FAINT)
        return sheet.figure


def _numbers(effect: Effect) -> str:
    whole = f"{signed(effect.value)} [{signed(effect.low)}, {signed(effect.high)}]"
    return (whole if math.isfinite(effect.low) else signed(effect.value)).replace("-", "−")


def _frame(axes: Axes, effects: list[Effect], unit: str) -> None:
    named_rows(axes, [effect.label for effect in effects], _LEFT, least=2)
    reach = max(max(abs(effect.value), 0.1) for effect in effects)
    ends = [abs(end) for effect in effects for end in (effect.low, effect.high) if math.isfinite(end)]
    reach = min(max([reach, *ends]), 3 * reach) * 1.08  # an interval over two or three tasks may leave the panel
    axes.set_xlim(-reach, reach)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    axes.set_xlabel(unit, x=(WIDTH / 2 - _LEFT) / (WIDTH - _LEFT - _RIGHT))


def _row(axes: Axes, place: int, effect: Effect) -> None:
    color = _COLOURS[effect.verdict]
    if math.isfinite(effect.low):
        axes.hlines(place, effect.low, effect.high, color=color, linewidth=1.2, zorder=2)
    filled = color if effect.verdict != "cannot tell" else "white"
    marker = {"higher": ">", "lower": "<", "cannot tell": "o"}[effect.verdict]
    axes.plot(
        [effect.value],
        [place],
        marker,
        color=color,
        markerfacecolor=filled,
        markersize=4.8,
        markeredgewidth=1.0,
        zorder=3,
    )
