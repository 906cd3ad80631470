"""An honest results folder: two encoders on tasks of this copy's cards and on one of somebody's own, as runs write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from virb.cards.dataset import facts_of
from virb.cards.protocol import metrics_for
from virb.cards.select import protocol, task
from virb.checks.bench.records import TaskSplit, hits, recording
from virb.core.digest import digest, digest_array
from virb.metrics import metric_for
from virb.metrics.stats import interval
from virb.records.record import Record, beside, comparison_key, pack_arrays, write
from virb.run.score import measured, score_of

ENCODERS = {"alpha": 0.7, "beta": 0.4}
TASKS = ("dtd", "nyu_depth", "own_textures")
"""One of images, one of pixels, and one that only somebody's plug-in has."""
COUNT = 120


def lay_honest(out: Path) -> list[Record]:
    """Write the records of both encoders on all tasks."""
    return [laid(out, name, one, chance) for name, chance in ENCODERS.items() for one in TASKS]


def laid(out: Path, encoder: str, name: str, chance: float) -> Record:
    """Write one record, all of whose facts follow from cards and statistics."""
    record, files = made(encoder, name, chance)
    write(record, out, files)
    return record


def made(encoder: str, name: str, chance: float) -> tuple[Record, dict[str, bytes]]:
    """Return a record and its samples."""
    rules = protocol("standard")
    card = task("dtd" if name == "own_textures" else name)
    split = TaskSplit(name, card.level, card.kind, card.metric, samples=COUNT)
    wanted = metrics_for(card, rules.training(card))
    metrics = [metric_for(one, 47, facts_of(card.dataset, card.target)) for one in wanted]
    statistics = hits(split, chance, 3, sum(map(ord, encoder)))
    floor = hits(split, 0.3, 4)[0]
    ids, groups = [f"{name}/{place}" for place in range(COUNT)], np.arange(COUNT)
    test = digest([ids, digest_array(groups), digest_array(groups)])
    own, replicates = measured(metrics[0], list(statistics), groups, test)
    below, _ = measured(metrics[0], [floor], groups, test)
    known = name != "own_textures"
    data = digest([name, "data"])
    facts: dict[str, Any] = {
        "task__title": card.title if known else "Textures of our own",
        "task__version": card.version,
        "task__digest": card.digest() if known else "0" * 32,
        "protocol__name": rules.name,
        "protocol__version": rules.version,
        "protocol__digest": rules.digest(),
        "data__digest": data,
        "data__test_digest": test,
        "data__classes": 47,
        "floor": below.model_dump(),
        "also": {one.name: score_of(one, interval(own.value, replicates, COUNT)).model_dump() for one in metrics[1:]},
        "keys__data": data,
        "keys__comparison": comparison_key(card, rules, data, "real", None) if known else digest([name, rules.name]),
    }
    record, files = recording(encoder, split, statistics, ids=ids, groups=groups, replicates=replicates, **facts)
    arrays = {
        "ids": np.array(ids),
        "groups": groups,
        "targets": groups,
        f"statistics.{card.metric}": statistics,
        f"floor.{card.metric}": floor,
    }
    (file,) = files
    return with_samples(record, file, arrays)


def with_samples(record: Record, file: str, arrays: dict[str, np.ndarray]) -> tuple[Record, dict[str, bytes]]:
    """Return a record with these arrays beside it."""
    content = pack_arrays(arrays)
    return record.model_copy(update={"samples": beside(file, content)}), {file: content}
