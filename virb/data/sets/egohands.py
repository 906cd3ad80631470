"""Data: EgoHands, whose hands are they: two people at a table, seen by one of the two."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from virb.core.errors import DataError
from virb.core.types import SPLITS, Dataset
from virb.data.classes import EGOHANDS, EGOHANDS_VIDEOS
from virb.data.common import check_target, compare_counts, data_card, is_sample, make_pool
from virb.data.formats.mat import read_mat
from virb.data.pictures import picture_size
from virb.data.pixels import REMEDY, Sample, assemble, listing, refuse_incomplete, subfolders

_FRAME = r"(frame_\d+)\.jpg"
_MOST_CORNERS, _FARTHEST = 10_000, 1_000_000
"""Corners of a hand, of which the owner's have some hundreds, and pixels that one may lie away."""
_EXPECTED = "the owner's polygons.mat: a record per frame, each with myleft, myright, yourleft and yourright"


def read(folder: Path, target: str) -> Dataset:
    """Read `_LABELLED_SAMPLES/<video>/frame_0011.jpg` and `polygons.mat` by the 36, 4 and 8 videos of the paper."""
    check_target("egohands", target, ("hands",))
    card = data_card("egohands")
    samples_folder = folder / "_LABELLED_SAMPLES"
    known = [video for split in SPLITS for video in EGOHANDS_VIDEOS[split]]
    videos = subfolders(samples_folder)
    if not is_sample(folder):
        refuse_incomplete(card.title, videos, known, "videos", card.remedy)
    if unknown := sorted(set(videos) - set(known)):
        raise DataError(f"{card.title}: {unknown[0]} is none of the 48 videos", "the owner's names", card.remedy)
    parts = {
        split: [
            sample for video in videos if video in EGOHANDS_VIDEOS[split] for sample in _video(samples_folder, video)
        ]
        for split in SPLITS
    }
    every = [sample for part in parts.values() for sample in part]
    pool = make_pool("egohands", samples_folder, [f"{sample.name}.jpg" for sample in every], card.remedy)
    counts = {split: len(part) for split, part in parts.items()}
    return assemble(
        pool,
        parts,
        "classes",
        read_hands,
        rule="egohands 1: 36 / 4 / 8 videos of the paper by name; own hands drawn over the partner's",
        classes=EGOHANDS,
        notes=() if is_sample(folder) else compare_counts("egohands", counts, card.counts),
    )


def _video(folder: Path, video: str) -> list[Sample]:
    """Return the frames of a video: the k-th record belongs to the k-th frame in the order of names."""
    path = folder / video / "polygons.mat"
    count, frames = len(_records(path, _changed(path))), _frames(folder / video)
    if count != len(frames):
        raise DataError(
            f"EgoHands: {path} has {count} records, and there are {len(frames)} frames beside it",
            "a record for every frame",
            data_card("egohands").remedy,
        )
    return [Sample(f"{video}/{frame}", (f"{video}/{frame}",), video, path, row) for row, frame in enumerate(frames)]


def _frames(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(listing(folder, _FRAME)))


def _changed(path: Path) -> int:
    """Return when a file was written, so that what is kept of it is not kept for another one."""
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}", _EXPECTED, REMEDY) from error


@lru_cache(maxsize=8)
def _records(path: Path, changed: int) -> tuple[dict[str, Any], ...]:
    """Return the records of a video, kept for a while: every frame of it reads the same file."""
    records = read_mat(path).get("polygons")
    hands = set(EGOHANDS[1:])
    if not isinstance(records, list) or not all(isinstance(one, dict) and hands <= set(one) for one in records):
        raise DataError(f"{path} holds no polygons of four hands", _EXPECTED, REMEDY)
    return tuple(records)


def read_hands(path: Path, row: int) -> np.ndarray:
    """Return classes [H,W] of a frame; later hands are drawn over earlier ones, so the viewer's own lie on top."""
    records, frames = _records(path, _changed(path)), _frames(path.parent)
    if row >= min(len(records), len(frames)):
        raise DataError(f"{path} has changed: there is no frame {row} any more", _EXPECTED, REMEDY)
    canvas = Image.new("L", picture_size(path.parent / f"{frames[row]}.jpg"), 0)
    draw = ImageDraw.Draw(canvas)
    for number, hand in enumerate(EGOHANDS[1:], start=1):
        if points := _points(records[row][hand], path, row):
            draw.polygon(points, fill=number)
    return np.array(canvas)


def _points(polygon: Any, path: Path, row: int) -> Sequence[tuple[float, float]]:
    """Return the corners of a polygon; a hand that is not in the picture has none, or fewer than three."""
    corners = np.asarray(polygon)
    if corners.size == 0:
        return []
    if corners.dtype.kind not in "fiu" or corners.ndim != 2 or (corners.shape[1] != 2 and corners.size > 1):
        raise DataError(f"{path} has a polygon of shape {corners.shape} in record {row + 1}", _EXPECTED, REMEDY)
    if corners.shape[1] != 2:  # a single NaN stands for no hand
        return []
    kept = corners[np.isfinite(corners).all(axis=1)].astype(float)
    if len(kept) > _MOST_CORNERS or np.abs(kept).max(initial=0) > _FARTHEST:
        raise DataError(f"{path} has a polygon of {len(kept):,} corners, or far outside, in record {row + 1}",
                        _EXPECTED, REMEDY)  # fmt: skip
    return [(x, y) for x, y in kept.tolist()] if len(kept) >= 3 else []
