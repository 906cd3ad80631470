"""Boards for tests, made from numbers alone or from records with chosen facts."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from virb.cards.select import all_tasks
from virb.checks.bench.records import TaskSplit, hits, made, recording
from virb.core.digest import seed_of
from virb.leaderboard import Board, Cell, Column, Row
from virb.leaderboard import boards as boards_of
from virb.metrics.stats import Interval
from virb.records.load import Results
from virb.records.record import CurveFacts, FileFacts, Record, Score

STRANGE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "\"onmouseover='alert(3)' {{ 7 * 7 }} <!--",
    "🦜🔥 Ünïcodé 编码器",
    "x" * 300,
)
QUADRANTS = [(level, kind) for level in ("image", "pixel") for kind in ("semantic", "structural")]
SPAN = 0.02
TASKS = [
    Column(
        name=task.name,
        title=task.title,
        level=task.level,
        kind=task.kind,
        extra=task.extra,
        metric=task.metric,
        unit="px" if task.metric == "epe" else "value" if task.metric == "pixel_mae" else "share",
        direction="lower" if task.metric in ("epe", "pixel_mae") else "higher",
        ceiling=0.0 if task.metric in ("epe", "pixel_mae") else 1.0,
        floor={"epe": 5.0, "pixel_mae": 0.5}.get(task.metric, 0.1),
    )
    for task in all_tasks()
    if not task.extra
]
EXAMPLE = recording("someone", TaskSplit("dtd"), hits(TaskSplit("dtd"), 0.5, 0))[0]


def who(name: object, /, **facts: object) -> Row:
    """An encoder of which only the given facts are known."""
    print_ = seed_of(str(name)).to_bytes(16, "big").hex()
    known = {"name": str(name), "title": str(name), "fingerprint": print_, **facts}
    return Row(str(name), EXAMPLE.encoder.model_copy(update=known), 0)


def facts(rows: Sequence[Mapping[str, object]]) -> list[Row]:
    """Encoders from their facts."""
    return [who(row.get("name", f"e{place}"), **row) for place, row in enumerate(rows)]


def board(
    values: np.ndarray,
    tasks: Sequence[Column] = TASKS,
    encoders: Sequence[Row] | None = None,
    name: Callable[[int], str] = "encoder{:03d}".format,
    source: str = "real",
    span: float | None = None,
) -> Board:
    """Scores [E, T] with intervals and curves; nan leaves a cell out."""
    rows = list(encoders or [who(name(place)) for place in range(len(values))])
    cells = {
        (row.encoder, task.name): cell(float(value), row, task, span)
        for row, line in zip(rows, values, strict=True)
        for task, value in zip(tasks, line, strict=True)
        if not np.isnan(value)
    }
    everywhere = tuple(task.name for task in tasks)
    return Board(source, "standard", None, tuple(tasks), tuple(rows), cells, everywhere)  # type: ignore[arg-type]


def cell(value: float, row: Row, task: Column, span: float | None) -> Cell:
    """One score with an interval, a twentieth of the way from floor to ceiling unless said, and its record's curve."""
    assert task.floor is not None
    margin = 0.05 * abs(task.floor - task.ceiling) if span is None else span
    curves = CurveFacts(
        epochs=[1, 2, 3], train_loss=[3.0, 2.0, 1.0], val_loss=[3.0, 2.5, 2.4], val_score=[0.1, value / 2, value]
    )
    own = EXAMPLE.model_copy(update={"encoder": row.facts, "curves": curves})
    return Cell(value, value - margin, value + margin, None, record=own)


def many(encoders: int, missing: float = 0.0, tasks: Sequence[Column] = TASKS, seed: int = 0) -> np.ndarray:
    """Scores [E, T] that an ability common to all tasks moves, with some cells left out."""
    generator = np.random.default_rng(seed)
    ability = generator.normal(size=(encoders, 1)) + 0.7 * generator.normal(size=(encoders, len(tasks)))
    shares = 1 / (1 + np.exp(-0.5 * ability))
    scale = np.array([1.0 if task.higher else -4.0 if task.unit == "px" else -0.4 for task in tasks])
    scored = np.where(scale > 0, shares, (1 - shares) * np.abs(scale))
    return np.where(generator.random(scored.shape) < missing, np.nan, scored)


def world(goodness: np.ndarray, rows: Sequence[dict[str, object]]) -> Board:
    """Encoders with these facts, whose scores are better the larger the number; errors are stored as errors."""
    return board(goodness * [1.0 if task.higher else -1.0 for task in TASKS], encoders=facts(rows))


