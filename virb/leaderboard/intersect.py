"""Leaderboard: records whose test splits are almost the same, on the samples that both have.

Videos vanish and pictures are damaged: two labs then differ in a few test samples and in nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from virb.core.npz import LARGEST_ARRAYS, DamagedFile, read_arrays, read_bounded
from virb.metrics.stats import bootstrap, interval
from virb.records.facts import MEASURED
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


def on_intersection(records: Sequence[Record], samples: Sequence[KeptSamples]) -> list[Record]:
    """Return the records, those that lost a few samples scored on what they share with the split that most have.

    Whoever has the whole split keeps every number: who loses samples moves nobody's score but his own.
    """
    splits = [tuple(one.ids.tolist()) for one in samples]
    usual = Counter(splits).most_common(1)[0][0]
    first = splits.index(usual)
    seed = records[first].data.test_digest
    return [
        record if split == usual else _onto(record, one, samples[first], seed)
        for record, one, split in zip(records, samples, splits, strict=True)
    ]


def _onto(record: Record, samples: KeptSamples, whole: KeptSamples, seed: str) -> Record:
    """Return a record with its score, interval and replicates on the samples that it shares with the whole split.

    Each lost sample keeps its row, all zeros, and so counts for nothing; replicates are drawn as those of the whole
    split were, and pair with them sample by sample.
    """
    metric = MEASURED[record.score.metric]
    _, theirs, mine = np.intersect1d(whole.ids, samples.ids, return_indices=True)
    rows = np.zeros((len(samples.statistics), len(whole.ids), samples.statistics.shape[2]))
    rows[:, theirs] = samples.statistics[:, mine]
    seeds = [float(metric.value(metric.totals(one))) for one in rows]
    replicates = bootstrap(list(rows), whole.groups, seed, metric.totals, metric.value)
    units = len(np.unique(whole.groups[theirs]))
    span = interval(float(np.mean(seeds)), replicates, units)
    score = record.score.model_copy(update={"value": span.value, "low": span.low, "high": span.high})
    return record.model_copy(update={"score": score, "seeds": seeds, "replicates": replicates.tolist(), "units": units})
