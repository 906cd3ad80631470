"""Analysis: records -> one table of comparable scores, encoders x tasks, with what is known of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from virb.errors import UsageError, VirbError, did_you_mean
from virb.leaderboard import _comparable as comparable, _newest as newest
from virb.record import EncoderFacts, Record, Score

Array = NDArray[np.float64]
QUADRANTS = ("image-semantic", "image-structural", "pixel-semantic", "pixel-structural")


@dataclass(frozen=True)
class Column:
    """A task as all its scores here share it."""

    name: str
    title: str
    quadrant: str
    extra: bool
    metric: str
    unit: str
    higher: bool
    """Whether more is better."""


@dataclass(frozen=True)
class Scores:
    """Encoders x tasks [E, T] under one protocol and one kind of data; nan where there is no record."""

    source: str
    protocol: str
    published: bool
    encoders: tuple[EncoderFacts, ...]
    names: tuple[str, ...]
    """Encoder names; two encoders of one name are told apart by their fingerprints."""
    tasks: tuple[Column, ...]
    cells: dict[tuple[int, int], Record]

    @property
    def title(self) -> str:
        """What all scores here share, as a figure says it."""
        if self.published:
            return "published numbers, not measured by virb"
        kind = "synthetic (sample world; not comparable with real data)" if self.source == "sample" else "real data"
        return f"{kind}, protocol {self.protocol}"

    @property
    def values(self) -> Array:
        """The scores as they are, [E, T]."""
        return self.of(lambda record: record.score.value)

    @property
    def goodness(self) -> Array:
        """The scores with errors negated: up is better in every column."""
        return self.values * np.array([1.0 if task.higher else -1.0 for task in self.tasks])

    @property
    def normalised(self) -> Array:
        """(score - floor) / (ceiling - floor): 0 is the best constant answer, 1 perfection."""
        return self.of(lambda record: normalise(record, record.score.value))

    def of(self, number: Any) -> Array:
        """Return a number of every record, [E, T]."""
        made = np.full((len(self.encoders), len(self.tasks)), np.nan)
        for place, record in self.cells.items():
            made[place] = number(record)
        return made

    def column(self, name: str) -> int:
        """Return the place of a task."""
        return [task.name for task in self.tasks].index(name)

    def keep(self, encoders: Sequence[int] | None = None, tasks: Sequence[int] | None = None) -> Scores:
        """Return the part with these rows and columns, in this order."""
        rows = list(range(len(self.encoders)) if encoders is None else encoders)
        columns = list(range(len(self.tasks)) if tasks is None else tasks)
        cells = {
            (row, column): self.cells[old_row, old_column]
            for row, old_row in enumerate(rows)
            for column, old_column in enumerate(columns)
            if (old_row, old_column) in self.cells
        }
        return replace(
            self,
            encoders=tuple(self.encoders[row] for row in rows),
            names=tuple(self.names[row] for row in rows),
            tasks=tuple(self.tasks[column] for column in columns),
            cells=cells,
        )


def normalise(record: Record, value: float) -> float:
    """Return a value of a record's metric between its floor and its ceiling; nan where these are one."""
    floor, ceiling = record.floor.value, record.score.ceiling
    return (value - floor) / (ceiling - floor) if ceiling != floor else float("nan")


def span(record: Record, score: Score) -> tuple[float, float]:
    """Return a score's interval, normalised, the worse end first."""
    ends = normalise(record, score.low), normalise(record, score.high)
    return min(ends), max(ends)


def gather(records: Sequence[Record], protocol: str | None = None, source: str | None = None) -> Scores:
    """Return the one table of comparable scores in a set of records; several are an error that lists them."""
    groups: dict[tuple[str, str, str, int | None, bool], list[Record]] = {}
    for record in records:
        rules = record.protocol
        key = (record.data.source, rules.name, rules.digest, record.data.limit, record.kind == "published")
        if protocol in (None, rules.name) and source in (None, record.data.source):
            groups.setdefault(key, []).append(record)
    if not groups:
        raise VirbError(
            f"none of the {len(records)} records is of {_wish(protocol, source)}",
            _listed(records) or "records that 'virb evaluate' wrote",
            "run 'virb evaluate' first, or name other records with --records",
        )
    if len(groups) > 1:
        raise UsageError(
            f"the records are of {len(groups)} kinds that do not compare: "
            + "; ".join(_kind(key) + f" ({len(members)} records)" for key, members in groups.items()),
            "records of one protocol and one kind of data",
            "choose with --protocol and --source, or name one folder with --records",
        )
    ((key, members),) = groups.items()
    return _table(members, source=key[0], protocol=key[1], published=key[4])


