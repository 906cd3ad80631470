"""Bench: records with the samples beside them, as a run writes them, from chosen scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from virb.core.digest import digest
from virb.metrics import METRICS, PIXEL_METRICS, PUBLISHED_METRICS
from virb.metrics.stats import REPLICATES, bootstrap, interval, weight_blocks
from virb.records.record import Record, Score, beside, pack_arrays, record_folder, record_stem
from virb.run.score import score_of


@dataclass(frozen=True)
class TaskSplit:
    """A task with its test split: what all encoders share."""

    name: str
    level: Literal["image", "pixel"] = "image"
    kind: Literal["semantic", "structural"] = "semantic"
    metric: str = "top1"
    extra: bool = False
    samples: int = 200
    floor: float = 0.1


def hits(split: TaskSplit, chance: float, seed: int, encoder: int = 0) -> np.ndarray:
    """Return statistics [1, N, 2] of an encoder that is right on each sample with this chance; hard ones are hard."""
    shared = np.random.default_rng([seed, 1]).random(split.samples)
    own = np.random.default_rng([seed, 2, encoder]).random(split.samples)
    found = 0.5 * shared + 0.5 * own < chance
    return np.stack([found.astype(float), np.ones(split.samples)], axis=-1)[None]


def recording(
    encoder: str,
    split: TaskSplit,
    statistics: np.ndarray,
    *,
    ids: Sequence[str] | None = None,
    groups: np.ndarray | None = None,
    replicates: np.ndarray | None = None,
    **changed: Any,
) -> tuple[Record, dict[str, bytes]]:
    """Return the record of these statistics [S, N, s], and its samples."""
    metric = {**METRICS, **PIXEL_METRICS, **PUBLISHED_METRICS}[split.metric]
    ids = [f"{split.name}/{place}" for place in range(statistics.shape[1])] if ids is None else ids
    groups = np.arange(len(ids)) if groups is None else groups
    kept = statistics.astype(np.float32)
    content = pack_arrays({"ids": np.array(ids), "groups": groups, f"statistics.{split.metric}": kept})
    if replicates is None:
        replicates = bootstrap(list(statistics), groups, split.name, metric.totals, metric.value)
    seeds = [float(metric.value(metric.totals(rows))) for rows in statistics]
    units = len(np.unique(groups))
    span = interval(float(np.mean(seeds)), replicates, units)
    score = score_of(metric, span)
    rounded = [round(float(value), 6) for value in replicates]
    resume = changed.pop("keys__resume", digest([encoder, split.name]))
    name = f"{record_stem(split.name, changed.get('protocol__name', 'standard'), resume)}.npz"
    told: dict[str, Any] = {
        "units": units,
        "data__counts": {"train": 5, "val": 2, "test": len(ids)},
        "keys__resume": resume,
        "samples": beside(name, content).model_dump(),
    }
    return made(encoder, split, score, seeds, rounded, **{**told, **changed}), {name: content}


def made(
    encoder: str, split: TaskSplit, score: Score, seeds: Sequence[float], replicates: Sequence[float], **changed: Any
) -> Record:
    """Return a record of a score; `changed` replaces facts by dotted name, with `__` for the dot."""
    setting = {"learning_rate": 0.001, "weight_decay": 0.0, "standardise": True, "validation": 0.5}
    facts: dict[str, Any] = {
        "kind": "measured",
        "task": {
            "name": split.name, "title": split.name.upper(), "level": split.level, "kind": split.kind,
            "extra": split.extra, "version": 1, "digest": "card",
        },
        "encoder": {
            "name": encoder, "title": encoder, "weights": "random:x", "arch": "x", "fingerprint": f"{encoder:0<32.32}",
            "weights_hash": "w", "width": 8,
        },
        "data": {
            "source": "real", "digest": "d" * 32, "test_digest": "t" * 32, "classes": 4, "limit": None,
            "counts": {"train": 5, "val": 2, "test": 3},
        },
        "protocol": {"name": "standard", "version": 1, "digest": "p" * 32},
        "view": {"geometry": "squash", "size": 96, "mean": (0, 0, 0), "std": (1, 1, 1)},
        "score": score.model_dump(),
        "also": {},
        "floor": {**score.model_dump(), "value": split.floor, "low": split.floor, "high": split.floor},
        "seeds": list(seeds),
        "breakdown": {},
        "replicates": list(replicates),
        "setting": setting,
        "settings": [setting],
        "curves": {"epochs": [1], "train_loss": [1.0], "val_loss": [1.0], "val_score": [1.0]},
        "train_loss": 1.0,
        "numerics": {},
        "device": "cpu",
        "versions": {},
        "keys": {"data": "d" * 32, "comparison": "", "resume": digest([encoder, split.name])},
        "samples": {"file": "x.npz", "sha256": "0"},
        "created": "2026-01-01T00:00:00+00:00",
        "seconds": {},
    }  # fmt: skip
    for name, value in changed.items():
        place, _, field = name.rpartition("__")
        target = facts[place] if place else facts
        target[field] = value
    if not facts["keys"]["comparison"]:  # follows from the facts, as in a run
        shared = [facts["task"], facts["protocol"], facts["data"]["digest"], facts["data"]["source"]]
        facts["keys"]["comparison"] = digest([*shared, facts["data"]["limit"]])
    return Record.model_validate(facts)


def many(out: Path, encoders: int, tasks: int, samples: int = 200) -> None:
    """Write a board of this size: every encoder has an ability, every task its own liking."""
    random = np.random.default_rng(0)
    ability = random.normal(0.55, 0.08, encoders)
    weights = np.concatenate(list(weight_blocks(np.arange(samples), "speed", REPLICATES)))
    for place, split in enumerate(_splits(tasks, samples)):
        chances = np.clip(ability + random.normal(0, 0.03, encoders), 0.2, 0.9)
        for number, chance in enumerate(chances):
            name, statistics = f"encoder{number:03d}", hits(split, float(chance), place, number)
            replicates = weights @ statistics[0, :, 0] / samples
            record, files = recording(name, split, statistics, replicates=replicates)
            folder = record_folder(out, name, record.encoder.fingerprint)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{record.stem}.json").write_text(record.model_dump_json(indent=1))
            for file, content in files.items():
                (folder / file).write_bytes(content)


def _splits(tasks: int, samples: int) -> list[TaskSplit]:
    """Return tasks of all quadrants in turn."""
    levels: tuple[Literal["image", "pixel"], ...] = ("image", "pixel")
    kinds: tuple[Literal["semantic", "structural"], ...] = ("semantic", "structural")
    quadrants = [(level, kind) for level in levels for kind in kinds]
    metric = {"image": "top1", "pixel": "pixel_accuracy"}
    return [
        TaskSplit(f"task{place:02d}", level, kind, metric[level], samples=samples)
        for place, (level, kind) in ((place, quadrants[place % 4]) for place in range(tasks))
    ]
