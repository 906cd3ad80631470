"""Leaderboard: every record of some folders, checked against its statistics; what is wrong is named and left out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from virb.core.errors import UsageError, VirbError, did_you_mean
from virb.core.npz import LARGEST_ARRAYS, DamagedFile, read_arrays, read_bounded
from virb.core.paths import reference_folder, user_path
from virb.metrics import Metric
from virb.metrics.stats import interval
from virb.records.choice import Claim, grouped
from virb.records.facts import MEASURED, hides_the_sample_world, misread
from virb.records.origins import Provenance, VerdictLine, date_problems, entries, origin_of, sidecar
from virb.records.published import SETS, Reference, read_references
from virb.records.record import Record, Score, read_record

_SLACK = 1e-5
"""What is kept of statistics and replicates, of their own size: single precision and six digits."""


@dataclass(frozen=True)
class Results:
    """What some folders hold."""

    records: tuple[Record, ...] = ()
    folders: tuple[Path, ...] = ()
    """Where each record lies, with its samples beside it."""
    references: tuple[Reference, ...] = ()
    problems: tuple[str, ...] = ()
    """What was left out, and why."""
    origins: tuple[Provenance, ...] = ()
    """Where each record came from; none where nothing is known of that, and all count as measured."""

    @property
    def members(self) -> list[Claim]:
        """Each record with its folder and its origin."""
        origins = self.origins or (Provenance(),) * len(self.records)
        return [Claim(*parts) for parts in zip(self.records, self.folders, origins, strict=True)]


def load(places: Iterable[str | Path]) -> Results:
    """Return the checked records of several places: results folders, folders of published numbers, shipped sets.

    The first place is one's own: what others hold never takes the place of what it holds.
    """
    read: list[Claim] = []
    references: list[Reference] = []
    problems: list[str] = []
    for number, place in enumerate(dict.fromkeys(Path(_resolve(str(place))) for place in places)):
        found, wrong = read_references(place)
        references += found
        problems += wrong
        known: dict[Path, dict[str, VerdictLine]] = {}
        for path in _record_files(place):
            try:
                record = read_record(path)
                check(record, path)
            except VirbError as error:
                problems.append(error.found)
                continue
            if path.parent not in known:
                known[path.parent] = entries(sidecar(path.parent.parent.parent, path.parent.name))
            read.append(Claim(record, path.parent, origin_of(path, number, known[path.parent])))
    kept, contradictions = _without_contradictions(read)
    return Results(
        tuple(member.record for member in kept),
        tuple(where for member in kept if (where := member.folder)),
        tuple(references),
        (*problems, *contradictions),
        tuple(member.origin for member in kept),
    )


def _record_files(place: Path) -> list[Path]:
    """Return the records of a results folder, or of a folder of records; published numbers are none."""
    inside = place / "records"
    found = (inside if inside.is_dir() else place).glob("*/*.json")
    return sorted((path for path in found if path.parent.name not in SETS), key=str)


def _resolve(place: str) -> Path:
    """Return the folder that a name stands for: a folder that is there, else a set that virb ships."""
    folder = user_path(place)
    if folder.is_dir():
        return folder
    if place in SETS:
        return reference_folder(place)
    raise UsageError(
        f"there are no records at '{place}'{did_you_mean(place, SETS)}",
        f"a results folder, or one of the sets that virb brings: {', '.join(SETS)}",
        "name a folder that 'virb evaluate --out' wrote to",
    )


def check(record: Record, path: Path) -> None:
    """Refuse a record whose numbers do not follow from its replicates, its seeds and the statistics beside it."""
    early = next(date_problems(record.created), "")
    problem = early or _own(record) or misread(record) or _beside(record, path.parent)
    if problem:
        raise VirbError(
            f"{path}: {problem}", "a record as 'virb evaluate' wrote it, with its samples beside it", "evaluate again"
        )


def _own(record: Record) -> str:
    """Return what within a record contradicts itself."""
    score = record.score
    if record.kind != "measured":
        return "published numbers are kept in files of their own"
    if not record.seeds or not _near(sum(record.seeds) / len(record.seeds), score.value, score):
        return f"its seeds do not give its value {score.value:g}"
    replicates = np.asarray(record.replicates)
    if len(replicates) < 2:
        return "it has no bootstrap replicates"
    span = interval(score.value, replicates, record.units)
    if not (_near(span.low, score.low, score) and _near(span.high, score.high, score)):
        return f"its replicates give the interval [{span.low:g}, {span.high:g}], not [{score.low:g}, {score.high:g}]"
    return ""


def _near(found: float, expected: float, score: Score) -> bool:
    scale = max(abs(score.value), abs(score.high), abs(score.low), 0.1)
    return math.isfinite(found) and abs(found - expected) <= _SLACK * scale


def _beside(record: Record, folder: Path) -> str:
    """Return what the samples beside a record contradict."""
    file, name = record.samples.file, record.score.metric
    metric = MEASURED[name]
    try:
        content = read_bounded(folder / file, LARGEST_ARRAYS)
        if hashlib.sha256(content).hexdigest() != record.samples.sha256:
            return f"its samples {file} are not those it was written with"
        arrays = read_arrays(content, [f"statistics.{name}", f"floor.{name}"])
        values = [_value(metric, rows) for rows in arrays[f"statistics.{name}"]]
        floor = _value(metric, arrays[f"floor.{name}"]) if f"floor.{name}" in arrays else record.floor.value
        hides = hides_the_sample_world(record, lambda: _ids(content))
    except OSError as error:
        return f"its samples {file} cannot be read: {error.strerror or error}"
    except DamagedFile as error:
        return f"its samples {file}: the file {error}"
    except Exception as error:  # arrays of strangers can be of any shape; whatever is wrong, this cannot be checked
        return f"its samples {file} hold no statistics of {name}: {error}"
    if len(values) != len(record.seeds) or not _near(sum(values) / len(values), record.score.value, record.score):
        return f"its statistics give {np.mean(values):g}, not {record.score.value:g}"
    if not abs(floor - record.floor.value) <= _SLACK * max(abs(floor), 0.1):
        return f"its statistics give the floor {floor:g}, not {record.floor.value:g}"
    return "it says its data are real, and its test samples are those of the sample world" if hides else ""


def _ids(content: bytes) -> list[str]:
    return [str(one) for array in read_arrays(content, ["ids"]).values() for one in array.ravel()]


def _value(metric: Metric, rows: np.ndarray) -> float:
    return float(metric.value(metric.totals(rows.astype(np.float64))))


def _without_contradictions(read: list[Claim]) -> tuple[list[Claim], list[str]]:
    """Return which records stay: where the same run has two values of one origin, nobody knows which is right.

    One that lies where it belongs goes before those in other encoders' folders, whoever put them there.
    """
    kept, problems = [], []
    place = {id(member.record): row for row, member in enumerate(read)}
    for group in grouped(read, lambda record: (record.encoder.name, record.keys.resume)):
        first = group[0]
        surest = (first.origin, first.strayed)
        known = {one.record.score.value for one in group if (one.origin, one.strayed) == surest}
        if len(known) == 1:
            kept.append(first)
        listed = ", ".join(
            f"{value:g} ({origin})"
            for value, origin in sorted({(one.record.score.value, one.origin.text) for one in group})
        )
        if len({one.record.score.value for one in group}) > 1:
            stands = f"; {first.record.score.value:g} stands" if len(known) == 1 else ""
            problems.append(
                f"{first.record.encoder.name} on {first.record.task.name}: {len(group)} records of the same run with "
                f"different values: {listed}{stands}"
            )
    return sorted(kept, key=lambda member: place[id(member.record)]), problems
