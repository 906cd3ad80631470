"""What a figure's words take up: whether any is cut off, or lies on another."""

from __future__ import annotations

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

_SLACK = 0.6
"""Pixels that two boxes may share: a box is larger than its letters."""


def words(figure: Figure) -> list[tuple[str, Bbox]]:
    """Return every visible text with its box in pixels."""
    figure.canvas.draw()
    unseen = {id(text) for axis in figure.findobj(Axis) for text in hidden(axis)}  # type: ignore[arg-type]
    found = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    return [
        (text.get_text(), text.get_window_extent())
        for text in found
        if text.get_visible() and text.get_text().strip() and id(text) not in unseen
    ]


def hidden(axis: Axis) -> list[Text]:
    """Return labels of ticks that are not drawn: those outside the limits, and all of axes that are switched off."""
    if not axis.axes.axison:
        return [text for text in axis.findobj(Text) if isinstance(text, Text)]
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    outside = [tick for tick in ticks if not low - 1e-9 <= tick.get_loc() <= high + 1e-9]
    return [label for tick in outside for label in (tick.label1, tick.label2)]


def faults(figure: Figure) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the texts that reach beyond the figure, and the pairs that lie on one another."""
    found = words(figure)
    return cut_off(figure, found), overlapping(found)


def cut_off(figure: Figure, found: list[tuple[str, Bbox]]) -> list[str]:
    """Return the texts that reach beyond the figure."""
    page = figure.bbox
    return [
        text
        for text, box in found
        if box.x0 < page.x0 - _SLACK
        or box.y0 < page.y0 - _SLACK
        or box.x1 > page.x1 + _SLACK
        or box.y1 > page.y1 + _SLACK
    ]


def overlapping(found: list[tuple[str, Bbox]]) -> list[tuple[str, str]]:
    """Return the pairs of texts that lie on one another."""
    found = sorted(found, key=lambda item: item[1].x0)
    return [
        (one, other)
        for place, (one, first) in enumerate(found)
        for other, second in found[place + 1 :]
        if second.x0 < first.x1 - _SLACK and first.y0 < second.y1 - _SLACK and second.y0 < first.y1 - _SLACK
    ]
