"""Tiles: pictures too large for one view as pieces: crops to train on, tiles to be tested on (beside the cache).

A piece is a row of a pool of its own, so that the cache, the stream and the heads take pieces for pictures. What is
measured is the whole picture all the same: the middles of its tiles are put together before anything is counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from virb.core.digest import seed_of
from virb.core.errors import DataError
from virb.core.target import Draw
from virb.core.types import IGNORED, Dataset, LabelKind, Labels, Pool, Predicted, Split
from virb.data.boxes import Box, Tile, draw, grid
from virb.data.images import image_size, read_image


@dataclass(frozen=True)
class Mosaic:
    """The tiles of some pictures, one picture after another."""

    pictures: Split
    sizes: tuple[tuple[int, int], ...]  # height and width of each picture
    tiles: tuple[tuple[Tile, ...], ...]  # of each picture
    split: Split  # of all tiles, in this order

    def __len__(self) -> int:
        return len(self.pictures)

    def take(self, rows: np.ndarray) -> Mosaic:
        """Return the pictures at these rows with their tiles."""
        ends = np.cumsum([len(tiles) for tiles in self.tiles])
        places = [np.arange(ends[row] - len(self.tiles[row]), ends[row]) for row in rows]
        return Mosaic(
            self.pictures.take(rows),
            tuple(self.sizes[row] for row in rows),
            tuple(self.tiles[row] for row in rows),
            self.split.take(np.concatenate([np.arange(0), *places])),
        )

    def joined(self, batches: Iterable[Predicted]) -> Iterator[Predicted]:
        """Yield whole pictures, [1, ..., H, W], from batches of their tiles; one picture is in memory at a time."""
        pieces = (
            [part[place] for part in (*heads, wanted)] for heads, wanted in batches for place in range(len(wanted))
        )
        for (height, width), tiles in zip(self.sizes, self.tiles, strict=True):
            whole: list[torch.Tensor] = []
            for tile in tiles:
                parts = next(pieces)
                whole = whole or [part.new_empty(1, *part.shape[:-2], height, width) for part in parts]
                for canvas, part in zip(whole, parts, strict=True):
                    canvas[0][..., tile.top : tile.bottom, tile.left : tile.right] = _middle(part, tile)
            yield whole[:-1], whole[-1]


def _middle(part: torch.Tensor, tile: Tile) -> torch.Tensor:
    top, left = tile.box.top, tile.box.left
    return part[..., tile.top - top : tile.bottom - top, tile.left - left : tile.right - left]


@dataclass(frozen=True)
class Pieces:
    """A data set in pieces of one size: `crops` of each training sample one after another, tiles of all others."""

    dataset: Dataset
    size: int
    crops: int
    val: Mosaic
    test: Mosaic

    def trained_on(self, rows: np.ndarray) -> Pieces:
        """Return the pieces without training samples but these."""
        places = (rows[:, None] * self.crops + np.arange(self.crops)).ravel()
        return replace(self, dataset=replace(self.dataset, train=self.dataset.train.take(places)))


def cut(dataset: Dataset, size: int, overlap: float, crops: int, rule: Draw) -> Pieces:
    """Return a data set in pieces; the crops of a picture follow from its name alone."""
    pieces = _Pieces(dataset)
    train = pieces.split(
        dataset.train, lambda row: _crops(dataset, pieces.size(dataset.train, row), row, size, crops, rule)
    )
    mosaics = []
    for split in (dataset.val, dataset.test):
        sizes = tuple(pieces.size(split, row) for row in range(len(split)))
        tiles = tuple(tuple(grid(*one, size, overlap)) for one in sizes)
        of_tiles = pieces.split(split, lambda row, tiles=tiles: [tile.box for tile in tiles[row]])  # type: ignore[misc]
        mosaics.append(Mosaic(split, sizes, tiles, of_tiles))
    pool, labels = pieces.made()
    made = replace(dataset, pool=pool, train=train, val=mosaics[0].split, test=mosaics[1].split, labels=labels)
    return Pieces(made, size, crops, *mosaics)


def _crops(dataset: Dataset, shape: tuple[int, int], row: int, size: int, crops: int, rule: Draw) -> list[Box]:
    random = np.random.default_rng(seed_of(f"crops/{dataset.train.ids[row]}"))
    if rule.tries == 1:
        return [draw(random, *shape, size, rule) for _ in range(crops)]
    labels = dataset.labels
    assert labels is not None
    target = labels.read(int(dataset.train.targets[row]))
    found = (target > 0) & (target != IGNORED)

    def holds(box: Box) -> bool:
        return bool(found[box.top : box.top + box.side, box.left : box.left + box.side].any())

    return [draw(random, *shape, size, rule, holds) for _ in range(crops)]


class _Pieces:
    """The pieces of a data set while they are being listed; one that is cut twice is listed once."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.places: dict[tuple[int, Box], int] = {}
        self.names: list[str] = []
        self.labels: list[tuple[int, int, Box]] = []  # row of the labels, row of the picture, box
        self.sizes: dict[int, tuple[int, int]] = {}

    def size(self, split: Split, row: int) -> tuple[int, int]:
        """Return height and width of a sample's (first) picture."""
        picture = int(split.index[row, 0])
        if picture not in self.sizes:
            self.sizes[picture] = image_size(self.dataset.pool, picture)
        return self.sizes[picture]

    def split(self, whole: Split, boxes: Callable[[int], list[Box]]) -> Split:
        """Return the pieces of every sample of a split; all frames of a sample are cut by the same box."""
        ids: list[str] = []
        index: list[list[int]] = []
        start = len(self.labels)
        owners: list[int] = []
        for row, name in enumerate(whole.ids):
            pictures, label = whole.index[row].tolist(), int(whole.targets[row])
            for box in boxes(row):
                ids.append(f"{name}{_mark(box)}")
                index.append([self._place(picture, box) for picture in pictures])
                self.labels.append((label, pictures[0], box))
                owners.append(row)
        return Split(
            tuple(ids),
            np.array(index, np.int64).reshape(len(ids), whole.index.shape[1]),
            np.arange(start, len(self.labels)),
            whole.groups[np.array(owners, np.int64)],
        )

    def _place(self, picture: int, box: Box) -> int:
        return self.places.setdefault((picture, box), len(self.places))

    def made(self) -> tuple[Pool, Labels]:
        """Return the pool of all pieces, and their labels."""
        pool, labels = self.dataset.pool, self.dataset.labels
        assert labels is not None
        pictures = Pool(
            pool.source,
            tuple(f"{pool.ids[picture]}{_mark(box)}" for picture, box in self.places),
            tuple(pool.paths[picture] for picture, _ in self.places),
            tuple(range(len(self.places))),
            _PictureCutter(pool, _table([(picture, box) for picture, box in self.places])),
            sizes=tuple((box.side, box.side) for _, box in self.places),
            threads=pool.reader is None,
        )
        sizes = np.array([self.sizes[picture] for _, picture, _ in self.labels], np.int64)
        rows = _table([(label, box) for label, _, box in self.labels])
        targets = Labels(
            labels.kind,
            tuple(f"{labels.ids[label]}{_mark(box)}" for label, _, box in self.labels),
            tuple(labels.paths[label] for label, _, _ in self.labels),
            tuple(range(len(self.labels))),
            _LabelCutter(labels, rows, sizes),
        )
        return pictures, targets


