"""Shelf: every picture opened, every label map read, in parallel; what cannot be read is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from virb.core.errors import DataError, VirbError
from virb.core.progress import Progress, Silent
from virb.core.types import IGNORED, Dataset, LabelKind, Pool
from virb.core.workers import spread, worker_count
from virb.data import find_dataset, read_dataset
from virb.data.pictures import PictureReader, picture_size, read_rgb
from virb.data.shelf.listing import card, targets, uses

_CHUNK = 64
Item = TypeVar("Item")


@dataclass(frozen=True)
class Broken:
    """A file that cannot be used: which sample, where, why."""

    id: str
    path: Path
    reason: str


@dataclass(frozen=True)
class Checkup:
    """What became of looking at every file of a data set."""

    name: str
    folder: Path
    images: int
    labels: int
    broken: tuple[Broken, ...]


@dataclass(frozen=True)
class _Picture:
    """One picture to decode."""

    id: str
    path: Path
    row: int
    reader: PictureReader | None


@dataclass(frozen=True)
class _Label:
    """One label map to read, and the picture it must lie on pixel by pixel."""

    id: str
    path: Path
    row: int
    reader: Callable[[Path, int], np.ndarray]
    kind: LabelKind
    classes: int
    picture: _Picture


def verify(
    name: str, root: Path, *, deep: bool = False, workers: int | None = None, progress: Progress | None = None
) -> Checkup:
    """Decode every picture of a data set and, when `deep`, read every label map and hold it against its picture.

    A target whose lists name what is not there counts as broken; where no target can be read, that is an error.
    """
    tasks = uses()[card(name).name]
    if not tasks:
        raise DataError(f"no task of this version uses {name}", "a data set with a task", "see 'virb data status'")
    datasets, broken = _read(name, root, targets(tasks))
    pictures = list(dict.fromkeys(picture for one in datasets for picture in _pictures(one.pool)))
    labels = [label for one in datasets for label in _labels(one)] if deep else []
    count, progress = worker_count(workers), progress or Silent()
    broken += _look(f"{name}: open pictures", look_at_pictures, pictures, count, progress)
    if labels:
        broken += _look(f"{name}: read label maps", look_at_labels, labels, count, progress)
    found = tuple(sorted(broken, key=lambda one: (str(one.path), one.id)))
    return Checkup(name, find_dataset(name, root), len(pictures), len(labels), found)


def _read(name: str, root: Path, wanted: Sequence[str]) -> tuple[list[Dataset], list[Broken]]:
    """Return the data set for every target that can be read, and the others as broken."""
    datasets, failures = [], []
    for target in wanted:
        try:
            datasets.append(read_dataset(name, root, target))
        except VirbError as error:
            failures.append((target, error))
    if failures and not datasets:
        raise failures[0][1]
    return datasets, [Broken(target, find_dataset(name, root), error.found) for target, error in failures]


def _pictures(pool: Pool) -> Iterator[_Picture]:
    rows = pool.rows or (0,) * len(pool)
    for one, path, row in zip(pool.ids, pool.paths, rows, strict=True):
        yield _Picture(one, path, row, pool.reader)


def _labels(dataset: Dataset) -> Iterator[_Label]:
    """Yield each label map that a sample uses, with the sample's first picture."""
    labels = dataset.labels
    if labels is None:
        return
    pictures = list(_pictures(dataset.pool))
    for split in (dataset.train, dataset.val, dataset.test):
        for row, first in zip(split.targets.tolist(), split.index[:, 0].tolist(), strict=True):
            yield _Label(
                labels.ids[row],
                labels.paths[row],
                labels.rows[row],
                labels.reader,
                labels.kind,
                len(dataset.classes),
                pictures[first],
            )


def _look(
    title: str,
    look: Callable[[Sequence[Item]], tuple[int, list[Broken]]],
    items: Sequence[Item],
    workers: int,
    progress: Progress,
) -> list[Broken]:
    """Look at items, some at a time, in as many processes as asked for."""
    broken: list[Broken] = []
    chunks = [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]
    with progress.stage(title, len(items), "files") as advance:
        for count, some in spread(look, chunks, workers):
            broken += some
            advance(count)
    return broken


def look_at_pictures(pictures: Sequence[_Picture]) -> tuple[int, list[Broken]]:
    """Decode some pictures; return how many, and those that cannot be."""
    faults = [(one, _fault(_undecodable, one)) for one in pictures]
    return len(pictures), [Broken(one.id, one.path, fault) for one, fault in faults if fault]


def look_at_labels(labels: Sequence[_Label]) -> tuple[int, list[Broken]]:
    """Read some label maps; return how many, and those that do not fit."""
    faults = [(one, _fault(_misfit, one)) for one in labels]
    return len(labels), [Broken(one.id, one.path, fault) for one, fault in faults if fault]


def _fault(look: Callable[[Item], str], item: Item) -> str:
    """Return what is wrong, an exception's words included: a damaged file makes decoders fail in almost any way."""
    try:
        return look(item)
    except VirbError as error:
        return error.found
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _undecodable(picture: _Picture) -> str:
    read_rgb(picture.path, picture.row, picture.reader)
    return ""


def open_picture(pool: Pool, row: int) -> Image.Image:
    """Return one picture of a pool in RGB, wholly decoded."""
    try:
        return read_rgb(pool.paths[row], pool.rows[row] if pool.rows else 0, pool.reader)
    except DataError as error:
        remedy = f"fetch this file again; 'virb data verify {pool.source}' names all that are broken"
        raise DataError(error.found, error.expected, remedy) from error


def _misfit(label: _Label) -> str:
    """Return why a label map cannot belong to its picture, or nothing."""
    found = label.reader(label.path, label.row)
    width, height = picture_size(label.picture.path, label.picture.row, label.picture.reader)
    depths: dict[LabelKind, list[tuple[int, ...]]] = {"classes": [()], "values": [(), (3,)], "flow": [(2,)]}
    if found.shape not in [(height, width, *depth) for depth in depths[label.kind]]:
        shape = " x ".join(str(side) for side in found.shape)
        return f"has {shape} values for a picture of {height} x {width} pixels ({label.picture.path})"
    if label.kind != "classes":
        if np.isinf(found).any():
            return "holds infinity"
        return "nothing is measured in it" if np.isnan(found).all() else ""
    known = found[found != IGNORED]
    return f"holds class {known.max()}, and there are {label.classes}" if (known >= label.classes).any() else ""
