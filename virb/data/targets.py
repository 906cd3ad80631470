"""Targets: pixel labels at one size, read once and kept packed (stage 3, beside the features).

Labels are resized by taking the nearest pixel, never a mixture of two: between class 3 and class 7 there is no 5, and
between a wall at 2 m and missing there is no half. Only a target that is a picture itself is averaged. Flow keeps the
unit of its own picture, pixels there, whatever the size it is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from virb.core.digest import digest, digest_array
from virb.core.errors import DataError
from virb.core.locks import Say
from virb.core.stopping import settle_worker
from virb.core.store import Store, StoredRows
from virb.core.types import IGNORED, Dataset, LabelKind, Taken, check_unchanged
from virb.core.workers import batches
from virb.data.images import image_size

FORMAT = 2
_CHUNK = 16
_KNOWN = "known.u8"


@dataclass(frozen=True)
class Targets:
    """The targets of some samples at one size: rows of labels and an array of them on disk."""

    kind: LabelKind
    size: int
    channels: int
    labels: np.ndarray  # int64 [R], sorted rows of the data set's labels
    stored: Taken
    known: np.ndarray | None = None  # bool [R], whether any pixel counts; None where that was not looked at

    def blank(self, labels: np.ndarray) -> np.ndarray:
        """Return which of these label rows have not one pixel that counts, bool [n]."""
        if self.known is None:
            return np.zeros(len(labels), bool)
        return ~self.known[np.searchsorted(self.labels, labels)]

    def take(self, labels: np.ndarray) -> torch.Tensor:
        """Return targets of these label rows.

        Classes uint8 [n, H, W]; values float32 [n, H, W] or [n, 3, H, W]; flow float32 [n, 2, H, W].
        """
        places = np.searchsorted(self.labels, labels)
        found = self.stored.take(places)
        shape = (len(places), *((self.channels,) if self.channels > 1 else ()), self.size, self.size)
        return found.view(shape)


def load_targets(
    dataset: Dataset,
    size: int,
    store: Store,
    workers: int = 0,
    advance: Callable[[int], None] = lambda count: None,
    say: Say | None = None,
) -> Targets:
    """Return the targets of every sample of a pixel task, read from the store or made and kept there."""
    rows, pictures, channels = _listed(dataset)
    labels = dataset.labels
    assert labels is not None
    kind = "|u1" if labels.kind == "classes" else "<f4"
    key = digest(
        [FORMAT, "targets", dataset.digest, labels.digest, [labels.stamps[labels.paths[row]] for row in rows], size,
         digest_array(rows)]
    )  # fmt: skip
    name = "targets.u8" if labels.kind == "classes" else "targets.f32"
    shape = (len(rows), channels * size * size)

    def read() -> tuple[StoredRows, StoredRows] | None:
        stored, known = store.read(key, name, *shape, kind, whole=False), store.read(key, _KNOWN, len(rows), 1, "|u1")
        return None if stored is None or known is None else (stored, known)

    facts: dict[str, object] = {
        "encoder": "(targets)", "what": "targets", "source": dataset.pool.source, "images": len(rows), "size": size,
    }  # fmt: skip
    chunks = partial(_chunks, dataset, rows, pictures, size, name, workers, advance)
    (stored, known), made = store.once(key, read, chunks, facts, say)
    if not made:
        advance(len(rows))
    return Targets(labels.kind, size, channels, rows, stored, np.asarray(known.array[:, 0] > 0))


def unstored_targets(dataset: Dataset, size: int, workers: int = 0) -> Targets:
    """Return targets that are read anew whenever they are taken: of crops that are used only once."""
    rows, pictures, channels = _listed(dataset)
    labels = dataset.labels
    assert labels is not None
    return Targets(labels.kind, size, channels, rows, _Unstored(dataset, rows, pictures, size, workers))


def _listed(dataset: Dataset) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the sorted rows of the labels of all samples, the picture of each, and the channels of one."""
    if dataset.labels is None:
        raise ValueError("an image-level data set has no pixel targets")
    splits = [split for split in (dataset.train, dataset.val, dataset.test) if len(split)]
    rows = np.concatenate([split.targets for split in splits])
    pictures = np.concatenate([split.index[:, 0] for split in splits])
    order = np.argsort(rows, kind="stable")
    first = dataset.labels.read(int(rows[order[0]]))
    return rows[order], pictures[order], first.shape[2] if first.ndim == 3 else 1