def _mark(box: Box) -> str:
    return f"#{box.left},{box.top},{box.side}{',flipped' if box.flipped else ''}"


def _table(boxes: list[tuple[int, Box]]) -> np.ndarray:
    """Return where each piece is cut, int64 [P, 5]: row, top, left, side, flipped."""
    return np.array([(row, *box) for row, box in boxes], np.int64).reshape(len(boxes), 5)


class _Last:
    """What was read last in this thread: the tiles of a picture are asked for one after another."""

    def __init__(self, read: Callable[[int], np.ndarray]) -> None:
        self.read, self.held = read, threading.local()

    def take(self, row: int) -> np.ndarray:
        """Return what belongs to a row."""
        if getattr(self.held, "row", None) != row:
            self.held.whole, self.held.row = self.read(row), row
        whole: np.ndarray = self.held.whole
        return whole

    def __reduce__(self) -> tuple[type[_Last], tuple[Callable[[int], np.ndarray]]]:
        return _Last, (self.read,)


class _PictureCutter:
    """The reader of a pool of pieces; other processes can be handed it."""

    def __init__(self, pool: Pool, table: np.ndarray) -> None:
        self.pool, self.table, self.last = pool, table, _Last(self._whole)

    def __call__(self, path: Path, row: int) -> Image.Image:
        """Return a piece of a picture; around it, its border is repeated."""
        picture, *box = self.table[row].tolist()
        return Image.fromarray(_cut(self.last.take(picture), Box(*box)))

    def _whole(self, picture: int) -> np.ndarray:
        return np.asarray(read_image(self.pool, picture).permute(1, 2, 0).numpy())


class _LabelCutter:
    """The reader of the labels of pieces."""

    def __init__(self, labels: Labels, table: np.ndarray, sizes: np.ndarray) -> None:
        self.labels, self.table, self.sizes, self.last = labels, table, sizes, _Last(labels.read)

    def __call__(self, path: Path, row: int) -> np.ndarray:
        """Return a piece of a target, in the unit of the whole picture; nothing counts in the padding."""
        label, *box = self.table[row].tolist()
        whole = self.last.take(label)
        height, width = self.sizes[row].tolist()
        if whole.shape[:2] != (height, width):
            raise DataError(
                f"{path}: the target of {self.labels.ids[label]} is {whole.shape[1]} x {whole.shape[0]} pixels, its "
                f"picture {width} x {height}",
                "a target that lies pixel on pixel over its picture",
                "fetch both files again, from the same release",
            )
        return _cut(whole, Box(*box), self.labels.kind)


def _cut(whole: np.ndarray, box: Box, kind: LabelKind | None = None) -> np.ndarray:
    """Return [side, side, ...] of a picture or of a target of some kind."""
    found = whole[box.top : box.top + box.side, box.left : box.left + box.side]
    room = [(0, box.side - length) for length in found.shape[:2]] + [(0, 0)] * (found.ndim - 2)
    if any(after for _, after in room):
        nothing = IGNORED if kind == "classes" else np.nan
        found = np.pad(found, room, mode="edge") if kind is None else np.pad(found, room, constant_values=nothing)
    if box.flipped:
        found = found[:, ::-1]
        if kind == "flow":  # what moved to the right now moves to the left
            found = found * np.array([-1, 1], found.dtype)
    return np.ascontiguousarray(found)
