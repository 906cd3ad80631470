"""Analysis: records, or published numbers -> the one table of comparable scores among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from virb.analysis.scores import QUADRANTS, Cell, Column, Scores, Source, Who
from virb.errors import UsageError, VirbError
from virb.leaderboard.build import comparable, newest
from virb.record import Record
from virb.reference import SETS, Number, Reference
from virb.results import load

Key = tuple[Source, str, str, int | None]
"""Where scores come from, and by which rules: source, protocol, its digest, limit."""


def read(sources: Sequence[str]) -> tuple[list[Record], list[Reference], list[str]]:
    """Return the records and published numbers that --records names, and what could not be read."""
    results = load(sources)
    records, references = list(results.records), list(results.references)
    if not records and not references:
        raise VirbError(
            f"there are no records in {', '.join(f'{source}/records' for source in sources)}",
            f"records that 'virb evaluate' wrote, or one of {', '.join(SETS)}",
            "run 'virb evaluate' first, or name other results with --records",
        )
    return records, references, list(results.problems)


def gather(
    records: Sequence[Record],
    references: Sequence[Reference] = (),
    protocol: str | None = None,
    source: Source | None = None,
) -> Scores:
    """Return the comparable scores in what was read; where there are several kinds, an error lists them."""
    kinds: dict[Key, list[Record | Reference]] = {}
    items: list[Record | Reference] = [*records, *references]
    for item in items:
        kinds.setdefault(_key(item), []).append(item)
    wanted = {key: members for key, members in kinds.items() if protocol in (None, key[1]) and source in (None, key[0])}
    if not wanted:
        raise VirbError(
            f"nothing that was read is of {_wish(protocol, source)}",
            "; ".join(_told(kinds)) or "records that 'virb evaluate' wrote",
            "leave --protocol and --source out, or name other records with --records",
        )
    if len(wanted) > 1:
        raise UsageError(
            f"what was read is of {len(wanted)} kinds that do not compare: {'; '.join(_told(wanted))}",
            "scores of one protocol and one kind of data",
            "choose with --protocol and --source, or name one folder with --records",
        )
    ((key, members),) = wanted.items()
    if key[0] == "published":
        return _published(key, [item for item in members if isinstance(item, Reference)])
    return _measured(key, [item for item in members if isinstance(item, Record)])


def _key(item: Record | Reference) -> Key:
    if isinstance(item, Reference):
        return "published", item.protocol, "", None
    return item.data.source, item.protocol.name, item.protocol.digest, item.data.limit


def _wish(protocol: str | None, source: str | None) -> str:
    wanted = ([f"protocol {protocol}"] if protocol else []) + ([f"source {source}"] if source else [])
    return " and ".join(wanted) or "any kind"


def _told(kinds: Mapping[Key, Sequence[object]]) -> list[str]:
    """Return each kind in words; rules of one name are told apart by their digests."""
    twice = Counter((source, protocol, limit) for source, protocol, _, limit in kinds)
    return [
        f"source {source}, protocol {protocol}"
        + (f" ({rules[:8]})" if twice[source, protocol, limit] > 1 else "")
        + (f", limit {limit}" if limit is not None else "")
        + f": {len(members)}"
        for (source, protocol, rules, limit), members in kinds.items()
    ]


def _measured(key: Key, records: list[Record]) -> Scores:
    kept, left_out, _ = comparable(newest([(record, None) for record in records]))
    encoders = {(record.encoder.name, record.encoder.fingerprint): _who(record) for record in kept}
    tasks = {record.task.name: _column(record) for record in kept}
    found = {((record.encoder.name, record.encoder.fingerprint), record.task.name): _cell(record) for record in kept}
    return _table(key, encoders, tasks, found, tuple(left_out))


def _published(key: Key, references: list[Reference]) -> Scores:
    encoders = {(item.encoder.name, ""): _described(item) for item in references}
    numbers = [(item.encoder.name, number) for item in references for number in item.numbers]
    tasks = {number.task: _announced(number) for _, number in numbers}
    found = {((name, ""), number.task): Cell(number.value, number.ceiling) for name, number in numbers}
    return _table(key, encoders, tasks, found, ())


def _table(
    key: Key,
    encoders: Mapping[tuple[str, str], Who],
    tasks: Mapping[str, Column],
    found: Mapping[tuple[tuple[str, str], str], Cell],
    left_out: tuple[str, ...],
) -> Scores:
    columns = sorted(tasks.values(), key=lambda task: (task.extra, QUADRANTS.index(task.quadrant), task.name))
    row_of = {encoder: place for place, encoder in enumerate(encoders)}
    column_of = {task.name: place for place, task in enumerate(columns)}
    return Scores(
        source=key[0],
        protocol=key[1],
        encoders=tuple(encoders.values()),
        names=tuple(_names(encoders)),
        tasks=tuple(columns),
        cells={(row_of[encoder], column_of[task]): cell for (encoder, task), cell in found.items()},
        left_out=left_out,
    )


def _names(encoders: Iterable[tuple[str, str]]) -> list[str]:
    known = list(encoders)
    twice = Counter(name for name, _ in known)
    return [name if twice[name] == 1 else f"{name}-{fingerprint[:8]}" for name, fingerprint in known]


def _who(record: Record) -> Who:
    facts = record.encoder
    return Who(
        facts.name,
        facts.fingerprint,
        facts.method,
        facts.family,
        facts.pretraining,
        facts.images,
        facts.epochs,
        facts.facts,
    )


def _described(item: Reference) -> Who:
    facts = item.encoder
    return Who(
        facts.name,
        "",
        facts.method,
        "",
        facts.pretraining,
        facts.images,
        facts.epochs,
        facts.facts,
        facts.guessed,
    )


def _column(record: Record) -> Column:
    return Column(
        name=record.task.name,
        title=record.task.title,
        quadrant=f"{record.task.level}-{record.task.kind}",
        extra=record.task.extra,
        metric=record.score.metric,
        unit=record.score.unit,
        higher=record.score.direction == "higher",
    )


def _announced(number: Number) -> Column:
    return Column(
        name=number.task,
        title=number.title,
        quadrant=f"{number.level}-{number.kind}",
        extra=number.extra,
        metric=number.metric,
        unit=number.unit,
        higher=number.direction == "higher",
    )


def _cell(record: Record) -> Cell:
    return Cell(
        value=record.score.value,
        ceiling=record.score.ceiling,
        low=record.score.low,
        high=record.score.high,
        floor=record.floor.value,
        replicates=tuple(record.replicates),
        curves=record.curves,
    )
