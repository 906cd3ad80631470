"""Leaderboard: boards and comparisons as text for terminals and markdown."""

from __future__ import annotations

import math
import shutil
import textwrap
from collections.abc import Sequence
from typing import Literal, get_args

from virb.core.errors import UsageError
from virb.core.markup import escaped, line
from virb.core.text import aligned, clean, markdown, show, shown
from virb.leaderboard.board import Board, Cell, Column, Row
from virb.leaderboard.common import RULE
from virb.leaderboard.compare import Comparison
from virb.leaderboard.long import as_csv, as_json, board_rows
from virb.metrics.stats import Interval

Form = Literal["table", "csv", "markdown", "json"]
By = Literal["auto", "quadrant", "task"]
FORMS: tuple[Form, ...] = get_args(Form)
_FEW = 5
"""Tasks that a terminal shows side by side; more are shown as quadrants unless asked for."""
_LONGEST = 32
"""Letters of a name in a terminal's table; the other formats have all of it."""
_SHORT = {
    "image-semantic": "image sem.",
    "image-structural": "image str.",
    "pixel-semantic": "pixel sem.",
    "pixel-structural": "pixel str.",
}


def render(found: Sequence[Board], form: str, by: By = "auto", width: int | None = None) -> str:
    """Return boards as text in one of the formats; csv and json hold everything in long form."""
    if form == "csv":
        return as_csv(board_rows(found))
    if form == "json":
        return as_json(board_rows(found))
    if form not in FORMS:
        raise UsageError(f"there is no format '{form}'", ", ".join(FORMS), "choose one")
    wide = width or shutil.get_terminal_size((110, 24)).columns
    return "\n\n".join(_board(board, form == "markdown", by, wide) for board in found)


def _board(board: Board, marked: bool, by: By, width: int) -> str:
    quadrants = by == "quadrant" or (by == "auto" and len(board.columns) > _FEW)
    title = f"**{escaped(clean(board.title))}**" if marked else clean(board.title)
    table = _by_quadrant(board, marked) if quadrants else _by_task(board, marked, width)
    notes = [clean(note) for note in _notes(board, quadrants)]
    if marked:
        notes = [line(note) for note in notes]
    else:
        notes = [textwrap.fill(note, width, subsequent_indent="  ", break_on_hyphens=False) for note in notes]
    return "\n".join([title, "", table, "", *notes])


def _by_quadrant(board: Board, marked: bool) -> str:
    normal = any(row.quadrants for row in board.rows)
    header = ["place", "encoder", "mean rank", "tasks", *(_SHORT[name] for name in board.quadrants)]
    lines = [
        [
            *_standing(board, row, marked),
            *(_mean(row, name) if normal else _mean_rank(row, name) for name in board.quadrants),
        ]
        for row in board.rows
    ]
    return markdown(header, lines) if marked else aligned(header, lines)


def _standing(board: Board, row: Row, marked: bool) -> list[str]:
    place = "-" if row.place is None else f"{row.place}{'=' * row.tied}"
    name = clean(row.encoder) if marked else shown(row.encoder, _LONGEST)
    return [place, name, _rank(row.rank), f"{row.covered}/{len(board.counted)}"]


def _rank(rank: Interval | None) -> str:
    if rank is None:
        return "-"
    if math.isnan(rank.low):
        return f"{rank.value:.1f}"
    return f"{rank.value:.1f} [{rank.low:.1f}, {rank.high:.1f}]"


def _mean(row: Row, quadrant: str) -> str:
    mean = (row.quadrants or {}).get(quadrant)
    if mean is None:
        return "-"
    half = (mean.high - mean.low) / 2
    return f"{100 * mean.value:.1f}" + ("" if math.isnan(half) else f" ±{100 * half:.1f}")


def _mean_rank(row: Row, quadrant: str) -> str:
    rank = (row.quadrant_ranks or {}).get(quadrant)
    return "-" if rank is None else f"{rank:.1f}"


def _by_task(board: Board, marked: bool, width: int) -> str:
    standing = [[*_standing(board, row, marked)] for row in board.rows]
    beside = [["", clean(row.encoder), "", ""] for row in board.references]
    left = [["place", "encoder", "mean rank", "tasks"], *standing, *beside]
    if any(column.floor is not None for column in board.columns):
        left.append(["", "floor (constant)", "", ""])
    columns = [_column(board, column) for column in board.columns]
    if marked:
        rows = [line + [column[place] for column in columns] for place, line in enumerate(left)]
        return markdown(rows[0], rows[1:])
    taken = sum(max(len(line[place]) for line in left) + 2 for place in range(4))
    blocks: list[list[list[str]]] = []
    room = 0
    for column in columns:
        size = max(map(len, column)) + 2
        if not blocks or room < size:
            blocks.append([])
            # Only the first block repeats rank and coverage: the others have their room for tasks.
            room = width - (taken if len(blocks) == 1 else len(left[0][0]) + 2 + max(len(line[1]) for line in left) + 2)
        room -= size
        blocks[-1].append(column)
    tables = []
    for number, block in enumerate(blocks):
        rows = [
            (line if number == 0 else line[:2]) + [column[place] for column in block] for place, line in enumerate(left)
        ]
        tables.append(aligned(rows[0], rows[1:]))
    return "\n\n".join(tables)


