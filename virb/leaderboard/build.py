"""Leaderboard: records to boards; what does not compare is left out with the difference named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from virb.leaderboard.board import Board, Cell, Column, Row
from virb.leaderboard.columns import column, columns_of, ordered, settled, unknown
from virb.leaderboard.intersect import may_meet, on_intersection, read_samples, shares
from virb.leaderboard.overlap import overlap
from virb.leaderboard.standing import standings
from virb.records.load import Results
from virb.records.published import Reference
from virb.records.record import Record

Key = tuple[str, str, str, int | None]
Member = tuple[Record, Path | None]
"""A record and where its samples lie; without that, test splits must be the same."""


def boards(results: Results) -> list[Board]:
    """Return one board per source, protocol and limit, real data first; then the published numbers."""
    groups: dict[Key, list[Member]] = {}
    for record, folder in zip(results.records, results.folders, strict=True):
        key = (record.data.source, record.protocol.name, record.protocol.digest, record.data.limit)
        groups.setdefault(key, []).append((record, folder))
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], item[0][1], item[0][2], item[0][3] or 0))
    measured = [_board(key, members, results.references) for key, members in ordered]
    papers: dict[tuple[str, str], list[Reference]] = {}
    for reference in results.references:
        papers.setdefault((reference.protocol, reference.publication.paper), []).append(reference)
    return measured + [_published(members) for _, members in sorted(papers.items())]


def _board(key: Key, members: Sequence[Member], references: Sequence[Reference]) -> Board:
    kept, left_out, notes = comparable(newest(members))
    columns = columns_of(kept)
    labels = _labels(kept)
    named = [(labels[record.encoder.name, record.encoder.fingerprint], record) for record in kept]
    cells = {(label, record.task.name): _cell(record) for label, record in named}
    facts = {label: record.encoder for label, record in named}
    rows, common = standings(facts, columns, cells)
    beside = {} if key[1] != "virb2021" or key[0] == "sample" else _beside(references, facts, columns)
    rest = tuple(
        Row(f"{reference.encoder.name} (published)", reference.encoder, covered=len(found))
        for reference, found in beside.values()
    )
    for (_, found), row in zip(beside.values(), rest, strict=True):
        cells |= {(row.encoder, task): cell for task, cell in found.items()}
    return Board(
        source="sample" if key[0] == "sample" else "real",
        protocol=key[1],
        limit=key[3],
        columns=columns,
        rows=rows,
        cells=cells,
        common=common,
        references=rest,
        left_out=tuple(left_out),
        notes=(*notes, *unknown(kept)),
    )


def newest(members: Sequence[Member]) -> list[Member]:
    """Keep, of records that say the same thing of the same encoder, the one with most seeds, then the newest."""
    latest: dict[tuple[str, str, str, str], Member] = {}
    for record, folder in sorted(members, key=lambda member: (len(member[0].seeds), member[0].created)):
        key = (record.encoder.name, record.encoder.fingerprint, record.task.name, record.keys.comparison)
        latest[key] = (record, folder)
    return list(latest.values())


def comparable(members: Sequence[Member]) -> tuple[list[Record], list[str], list[str]]:
    """Return what is ranked, what is left out and why, and what was scored again on common samples."""
    kept: list[Record] = []
    members, left_out = settled(members)
    notes: list[str] = []
    for task in sorted({record.task.name for record, _ in members}):
        of_task = [(record, folder) for record, folder in members if record.task.name == task]
        count = Counter(record.keys.comparison for record, _ in of_task)
        if len(count) == 1:
            kept += [record for record, _ in of_task]
            continue
        winner = max(of_task, key=lambda member: (count[member[0].keys.comparison], member[0].created))[0]
        same = [member for member in of_task if member[0].keys.comparison == winner.keys.comparison]
        others = [member for member in of_task if member[0].keys.comparison != winner.keys.comparison]
        joined, refused = _meet(same, others)
        if len(joined) > len(same):
            notes.append(f"{task}: some encoders lack a few test samples, and are scored on those that they have")
        # An encoder that has a record of the winning key is shown by that one.
        kept += _one_each(joined)
        left_out += [f"{record.encoder.name} on {task}: {difference(record, winner)}" for record, _ in refused]
    return kept, left_out, notes


def _one_each(records: Sequence[Record]) -> list[Record]:
    first: dict[tuple[str, str], Record] = {}
    for record in records:
        first.setdefault((record.encoder.name, record.encoder.fingerprint), record)
    return list(first.values())


def _meet(same: Sequence[Member], others: Sequence[Member]) -> tuple[list[Record], list[Member]]:
    """Add to records of one key those others whose test split is almost the same."""
    near = [member for member in others if may_meet(member[0], same[0][0])]
    mine = [read_samples(*member) for member in same] if near else []
    whole = [one for one in mine if one is not None]
    read = {id(member[0]): read_samples(*member) for member in near if whole}
    close = [(record, one) for record, _ in near if (one := read.get(id(record))) and shares(whole[0], one)]
    if not close or len(whole) < len(mine):  # without everyone's samples there are no common ones
        return [record for record, _ in same], list(others)
    kept = {id(record) for record, _ in close}
    together = [*(record for record, _ in same), *(record for record, _ in close)]
    joined = on_intersection(together, [*whole, *(one for _, one in close)])
    return joined, [member for member in others if id(member[0]) not in kept]


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


def _cell(record: Record) -> Cell:
    return Cell(
        value=record.score.value,
        low=record.score.low,
        high=record.score.high,
        replicates=np.asarray(record.replicates),
        units=record.units,
        overlap=overlap(record.encoder.pretraining, record.task.name),
        frozen=record.frozen,
        record=record,
    )


def _labels(records: Sequence[Record]) -> dict[tuple[str, str], str]:
    """Return encoders' names, with the fingerprint where two encoders share one."""
    encoders = {(record.encoder.name, record.encoder.fingerprint) for record in records}
    count = Counter(name for name, _ in encoders)
    return {(name, print_): name if count[name] == 1 else f"{name} ({print_[:8]})" for name, print_ in encoders}


