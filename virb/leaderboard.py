"""Leaderboard: records -> boards of comparable scores -> table, csv, markdown, json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from virb.errors import VirbError
from virb.record import Record

Key = tuple[str, str, str, int | None]


@dataclass(frozen=True)
class Board:
    """Encoders against tasks, under one protocol and one kind of data: only such scores are ranked together."""

    source: str
    protocol: str
    limit: int | None
    table: pd.DataFrame
    """One row per encoder: mean rank and coverage, then each task's value, low and high."""
    tasks: list[str]
    floors: dict[str, float]
    units: dict[str, str]
    metrics: dict[str, str]
    left_out: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What all scores on this board share."""
        kind = "sample world (synthetic; not comparable with real data)" if self.source == "sample" else "real data"
        limit = f", at most {self.limit} samples a split" if self.limit is not None else ""
        return f"{kind}, protocol {self.protocol}{limit}"


def boards(records: Sequence[Record]) -> list[Board]:
    """Return one board per source, protocol and limit, real data first."""
    groups: dict[Key, list[Record]] = {}
    for record in records:
        if record.kind != "measured":  # published numbers followed other rules: a column of their own, unranked
            continue
        key = (record.data.source, record.protocol.name, record.protocol.digest, record.data.limit)
        groups.setdefault(key, []).append(record)
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], item[0][1], item[0][2], item[0][3] or 0))
    return [_board(key, members) for key, members in ordered]


def _board(key: Key, records: list[Record]) -> Board:
    newest = _newest(records)
    kept, left_out = _comparable(newest)
    tasks = sorted({record.task.name for record in kept}, key=lambda name: _task_order(kept, name))
    cells = {(_label(record, kept), record.task.name): record for record in kept}
    encoders = list(dict.fromkeys(encoder for encoder, _ in cells))
    ranks = _ranks(cells, encoders, tasks)
    rows = []
    for encoder in encoders:
        row: dict[str, object] = {"encoder": encoder, "rank": ranks.get(encoder)}
        row["tasks"] = sum((encoder, task) in cells for task in tasks)
        for task in tasks:
            record = cells.get((encoder, task))
            row[task] = record.score.value if record else None
            row[f"{task}.low"] = record.score.low if record else None
            row[f"{task}.high"] = record.score.high if record else None
        rows.append(row)
    table = pd.DataFrame(rows).sort_values(["rank", "encoder"], na_position="last", ignore_index=True)
    first = {task: next(record for (_, name), record in cells.items() if name == task) for task in tasks}
    return Board(
        source=key[0],
        protocol=key[1],
        limit=key[3],
        table=table,
        tasks=tasks,
        floors={task: first[task].floor.value for task in tasks},
        units={task: first[task].score.unit for task in tasks},
        metrics={task: first[task].score.metric for task in tasks},
        left_out=left_out,
    )


def _newest(records: list[Record]) -> list[Record]:
    """Keep, of records that say the same thing of the same encoder, the one with most seeds, then the newest."""
    latest: dict[tuple[str, str, str, str], Record] = {}
    for record in sorted(records, key=lambda record: (len(record.seeds), record.created)):
        latest[record.encoder.name, record.encoder.fingerprint, record.task.name, record.keys.comparison] = record
    return list(latest.values())


def _comparable(records: list[Record]) -> tuple[list[Record], list[str]]:
    """Split a task's records by comparison key; the key most encoders share is ranked, others are named."""
    kept, left_out = [], []
    for task in sorted({record.task.name for record in records}):
        members = [record for record in records if record.task.name == task]
        shared = Counter(record.keys.comparison for record in members)
        newest = max(members, key=lambda record: (shared[record.keys.comparison], record.created))
        winner = newest.keys.comparison
        example = next(record for record in members if record.keys.comparison == winner)
        for record in members:
            if record.keys.comparison == winner:
                kept.append(record)
            else:
                left_out.append(f"{record.encoder.name} on {task}: {difference(record, example)}")
    return kept, left_out


def difference(one: Record, other: Record) -> str:
    """Say why two records of a task do not compare."""
    fields = {
        "task version": (one.task.version, other.task.version),
        "task card": (one.task.digest[:8], other.task.digest[:8]),
        "protocol": (
            f"{one.protocol.name} {one.protocol.digest[:8]}",
            f"{other.protocol.name} {other.protocol.digest[:8]}",
        ),
        "source": (one.data.source, other.data.source),
        "data": (f"{one.data.digest[:8]} {one.data.counts}", f"{other.data.digest[:8]} {other.data.counts}"),
        "geometry": (one.view.geometry, other.view.geometry),
        "limit": (one.data.limit, other.data.limit),
    }
    found = [f"{name} {mine}, not {theirs}" for name, (mine, theirs) in fields.items() if mine != theirs]
    return "; ".join(found) or "another comparison key"