@dataclass(frozen=True)
class _Unstored:
    """Rows of targets that are read one by one."""

    dataset: Dataset
    rows: np.ndarray
    pictures: np.ndarray
    size: int
    workers: int

    def take(self, places: np.ndarray) -> torch.Tensor:
        """Return these rows, [n, M]."""
        if self.workers < 2:
            return torch.from_numpy(np.stack([self._one(place) for place in places]))
        with ThreadPoolExecutor(self.workers) as threads:
            return torch.from_numpy(np.stack(list(threads.map(self._one, places))))

    def _one(self, place: int) -> np.ndarray:
        return read_target(self.dataset, int(self.rows[place]), int(self.pictures[place]), self.size).reshape(-1)


def any_known(wanted: torch.Tensor) -> torch.Tensor:
    """Return which targets [n, ..., H, W] have a pixel that counts, bool [n]."""
    if not wanted.is_floating_point():
        return (wanted != IGNORED).flatten(1).any(1)
    return wanted.isfinite().reshape(len(wanted), -1, *wanted.shape[-2:]).all(1).flatten(1).any(1)


def _chunks(
    dataset: Dataset,
    rows: np.ndarray,
    pictures: np.ndarray,
    size: int,
    name: str,
    workers: int,
    advance: Callable[[int], None],
) -> Iterator[dict[str, np.ndarray]]:
    loader = DataLoader(
        _Labels(dataset, rows, pictures, size),
        batch_size=_CHUNK,
        num_workers=min(workers, -(-len(rows) // _CHUNK)),
        collate_fn=_collate,
        worker_init_fn=settle_worker,
    )
    for chunk in batches(loader):
        if isinstance(chunk, DataError):
            raise chunk
        yield {name: chunk, _KNOWN: any_known(torch.from_numpy(chunk)).numpy().astype(np.uint8)[:, None]}
        advance(len(chunk))
    labels = dataset.labels
    assert labels is not None
    check_unchanged((labels.paths[row] for row in rows), labels.stamps)  # the store's key was made of these stamps


class _Labels(TorchDataset[np.ndarray | DataError]):
    def __init__(self, dataset: Dataset, rows: np.ndarray, pictures: np.ndarray, size: int) -> None:
        self.dataset, self.rows, self.pictures, self.size = dataset, rows, pictures, size

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> np.ndarray | DataError:
        try:
            return read_target(self.dataset, int(self.rows[place]), int(self.pictures[place]), self.size)
        except DataError as error:
            return error  # raised in the parent: a worker's own exception would come wrapped in its traceback


def _collate(items: list[np.ndarray | DataError]) -> np.ndarray | DataError:
    errors = [item for item in items if isinstance(item, DataError)]
    return errors[0] if errors else np.stack([item for item in items if isinstance(item, np.ndarray)])


def read_target(dataset: Dataset, row: int, picture: int, size: int) -> np.ndarray:
    """Return one target at a size, channels first; one that does not lie on its picture is an error."""
    labels = dataset.labels
    assert labels is not None
    found = labels.read(row)
    height, width = image_size(dataset.pool, picture)
    if found.shape[:2] != (height, width):
        raise DataError(
            f"{labels.paths[row]}: the target of {labels.ids[row]} is {found.shape[1]} x {found.shape[0]} pixels, its "
            f"picture {width} x {height}",
            "a target that lies pixel on pixel over its picture",
            "fetch both files again, from the same release",
        )
    if labels.kind == "classes":
        _check_classes(found, dataset, row)
    return resize_target(found, labels.kind, size)


def _check_classes(found: np.ndarray, dataset: Dataset, row: int) -> None:
    strange = found[(found >= len(dataset.classes)) & (found != IGNORED)]
    if len(strange):
        labels = dataset.labels
        assert labels is not None
        raise DataError(
            f"{labels.paths[row]}: a pixel of {labels.ids[row]} has the class {int(strange[0])}",
            f"0 to {len(dataset.classes) - 1}, or {IGNORED} where nothing counts",
            "fetch the file again, from its owner",
        )


def resize_target(found: np.ndarray, kind: LabelKind, size: int) -> np.ndarray:
    """Return a target [H, W] or [H, W, C] as [size, size] or [C, size, size]."""
    if kind == "values" and found.ndim == 3:  # a picture: as pictures are resized
        picture = torch.from_numpy(found).permute(2, 0, 1)[None]
        return np.asarray(functional.interpolate(picture, (size, size), mode="bilinear", antialias=True)[0].numpy())
    rows, columns = (((2 * np.arange(size) + 1) * length) // (2 * size) for length in found.shape[:2])
    chosen = found[rows[:, None], columns]
    return np.ascontiguousarray(np.moveaxis(chosen, 2, 0) if chosen.ndim == 3 else chosen)
