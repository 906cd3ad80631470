"""Types: the nouns that the stages share. Frozen; torch appears in annotations only.

Shapes use one alphabet: N samples, T frames, P pool images, C channels, H W pixels, D width, K classes,
G grid settings, S seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np

from virb.core.digest import digest, digest_array, seed_of
from virb.core.errors import DataError

if TYPE_CHECKING:
    import torch
    from PIL import Image

Predicted: TypeAlias = "tuple[list[torch.Tensor], torch.Tensor]"
"""What the heads of several seeds give for a batch of samples, and its targets."""
SPLITS = ("train", "val", "test")
IGNORED = 255
"""The class of a pixel that counts nowhere: void, border, not labelled."""


@dataclass(frozen=True)
class Pool:
    """The unique images of one source, in a stable order, each with an id that holds no path.

    Most are files of their own. Where several lie in one (a pickle, a video), `rows` says which of them each is and
    `reader` opens it; a reader is a function of a module, so that other processes can be handed it.
    """

    source: str
    ids: tuple[str, ...]
    paths: tuple[Path, ...]
    rows: tuple[int, ...] = ()
    reader: Callable[[Path, int], Image.Image] | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    """Height and width of every image, where they are known without reading it."""
    threads: bool = False
    """Whether several threads may call the reader at a time: it may hold one open file for all its rows."""

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of ids, sizes and modification times: a replaced file makes cached features stale."""
        listed = [(name, *self.stamps[path]) for name, path in zip(self.ids, self.paths, strict=True)]
        return digest([self.source, listed, list(self.rows)])

    @cached_property
    def stamps(self) -> dict[Path, tuple[int, int]]:
        """Size and modification time of every file, as they were when they were first asked for."""
        return _stamps(self.paths, f"every image that {self.source} lists")


def check_unchanged(paths: Iterable[Path], stamps: Mapping[Path, tuple[int, int]]) -> None:
    """Refuse files that were replaced since they were stamped: what was made of them must not be kept as theirs."""
    now = _stamps(paths, "files that stay as they are while they are read")
    changed = [path for path, stamp in now.items() if stamp != stamps[path]]
    if changed:
        others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise DataError(
            f"{changed[0]}{others} changed while they were read"
            if others
            else f"{changed[0]} changed while it was read",
            "files that stay as they are during a run",
            "run the same command again when nothing writes to the data set any more",
        )


def _stamps(paths: Iterable[Path], expected: str) -> dict[Path, tuple[int, int]]:
    """Return size and modification time of each file; one that went is an error that names it."""
    stamps = {}
    for path in dict.fromkeys(paths):
        try:
            stat = path.stat()
        except OSError as error:
            raise DataError(
                f"{path} is gone or cannot be read: {error.strerror}",
                expected,
                "restore the file, or fetch the data set again",
            ) from error
        stamps[path] = (stat.st_size, stat.st_mtime_ns)
    return stamps


LabelKind = Literal["classes", "values", "flow"]


@dataclass(frozen=True)
class Labels:
    """Pixel targets, read one at a time: where each comes from, and the function that reads it.

    What `reader` returns lies pixel on pixel over the sample's (first) picture:
    classes: uint8 [H, W], with IGNORED where nothing counts; values: float32 [H, W] or [H, W, 3], NaN where nothing
    was measured; flow: float32 [H, W, 2], pixels to the right and down, NaN where unknown.
    """

    kind: LabelKind
    ids: tuple[str, ...]
    paths: tuple[Path, ...]
    rows: tuple[int, ...]
    reader: Callable[[Path, int], np.ndarray]

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, row: int) -> np.ndarray:
        """Return one target."""
        return self.reader(self.paths[row], self.rows[row])

    @cached_property
    def stamps(self) -> dict[Path, tuple[int, int]]:
        """Size and modification time of every file."""
        return _stamps(self.paths, "every label file that was listed")

    @cached_property
    def digest(self) -> str:
        """Digest of ids and file sizes: reading every label map of a large set only to name it would take minutes."""
        sizes = {path: stamp[0] for path, stamp in self.stamps.items()}
        return digest([self.kind, list(self.ids), [sizes[path] for path in self.paths], list(self.rows)])


