"""Leaderboard: records whose test splits are almost the same, on the samples that both have.

Videos vanish and pictures are damaged: two labs then differ in a few test samples and in nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from virb.core.digest import digest
from virb.core.npz import LARGEST_ARRAYS, DamagedFile, read_arrays, read_bounded
from virb.metrics import METRICS, PIXEL_METRICS, PUBLISHED_METRICS
from virb.metrics.stats import bootstrap, interval
from virb.records.record import Record

LEAST = 0.99
"""The share of all test ids that both must have."""


@dataclass(frozen=True)
class KeptSamples:
    """What stands beside a record, by test id."""

    ids: np.ndarray
    groups: np.ndarray
    statistics: np.ndarray  # [S, N, s]
    targets: np.ndarray | None


def read_samples(record: Record, folder: Path | None) -> KeptSamples | None:
    """Return a record's test ids with their statistics; None where they are not there or do not fit one another."""
    if folder is None:
        return None
    wanted = ("ids", "groups", f"statistics.{record.score.metric}", "targets")
    try:
        arrays = read_arrays(read_bounded(folder / record.samples.file, LARGEST_ARRAYS), wanted)
        ids, groups, statistics = (arrays[name] for name in wanted[:3])
    except (OSError, DamagedFile, KeyError):
        return None
    targets, count = arrays.get("targets"), len(np.unique(ids))
    fits = ids.shape == groups.shape == (count,) and statistics.ndim == 3 and statistics.shape[1] == count
    if not fits or (targets is not None and targets.shape != ids.shape):
        return None
    return KeptSamples(ids, groups, statistics.astype(np.float64), targets)


def may_meet(one: Record, other: Record) -> bool:
    """Tell whether two records of a task differ by lost samples alone, as far as the records themselves say."""
    same = all(
        mine == theirs
        for mine, theirs in (
            (one.task.version, other.task.version),
            (one.task.digest, other.task.digest),
            (one.view.geometry, other.view.geometry),
            (one.data.classes, other.data.classes),
            (one.score.metric, other.score.metric),
        )
    )
    return same and (one.data.counts != other.data.counts or one.data.skipped != other.data.skipped)


def shares(one: KeptSamples, other: KeptSamples) -> bool:
    """Tell whether two test splits are the same but for a hundredth, with the same targets where those are kept."""
    both, mine, theirs = np.intersect1d(one.ids, other.ids, return_indices=True)
    if len(both) < LEAST * (len(one.ids) + len(other.ids) - len(both)):
        return False
    if one.targets is None or other.targets is None:
        return True
    return bool((one.targets[mine] == other.targets[theirs]).all())


def common_ids(samples: Sequence[KeptSamples]) -> np.ndarray:
    """Return the test ids that all have, sorted."""
    ids = samples[0].ids
    for other in samples[1:]:
        ids = np.intersect1d(ids, other.ids)
    return ids


def on_intersection(records: Sequence[Record], samples: Sequence[KeptSamples]) -> list[Record]:
    """Return the records with scores, intervals and replicates on the test samples that all of them have."""
    ids = common_ids(samples)
    groups = _at(samples[0], ids, samples[0].groups)
    name = digest([str(one) for one in ids])
    return [_rescored(record, one, ids, groups, name) for record, one in zip(records, samples, strict=True)]


def _at(samples: KeptSamples, ids: np.ndarray, column: np.ndarray) -> np.ndarray:
    order = np.argsort(samples.ids, kind="stable")
    return np.asarray(column[order[np.searchsorted(samples.ids, ids, sorter=order)]])


def _rescored(record: Record, samples: KeptSamples, ids: np.ndarray, groups: np.ndarray, seed: str) -> Record:
    metric = {**METRICS, **PIXEL_METRICS, **PUBLISHED_METRICS}[record.score.metric]
    rows = [_at(samples, ids, statistics) for statistics in samples.statistics]
    seeds = [float(metric.value(metric.totals(one))) for one in rows]
    replicates = bootstrap(rows, groups, seed, metric.totals, metric.value)
    units = len(np.unique(groups))
    span = interval(float(np.mean(seeds)), replicates, units)
    score = record.score.model_copy(update={"value": span.value, "low": span.low, "high": span.high})
    return record.model_copy(update={"score": score, "seeds": seeds, "replicates": replicates.tolist(), "units": units})
