"""Leaderboard: boards and records in long form, one row per encoder and task, for scripts."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from virb.core.markup import cell as safe_cell
from virb.leaderboard.board import Board, Cell, Column, Row
from virb.leaderboard.compare import Comparison
from virb.records.load import Results
from virb.records.published import Reference
from virb.records.record import to_row

Table = list[dict[str, Any]]


def board_rows(boards: Sequence[Board]) -> Table:
    """Return every score of these boards with its standing."""
    return [_row(board, row, column, cell) for board in boards for row, column, cell in board]


def _row(board: Board, row: Row, column: Column, cell: Cell) -> dict[str, Any]:
    rank = row.rank
    return {
        "source": "published" if cell.number else board.source,
        "protocol": board.protocol,
        "limit": board.limit,
        "encoder": row.encoder,
        "fingerprint": row.fingerprint,
        "method": row.facts.method,
        "pretraining": row.facts.pretraining,
        "task": column.name,
        "quadrant": column.quadrant,
        "extra": column.extra,
        "metric": column.metric,
        "unit": column.unit,
        "direction": column.direction,
        "value": cell.value,
        "low": cell.low,
        "high": cell.high,
        "floor": column.floor,
        "ceiling": column.ceiling,
        "normalised": float(column.normalised(cell.value)),
        "place": row.place,
        "tied": row.tied,
        "mean_rank": rank.value if rank else None,
        "mean_rank_low": rank.low if rank else None,
        "mean_rank_high": rank.high if rank else None,
        "tasks": row.covered,
        "common": column.name in board.common,
        "overlap": cell.overlap,
        "frozen": cell.frozen,
        "published": _published(board, row, column),
        "reading_error": cell.number.reading_error if cell.number else None,
        "note": cell.note,
    }


def _published(board: Board, row: Row, column: Column) -> float | None:
    """Return what a paper reports for this very encoder and task, beside the measured score."""
    for other in board.references:
        if getattr(other.facts, "card", "") == row.facts.name and other is not row:
            cell = board.cells.get((other.encoder, column.name))
            return cell.value if cell else None
    return None


def record_rows(results: Results) -> Table:
    """Return every record and published number, whether it stands on a board or not."""
    measured = [{"kind": "measured", **to_row(record)} for record in results.records]
    published = [row for reference in results.references for row in _reference_rows(reference)]
    return measured + published


def _reference_rows(reference: Reference) -> Table:
    encoder, identity = reference.encoder, reference.encoder.identity
    return [
        {
            "kind": "published",
            "encoder": encoder.name,
            "task": number.task,
            "quadrant": f"{number.level}-{number.kind}",
            "metric": number.metric,
            "value": number.value,
            "direction": number.direction,
            "unit": number.unit,
            "protocol": reference.protocol,
            "source": "published",
            "extra": number.extra,
            "method": encoder.method,
            "pretraining": encoder.pretraining,
            "images": encoder.images,
            "epochs": encoder.epochs,
            "reading_error": number.reading_error,
            "quality": number.quality,
            "note": number.note,
            "guess": identity.guess if identity else "",
            "confidence": identity.confidence if identity else "",
            "basis": identity.basis if identity else "",
            "paper": reference.publication.paper,
        }
        for number in reference.numbers
    ]


def comparison_rows(found: Comparison) -> Table:
    """Return a comparison as rows, one per task."""
    return [
        {
            "source": found.board.source,
            "protocol": found.board.protocol,
            "limit": found.board.limit,
            "first": found.first,
            "second": found.second,
            "task": task.column.name,
            "quadrant": task.column.quadrant,
            "metric": task.column.metric,
            "direction": task.column.direction,
            "first_value": task.first.value,
            "second_value": task.second.value,
            "difference": task.difference.value,
            "low": task.difference.low,
            "high": task.difference.high,
            "p_holm": task.p,
            "verdict": task.verdict,
        }
        for task in found.tasks
    ]


def as_csv(rows: Table) -> str:
    """Return rows as csv: the columns of all of them, empty where a row has none.

    A text that a spreadsheet would compute begins with a ' (`virb.core.markup.cell`); numbers stay as they are.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    if names:
        writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _plain(value: Any) -> Any:
    return "" if _nothing(value) else safe_cell(value) if isinstance(value, str) else value


def as_json(rows: Table) -> str:
    """Return rows as JSON: what is no number is null."""
    plain = [{name: None if _nothing(value) else value for name, value in row.items()} for row in rows]
    return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False)


def _nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))