def _wish(protocol: str | None, source: str | None) -> str:
    wanted = [f"protocol {protocol}"] if protocol else []
    return " and ".join(wanted + ([f"source {source}"] if source else [])) or "any kind"


def _kind(key: tuple[str, str, str, int | None, bool]) -> str:
    source, protocol, rules, limit, published = key
    limited = f", limit {limit}" if limit is not None else ""
    return f"{'published' if published else source}, protocol {protocol} {rules[:8]}{limited}"


def _listed(records: Sequence[Record]) -> str:
    kinds = sorted({f"protocol {record.protocol.name}, source {record.data.source}" for record in records})
    return " or ".join(kinds)


def _table(members: list[Record], **shared: Any) -> Scores:
    kept, _ = comparable(newest(members))
    facts = {record.encoder.fingerprint + record.encoder.name: record.encoder for record in kept}
    first = {record.task.name: record for record in reversed(kept)}
    tasks = sorted((column(record) for record in first.values()), key=_order)
    rows = {key: place for place, key in enumerate(facts)}
    columns = {task.name: place for place, task in enumerate(tasks)}
    cells = {
        (rows[record.encoder.fingerprint + record.encoder.name], columns[record.task.name]): record for record in kept
    }
    twice = Counter(encoder.name for encoder in facts.values())
    names = [
        encoder.name if twice[encoder.name] == 1 else f"{encoder.name}-{encoder.fingerprint[:8]}"
        for encoder in facts.values()
    ]
    return Scores(**shared, encoders=tuple(facts.values()), names=tuple(names), tasks=tuple(tasks), cells=cells)


def column(record: Record) -> Column:
    """Return what a record says of its task."""
    return Column(
        name=record.task.name,
        title=record.task.title,
        quadrant=f"{record.task.level}-{record.task.kind}",
        extra=record.task.extra,
        metric=record.score.metric,
        unit=record.score.unit,
        higher=record.score.direction == "higher",
    )


def _order(task: Column) -> tuple[bool, int, str]:
    return task.extra, QUADRANTS.index(task.quadrant), task.name


def choose_tasks(scores: Scores, wanted: str | None) -> Scores:
    """Return the named tasks or groups; by default every one that is not extra, or all if there are only such."""
    if wanted is None:
        usual = [place for place, task in enumerate(scores.tasks) if not task.extra]
        return scores.keep(tasks=usual or None)
    found: list[int] = []
    for word in (part.strip() for part in wanted.split(",")):
        matching = [place for place, task in enumerate(scores.tasks) if word in _groups(task)]
        if not matching:
            raise _unknown("task", word, [task.name for task in scores.tasks])
        found += [place for place in matching if place not in found]
    return scores.keep(tasks=sorted(found))


def _groups(task: Column) -> set[str]:
    level, kind = task.quadrant.split("-")
    return {task.name, *({"extra"} if task.extra else {"all", level, kind, task.quadrant})}


def choose_encoders(scores: Scores, wanted: Sequence[str]) -> list[int]:
    """Return the places of named encoders; a word stands for a name or for the start of a fingerprint."""
    found: list[int] = []
    for word in wanted:
        matching = [
            place
            for place, (name, encoder) in enumerate(zip(scores.names, scores.encoders, strict=True))
            if word in (name, encoder.name) or (len(word) >= 6 and encoder.fingerprint.startswith(word))
        ]
        if not matching:
            raise _unknown("encoder", word, scores.names)
        found += [place for place in matching if place not in found]
    return found


def _unknown(kind: str, word: str, known: Sequence[str]) -> UsageError:
    shown = ", ".join(sorted(known)[:30]) + (f" and {len(known) - 30} more" if len(known) > 30 else "")
    return UsageError(
        f"no record is of {kind} '{word}'{did_you_mean(word, known)}", f"one of {shown}", f"name a {kind} that is there"
    )
