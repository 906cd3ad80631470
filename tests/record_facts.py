"""A task, a protocol and a record of them, for the tests of records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from virb.cards.protocol import Protocol
from virb.cards.task import Task
from virb.records.record import (
    Record,
    beside,
    comparison_key,
    pack_arrays,
    record_folder,
    record_stem,
)

RESUME = "0123456789abcdef0123456789abcdef"


FINGERPRINT = "fedcba9876543210fedcba9876543210"


SAMPLES = pack_arrays({"ids": np.array(["a", "bb"]), "predictions": np.array([[1, 0]], np.int32)})


def task(**changes: object) -> Task:
    facts: dict[str, object] = {
        "name": "textures",
        "title": "Textures",
        "level": "image",
        "kind": "semantic",
        "dataset": "dtd",
        "target": "texture",
        "head": "linear",
        "loss": "cross_entropy",
        "metric": "top1",
        "version": 1,
        "split": "train / val / test",
        "paper": "A paper",
        "licence": "open",
        "published": {"epochs": 100, "batch": 32, "learning_rate": 0.0001, "comparable": True},
    }
    return Task.model_validate(facts | changes)


def protocol(training: dict[str, object] | None = None, **changes: object) -> Protocol:
    image: dict[str, object] = {
        "optimiser": "adamw",
        "batch": 64,
        "epochs": 30,
        "schedule": "cosine",
        "learning_rates": (0.001, 0.01),
        "weight_decays": (0.0,),
        "standardise": (True,),
        "seeds": 3,
    }
    facts: dict[str, object] = {
        "name": "quick",
        "title": "Quick",
        "version": 1,
        "size": 96,
        "choice": "validation",
        "image": image | (training or {}),
    }
    return Protocol.model_validate(facts | changes)


def key(**changes: Any) -> str:
    given: dict[str, Any] = {
        "task": task(),
        "protocol": protocol(),
        "data": "d" * 32,
        "source": "real",
        "limit": None,
    } | changes
    return comparison_key(given["task"], given["protocol"], given["data"], given["source"], given["limit"])


def facts(**changes: Any) -> dict[str, Any]:
    score = {"metric": "top1", "unit": "share", "direction": "higher", "ceiling": 1.0}
    setting = {"learning_rate": 0.001, "weight_decay": 0.0, "standardise": True, "validation": 0.1 + 0.2}
    stem = record_stem("textures", "quick", RESUME)
    return {
        "kind": "measured",
        "task": {
            "name": "textures",
            "title": "Textures",
            "level": "image",
            "kind": "semantic",
            "extra": False,
            "version": 1,
            "digest": "t" * 32,
        },
        "encoder": {
            "name": "resnet",
            "title": "ResNet – größer",
            "weights": "random:resnet18",
            "arch": "resnet18",
            "fingerprint": FINGERPRINT,
            "weights_hash": "w" * 32,
            "width": 512,
            "facts": {"epochs": 200, "public": True, "rate": 0.3, "by": "us"},
        },
        "data": {
            "source": "real",
            "digest": "d" * 32,
            "test_digest": "e" * 32,
            "counts": {"train": 3, "val": 1, "test": 2},
            "classes": 47,
            "limit": None,
            "notes": ("odd count",),
        },
        "protocol": {"name": "quick", "version": 1, "digest": "p" * 32},
        "view": {"geometry": "squash", "size": 96, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
        "score": {**score, "value": 1 / 3, "low": 0.1, "high": 0.7},
        "also": {"top5": {**score, "metric": "top5", "value": 0.9, "low": 0.8, "high": 1.0}},
        "floor": {**score, "value": 1 / 47, "low": 0.0, "high": 0.1},
        "seeds": [0.3, 1 / 3, 0.1 + 0.2],
        "breakdown": {"banded": 0.5, "woven": None},
        "replicates": [0.25, 1 / 3],
        "setting": setting,
        "settings": [setting, {**setting, "validation": None}],
        "curves": {"epochs": [1, 2], "train_loss": [2.5, 1.5], "val_loss": [None, 2.0], "val_score": [None, None]},
        "train_loss": 1.5,
        "numerics": {"device": "cpu", "precision": "float32", "folded": True, "chunk": 64},
        "device": "cpu (x86_64)",
        "versions": {"virb": "0.1.0"},
        "keys": {"data": "d" * 32, "comparison": "c" * 32, "resume": RESUME},
        "samples": beside(f"{stem}.npz", SAMPLES).model_dump(),
        "created": "2026-01-01T00:00:00+00:00",
        "seconds": {"encode": 1.5},
    } | changes


def record(**changes: Any) -> Record:
    return Record.model_validate(facts(**changes))


def files(content: bytes = SAMPLES) -> dict[str, bytes]:
    return {f"{record_stem('textures', 'quick', RESUME)}.npz": content}


def folder(out: Path) -> Path:
    return record_folder(out, "resnet", FINGERPRINT)


def names(out: Path) -> set[str]:
    return {path.name for path in folder(out).iterdir()}
