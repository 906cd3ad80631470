"""Submit: the part of a record's samples that is run again, and its features, made from the pictures here."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from virb.core.digest import seed_of
from virb.core.text import many
from virb.core.types import Features, Images, Split
from virb.encode.encoder import Encoder
from virb.encode.features import Pass
from virb.encode.stream import StreamedMaps
from virb.metrics import Metric
from virb.records.record import Record
from virb.run.options import Options
from virb.run.plan import ImageSet, Job, image_sets
from virb.run.tasks import Prepared
from virb.submit.recompute import Samples

_LEAST = 16


@dataclass(frozen=True)
class Rerun:
    """How a part of the test samples is chosen and run again."""

    encoder: Encoder
    options: Options
    share: float
    seed: int


@dataclass(frozen=True)
class Part:
    """A part of a record's test samples, to be scored again."""

    record: Record
    image_set: ImageSet
    job: Job
    samples: Samples
    metrics: list[Metric]
    rows: np.ndarray
    how: Rerun

    @property
    def text(self) -> str:
        """What was done."""
        asked = self.record.setting.text if self.record.setting.neighbours else many(len(self.record.seeds), "head")
        return f"{len(self.rows)} of {len(self.samples)} test samples were encoded and scored again with {asked}"

    @property
    def like(self) -> bool:
        """Whether features are made here as they were made then, down to the last digits.

        In half precision another device of the same kind may add up in another order, and one digit is much then.
        """
        numerics = self.image_set.images.numerics
        same = {**self.record.numerics, "chunk": 0} == {**asdict(numerics), "chunk": 0}
        return same and numerics.precision == "float32"

    def over(self, images: Images) -> Pass:
        """Return the encoder over some images, on this machine."""
        return Pass(self.how.encoder, images, self.how.options.device, self.how.options.decoders)

    @property
    def owner(self) -> Prepared:
        """The task whose training the record stands on: another's where it borrows that one's heads."""
        return self.job.prepared.parent or self.job.prepared

    @property
    def owners_images(self) -> ImageSet:
        """The pictures of that task."""
        if self.job.prepared.parent is None:
            return self.image_set
        (found,) = image_sets(self.how.encoder, [self.owner], self.how.options)
        return found

    def pooled(self, image_set: ImageSet, split: Split) -> Features:
        """Return the pooled features of these samples alone, from the pictures and not from the cache."""
        rows = np.unique(split.index)
        one = self.over(replace(image_set.images, rows=rows, kept=()))
        return Features(rows, torch.cat([pooled for pooled, _ in one.chunks()]).to(one.device))

    def cached(self, image_set: ImageSet, rows: np.ndarray) -> Features:
        """Return the pooled features of these pool rows by way of the cache: they may be a whole training set."""
        one = self.over(replace(image_set.images, rows=rows, kept=()))
        return self.how.options.features().features(one)

    def maps(self, split: Split) -> Features:
        """Return features whose maps are made a batch at a time: those of a part may be too many for memory."""
        rows, streaming = np.unique(split.index), self.image_set.streaming
        one = self.over(replace(self.image_set.streamed, rows=rows))
        maps = StreamedMaps(one, exact=streaming is not None and streaming.exact)
        return Features(rows, torch.empty(len(rows), 0), maps, one.levels)


def chosen_rows(count: int, how: Rerun, name: str) -> np.ndarray:
    """Return which samples are run again: at random, by the seed, and never fewer than a handful."""
    return drawn(count, min(count, max(_LEAST, math.ceil(how.share * count))), how.seed, name)


def drawn(count: int, some: int, seed: int, name: str) -> np.ndarray:
    """Return so many of `count` rows at random, sorted."""
    generator = np.random.default_rng(seed_of(f"slice/{seed}/{name}"))
    return np.sort(generator.permutation(count)[:some])
