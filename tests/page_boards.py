"""Boards for the tests of the page, made from nouns: a page is looked at, not recomputed."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from virb.checks.bench.records import Trial, hits, recording
from virb.leaderboard import Board, Cell, Column, Row
from virb.metrics.stats import Interval
from virb.records.load import Results
from virb.records.record import FileFacts, Record

STRANGE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "\"onmouseover='alert(3)' {{ 7 * 7 }} <!--",
    "🦜🔥 Ünïcodé 编码器",
    "x" * 300,
)
QUADRANTS = [(level, kind) for level in ("image", "pixel") for kind in ("semantic", "structural")]
SPAN = 0.02


def example() -> Record:
    test = Trial("dtd")
    return recording("someone", test, hits(test, 0.5, 0))[0]


def column(place: int) -> Column:
    """Return the n-th task; every fifth is an error, better when lower."""
    level, kind = QUADRANTS[place % 4]
    error = place % 5 == 4
    return Column(
        name=f"task{place:02d}" if place else "imagenet",
        title=f"Task number {place}",
        level=level,  # type: ignore[arg-type]
        kind=kind,  # type: ignore[arg-type]
        extra=False,
        metric="rmse" if error else "top1",
        unit="metres" if error else "share",
        direction="lower" if error else "higher",
        ceiling=0.0 if error else 1.0,
        floor=3.0 if error else 0.1,
    )


def board(encoders: int, tasks: int, names: tuple[str, ...] = (), gaps: float = 0.0) -> Board:
    """Return a board of chosen size; some cells may be missing, but none of the first encoder."""
    random = np.random.default_rng(7)
    columns, record = tuple(column(place) for place in range(tasks)), example()
    rows, cells = [], {}
    for number in range(encoders):
        name = names[number] if number < len(names) else f"encoder{number:03d}"
        method, pretraining = ("swav", "moco", "")[number % 3], ("imagenet", "places")[number % 2]
        facts = record.encoder.model_copy(
            update={"title": name, "method": method, "pretraining": pretraining, "fingerprint": f"{number:032x}"}
        )
        own = record.model_copy(update={"encoder": facts})
        for one in columns:
            if number and random.random() < gaps:
                continue
            value = float(random.uniform(0.3, 2.5) if one.direction == "lower" else random.uniform(0.2, 0.9))
            cells[name, one.name] = Cell(value, value - SPAN, value + SPAN, None, record=own)
        covered = sum((name, one.name) in cells for one in columns)
        rank = Interval(number + 1.0, number + 0.5, number + 2.0) if covered == tasks else None
        means = {one.quadrant: Interval(0.5, 0.4, 0.6) for one in columns} if rank else None
        rows.append(Row(name, facts, covered, number + 1 if rank else None, False, rank, means))
    everywhere = tuple(one.name for one in columns)
    return Board("real", "standard", None, columns, tuple(rows), cells, everywhere)


def pictured(one: Board, folder: Path, size: tuple[int, int] = (640, 400)) -> tuple[Results, Board]:
    """Return the board with a picture on every record of its first encoder, and the results they lie in."""
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    (folder / "shown.png").write_bytes(stream.getvalue())
    facts = FileFacts(file="shown.png", sha256=hashlib.sha256(stream.getvalue()).hexdigest())
    cells, records = dict(one.cells), []
    for (encoder, task), cell in one.cells.items():
        if encoder == one.rows[0].encoder and cell.record is not None:
            changed = cell.record.model_copy(
                update={"picture": facts, "task": cell.record.task.model_copy(update={"name": task})}
            )
            cells[encoder, task] = replace(cell, record=changed)
            records.append(changed)
    return Results(tuple(records), tuple(folder for _ in records)), replace(one, cells=cells)
