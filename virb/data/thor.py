"""Data: the AI2-THOR archives of the original benchmark (egomotion between two frames)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from virb.classes import THOR_ACTIONS
from virb.data.common import (
    carve_groups,
    check_target,
    class_of,
    compare_counts,
    locate,
    make_pool,
    make_split,
    read_lines,
    refuse_repeats,
)
from virb.errors import DataError
from virb.types import Dataset, Split

_REMEDY = (
    "fetch https://prior-datasets.s3.us-east-2.amazonaws.com/ViRB/thor_egomotion.zip (1.3 GB) and unpack it in the "
    "data folder, which makes thor_action_prediction/train_labels.txt; or add --sample to run on the sample world"
)
_FOLDERS = (
    # Nothing documents the archive's top folder, so both names are looked for, two levels deep.
    "thor_action_prediction",
    "thor_egomotion/thor_action_prediction",
    "thor_egomotion",
)
_CARVED = 0.1


class ThorEgomotion:
    """Reads `{train,val}_labels.txt` (`<prefix> <Action>`) and `<prefix>_rgb_a.jpg`, `<prefix>_rgb_b.jpg`."""

    def locate(self, root: Path) -> Path:
        """Return the folder that holds the two label files."""
        return locate(root, _FOLDERS, "train_labels.txt", "THOR egomotion", _REMEDY)

    def read(self, folder: Path, target: str) -> Dataset:
        """Return train less a tenth of its scenes, these scenes, and the owner's val."""
        check_target("thor_egomotion", target, ("action",))
        train, test = _labels(folder, "train"), _labels(folder, "val")
        refuse_repeats("THOR egomotion", {"train": list(train), "val": list(test)}, _REMEDY)
        files = [f"{prefix}_rgb_{frame}.jpg" for prefix in [*train, *test] for frame in "ab"]
        pool = make_pool("thor_egomotion", folder, files, _REMEDY)
        names = list(train)
        held = carve_groups([_scene(name) for name in names], _CARVED, "thor_egomotion")

        def split(prefixes: list[str], labels: dict[str, int]) -> Split:
            frames = [[f"{prefix}_rgb_a", f"{prefix}_rgb_b"] for prefix in prefixes]
            scenes = [_scene(prefix) for prefix in prefixes]
            return make_split(pool, prefixes, frames, [labels[prefix] for prefix in prefixes], scenes)

        kept = [names[row] for row in np.flatnonzero(~held)]
        carved = [names[row] for row in np.flatnonzero(held)]
        return Dataset(
            pool,
            split(kept, train),
            split(carved, train),
            split(list(test), test),
            THOR_ACTIONS,
            rule="thor_egomotion 1: train less a tenth of its scenes / these / val",
            notes=compare_counts("thor_egomotion", {"train and val": len(train)}, {"train and val": 60000}),
        )


def _scene(prefix: str) -> str:
    """`train/FloorPlan1/7` -> `train/FloorPlan1`: pairs of one scene are not independent."""
    return prefix.rsplit("/", 1)[0]


def _labels(folder: Path, split: str) -> dict[str, int]:
    path = folder / f"{split}_labels.txt"
    labels: dict[str, int] = {}
    for line in read_lines(path, "THOR egomotion", _REMEDY):
        prefix, _, action = (part.strip() for part in line.rpartition(" "))
        if not prefix or prefix in labels:
            raise DataError(
                f"THOR egomotion: {path} has the line {line!r}" + (" twice" if prefix in labels else ""),
                "'<prefix> <Action>', each prefix once",
                _REMEDY,
            )
        labels[prefix] = class_of(action, THOR_ACTIONS, "thor_egomotion", prefix)
    return labels
