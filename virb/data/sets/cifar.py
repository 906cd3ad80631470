"""Data: CIFAR-100, whose pictures lie in two pickles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from virb.core.errors import DataError
from virb.core.files import read_bytes
from virb.core.types import Dataset, Pool, Split
from virb.data.classes import CIFAR100
from virb.data.common import (
    carve_stratified,
    check_target,
    compare_counts,
    complaint,
    data_card,
    is_sample,
    make_split,
    refuse_part,
    taken,
)
from virb.data.formats import pickles

_CARVED = 0.1
_SIDE = 32
_LONG = 1 << 64
_WHOLE = {"train and val": 50_000, "test": 10_000}


def read(folder: Path, target: str) -> Dataset:
    """Read the pickles `train` and `test`: rows of 3072 bytes, and the fine label of each.

    Splits are train less a tenth of each class, these, and test.
    """
    check_target("cifar100", target, ("fine",))
    card = data_card("cifar100")
    labels = {split: _labels(folder / split) for split in ("train", "test")}
    rows = [(split, row) for split in ("train", "test") for row in range(len(labels[split]))]
    ids = tuple(f"{split}/{row:05d}" for split, row in rows)
    pool = Pool("cifar100", ids, tuple(folder / split for split, _ in rows), tuple(row for _, row in rows), read_row)
    counts = {"train and val": len(labels["train"]), "test": len(labels["test"])}
    if not is_sample(folder):
        refuse_part(card.title, counts, _WHOLE, card.remedy)
    names = list(ids[: len(labels["train"])])
    held = carve_stratified(names, labels["train"], _CARVED, "cifar100")
    classes = dict(zip(ids, [*labels["train"], *labels["test"]], strict=True))

    def split(chosen: Sequence[str]) -> Split:
        return make_split(pool, chosen, [[name] for name in chosen], [classes[name] for name in chosen])

    return Dataset(
        pool,
        split(taken(names, ~held)),
        split(taken(names, held)),
        split(ids[len(names) :]),
        CIFAR100,
        rule="cifar100 1: train less a tenth of each class / these / test",
        notes=() if is_sample(folder) else compare_counts("cifar100", counts, card.counts),
    )


def read_row(path: Path, row: int) -> Image.Image:
    """Return one picture of a pickle."""
    stat = path.stat()
    planes = _pictures(path, stat.st_size, stat.st_mtime_ns)[row]
    return Image.fromarray(np.ascontiguousarray(planes.reshape(3, _SIDE, _SIDE).transpose(1, 2, 0)))


@lru_cache(maxsize=2)
def _pictures(path: Path, _size: int, _changed: int) -> np.ndarray:
    """Return all rows of a pickle, kept for the next picture: opening it anew takes half a second."""
    pictures, _ = _content(path)
    return pictures


def _labels(path: Path) -> list[int]:
    _, labels = _content(path)
    return labels


def _content(path: Path) -> tuple[np.ndarray, list[int]]:
    """Return pictures uint8 [N, 3072] and fine labels of a pickle, by the names of its entries."""
    loaded = load_plain(path)
    entries = {_text(key): value for key, value in loaded.items()} if isinstance(loaded, dict) else {}
    pictures, labels = entries.get("data"), entries.get("fine_labels")
    if not isinstance(pictures, np.ndarray) or not isinstance(labels, list | np.ndarray):
        held = ", ".join(sorted(str(name)[:40] for name in entries)[:10]) or "no entries"
        raise _wrong(path, f"holds {held}", "'data' and 'fine_labels', as the owner's pickle does")
    count = len(labels) if isinstance(labels, list) or labels.ndim == 1 else 0
    if pictures.dtype != np.uint8 or pictures.shape != (count, 3 * _SIDE * _SIDE) or not count:
        found = f"holds pictures of {pictures.dtype} {pictures.shape} and {count} labels"
        raise _wrong(path, found, "bytes [N, 3072] and N labels")
    odd = [label for label in labels if not isinstance(label, int | np.integer) or not 0 <= label < len(CIFAR100)]
    if odd:
        short = isinstance(odd[0], int | np.integer) and -_LONG < odd[0] < _LONG
        shown = f"label {odd[0]}" if short else f"{type(odd[0]).__name__} as a label"
        raise _wrong(path, f"holds the {shown}", f"labels from 0 to {len(CIFAR100) - 1}")
    return pictures, [int(label) for label in labels]


def _text(key: object) -> object:
    return key.decode("latin1") if isinstance(key, bytes) else key


def load_plain(path: Path) -> Any:
    """Return what a pickle holds, if that is plain data and arrays; anything that could run code is refused by name."""
    try:
        return pickles.load_plain(read_bytes(path))
    except DataError as error:
        raise _wrong(path, error.found, error.expected) from error
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror}", "the owner's pickle") from error
    except Exception as error:  # a damaged pickle makes its reader fail in almost any way
        raise _wrong(path, f"is no pickle: {complaint(error)}", "the owner's pickle") from error


def _wrong(path: Path, found: str, expected: str) -> DataError:
    card = data_card("cifar100")
    return DataError(f"{card.title}: {path} {found}", expected, f"fetch it from the owner: {card.remedy}")
