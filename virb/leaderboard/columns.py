"""Leaderboard: what a column says, from the card of this copy where it has one; no single record can rewrite it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeVar

from virb.leaderboard.board import Column
from virb.records.facts import card_of
from virb.records.published import Number
from virb.records.record import Record, Score, TaskFacts

Member = TypeVar("Member", bound=tuple[Any, ...])
"""A record, and whatever is known of where it lies."""
_ORDER = attrgetter("extra", "level", "kind", "name")
_SLACK = 1e-4
"""How far floors of the same constant answer may lie apart on different machines, of their own size."""


def settled(
    members: Sequence[Member], trust: Callable[[Member], tuple[int, ...]] = lambda member: ()
) -> tuple[list[Member], list[str]]:
    """Return the records that agree on what their task is, and what the others say otherwise.

    Where some were made by the card of this copy, others are of another task. On the same data under the same rules
    nothing of what a column says can differ: what the surest records say holds, and of these what most encoders say.
    """
    groups: dict[tuple[str, str], list[Member]] = {}
    present = {member[0].task.name for member in members if card_of(member[0]) is not None}
    kept, left_out = [], []
    for member in members:
        record: Record = member[0]
        if record.task.name in present and card_of(record) is None:
            version = f"version {record.task.version} with the digest {record.task.digest[:8]}"
            left_out.append(f"{_named(record)}: its card, {version}, is not the one of this copy")
        else:
            groups.setdefault((record.task.name, record.keys.comparison), []).append(member)
    for group in groups.values():
        leader = _leader(group, trust)
        for member in group:
            if difference := _difference(member[0], leader):
                left_out.append(f"{_named(member[0])}: it says {difference}")
            else:
                kept.append(member)
    place = {id(member): row for row, member in enumerate(members)}
    return sorted(kept, key=lambda member: place[id(member)]), left_out


def _named(record: Record) -> str:
    return f"{record.encoder.name} on {record.task.name}"


def _leader(members: Sequence[Member], trust: Callable[[Member], tuple[int, ...]]) -> Record:
    """Return a record of those that say what most encoders say, of the surest ones."""
    surest = min(map(trust, members))
    records: list[Record] = [member[0] for member in members if trust(member) == surest]
    count = Counter(kind for kind, _ in {(_kind(one), (one.encoder.name, one.encoder.fingerprint)) for one in records})
    return max(records, key=lambda record: count[_kind(record)])


def _kind(record: Record) -> tuple[object, ...]:
    return (*_said(record).values(), round(record.floor.value, 4))


def _said(record: Record) -> Mapping[str, object]:
    """Return what all records of one comparison must say alike."""
    task, score, data = record.task, record.score, record.data
    return {
        "quadrant": f"{task.level}-{task.kind}",
        "metric": score.metric,
        "unit": score.unit,
        "direction": score.direction,
        "ceiling": score.ceiling,
        "classes": data.classes,
        "test digest": data.test_digest[:8],
    }


def _difference(record: Record, leader: Record) -> str:
    mine, theirs = _said(record), _said(leader)
    found = [f"{name} {mine[name]}, not {theirs[name]}" for name in mine if mine[name] != theirs[name]]
    floor = leader.floor.value
    if not abs(record.floor.value - floor) <= _SLACK * max(abs(floor), 0.1):
        found.append(f"floor {record.floor.value:g}, not {floor:g}")
    return "; ".join(found)


def columns_of(records: Sequence[Record]) -> tuple[Column, ...]:
    """Return the columns of records that agree: titles are those of this copy's cards, else what most encoders say."""
    by_task: dict[str, list[Record]] = {}
    for record in records:
        by_task.setdefault(record.task.name, []).append(record)
    return ordered([_column_of(name, of_task) for name, of_task in by_task.items()])


def _column_of(name: str, records: Sequence[Record]) -> Column:
    leader = _leader([(record,) for record in records], lambda member: ())
    card = card_of(leader)
    title, extra = (card.title, card.extra) if card else _most((one.task.title, one.task.extra) for one in records)
    return column(
        name, leader.task.model_copy(update={"title": title, "extra": extra}), leader.score, leader.floor.value
    )


def _most(told: Iterable[tuple[str, bool]]) -> tuple[str, bool]:
    return Counter(told).most_common(1)[0][0]


def ordered(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return columns by extra, level, kind and name."""
    return tuple(sorted(columns, key=_ORDER))


def column(name: str, task: TaskFacts | Number, score: Score | Number, floor: float | None) -> Column:
    """Return the column of a task."""
    return Column(
        name=name,
        title=task.title,
        level=task.level,
        kind=task.kind,
        extra=task.extra,
        metric=score.metric,
        unit=score.unit,
        direction=score.direction,
        ceiling=score.ceiling,
        floor=floor,
    )


def unknown(records: Sequence[Record]) -> list[str]:
    """Return a note on the tasks that this copy has no card of, or another one, if there are any."""
    strange = sorted({record.task.name for record in records if card_of(record) is None})
    if not strange:
        return []
    return [f"By cards that this copy of virb does not have, and shown as most records say: {', '.join(strange)}."]