@dataclass(frozen=True)
class Split:
    """Samples of one split: where their frames stand in the pool, what they are, what they belong to."""

    ids: tuple[str, ...]
    index: np.ndarray  # int64 [N, T]
    targets: np.ndarray  # int64 [N]: the class, or for pixel tasks the row of the data set's labels
    groups: np.ndarray  # int64 [N]; samples of one group (scene, video) are not independent

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def digest(self) -> str:
        """Digest of ids, targets and groups; no paths, so two labs agree."""
        return digest([list(self.ids), digest_array(self.targets), digest_array(self.groups)])

    @property
    def split(self) -> Split:
        """What heads are shown: the samples themselves; of a mosaic it is the tiles."""
        return self

    @property
    def pictures(self) -> Split:
        """What is counted: the samples themselves; of a mosaic it is the whole pictures."""
        return self

    def joined(self, batches: Iterable[Predicted]) -> Iterator[Predicted]:
        """Yield what is counted from batches of what heads are shown: here the same."""
        return iter(batches)

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
    labels: Labels | None = None
    """The targets of pixel tasks; `Split.targets` then holds rows of these."""
    skipped: tuple[str, ...] = ()
    """Pictures that cannot be read and were let go, with the samples that need them."""
    sample: bool = field(default=False, compare=False)
    """Whether they lie under a marker of the sample world, whatever it says."""

    @cached_property
    def digest(self) -> str:
        """Digest of ids, targets, classes and split rule: two records with the same one saw the same data."""
        splits = [[split.digest, self._frames(split)] for split in (self.train, self.val, self.test)]
        labels = self.labels.digest if self.labels else ""
        return digest([self.pool.source, self.rule, self.world, list(self.classes), splits, labels])

    def _frames(self, split: Split) -> str:
        """Digest of the pictures that make up each sample: other frames of one clip are other data."""
        return digest([self.pool.ids[row] for row in split.index.ravel()])

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

    def without(self, bad: np.ndarray) -> Dataset:
        """Return the data set without the samples that need any of these pool rows."""
        parts = [
            split.take(np.flatnonzero(~np.isin(split.index, bad).any(axis=1)))
            for split in (self.train, self.val, self.test)
        ]
        skipped = (*self.skipped, *(self.pool.ids[row] for row in bad))
        return replace(self, train=parts[0], val=parts[1], test=parts[2], skipped=skipped)

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
class Level:
    """One map of an encoder under one view: channels, height, width."""

    channels: int
    height: int
    width: int

    @property
    def size(self) -> int:
        """Numbers in one map."""
        return self.channels * self.height * self.width


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
class Images:
    """Pictures of a pool as an encoder is shown them, and which of its maps are kept of them."""

    pool: Pool
    rows: np.ndarray  # int64 [R], sorted pool rows
    view: View
    numerics: Numerics
    kept: tuple[int, ...] = ()
    """The places of the encoder's levels, fine to coarse, that somebody will read beside the pooled embedding."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def whole(self) -> Images:
        """The same of every picture in the pool."""
        return replace(self, rows=np.arange(len(self.pool)))


class Taken(Protocol):
    """An array of R rows that are handed out a batch at a time: in memory, on disk, or made when asked for."""

    def take(self, rows: np.ndarray) -> torch.Tensor:
        """Return these rows, [n, M]."""


@dataclass(frozen=True)
class Rows:
    """Rows in memory, or on a device."""

    array: torch.Tensor

    def take(self, rows: np.ndarray) -> torch.Tensor:
        """Return these rows, [n, M]."""
        import torch

        return self.array[torch.from_numpy(rows).to(self.array.device)]


@dataclass(frozen=True)
class Features:
    """Features of the pool rows that were asked for: pooled, and the maps where a task wants them."""

    rows: np.ndarray  # int64 [R], sorted pool rows
    pooled: torch.Tensor  # [R, D]
    maps: Taken | None = None
    """All maps of an image as one row of half-precision numbers; `levels` says how it is cut."""
    levels: tuple[Level, ...] = ()

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
