"""Data: NYU Depth v2 in its owner's one large file, read picture by picture through h5py."""

from __future__ import annotations

import math
import os
import re
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from virb.core.errors import DataError
from virb.core.files import open_file
from virb.core.types import Dataset, Pool
from virb.data.common import compare_counts, complaint, data_card, reading
from virb.data.formats.mat import read_mat
from virb.data.pixels import REMEDY, Sample, assemble, carved

DEPTHS_FILE = "nyu_depth_v2_labeled.mat"
_SPLITS_FILE = "splits.mat"
_RAW = "rawDepths"
_FARTHEST = 10.0
"""Metres: what the sensor can measure, and where everyone's scores end."""
_CROP = np.s_[45:471, 41:601]
"""Eigen's crop of the 480 x 640 picture, which leaves out its white frame; the score of depth is defined inside it."""
_SIZE = (640, 480)
_LARGEST_PIECE = 1 << 28
_LONGEST_NAME = 1000
_EXPECTED = f"the owner's {DEPTHS_FILE}, with images, depths and scenes"


def read_official(folder: Path, share: float, raw: bool = False) -> Dataset:
    """Read depth by the owner's 795 and 654 frames; validation is a share of the scenes to train on.

    The owner filled what the sensor did not see; `raw` depth is as it was measured, with holes.
    """
    path, card = folder / DEPTHS_FILE, data_card("nyu")
    count, scenes = _count(path), _scenes(path)
    if raw and (found := _described(path, _RAW)) != _described(path, "depths"):
        raise DataError(f"{path} holds {_RAW} {found[0]} of {found[1]}", f"{count} x 640 x 480, as its depths", REMEDY)
    numbers = _numbers(folder / _SPLITS_FILE, count)
    ids = tuple(f"{row + 1:04d}" for row in range(count))
    pool = Pool("nyu_labeled", ids, (path,) * count, tuple(range(count)), read_picture)

    def samples(rows: list[int]) -> list[Sample]:
        return [Sample(ids[row], (ids[row],), scenes[row] if scenes else ids[row], path, row) for row in rows]

    train, val = carved(samples(numbers["train"]), share, "nyu_labeled")
    counts = {"train and val": len(numbers["train"]), "test": len(numbers["test"])}
    by = "by scene" if scenes else "by frame"
    odd = () if scenes else ("the file names no scenes: frames of one scene may be trained on and chosen by",)
    return assemble(
        pool,
        {"train": train, "val": val, "test": samples(numbers["test"])},
        "values",
        read_raw_depth if raw else read_depth,
        rule=f"nyu 1: official train less a tenth {by} / that / test; {'raw ' * raw}depth to 10 m inside Eigen's crop",
        notes=(*odd, *compare_counts("nyu", counts, {name: card.counts[name] for name in counts})),
    )


def _numbers(path: Path, count: int) -> dict[str, list[int]]:
    """Return the rows of both splits; the owner's file counts from one."""
    content = read_mat(path)
    rows = {}
    for split in ("train", "test"):
        found = np.asarray(content.get(f"{split}Ndxs", ())).ravel()
        if found.size == 0 or found.dtype.kind not in "iuf" or not (1 <= found.min() <= found.max() <= count):
            raise DataError(f"{path} has no {split}Ndxs from 1 to {count}", "the owner's splits.mat", REMEDY)
        rows[split] = [int(number) - 1 for number in found]
    every = rows["train"] + rows["test"]
    if len(set(every)) < len(every):
        raise DataError(f"{path} lists a frame twice", "each frame once, in one split", REMEDY)
    return rows


def _count(path: Path) -> int:
    """Return how many frames the file holds, after a look at the shapes of what is read later."""
    images, depths = (_described(path, name) for name in ("images", "depths"))
    if images[0][1:] != (3, *_SIZE) or depths[0][1:] != _SIZE or images[0][0] != depths[0][0]:
        found = f"{path} holds images {images[0]} and depths {depths[0]}"
        raise DataError(found, "N x 3 x 640 x 480, N x 640 x 480", REMEDY)
    if images[1] != np.uint8 or depths[1].kind != "f":
        raise DataError(f"{path} holds images of {images[1]} and depths of {depths[1]}", "bytes and floats", REMEDY)
    return int(images[0][0])


def _described(path: Path, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and kind of a part; what is packed into larger pieces than these is not unpacked."""
    with reading(path, "NYU", f"file with {name}", _EXPECTED, REMEDY):
        part = _part(path, name)
        piece = math.prod(part.chunks or (1,)) * part.dtype.itemsize
        away = part.is_virtual or part.external or part.file.filename != str(path)
        if away or piece > _LARGEST_PIECE:
            raise ValueError("its content lies elsewhere, or in too large pieces")
        return tuple(part.shape), np.dtype(part.dtype)


def _scenes(path: Path) -> list[str]:
    """Return the scene of each frame, or nothing where the file does not say it in a way that can be read.

    Parts of one place, such as bookstore_0001a and bookstore_0001b, are one scene.
    """
    try:
        file = _opened(path, os.getpid())
        count = _part(path, "images").shape[0]
        if file["scenes"].size != count:
            return []
        names = ["".join(map(chr, _letters(file[cell]))) for cell in np.asarray(file["scenes"]).ravel()]
    except Exception:  # what is no such list may make its reader fail in almost any way
        return []
    whole = len(names) == count and all(names)
    return [re.sub(r"(?<=\d)[a-z]$", "", name) for name in names] if whole else []


def _letters(part: Any) -> list[int]:
    """Return the codes of a name."""
    if part.size > _LONGEST_NAME:
        raise ValueError("a name that is no name")
    return [int(code) for code in np.asarray(part).ravel()]


@lru_cache(maxsize=4)
def _opened(path: Path, process: int) -> Any:
    """Return the open file, once for each process: two must never share one, nor its place in the file."""
    try:
        open_file(path).close()  # which a pipe in its place refuses
        return import_module("h5py").File(path, "r")
    except ImportError as error:
        raise DataError(
            f"{path} needs h5py, which is not installed", "the optional dependency", "pip install 'virb[nyu]'"
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {complaint(error)}", _EXPECTED, REMEDY) from error


def _part(path: Path, name: str) -> Any:
    file = _opened(path, os.getpid())
    if name not in file:
        raise DataError(f"{path} holds no {name}", _EXPECTED, REMEDY)
    return file[name]


def _row(path: Path, name: str, row: int) -> np.ndarray:
    with reading(path, f"NYU, {name} {row + 1}", "whole file", _EXPECTED, REMEDY):
        return np.asarray(_part(path, name)[row])


def read_picture(path: Path, row: int) -> Image.Image:
    """Return a picture; MATLAB counts from the other side, so its axes come in reverse."""
    return Image.fromarray(np.ascontiguousarray(_row(path, "images", row).transpose(2, 1, 0)))


def read_depth(path: Path, row: int) -> np.ndarray:
    """Return metres [H,W], known inside Eigen's crop only, from a millimetre to ten metres; holes are filled in."""
    return _metres(_row(path, "depths", row))


def read_raw_depth(path: Path, row: int) -> np.ndarray:
    """Return metres [H,W] as the sensor gave them: a hole, which is a zero in the file, is not known."""
    return _metres(_row(path, _RAW, row))


def _metres(found: np.ndarray) -> np.ndarray:
    stored = found.T.astype(np.float32)
    values = np.full(stored.shape, np.nan, np.float32)
    values[_CROP] = stored[_CROP]
    values[~((values > 1e-3) & (values < _FARTHEST))] = np.nan
    return values