def _column(board: Board, column: Column) -> list[str]:
    """Return a task's header, scores, published scores and floor."""
    rows = (*board.rows, *board.references)
    scores = [_score(board.cells.get((row.encoder, column.name)), column.unit) for row in rows]
    floor = "-" if column.floor is None else show(column.floor, column.unit)
    return [column.name, *scores, floor]


def _score(cell: Cell | None, unit: str) -> str:
    if cell is None:
        return "-"
    marks = "*" * bool(cell.overlap) + "†" * (cell.frozen not in (None, "fully"))
    if cell.low is None or cell.high is None:
        return show(cell.value, unit) + marks
    return f"{show(cell.value, unit)} [{show(cell.low, unit)}, {show(cell.high, unit)}]{marks}"


def _notes(board: Board, quadrants: bool) -> list[str]:
    """Return what a reader must know to read the table."""
    published = board.source == "published"
    ranked = [row for row in board.rows if row.rank]
    notes = []
    if quadrants and any(row.quadrants for row in board.rows):
        notes.append("Quadrants: means of (score - floor) / (ceiling - floor) in %, ± half a 95 % interval.")
    elif quadrants and published:
        notes.append("Quadrants: mean ranks; these numbers come without floors and without intervals.")
    else:
        metrics = ", ".join(f"{column.name} {column.metric}" for column in board.columns)
        notes.append(f"Scores{'' if published else ' with 95 % intervals'}: {metrics}.")
    if published:
        notes.append("Ranks are untested: nothing is known of these numbers' spread.")
    elif len(ranked) > 1:
        notes.append(
            "Place: one more than the encoders of better mean rank that the paired test of mean scores (Holm over all "
            "pairs) tells apart; '=' is shared. So of two mean ranks the worse can hold the better place: its scores "
            "are less sure."
        )
    if len(board.rows) > 1:
        notes.append(f"{RULE} Here: {len(board.common)} of {len(board.counted)} tasks, {len(ranked)} encoders.")
    notes += _flags(board, quadrants)
    notes += [*board.notes, *(f"Not ranked here: {reason}" for reason in board.left_out)]
    if quadrants:
        notes.append("Single tasks: --by task.")
    return notes


def _flags(board: Board, quadrants: bool) -> list[str]:
    seen = [(row, column) for row, column, cell in board if cell.overlap]
    thawed = [(row, column) for row, column, cell in board if cell.frozen not in (None, "fully")]
    notes = []
    if seen:
        named = ", ".join(dict.fromkeys(column.name for _, column in seen))
        count = len({row.encoder for row, _ in seen})
        mark = "" if quadrants else "* "
        notes.append(f"{mark}Pretraining data overlap the task's: {count} encoders on {named}.")
    if thawed:
        named = ", ".join(dict.fromkeys(column.name for _, column in thawed))
        notes.append(f"{'' if quadrants else '† '}The head trains a copy of the encoder's last stage: {named}.")
    return notes


def render_comparison(found: Comparison, marked: bool = False) -> str:
    """Return a comparison as a table with its summary."""
    header = ["task", "metric", found.first, found.second, "difference", "p (Holm)", "verdict"]
    lines = []
    for task in found.tasks:
        unit, span = task.column.unit, task.difference
        bounds = "" if math.isnan(span.low) else f" [{_signed(span.low, unit)}, {_signed(span.high, unit)}]"
        lines.append(
            [
                task.column.name,
                f"{task.column.metric}{' (lower is better)' if task.column.direction == 'lower' else ''}",
                show(task.first.value, unit),
                show(task.second.value, unit),
                _signed(span.value, unit) + bounds,
                "-" if math.isnan(task.p) else ("< 0.001" if task.p < 0.001 else f"{task.p:.3f}"),
                task.verdict,
            ]
        )
    table = markdown(header, lines) if marked else aligned([shown(name, _LONGEST) for name in header], lines)
    notes = [
        f"Differences are {clean(found.first)} less {clean(found.second)}, turned so that + is better for the first."
    ]
    for name, tasks in ((found.first, found.only_first), (found.second, found.only_second)):
        if tasks:
            notes.append(clean(f"Only {name} has {', '.join(tasks)}."))
    title = f"**{escaped(clean(found.board.title))}**" if marked else clean(found.board.title)
    told = [clean(found.summary), *notes]
    return "\n".join([title, "", table, "", *(map(line, told) if marked else told)])


def _signed(value: float, unit: str) -> str:
    text = show(abs(value), unit)
    zero = all(letter in "0." for letter in text)
    return text if zero else ("-" if value < 0 else "+") + text
