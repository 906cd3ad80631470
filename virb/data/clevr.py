"""Data: CLEVR v1.0, labels from the scene files, joined to images by file name."""

from __future__ import annotations

import json
from pathlib import Path

from virb.classes import CLEVR_COUNTS
from virb.data.common import check_target, class_of, compare_counts, locate, make_pool, make_split
from virb.errors import DataError
from virb.types import Dataset, Pool, Split

_REMEDY = (
    "fetch https://dl.fbaipublicfiles.com/clevr/CLEVR_v1.0.zip (18 GB) and unpack it in the data folder, "
    "which makes CLEVR_v1.0/images and CLEVR_v1.0/scenes; or add --sample to run on the built-in sample world"
)
_USUAL = {"train": 63000, "val": 7000, "test": 15000}
_CARVED = 0.1
"""The last tenth of train is validation (VTAB's rule); the owner's test set has no labels, so val is tested."""


class Clevr:
    """Reads `CLEVR_v1.0/images/{train,val}/*.png` and `CLEVR_v1.0/scenes/CLEVR_{train,val}_scenes.json`."""

    def locate(self, root: Path) -> Path:
        """Return the folder that holds `images` and `scenes`."""
        return locate(
            root, ("CLEVR_v1.0", "clevr/CLEVR_v1.0", "CLEVR"), "scenes/CLEVR_train_scenes.json", "CLEVR", _REMEDY
        )

    def read(self, folder: Path, target: str) -> Dataset:
        """Return train less its last tenth, that tenth, and the owner's val."""
        check_target("clevr", target, ("count",))
        train, val = _scenes(folder, "train"), _scenes(folder, "val")
        pool = make_pool("clevr", folder / "images", [*train, *val], _REMEDY)
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
            CLEVR_COUNTS,
            rule="clevr 1: train less its last tenth / that / val",
            notes=compare_counts("clevr", counts, _USUAL),
        )


def _split(pool: Pool, files: list[str], labels: dict[str, int]) -> Split:
    ids = [file.rsplit(".", 1)[0] for file in files]
    return make_split(pool, ids, [[name] for name in ids], [labels[file] for file in files])


def _scenes(folder: Path, split: str) -> dict[str, int]:
    """Return file name to count class, in the order of image_index."""
    path = folder / "scenes" / f"CLEVR_{split}_scenes.json"
    try:
        scenes = json.loads(path.read_text(encoding="utf-8"))["scenes"]
        if not all(isinstance(scene["objects"], list) for scene in scenes):
            raise TypeError("'objects' is no list")
        rows = sorted(
            (int(scene["image_index"]), str(scene["image_filename"]), len(scene["objects"])) for scene in scenes
        )
    except OSError as error:
        raise DataError(f"CLEVR: cannot read {path}: {error.strerror}", "the owner's scene file", _REMEDY) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"CLEVR: {path} is no scene file: {error!r}", "the owner's JSON", _REMEDY) from error
    if not rows or len({file for _, file, _ in rows}) != len(rows):
        raise DataError(f"CLEVR: {path} lists {len(rows)} scenes, some twice", "each image once", _REMEDY)
    return {f"{split}/{file}": class_of(str(count), CLEVR_COUNTS, "clevr", file) for _, file, count in rows}
