"""Data: CLEVR v1.0, labels from the scene files, joined to images by file name: how many objects, and how near."""

from __future__ import annotations

import json
from bisect import bisect_left
from pathlib import Path
from typing import Any

from virb.core.errors import DataError
from virb.core.files import read_bytes
from virb.core.types import Dataset, Pool, Split
from virb.data.classes import CLEVR_COUNTS, CLEVR_DISTANCES, CLEVR_EDGES
from virb.data.common import (
    check_target,
    class_of,
    compare_counts,
    data_card,
    is_sample,
    make_pool,
    make_split,
    reading,
)

_CLASSES = {"count": CLEVR_COUNTS, "distance": CLEVR_DISTANCES}
_CARVED = 0.1
"""The last tenth of train is validation (VTAB's rule); the owner's test set has no labels, so val is tested."""


def read(folder: Path, target: str) -> Dataset:
    """Read `images/{train,val}/*.png` and `scenes/CLEVR_{train,val}_scenes.json`.

    Splits are train less its last tenth, that tenth, and the owner's val. The target is `count` or `distance`.
    """
    check_target("clevr", target, tuple(_CLASSES))
    card = data_card("clevr")
    train, val = _scenes(folder, "train", target), _scenes(folder, "val", target)
    pool = make_pool("clevr", folder / "images", [*train, *val], card.remedy)
    cut = len(train) - max(1, round(_CARVED * len(train)))
    names = list(train)
    parts = {"train": names[:cut], "val": names[cut:], "test": list(val)}
    labels = {**train, **val}
    splits = {name: _split(pool, files, labels) for name, files in parts.items()}
    counts = {name: len(files) for name, files in parts.items()}
    return Dataset(
        pool,
        splits["train"],
        splits["val"],
        splits["test"],
        _CLASSES[target],
        rule="clevr 1: train less its last tenth / that / val",
        notes=() if is_sample(folder) else compare_counts("clevr", counts, card.counts),
    )


def _split(pool: Pool, files: list[str], labels: dict[str, int]) -> Split:
    ids = [file.rsplit(".", 1)[0] for file in files]
    return make_split(pool, ids, [[name] for name in ids], [labels[file] for file in files])


def _scenes(folder: Path, split: str, target: str) -> dict[str, int]:
    """Return file name to class, in the order of image_index."""
    value = _count if target == "count" else _distance
    path = folder / "scenes" / f"CLEVR_{split}_scenes.json"
    with reading(path, "CLEVR", "scene file", "the owner's JSON", data_card("clevr").remedy):
        scenes = json.loads(read_bytes(path))["scenes"]
        if not all(isinstance(scene["objects"], list) for scene in scenes):
            raise TypeError("'objects' is no list")
        rows = sorted((int(scene["image_index"]), str(scene["image_filename"]), value(scene)) for scene in scenes)
    if not rows or len({file for _, file, _ in rows}) != len(rows):
        raise DataError(
            f"CLEVR: {path} lists {len(rows)} scenes, some twice", "each image once", data_card("clevr").remedy
        )
    return {f"{split}/{file}": class_of(label, _CLASSES[target], "clevr", file) for _, file, label in rows}


def _count(scene: dict[str, Any]) -> str:
    return str(len(scene["objects"]))


def _distance(scene: dict[str, Any]) -> str:
    """Return the bin of the smallest camera depth; one outside every bin is a label that no class has."""
    depth = min((float(thing["pixel_coords"][2]) for thing in scene["objects"]), default=0.0)
    place = bisect_left(CLEVR_EDGES, depth) - 1
    return CLEVR_DISTANCES[place] if 0 <= place < len(CLEVR_DISTANCES) else str(depth)
