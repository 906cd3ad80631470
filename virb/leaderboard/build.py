"""Leaderboard: records to boards; what does not compare is left out with the difference named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from virb.leaderboard.board import Board, Cell, Column, Row
from virb.leaderboard.columns import column, columns_of, ordered, settled, unknown
from virb.leaderboard.intersect import may_meet, on_intersection, read_samples, shares
from virb.leaderboard.overlap import overlap
from virb.leaderboard.standing import standings
from virb.records.choice import Claim, contradictions, grouped, precedence, same_number
from virb.records.load import Results
from virb.records.published import Reference
from virb.records.record import Record

Key = tuple[str, str, str, int | None]


def boards(results: Results) -> list[Board]:
    """Return one board per source, protocol and limit, real data first; then the published numbers."""
    groups: dict[Key, list[Claim]] = {}
    for member in results.members:
        record = member.record
        key = (record.data.source, record.protocol.name, record.protocol.digest, record.data.limit)
        groups.setdefault(key, []).append(member)
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], item[0][1], item[0][2], item[0][3] or 0))
    measured = [_board(key, members, results.references) for key, members in ordered]
    papers: dict[tuple[str, str], list[Reference]] = {}
    for reference in results.references:
        papers.setdefault((reference.protocol, reference.publication.paper), []).append(reference)
    return measured + [_published(members) for _, members in sorted(papers.items())]


def _board(key: Key, members: Sequence[Claim], references: Sequence[Reference]) -> Board:
    standing, contradicting, contradicted = standing_ones(members)
    chosen, left_out, notes = comparable(standing)
    kept = [member.record for member in chosen]
    columns = columns_of(kept)
    labels = _labels(kept)
    named = [(labels[one.record.encoder.name, one.record.encoder.fingerprint], one) for one in chosen]
    cells = {(label, one.record.task.name): _cell(one) for label, one in named}
    # What is said of an encoder is said by the surest of its records.
    facts = {label: one.record.encoder for label, one in sorted(named, key=lambda item: precedence(item[1])[:2])[::-1]}
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
        left_out=(*contradicting, *left_out),
        notes=(*contradicted, *notes, *unknown(kept)),
    )


def standing_ones(members: Sequence[Claim]) -> tuple[list[Claim], list[str], list[str]]:
    """Return the record that stands of each encoder's for a task, what is left out, and what contradicts what stands.

    Under another name, too, a network that was measured is not another number: a claim that contradicts it is left out.
    """
    by_name = grouped(members, lambda record: (record.encoder.name, *same_number(record)))
    left_out, notes, refused = [], [], set()
    for first, other, text in contradictions(members):
        renamed = first.record.encoder.name != other.record.encoder.name
        if renamed and first.origin != other.origin:
            refused.add(id(other.record))
            left_out.append(text)
        else:
            notes.append(f"{text}; the latter is shown" if not renamed else text)
    return [group[0] for group in by_name if id(group[0].record) not in refused], left_out, notes


def comparable(members: Sequence[Claim]) -> tuple[list[Claim], list[str], list[str]]:
    """Return what is ranked, what is left out and why, and what was scored again on common samples."""
    kept: list[Claim] = []
    members, left_out = settled(members, trust=lambda member: member.origin.trust)
    notes: list[str] = []
    for task in sorted({member.record.task.name for member in members}):
        of_task = [member for member in members if member.record.task.name == task]
        winner = _winner(of_task)
        same = [member for member in of_task if _under(member) == _under(winner)]
        others = [member for member in of_task if _under(member) != _under(winner)]
        joined, refused = _meet(same, others) if others else (same, [])
        if len(joined) > len(same):
            notes.append(f"{task}: some encoders lack a few test samples, and are scored on those that they have")
        # An encoder that has a record of the winning key is shown by that one.
        kept += _one_each(joined)
        left_out += [
            f"{member.record.encoder.name} on {task}: {difference(member.record, winner.record)}" for member in refused
        ]
    return kept, left_out, notes


def _under(member: Claim) -> tuple[str, str]:
    """Return what records must share that stand in one column: test samples follow from the data, and are no lie."""
    return member.record.keys.comparison, member.record.data.test_digest


def _winner(members: Sequence[Claim]) -> Claim:
    """Return a record of the kind that most have: first of what was measured here, then of what is less sure."""
    levels = sorted({member.origin.trust for member in members})
    count = Counter((_under(member), member.origin.trust) for member in members)
    most = max(members, key=lambda member: [count[_under(member), level] for level in levels])
    tied = [one for one in members if all(count[_under(one), level] == count[_under(most), level] for level in levels)]
    return min(tied, key=lambda member: (*precedence(member)[:3], *precedence(member)[4:]))


def _one_each(members: Sequence[Claim]) -> list[Claim]:
    first: dict[tuple[str, str], Claim] = {}
    for member in members:
        first.setdefault((member.record.encoder.name, member.record.encoder.fingerprint), member)
    return list(first.values())


def _meet(same: Sequence[Claim], others: Sequence[Claim]) -> tuple[list[Claim], list[Claim]]:
    """Add to records of one key those others whose test split is almost the same, scored on what they share with it.

    They have to be as sure as the best: enough of others could make their own split the usual one.
    """
    best = min(member.origin.trust for member in same)
    near = [one for one in others if one.origin.trust <= best and may_meet(one.record, same[0].record)]
    read = {id(one): read_samples(one.record, one.folder) for one in (*same, *near)} if near else {}
    first = next((one for one in read.values() if one is not None), None)
    close = [one for one in near if first and (its := read[id(one)]) and shares(first, its)]
    if not close or not all(read[id(member)] for member in same):  # without everyone's samples there are no common ones
        return list(same), list(others)
    together = [(one, its) for one in (*same, *close) if (its := read[id(one)])]
    joined = on_intersection([member.record for member, _ in together], [its for _, its in together])
    scored = [member._replace(record=record) for (member, _), record in zip(together, joined, strict=True)]
    kept = {id(member) for member in close}
    return scored, [member for member in others if id(member) not in kept]


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
        "test samples": (one.data.test_digest[:8], other.data.test_digest[:8]),
    }
    found = [f"{name} {mine}, not {theirs}" for name, (mine, theirs) in fields.items() if mine != theirs]
    return "; ".join(found) or "another comparison key"


def _cell(member: Claim) -> Cell:
    record = member.record
    return Cell(
        value=record.score.value,
        low=record.score.low,
        high=record.score.high,
        replicates=np.asarray(record.replicates),
        units=record.units,
        overlap=overlap(record.encoder.pretraining, record.task.name),
        frozen=record.frozen,
        note=member.origin.text if member.origin.submitted else "",
        record=record,
    )


def _labels(records: Sequence[Record]) -> dict[tuple[str, str], str]:
    """Return encoders' names, with as much of the fingerprint as tells apart where two encoders share one."""
    prints: dict[str, set[str]] = {}
    for record in records:
        prints.setdefault(record.encoder.name, set()).add(record.encoder.fingerprint)
    labels: dict[tuple[str, str], str] = {}
    for name, several in prints.items():
        length = next(size for size in range(8, 1 << 16) if len({one[:size] for one in several}) == len(several))
        labels |= {(name, one): name if len(several) == 1 else f"{name} ({one[:length]})" for one in several}
    return labels


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