def _numbers(reference: Reference) -> dict[str, Cell]:
    """Return a reference's cells by task."""
    return {
        number.task: Cell(
            value=number.value,
            low=None,
            high=None,
            replicates=None,
            overlap=overlap(reference.encoder.pretraining, number.task),
            frozen=None,
            note="; ".join(text for text in (number.quality, number.note) if text and text != "clear"),
            number=number,
        )
        for number in reference.numbers
    }


def _beside(
    references: Sequence[Reference], facts: Mapping[str, object], columns: Sequence[Column]
) -> dict[str, tuple[Reference, dict[str, Cell]]]:
    """Return the published numbers of a board's own encoders, where task and metric are the same."""
    metrics = {column.name: column.metric for column in columns}
    return {
        reference.encoder.name: (
            reference,
            {
                task: cell
                for task, cell in _numbers(reference).items()
                if cell.number is not None and metrics.get(task) == cell.number.metric
            },
        )
        for reference in references
        if reference.encoder.card in facts
    }


def _published(references: Sequence[Reference]) -> Board:
    """Return the board of one publication: ranked among themselves, without a test."""
    numbers = {number.task: number for reference in references for number in reference.numbers}
    columns = ordered([column(task, one, one, None) for task, one in numbers.items()])
    named = {reference.encoder.name + "?" * reference.encoder.guessed: reference for reference in references}
    cells = {(name, task): cell for name, reference in named.items() for task, cell in _numbers(reference).items()}
    rows, common = standings({name: reference.encoder for name, reference in named.items()}, columns, cells)
    source = references[0].publication
    notes = [f"{source.paper}. {source.place[0].upper()}{source.place[1:]}: {source.reading}."]
    if any(reference.encoder.identity for reference in references):
        notes.append(
            "Who is who was inferred from the numbers; '?' marks what is in doubt (virb export has the reasons)."
        )
    return Board("published", references[0].protocol, None, columns, rows, cells, common, notes=tuple(notes))
