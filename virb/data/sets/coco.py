"""Data: COCO panoptic 2017, its segments as 133 semantic classes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from virb.core.digest import digest, digest_array
from virb.core.errors import DataError
from virb.core.files import read_bytes
from virb.core.types import IGNORED, Dataset
from virb.data.classes import COCO_PANOPTIC
from virb.data.common import check_target, compare_counts, data_card, is_sample, make_pool, reading
from virb.data.pixels import REMEDY, Sample, assemble, carved, listing, read_pixels, refuse_incomplete

_CARVED = 0.02
_PARTS = ("train2017", "val2017")
_CLASS = {number: place for place, (number, _, _) in enumerate(sorted(COCO_PANOPTIC))}
"""Class of each category id, which have gaps."""


@dataclass(frozen=True, eq=False)
class Segments:
    """The segments of all pictures in three flat arrays, small enough to be handed to other processes."""

    starts: np.ndarray  # int64 [N + 1]: where the segments of each picture begin
    ids: np.ndarray  # int32 [S], sorted within a picture
    classes: np.ndarray  # uint8 [S]

    def __call__(self, path: Path, row: int) -> np.ndarray:
        """Return classes [H,W] of the picture of segment ids (red + 256 green + 65536 blue); 0 is not labelled."""
        stored = read_pixels(path, ("RGB",), "an RGB PNG picture of segment ids").astype(np.int32)
        found = stored[:, :, 0] + 256 * stored[:, :, 1] + 65536 * stored[:, :, 2]
        span = slice(self.starts[row], self.starts[row + 1])
        known = np.concatenate([np.zeros(1, np.int32), self.ids[span]])
        classes = np.concatenate([np.full(1, IGNORED, np.uint8), self.classes[span]])
        places = np.minimum(np.searchsorted(known, found), len(known) - 1)
        if (wrong := known[places] != found).any():
            raise DataError(f"{path} shows segment {found[wrong][0]}", "the segments that the json lists", REMEDY)
        return np.asarray(classes[places])

    @property
    def fingerprint(self) -> str:
        """Digest of which segment is of which class: the pictures alone do not say it."""
        return digest([digest_array(self.starts), digest_array(self.ids), digest_array(self.classes)])[:8]


@dataclass(frozen=True)
class _Listed:
    """One picture as the json lists it."""

    part: str
    picture: str
    label: str
    segments: tuple[tuple[int, int], ...]


def read(folder: Path, target: str) -> Dataset:
    """Read `annotations/panoptic_{train,val}2017.json`, the PNG folders beside it, and `{train,val}2017/*.jpg`.

    Splits are train less a seeded 2 %, these, and val; crowds and what is not labelled are ignored.
    """
    check_target("coco_panoptic", target, ("semantic",))
    card = data_card("coco_panoptic")
    listed = [one for part in _PARTS for one in _listed(folder, part)]
    pictures = folder / "images" if (folder / "images").is_dir() else folder
    pool = make_pool("coco_panoptic", pictures, [f"{one.part}/{one.picture}" for one in listed], card.remedy)
    places = {part: _labels(folder, part, [one.label for one in listed if one.part == part]) for part in _PARTS}
    samples = [_sample(one, places[one.part], row) for row, one in enumerate(listed)]
    train, val = carved([one for one in samples if one.name.startswith(_PARTS[0])], _CARVED, "coco_panoptic")
    test = [one for one in samples if one.name.startswith(_PARTS[1])]
    segments = _segments([one.segments for one in listed])
    counts = {"train and val": len(train) + len(val), "test": len(test)}
    return assemble(
        pool,
        {"train": train, "val": val, "test": test},
        "classes",
        segments,
        rule=f"coco_panoptic 1: train less a seeded 2 % / that / val; segments {segments.fingerprint}",
        classes=tuple(name for _, name, _ in sorted(COCO_PANOPTIC)),
        notes=() if is_sample(folder) else compare_counts("coco_panoptic", counts, card.counts),
    )


def _sample(one: _Listed, place: Path, row: int) -> Sample:
    name = f"{one.part}/{one.picture.rpartition('.')[0]}"
    return Sample(name, (name,), name, place / one.label, row)


def _labels(folder: Path, part: str, files: Sequence[str]) -> Path:
    """Return where the label pictures of a part lie: two places are in use, and the owner's archive is nested."""
    card = data_card("coco_panoptic")
    name = f"panoptic_{part}"
    for place in (folder / "annotations" / name, folder / name):
        if place.is_dir():
            refuse_incomplete(
                f"{card.title}, {place}", listing(place, r"(.+\.png)"), files, "label pictures", card.remedy
            )
            return place
    packed = folder / "annotations" / f"{name}.zip"
    remedy = f"unpack {packed}: the owner's archive holds two more" if packed.is_file() else card.remedy
    raise DataError(f"{card.title}: there is no folder {name}", f"{folder / 'annotations' / name}", remedy)


def _listed(folder: Path, part: str) -> list[_Listed]:
    """Return the pictures of a part in the order of their names."""
    path = folder / "annotations" / f"panoptic_{part}.json"
    expected, remedy = "the owner's panoptic json", data_card("coco_panoptic").remedy
    with reading(path, "COCO panoptic", "panoptic json", expected, remedy):
        content = json.loads(read_bytes(path))
        unknown = {int(category["id"]) for category in content["categories"]} - set(_CLASS)
        names = {picture["id"]: str(picture["file_name"]) for picture in content["images"]}
        listed = [] if unknown else [_one(part, entry, names) for entry in content["annotations"]]
    if unknown:
        raise DataError(f"COCO panoptic: {path} has the unknown category {min(unknown)}", "the owner's 133", remedy)
    if len({one.picture for one in listed}) < len(listed):
        raise DataError(f"COCO panoptic: {path} lists a picture twice", "each picture once", remedy)
    return sorted(listed, key=lambda one: one.picture)


def _one(part: str, entry: Mapping[str, Any], names: Mapping[int, str]) -> _Listed:
    """Return one annotation; crowds have no one thing to them and are ignored."""
    segments = {
        int(segment["id"]): IGNORED if segment.get("iscrowd") else _CLASS[segment["category_id"]]
        for segment in entry["segments_info"]
    }
    label = str(entry["file_name"])
    if "/" in label or not all(0 < number < 1 << 24 for number in segments):
        raise ValueError(f"file {label} with segments {sorted(segments)[:3]}")
    return _Listed(part, names[entry["image_id"]], label, tuple(sorted(segments.items())))


def _segments(listed: Sequence[Sequence[tuple[int, int]]]) -> Segments:
    counts = np.array([0, *(len(some) for some in listed)], np.int64)
    flat = np.array(list(chain.from_iterable(listed)), np.int64).reshape(-1, 2)
    return Segments(np.cumsum(counts), flat[:, 0].astype(np.int32), flat[:, 1].astype(np.uint8))
