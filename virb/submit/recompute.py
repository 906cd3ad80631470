"""Submit: does a record follow from its per-sample statistics? Every value that it can give is computed again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from virb.core.digest import digest, digest_array
from virb.metrics import Metric
from virb.metrics.stats import REPLICATES
from virb.records.facts import hides_the_sample_world
from virb.records.origins import date_problems
from virb.records.record import Record, Score
from virb.run.score import breakdown_of, measured, resolution_of, value_of
from virb.submit.verdict import Finding, broken

_EXACT, _SINGLE, _ROUNDED = 1e-9, 2e-6, 1.5e-6
"""Tolerances, relative above 1: of sums in another order; of statistics kept in single precision by older versions;
of numbers that records round to six digits."""
_MOST_SAMPLES, _MOST_SEEDS, _MOST_CLASSES, _MOST_CELLS = 200_000, 100, 20_000, 1 << 25
"""Far above any honest record, and low enough that no sum over them takes long."""


@dataclass(frozen=True)
class Samples:
    """The arrays beside a record, found to have the shapes that the record says."""

    ids: np.ndarray
    groups: np.ndarray  # int64 [N]
    targets: np.ndarray  # int64 [N]
    predictions: np.ndarray | None  # int64 [S, N]
    statistics: dict[str, np.ndarray]  # metric -> [S, N, s]
    floor: np.ndarray  # [N, s]
    resolution: np.ndarray | None  # [N, s]
    exact: bool

    def __len__(self) -> int:
        return len(self.ids)


def samples_of(record: Record, arrays: Mapping[str, np.ndarray]) -> tuple[Samples | None, list[Finding]]:
    """Return the samples if their names, shapes and values can be those of this record, or why they cannot."""
    problems = list(_problems(record, arrays))
    if problems:
        return None, problems
    primary = record.score.metric
    statistics = {name: arrays[f"statistics.{name}"] for name in (primary, *record.also)}
    return (
        Samples(
            ids=arrays["ids"],
            groups=arrays["groups"].astype(np.int64),
            targets=arrays["targets"].astype(np.int64),
            predictions=arrays["predictions"].astype(np.int64) if "predictions" in arrays else None,
            statistics={name: rows.astype(np.float64) for name, rows in statistics.items()},
            floor=arrays[f"floor.{primary}"].astype(np.float64),
            resolution=arrays[coarse].astype(np.float64) if (coarse := f"resolution.{primary}") in arrays else None,
            exact=all(_keeps_digits(rows) for rows in statistics.values()),
        ),
        [],
    )


def _keeps_digits(rows: np.ndarray) -> bool:
    return rows.dtype == np.float64 or bool((rows == np.floor(rows)).all())


def _problems(record: Record, arrays: Mapping[str, np.ndarray]) -> Iterator[Finding]:
    """Yield what makes the arrays unusable: every later step may rely on names, types, shapes and ranges."""
    metrics, seeds = (record.score.metric, *record.also), len(record.seeds)
    primary = metrics[0]
    needed = {"ids", "groups", "targets", f"floor.{primary}", *(f"statistics.{name}" for name in metrics)}
    needed |= {"predictions"} if record.task.level == "image" else {f"resolution.{primary}"}
    if gone := sorted(needed - set(arrays)):
        yield broken(f"its samples lack {', '.join(gone)}")
        return
    if odd := sorted(set(arrays) - needed):
        yield broken(f"its samples hold what no record has: {', '.join(odd)[:120]}")
        return
    count = len(arrays["ids"]) if arrays["ids"].ndim == 1 else 0
    if not 0 < count <= _MOST_SAMPLES or not 1 <= seeds <= _MOST_SEEDS or not 0 <= record.data.classes <= _MOST_CLASSES:
        yield broken(f"{count:,} samples, {seeds:,} seeds and {record.data.classes:,} classes are no honest numbers")
        return
    widths = [record.data.classes if name == "mean_per_class" else _width(name, record) for name in metrics]
    if seeds * count * max(widths) > _MOST_CELLS:
        yield broken(f"{seeds:,} seeds, {count:,} samples and {record.data.classes:,} classes are no honest numbers")
        return
    labels = ("predictions", "targets") if record.task.level == "image" else ()
    shapes = {"ids": (count,), "groups": (count,), "targets": (count,), "predictions": (seeds, count)}
    for name, array in arrays.items():
        kind, _, metric = name.partition(".")
        width = _width(metric, record)
        wanted = {"statistics": (seeds, count, width), "floor": (count, width), "resolution": (count, width)}
        shape = shapes.get(name) or wanted[kind]
        types = {"ids": "U", "groups": "iu", "targets": "iu", "predictions": "iu"}.get(name, "f")
        if array.shape != shape or array.dtype.kind not in types:
            yield broken(f"its samples hold {name} as {array.dtype} {array.shape}, where {shape} was expected")
        elif array.dtype.kind == "f" and not np.isfinite(array).all():
            yield broken(f"its samples hold {name} with NaN or infinity")
        elif array.dtype.kind == "f" and array.min(initial=0) < 0:
            yield broken(f"its samples hold {name} with numbers below 0")
        elif array.dtype.kind in "iu" and (array.min() < -(1 << 31) or array.max() >= 1 << 31):
            yield broken(f"its samples hold {name} with absurd numbers")
        elif metric == "mean_per_class" and not _in_range(array[..., 0], record.data.classes):
            yield broken(f"its samples hold {name} with classes that do not exist")
        elif name in labels and not _in_range(array, record.data.classes):
            yield broken(f"its samples hold {name} of classes that do not exist")


def _in_range(classes: np.ndarray, count: int) -> bool:
    return bool(((classes >= 0) & (classes < count) & (classes == np.floor(classes))).all())


def _width(metric: str, record: Record) -> int:
    """Return how many numbers a metric keeps of each sample."""
    return {"mean_per_class": 3, "miou": 3 * record.data.classes}.get(metric, 2)


def check_files(file: str, record: Record) -> Iterator[Finding]:
    """Yield where a record, its place and the names of its files do not belong together."""
    place = PurePosixPath(file)
    folder = f"{record.encoder.name}-{record.encoder.fingerprint[:8]}"
    stem = record.stem
    if place.parent.name != folder or place.stem != stem:
        yield broken(f"it lies in {place.parent.name}/{place.name}, and belongs in {folder}/{stem}.json")
    if record.samples.file != f"{stem}.npz":
        yield broken(f"it names the samples {record.samples.file}, and not its own")
    if record.heads is not None and record.heads.file != f"{stem}.safetensors":
        yield broken(f"it names the heads {record.heads.file}, and not its own")
    if record.kind != "measured":
        yield broken("it is no measured record")
    yield from map(broken, date_problems(record.created))


def check_samples(record: Record, samples: Samples) -> Iterator[Finding]:
    """Yield where ids, counts and keys contradict one another."""
    if len(record.replicates) != REPLICATES:
        yield broken(f"it holds {len(record.replicates)} replicates, and every record has {REPLICATES}")
    if len(np.unique(samples.ids)) != len(samples):
        yield broken("some test samples stand in it twice")
    if record.data.counts.get("test") != len(samples):
        yield broken(f"it says {record.data.counts.get('test')} test samples and holds {len(samples)}")
    found = digest([samples.ids.tolist(), digest_array(samples.targets), digest_array(samples.groups)])
    if found != record.data.test_digest:
        yield broken("its test samples are not those of its test digest: dropped, added or changed")
    if record.units not in (None, units := len(np.unique(samples.groups))):
        yield broken(f"it says its samples are of {record.units} groups; they are of {units}")
    if hides_the_sample_world(record, samples.ids.tolist):
        yield broken("it says its data are real, and its test samples are those of the sample world")
    if record.keys.data != record.data.digest:
        yield broken("its key of the data is not its data's digest")


def check_values(record: Record, samples: Samples, metrics: Sequence[Metric]) -> Iterator[Finding]:
    """Yield every value, interval and replicate that does not come out of the statistics again."""
    within = _EXACT if samples.exact else _SINGLE
    groups, test = samples.groups, record.data.test_digest
    for metric, claimed in zip(metrics, (record.score, *record.also.values()), strict=True):
        rows = samples.statistics[metric.name]
        found, replicates = measured(metric, list(rows), groups, test)
        yield from _compare_score(metric.name, claimed, found, within)
        if metric is metrics[0]:
            yield from _compare_list("replicates", record.replicates, replicates.tolist(), _ROUNDED + within)
    primary, rows = metrics[0], samples.statistics[metrics[0].name]
    yield from _compare_list("seeds", record.seeds, [value_of(primary, one) for one in rows], within)
    floor, _ = measured(primary, [samples.floor], groups, test)
    yield from _compare_score("floor", record.floor, floor, within)
    resolution = None if samples.resolution is None else resolution_of(primary, samples.resolution)
    yield from _compare_list("resolution", [record.resolution], [resolution], _ROUNDED + within)
    yield from _check_breakdown(record, samples, primary, within)


def _check_breakdown(record: Record, samples: Samples, primary: Metric, within: float) -> Iterator[Finding]:
    names = list(record.breakdown)
    by_class = samples.predictions is not None or primary.per_class(samples.floor[0]) is not None
    if by_class != bool(names) or (names and len(names) != record.data.classes):
        yield broken(f"its breakdown has {len(names)} classes")
        return
    if names:
        found = breakdown_of(primary, samples.statistics[primary.name], samples.targets, samples.predictions, names)
        yield from _compare_list("breakdown", list(record.breakdown.values()), list(found.values()), _ROUNDED + within)


def check_predictions(samples: Samples, metrics: Sequence[Metric]) -> Iterator[Finding]:
    """Yield statistics of image tasks that do not follow from predictions and targets."""
    targets, predictions = samples.targets, samples.predictions
    if predictions is None:
        return
    hits = predictions == targets
    ones = np.ones(hits.shape)
    for metric in metrics:
        rows = samples.statistics[metric.name]
        if metric.rank < 2:
            number = np.abs(predictions - targets) if metric.rank == 0 else hits
            known = [np.broadcast_to(targets, hits.shape)] if rows.shape[-1] == 3 else []
            expected = np.stack([*known, number, ones], axis=-1)
        else:  # of several best classes only the first stands in the samples: it is a hit where that is
            wrong = (rows[..., 0] < hits) | ~np.isin(rows[..., 0], (0, 1)) | (rows[..., 1] != 1)
            expected = np.where(wrong[..., None], np.nan, rows)
        if not np.array_equal(rows, expected):
            yield broken(f"its statistics of {metric.name} contradict its predictions")
    if not _is_constant(metrics[0], samples.floor, targets):
        yield broken("its floor is not that of one answer to all samples")


def _is_constant(metric: Metric, floor: np.ndarray, targets: np.ndarray) -> bool:
    """Tell whether one answer, the same for every sample, could give these statistics [N, s] of an image task."""
    number, rank = floor[:, -2], metric.rank
    if not (floor[:, -1] == 1).all() or (floor.shape[1] == 3 and not np.array_equal(floor[:, 0], targets)):
        return False
    if rank == 0:  # distances to one class
        return any(
            np.array_equal(number, np.abs(targets - one)) for one in np.unique([targets - number, targets + number])
        )
    hit = np.unique(targets[number == 1])
    return len(hit) <= rank and np.array_equal(number, np.isin(targets, hit))


def _compare_score(name: str, claimed: Score, found: Score, within: float) -> Iterator[Finding]:
    for field in ("metric", "unit", "direction", "ceiling"):
        if getattr(claimed, field) != getattr(found, field):
            yield broken(f"{name}: it says {field} {getattr(claimed, field)!r}, which is {getattr(found, field)!r}")
    if found.direction == "higher" and found.value > found.ceiling + within:
        yield broken(f"{name}: its statistics give {found.value:.6g}, and {found.ceiling:g} is the most there can be")
    for field in ("value", "low", "high"):
        mine, theirs = getattr(found, field), getattr(claimed, field)
        if not _same(mine, theirs, within):
            yield broken(f"{name}: it says {field} {theirs:.6g}, its statistics give {mine:.6g}")


def _compare_list(
    name: str, claimed: Sequence[float | None], found: Sequence[float | None], within: float
) -> Iterator[Finding]:
    if len(claimed) != len(found):
        yield broken(f"it holds {len(claimed)} {name}, where {len(found)} were expected")
        return
    differing = [(one, two) for one, two in zip(claimed, found, strict=True) if not _same(one, two, within)]
    if differing:
        one, two = differing[0]
        count = f"{len(differing)} of {len(found)} " if len(found) > 1 else ""
        yield broken(f"{count}{name} are not what its statistics give: {one} where they give {two}")


def _same(one: float | None, two: float | None, within: float) -> bool:
    if one is None or two is None:
        return one is two
    return abs(one - two) <= within * max(1.0, abs(one), abs(two))