def noise(encoders: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(encoders, len(TASKS)))


def ssl(count: int, **more: object) -> list[dict[str, object]]:
    return [{"name": f"s{place}", "method": "SwAV", "pretraining": "imagenet", **more} for place in range(count)]


SUPERVISED: dict[str, object] = {"name": "labels", "method": "supervised", "pretraining": "imagenet"}


# --- of a chosen size, for the page ------------------------------------------------------------------------------


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


def sized(encoders: int, tasks: int, names: tuple[str, ...] = (), gaps: float = 0.0) -> Board:
    """Return a board of chosen size with ranks; some cells may be missing, but none of the first encoder."""
    random = np.random.default_rng(7)
    columns = [column(place) for place in range(tasks)]
    values, rows = np.full((encoders, tasks), np.nan), []
    for number in range(encoders):
        for place, one in enumerate(columns):
            if not number or random.random() >= gaps:
                values[number, place] = random.uniform(0.2, 0.9) if one.higher else random.uniform(0.3, 2.5)
        name = names[number] if number < len(names) else f"encoder{number:03d}"
        method, pretraining = ("swav", "moco", "")[number % 3], ("imagenet", "places")[number % 2]
        known = who(name, method=method, pretraining=pretraining, fingerprint=f"{number:032x}", name="someone")
        covered = int(np.isfinite(values[number]).sum())
        rank = Interval(number + 1.0, number + 0.5, number + 2.0) if covered == tasks else None
        means = {one.quadrant: Interval(0.5, 0.4, 0.6) for one in columns} if rank else None
        place_held = number + 1 if rank else None
        rows.append(replace(known, covered=covered, place=place_held, rank=rank, quadrants=means))
    return board(values, columns, rows, span=SPAN)


def pictured(one: Board, folder: Path, size: tuple[int, int] = (640, 400)) -> tuple[Results, Board]:
    """Return the board with a picture on every record of its first encoder, and the results they lie in."""
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    (folder / "shown.png").write_bytes(stream.getvalue())
    picture = FileFacts(file="shown.png", sha256=hashlib.sha256(stream.getvalue()).hexdigest())
    cells, records = dict(one.cells), []
    for (encoder, task), scored in one.cells.items():
        if encoder == one.rows[0].encoder and scored.record is not None:
            changed = scored.record.model_copy(
                update={"picture": picture, "task": scored.record.task.model_copy(update={"name": task})}
            )
            cells[encoder, task] = replace(scored, record=changed)
            records.append(changed)
    return Results(tuple(records), tuple(folder for _ in records)), replace(one, cells=cells)


# --- from records ------------------------------------------------------------------------------------------------


def record(
    encoder: str = "a",
    task: str = "dtd",
    value: float = 0.5,
    *,
    fingerprint: str | None = None,
    metric: str = "top1",
    direction: str = "higher",
    unit: str = "share",
    extra: bool = False,
    level: str = "image",
    semantic: str = "semantic",
    version: int = 1,
    source: str = "real",
    protocol: str = "standard",
    rules: str = "p" * 32,
    data: str = "d" * 32,
    limit: int | None = None,
    day: int = 1,
) -> Record:
    """A record with chosen facts."""
    split = TaskSplit(task, level, semantic, metric, extra, floor=0.125)  # type: ignore[arg-type]
    score = Score(
        metric=metric,
        unit=unit,
        direction=direction,  # type: ignore[arg-type]
        ceiling=1.0,
        value=value,
        low=value - 0.05,
        high=value + 0.0625,
    )
    facts = {
        "task__version": version,
        "task__digest": f"card {version}",
        "encoder__title": encoder,
        "encoder__fingerprint": fingerprint or f"{encoder:0<32.32}",
        "data__source": source,
        "data__digest": data,
        "data__limit": limit,
        "protocol__name": protocol,
        "protocol__digest": rules,
        "created": f"2026-01-{day:02d}T00:00:00+00:00",
    }
    made_up = made("placeholder", split, score, [value], [value - 0.01, value, value + 0.01], **facts)
    # Reading refuses odd names; rendering must not rest on that alone.
    return made_up.model_copy(update={"encoder": made_up.encoder.model_copy(update={"name": encoder})})


def grid(scores: dict[str, dict[str, float]], **common: Any) -> list[Record]:
    return [record(encoder, task, value, **common) for encoder, row in scores.items() for task, value in row.items()]


def boards(records: Sequence[Record]) -> list[Board]:
    return boards_of(Results(tuple(records), tuple(Path() for _ in records)))


def only(records: Iterable[Record]) -> Board:
    (board,) = boards(list(records))
    return board
