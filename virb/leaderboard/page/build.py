"""Page: boards and what is known of their encoders into the templates; whatever strangers wrote is escaped there."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import virb
from virb.core.errors import VirbError
from virb.core.text import clean, show
from virb.leaderboard import QUADRANTS, RULE, Board, Cell, Column
from virb.leaderboard.page.figures import figures
from virb.leaderboard.page.pictures import Key, Shown, pictures
from virb.records.load import Results

TEMPLATES = Path(__file__).parent / "templates"
LIBRARIES = Path(__file__).parent / "vendor"
SCRIPTS = ("d3.min.js", "plot.umd.min.js")
"""In the order in which they are read; vendor/README.md says where they come from."""


@dataclass(frozen=True)
class ShownBoard:
    """A board with what the templates show beside it."""

    board: Board
    data: dict[str, Any]
    """What the plots draw."""
    shades: dict[tuple[str, str], float]
    """Where a score stands in its column, from the worst, 0, to the best, 1."""
    pictures: dict[Key, Shown]

    @property
    def groups(self) -> list[tuple[str, list[Column]]]:
        """The board's tasks by quadrant, extras last, as they stand in the table."""
        counted = [(name, [one for one in self.board.counted if one.quadrant == name]) for name in QUADRANTS]
        extra = [column for column in self.board.columns if column.extra]
        return [(name, columns) for name, columns in [*counted, ("extra", extra)] if columns]

    def choices(self, fact: str) -> list[str]:
        """Return the different values of a fact of the encoders, such as the method."""
        found = {clean(getattr(row.facts, fact)) for row in (*self.board.rows, *self.board.references)}
        return sorted(found - {""})


def html(results: Results, boards: Sequence[Board], notes: Sequence[str] = ()) -> str:
    """Return the page: boards, plots and a part for every encoder, with everything they need inside.

    Notes are said above the boards, such as what was found of submitted records.
    """
    template = _environment().get_template("page.html")
    drawn, left_out = pictures(results, boards)
    parts = [ShownBoard(board, figures(board), _shades(board), drawn) for board in boards]
    scripts = [
        path.read_text(encoding="utf-8") for path in (*(LIBRARIES / name for name in SCRIPTS), TEMPLATES / "page.js")
    ]
    return str(
        template.render(
            parts=parts,
            version=virb.__version__,
            style=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
            scripts=scripts,
            policy=_policy(scripts),
            rule=RULE,
            notes=notes,
            problems=[*results.problems, *left_out],
        )
    )


def _environment() -> Any:
    """Return the template engine: everything is escaped but our own style and scripts, marked `safe` there."""
    try:
        jinja2 = import_module("jinja2")
    except ImportError:
        raise VirbError(
            "the page needs jinja2, which is not installed", "the optional dependency", "pip install 'virb[page]'"
        ) from None
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"clean": clean, "score": _score, "bounds": _bounds, "hint": _hint, "near": near}
    environment.tests["number"] = _known
    return environment


def _policy(scripts: Sequence[str]) -> str:
    """Return what the browser is told to forbid: all but these very scripts, our style and pictures inside the file."""
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{value}'" for value in hashes)
    rules = f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:"
    return f"{rules}; base-uri 'none'; form-action 'none'"


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def near(value: float) -> str:
    """Return a number for sorting and drawing: six digits are more than any score has."""
    return f"{value:.6g}"


def _score(value: float, column: Column) -> str:
    return show(value, column.unit)


def _bounds(cell: Cell, column: Column) -> str:
    """Return a score's interval, or how far a published number may be off; empty where nothing is known."""
    if cell.low is not None and cell.high is not None and _known(cell.low) and _known(cell.high):
        return f"[{show(cell.low, column.unit)}, {show(cell.high, column.unit)}]"
    if cell.number is not None and cell.number.reading_error is not None:
        return f"± {show(cell.number.reading_error, column.unit)} reading error"
    return ""


def _hint(cell: Cell, column: Column) -> str:
    """Return what is said of a cell when a reader points at it."""
    bounds = _bounds(cell, column)
    interval = f" {bounds}{'' if cell.number else ' (95 %)'}" if bounds else ""
    lower = ", lower is better" if column.direction == "lower" else ""
    said = [f"{column.title}: {show(cell.value, column.unit)}{interval}, {column.metric}{lower}", cell.overlap]
    if cell.frozen not in (None, "fully"):
        said.append(f"frozen: {cell.frozen}")
    return clean("; ".join([*filter(None, [*said, cell.note])]))


def _shades(board: Board) -> dict[tuple[str, str], float]:
    """Return each score's place between the worst and the best of its column; none where all are equal."""
    found: dict[tuple[str, str], float] = {}
    for column in board.columns:
        turned = {
            row.encoder: column.turned(cell.value)
            for row in board.rows
            if (cell := board.cells.get((row.encoder, column.name))) is not None
        }
        low, high = min(turned.values(), default=0.0), max(turned.values(), default=0.0)
        if high > low:
            found |= {(name, column.name): (value - low) / (high - low) for name, value in turned.items()}
    return found
