"""Plots: the look that all figures share: paper width, palette, words that fit, files."""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from virb.core.errors import UsageError
from virb.core.paths import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 7.0
"""Inches: the text width of a page."""
INK, FAINT, GRID = "#222222", "#6b6b6b", "#dddddd"
PALETTE = ("#332288", "#CC6677", "#117733", "#88CCEE", "#999933", "#882255", "#44AA99", "#DDCC77", "#AA4499")
"""Paul Tol's muted scheme: told apart with every kind of colour vision. Markers differ too."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
SMALL, TEXT, TITLE = 6.5, 7.5, 9.0
"""Points."""
POINTS = 72.0
FONT = "DejaVu Sans"
FORMATS = ("png", "svg")
_RULES: dict[Any, Any] = {
    "font.family": FONT,
    "font.size": TEXT,
    "text.color": INK,
    "text.parse_math": False,  # an encoder may be called $x$
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.labelsize": TEXT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "virb",
    "figure.dpi": 100,
}


@contextmanager
def look() -> Iterator[None]:
    """Draw and save in the shared look; what else the process draws stays as it was."""
    with matplotlib.rc_context(_RULES), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


class Canvas:
    """A figure laid out in inches from its upper left corner, so that nothing moves with what is drawn."""

    def __init__(self, height: float, width: float = WIDTH) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height))
        FigureCanvasAgg(self.figure)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Return axes whose upper left corner is here."""
        place = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(place)

    def words(
        self, left: float, top: float, text: str, *, size: float = TEXT, color: str = INK, room: float | None = None
    ) -> None:
        """Write a line whose upper left corner is here, shortened to the room that there is."""
        room = self.width - left - 0.05 if room is None else room
        self.figure.text(
            left / self.width,
            1 - top / self.height,
            fitted(text, room, size),
            size=size,
            color=color,
            va="top",
            ha="left",
        )

    def title(self, text: str, under: str = "") -> None:
        """Write what the figure shows, and below it of what."""
        self.words(0.1, 0.08, text, size=TITLE)
        self.words(0.1, 0.27, under, size=SMALL, color=FAINT)


TOP = 0.5
"""Inches that a title takes."""


def clean(text: str) -> str:
    """Return a text without what is no letter, such as line breaks and terminal codes."""
    plain = "".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in text)
    return re.sub(r"\s+", " ", plain).strip() or "?"


def safe_name(text: str) -> str:
    """Return a name as a part of a file name: records come from strangers, and a slash would leave the folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:80]


@lru_cache(4096)
def text_width(text: str, size: float) -> float:
    """Return the width of a line, in inches."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(family=FONT, size=size), False)
    return float(width) / POINTS


def fitted(text: str, room: float, size: float = TEXT) -> str:
    """Return a text that is no wider than the room: its middle goes, for names differ at both ends."""
    whole = clean(text)[:400]
    if text_width(whole, size) <= room:
        return whole
    low, high = 0, len(whole)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text_width(_cut(whole, middle), size) <= room else (low, middle - 1)
    return _cut(whole, low)


def _cut(text: str, letters: int) -> str:
    head = (letters + 1) // 2
    tail = letters - head
    return f"{text[:head]}…{text[-tail:] if tail else ''}"


def labels(names: Sequence[str], room: float, size: float = TEXT) -> list[str]:
    """Return names that fit and differ: what shortening made alike gets a number."""
    shown: list[str] = []
    for name in names:
        label, count = fitted(name, room, size), 1
        while label in shown:
            count += 1
            mark = f" ({count})"
            label = fitted(name, room - text_width(f"{mark}.", size), size) + mark
        shown.append(label)
    return shown


def named_rows(axes: Axes, names: Sequence[str], left: float, least: int = 0) -> None:
    """Name rows from the top down, left of a grid for their values; so many rows have room at the least."""
    axes.set_ylim(max(len(names), least) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), labels(names, left - 0.2, TEXT))
    axes.tick_params(axis="y", length=0, labelsize=TEXT)
    axes.grid(axis="x", color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def look_of(place: int) -> tuple[str, str]:
    """Return colour and marker of the n-th series; colours start again with other markers."""
    turn = place // len(PALETTE)
    return PALETTE[place % len(PALETTE)], MARKERS[(place + turn) % len(MARKERS)]


def number(value: float, digits: int = 2) -> str:
    """Return a number with a true minus sign, and none before zero; a dash where there is no number."""
    text = f"{value:z.{digits}f}"
    return "–" if value != value else text.replace("-", "−")


def targets(out: Path, name: str) -> tuple[Path, list[Path]]:
    """Return the folder and the picture files that --out asks for: one file by its ending, else both in a folder."""
    ending = out.suffix.lower().lstrip(".")
    if ending in FORMATS:
        return out.parent, [out]
    if ending and not out.is_dir():
        raise UsageError(
            f"--out {out}: a picture cannot be written as .{ending}",
            "a file ending in .png or .svg, or a folder for both",
            f"write --out {out.with_suffix('.png')}",
        )
    return out, [out / f"{name}.{form}" for form in FORMATS]


def save(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all; the same figure gives the same bytes."""
    form = path.suffix.lower().lstrip(".")
    metadata = {"Date": None, "Creator": "virb"} if form == "svg" else {"Software": "virb"}
    stream = io.BytesIO()
    with look():
        figure.savefig(stream, format=form, dpi=200, metadata=metadata)
    write_whole(path, stream.getvalue())