def _ranks(cells: dict[tuple[str, str], Record], encoders: list[str], tasks: list[str]) -> dict[str, float]:
    """Return each encoder's mean rank over the tasks that every encoder of the board has."""
    ranked = [
        task for task in tasks if not any(record.task.extra for (_, name), record in cells.items() if name == task)
    ]
    encoders = [encoder for encoder in encoders if any((encoder, task) in cells for task in ranked)]
    common = [task for task in ranked if all((encoder, task) in cells for encoder in encoders)]
    if not common:
        return {}
    places = []
    for task in common:
        values = pd.Series({encoder: cells[encoder, task].score.value for encoder in encoders})
        places.append(values.rank(ascending=cells[encoders[0], task].score.direction == "lower"))
    return {str(encoder): float(rank) for encoder, rank in pd.concat(places, axis=1).mean(axis=1).items()}


def _label(record: Record, records: list[Record]) -> str:
    """Return the encoder's name, with its fingerprint where two encoders share one."""
    name = record.encoder.name
    others = {other.encoder.fingerprint for other in records if other.encoder.name == name}
    return name if len(others) == 1 else f"{name} ({record.encoder.fingerprint[:8]})"


def _task_order(records: list[Record], name: str) -> tuple[bool, str, str, str]:
    task = next(record.task for record in records if record.task.name == name)
    return task.extra, task.level, task.kind, name


def render(found: list[Board], form: str) -> str:
    """Return boards as text in one of the formats."""
    if not found:
        return "[]" if form == "json" else ""
    if form == "csv":
        return pd.concat([_flat(board) for board in found], ignore_index=True).to_csv(index=False)
    if form == "json":
        return str(pd.concat([_flat(board) for board in found], ignore_index=True).to_json(orient="records", indent=1))
    if form in ("table", "markdown"):
        return "\n\n".join(_text(board, markdown=form == "markdown") for board in found)
    raise VirbError(f"there is no format '{form}'", "table, csv, markdown or json", "choose one")


def _flat(board: Board) -> pd.DataFrame:
    """One row per encoder and task, for scripts."""
    rows = [
        {
            "source": board.source,
            "protocol": board.protocol,
            "limit": board.limit,
            "encoder": row["encoder"],
            "task": task,
            "metric": board.metrics[task],
            "value": row[task],
            "low": row[f"{task}.low"],
            "high": row[f"{task}.high"],
            "floor": board.floors[task],
        }
        for _, row in board.table.iterrows()
        for task in board.tasks
        if pd.notna(row[task])
    ]
    return pd.DataFrame(rows)


def _text(board: Board, markdown: bool) -> str:
    header = ["rank", "encoder", "tasks", *board.tasks]
    lines = [
        [_rank(row["rank"]), str(row["encoder"]), f"{row['tasks']}/{len(board.tasks)}", *_cells(board, row)]
        for row in _rows(board)
    ]
    lines.append(["", "floor (constant)", "", *(show(board.floors[task], board.units[task]) for task in board.tasks)])
    title = f"**{board.title}**" if markdown else board.title
    metrics = ", ".join(f"{task} {board.metrics[task]}" for task in board.tasks)
    table = _markdown(header, lines) if markdown else _aligned(header, lines)
    notes = [f"Scores with 95 % intervals: {metrics}. Rank: mean over the tasks that all encoders have."]
    notes += [f"Not ranked here: {reason}" for reason in board.left_out]
    return "\n".join([title, "", table, "", *notes])


def _rows(board: Board) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in board.table.to_dict("records")]


def _rank(value: Any) -> str:
    return "-" if pd.isna(value) else f"{value:.1f}"


def _cells(board: Board, row: dict[str, Any]) -> list[str]:
    shown = []
    for task in board.tasks:
        value, low, high = (row[key] for key in (task, f"{task}.low", f"{task}.high"))
        unit = board.units[task]
        shown.append("-" if pd.isna(value) else f"{show(value, unit)} [{show(low, unit)}, {show(high, unit)}]")
    return shown


def show(value: float, unit: str) -> str:
    """Return a value as a reader wants it: shares as per cent."""
    return f"{100 * value:.1f}" if unit == "share" else f"{value:.3f}"


def _aligned(header: list[str], lines: list[list[str]]) -> str:
    widths = [max(len(line[place]) for line in [header, *lines]) for place in range(len(header))]
    ruled = [header, ["-" * width for width in widths], *lines]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in ruled
    )


def _markdown(header: list[str], lines: list[list[str]]) -> str:
    ruled = [header, ["---"] * len(header), *lines]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |" for line in ruled
    )
