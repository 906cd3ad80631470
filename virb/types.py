"""Types: the nouns that the stages share. Frozen; torch appears in annotations only.

Shapes use one alphabet: N samples, T frames, P pool images, C channels, H W pixels, D width, K classes,
G grid settings, S seeds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from virb.digest import digest, digest_array, seed_of
from virb.errors import DataError

if TYPE_CHECKING:
    import torch

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Pool:
    """The unique images of one source, in a stable order, each with an id that holds no path."""

    source: str
    ids: tuple[str, ...]
    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of ids, sizes and modification times: a replaced file makes cached features stale."""
        stats = []
        for name, path in zip(self.ids, self.paths, strict=True):
            try:
                stat = path.stat()
            except OSError as error:
                raise DataError(
                    f"{path} is gone or cannot be read: {error.strerror}",
                    f"every image that {self.source} lists",
                    "restore the file, or fetch the data set again",
                ) from error
            stats.append((name, stat.st_size, stat.st_mtime_ns))
        return digest([self.source, stats])


@dataclass(frozen=True)
class Split:
    """Samples of one split: where their frames stand in the pool, what they are, what they belong to."""

    ids: tuple[str, ...]
    index: np.ndarray  # int64 [N, T]
    targets: np.ndarray  # int64 [N]
    groups: np.ndarray  # int64 [N]; samples of one group (scene, video) are not independent

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def digest(self) -> str:
        """Digest of ids, targets and groups; no paths, so two labs agree."""
        return digest([list(self.ids), digest_array(self.targets), digest_array(self.groups)])

    def take(self, rows: np.ndarray) -> Split:
        """Return the samples at these rows, in that order."""
        ids = tuple(self.ids[row] for row in rows)
        return Split(ids, self.index[rows], self.targets[rows], self.groups[rows])

    def join(self, other: Split) -> Split:
        """Return both splits as one; groups of the two stay apart."""
        groups = np.concatenate([self.groups, other.groups + self.groups.max(initial=-1) + 1])
        return Split(
            self.ids + other.ids,
            np.concatenate([self.index, other.index]),
            np.concatenate([self.targets, other.targets]),
            groups,
        )

    def limited(self, count: int) -> Split:
        """Return at most `count` samples, drawn by this split's own seed, in their old order."""
        if count >= len(self):
            return self
        drawn = np.random.default_rng(seed_of(f"limit/{self.digest}")).permutation(len(self))[:count]
        return self.take(np.sort(drawn))


@dataclass(frozen=True)
class Dataset:
    """What an adapter returns for one target: a pool, three splits into it, and the fixed classes."""

    pool: Pool
    train: Split
    val: Split
    test: Split
    classes: tuple[str, ...]
    rule: str
    """The split rule and the adapter's version, as they enter the data digest."""
    world: str = ""
    """Sample data only: which generator made it. Its pixels may change where ids and targets do not."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What was odd but not wrong, such as a count that differs from the one known from memory."""

    @cached_property
    def digest(self) -> str:
        """Digest of ids, targets, classes and split rule: two records with the same one saw the same data."""
        splits = [self.train.digest, self.val.digest, self.test.digest]
        return digest([self.pool.source, self.rule, self.world, list(self.classes), splits])

    @property
    def counts(self) -> dict[str, int]:
        """Samples per split."""
        return {"train": len(self.train), "val": len(self.val), "test": len(self.test)}

    def limited(self, count: int | None) -> Dataset:
        """Return the data set with at most `count` samples in each split."""
        if count is None:
            return self
        return replace(
            self,
            train=self.train.limited(count),
            val=self.val.limited(count),
            test=self.test.limited(count),
        )

    def merged(self) -> Dataset:
        """Return the data set with validation joined to train, for protocols that choose nothing."""
        none = self.val.take(np.arange(0))
        return replace(self, train=self.train.join(self.val), val=none, rule=f"{self.rule}; train and val joined")

    @property
    def rows(self) -> np.ndarray:
        """The pool rows that any sample needs, sorted."""
        return np.unique(np.concatenate([split.index.ravel() for split in (self.train, self.val, self.test)]))


@dataclass(frozen=True)
class View:
    """How an image reaches an encoder: geometry, pixel size, normalisation."""

    geometry: str
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class FeatureShape:
    """What an encoder returns: the pooled width D and, fine to coarse, each map's channels and stride."""

    width: int
    maps: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Numerics:
    """What changes the last digits of a feature: it is part of every cache key and record."""

    device: str
    precision: str
    folded: bool
    chunk: int
    storage: str = "float32"


@dataclass(frozen=True)
class Features:
    """Pooled features of the pool rows that were asked for."""

    rows: np.ndarray  # int64 [R], sorted pool rows
    pooled: torch.Tensor  # [R, D]

    def index(self, split: Split) -> np.ndarray:
        """Return where the frames of a split stand in `pooled`, [N, T]; a row that was not encoded is an error."""
        places = np.searchsorted(self.rows, split.index)
        inside = np.minimum(places, len(self.rows) - 1)
        if not np.array_equal(self.rows[inside], split.index):
            raise IndexError("a sample needs an image whose features were not asked for")
        return places


def unique_rows(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Return the sorted union of pool rows."""
    return np.unique(np.concatenate(list(parts)))
