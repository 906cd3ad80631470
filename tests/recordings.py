"""Records with the samples beside them, as a run writes them, from chosen scores: for tests and measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from virb.digest import digest
from virb.metrics import METRICS, PIXEL_METRICS, PUBLISHED_METRICS
from virb.record import Record, Score, beside, pack_arrays, read_record, record_folder, record_stem, write
from virb.stats import REPLICATES, bootstrap, interval, weight_blocks


@dataclass(frozen=True)
class Test:
    """A task's test split: what all encoders share."""

    __test__ = False

    name: str
    level: str = "image"
    kind: str = "semantic"
    metric: str = "top1"
    extra: bool = False
    samples: int = 200
    floor: float = 0.1


def hits(test: Test, chance: float, seed: int, encoder: int = 0) -> np.ndarray:
    """Statistics [1, N, 2] of an encoder that finds each sample with this chance; hard samples are hard for all."""
    shared = np.random.default_rng([seed, 1]).random(test.samples)
    own = np.random.default_rng([seed, 2, encoder]).random(test.samples)
    found = 0.5 * shared + 0.5 * own < chance
    return np.stack([found.astype(float), np.ones(test.samples)], axis=-1)[None]


def recording(
    encoder: str,
    test: Test,
    statistics: np.ndarray,
    *,
    ids: Sequence[str] | None = None,
    groups: np.ndarray | None = None,
    replicates: np.ndarray | None = None,
    **changed: Any,
) -> tuple[Record, dict[str, bytes]]:
    """Return a record and its samples; `changed` replaces facts by dotted name, with `__` for the dot."""
    metric = {**METRICS, **PIXEL_METRICS, **PUBLISHED_METRICS}[test.metric]
    ids = [f"{test.name}/{place}" for place in range(statistics.shape[1])] if ids is None else ids
    groups = np.arange(len(ids)) if groups is None else groups
    resume = changed.get("keys__resume", digest([encoder, test.name]))
    stem = record_stem(test.name, changed.get("protocol__name", "standard"), resume)
    kept = statistics.astype(np.float32)
    content = pack_arrays({"ids": np.array(ids), "groups": groups, f"statistics.{test.metric}": kept})
    if replicates is None:
        replicates = bootstrap(list(statistics), groups, test.name, metric.totals, metric.value)
    seeds = [float(metric.value(metric.totals(rows))) for rows in statistics]
    units = len(np.unique(groups))
    span = interval(float(np.mean(seeds)), replicates, units)
    facts = {"metric": test.metric, "unit": metric.unit, "direction": metric.direction, "ceiling": metric.ceiling}
    score = Score.model_validate({**facts, "value": span.value, "low": span.low, "high": span.high})
    setting = {"learning_rate": 0.001, "weight_decay": 0.0, "standardise": True, "validation": 0.5}
    facts = {
        "kind": "measured",
        "task": {
            "name": test.name, "title": test.name.upper(), "level": test.level, "kind": test.kind,
            "extra": test.extra, "version": 1, "digest": "card",
        },
        "encoder": {
            "name": encoder, "title": encoder, "weights": "random:x", "arch": "x", "fingerprint": f"{encoder:0<32.32}",
            "weights_hash": "w", "width": 8,
        },
        "data": {
            "source": "real", "digest": "d" * 32, "test_digest": "t" * 32, "classes": 4, "limit": None,
            "counts": {"train": 5, "val": 2, "test": len(ids)},
        },
        "protocol": {"name": "standard", "version": 1, "digest": "p" * 32},
        "view": {"geometry": "squash", "size": 96, "mean": (0, 0, 0), "std": (1, 1, 1)},
        "score": score.model_dump(),
        "also": {},
        "floor": {**score.model_dump(), "value": test.floor, "low": test.floor, "high": test.floor},
        "seeds": seeds,
        "breakdown": {},
        "replicates": [round(float(value), 6) for value in replicates],
        "units": units,
        "setting": setting,
        "settings": [setting],
        "curves": {"epochs": [1], "train_loss": [1.0], "val_loss": [1.0], "val_score": [1.0]},
        "train_loss": 1.0,
        "numerics": {},
        "device": "cpu",
        "versions": {},
        "keys": {"data": "d" * 32, "comparison": "", "resume": resume},
        "samples": beside(f"{stem}.npz", content).model_dump(),
        "created": "2026-01-01T00:00:00+00:00",
        "seconds": {},
    }  # fmt: skip
    for name, value in changed.items():
        place, _, field = name.rpartition("__")
        target = facts[place] if place else facts
        target[field] = value
    if not facts["keys"]["comparison"]:  # follows from the facts, as in a run
        shared = [facts["task"], facts["protocol"], facts["data"]["digest"], facts["data"]["source"]]
        facts["keys"]["comparison"] = repr([*shared, facts["data"]["limit"]])
    return Record.model_validate(facts), {f"{stem}.npz": content}


def lay(out: Path, encoder: str, test: Test, statistics: np.ndarray, **facts: Any) -> tuple[Record, Path]:
    """Write a record as a run does; return it as it is read again, and its file."""
    record, files = recording(encoder, test, statistics, **facts)
    path = write(record, out, files)
    return read_record(path), path


def many(out: Path, encoders: int, tasks: int, samples: int = 200) -> None:
    """Write a board of this size: every encoder has an ability, every task its own liking."""
    random = np.random.default_rng(0)
    kinds = [(level, kind) for level in ("image", "pixel") for kind in ("semantic", "structural")]
    tests = [
        Test(
            f"task{place:02d}", *kinds[place % 4], samples=samples, metric="top1" if place % 4 < 2 else "pixel_accuracy"
        )
        for place in range(tasks)
    ]
    ability = random.normal(0.55, 0.08, encoders)
    weights = np.concatenate(list(weight_blocks(np.arange(samples), "speed", REPLICATES)))
    for place, test in enumerate(tests):
        chances = np.clip(ability + random.normal(0, 0.03, encoders), 0.2, 0.9)
        for number, chance in enumerate(chances):
            name, statistics = f"encoder{number:03d}", hits(test, float(chance), place, number)
            replicates = weights @ statistics[0, :, 0] / samples
            record, files = recording(name, test, statistics, replicates=replicates)
            folder = record_folder(out, name, record.encoder.fingerprint)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{record.stem}.json").write_text(record.model_dump_json(indent=1))
            for file, content in files.items():
                (folder / file).write_bytes(content)
