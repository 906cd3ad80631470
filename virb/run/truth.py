"""Truth: what a job's heads learn from and are scored by; the best constant answers below them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from virb.core.digest import seed_of
from virb.core.errors import DataError
from virb.core.progress import Progress
from virb.core.types import IGNORED, Dataset, Features, Split
from virb.data.targets import Targets, any_known, load_targets, unstored_targets
from virb.heads.fit import Tested
from virb.metrics import Metric, PositionFloor, best_rarity, coarsened
from virb.run.options import Options
from virb.run.tasks import Prepared

_BATCH = 64
_COMPARED = 2000
"""Training pictures on which constant maps are compared, at the most."""
Floor = Callable[[torch.Tensor], torch.Tensor]
"""Targets of some samples to what the best constant predictor answers on them."""


class Truth(Protocol):
    """The targets of a job."""

    def learnable(self, progress: Progress) -> tuple[Split, Tested]:
        """Return the samples that heads are trained on, and those that they are chosen on."""
        ...

    def floors(self, metrics: Sequence[Metric], device: torch.device) -> Mapping[str, Floor]:
        """Return by metric the best constant predictor on train."""
        ...

    def beside(
        self, outputs: list[torch.Tensor], wanted: torch.Tensor, features: Features, primary: Metric
    ) -> dict[str, np.ndarray]:
        """Return what else is kept of each sample, beside its statistics."""
        ...

    @property
    def blank(self) -> int:
        """Training samples of which nothing counts."""


@dataclass(frozen=True)
class ClassTruth:
    """The classes of an image-level task."""

    prepared: Prepared

    def learnable(self, progress: Progress) -> tuple[Split, Tested]:
        """Return train and validation as they are."""
        return self.prepared.dataset.train, self.prepared.dataset.val

    def floors(self, metrics: Sequence[Metric], device: torch.device) -> Mapping[str, Floor]:
        """Return by metric the one answer that is best on train, whose heads may be another task's."""
        targets, classes = self.prepared.learnt.train.targets, len(self.prepared.dataset.classes)
        best = {one.name: torch.from_numpy(one.constant(targets, classes)).to(device) for one in metrics}
        return {name: partial(_same_for_all, output) for name, output in best.items()}

    def beside(
        self, outputs: list[torch.Tensor], wanted: torch.Tensor, features: Features, primary: Metric
    ) -> dict[str, np.ndarray]:
        """Return the predicted class of every seed's head, [n, S]."""
        return {"predictions": torch.stack([logits.argmax(-1) for logits in outputs], 1).cpu().numpy()}

    @property
    def blank(self) -> int:
        """None: every picture has a class."""
        return 0


def _same_for_all(output: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return output.expand(len(wanted), -1)


@dataclass(frozen=True)
class PixelTruth:
    """The targets of a pixel task: as heads are trained and scored, and small ones of whole training pictures."""

    prepared: Prepared
    targets: Targets
    whole: Targets
    """The same, but where pictures are trained and scored in pieces."""

    def learnable(self, progress: Progress) -> tuple[Split, Tested]:
        """Return train and validation without training samples of which not one pixel counts."""
        kept = _worth_learning(self.prepared.dataset, self.whole, self.prepared.task.name, progress)
        if pieces := self.prepared.pieces:
            return pieces.trained_on(kept).dataset.train, pieces.val
        return self.prepared.dataset.train.take(kept), self.prepared.dataset.val

    def floors(self, metrics: Sequence[Metric], device: torch.device) -> Mapping[str, Floor]:
        """Return by metric the constant map that is best on train."""
        found = constant_maps(self.prepared.dataset, self.whole, metrics, device)
        return {name: partial(_spread, constant) for name, constant in found.items()}

    def beside(
        self, outputs: list[torch.Tensor], wanted: torch.Tensor, features: Features, primary: Metric
    ) -> dict[str, np.ndarray]:
        """Return statistics of targets as coarse as the finest map, [n, s], and whether any pixel counts, [n]."""
        coarse = primary.statistics(_coarse(wanted, features, self.targets.size), wanted)
        return {"resolution": coarse.cpu().numpy(), "known": any_known(wanted).cpu().numpy()}

    @property
    def blank(self) -> int:
        """Training samples without one pixel that counts."""
        return int(self.whole.blank(self.prepared.dataset.train.targets).sum())


def _spread(constant: Callable[[int, int], torch.Tensor], wanted: torch.Tensor) -> torch.Tensor:
    return constant(int(wanted.shape[-2]), int(wanted.shape[-1])).expand(wanted.shape)


def read_truth(prepared: Prepared, options: Options, progress: Progress) -> Truth:
    """Return a task's targets; those of pixels are read at the protocol's size whatever the encoder takes.

    Of whole pictures that are scored in pieces only the training part is wanted small, for the constant predictor.
    """
    if prepared.task.level == "image":
        return ClassTruth(prepared)
    dataset, pieces = prepared.dataset, prepared.pieces
    if pieces:
        none = dataset.test.take(np.arange(0))
        dataset = replace(dataset, val=none, test=none)
    count = sum(dataset.counts.values()) + (sum(pieces.dataset.counts.values()) if pieces else 0)
    store, workers = options.features().store, options.decoders
    with progress.stage(f"read targets of {prepared.task.name}", count, "targets") as advance:
        whole = load_targets(dataset, options.protocol.size, store, workers, advance, progress.say)
        if pieces is None:
            return PixelTruth(prepared, whole, whole)
        if prepared.as_published:  # a new crop in each epoch: as many pixels as would fill a disk, each used once
            return PixelTruth(prepared, unstored_targets(pieces.dataset, pieces.size, workers), whole)
        small = load_targets(pieces.dataset, pieces.size, store, workers, advance, progress.say)
        return PixelTruth(prepared, small, whole)


def _worth_learning(dataset: Dataset, whole: Targets, name: str, progress: Progress) -> np.ndarray:
    """Return the training samples that have a pixel with a target, and say how many have none."""
    blank = whole.blank(dataset.train.targets)
    if len(blank) and blank.all():
        raise DataError(
            f"no training picture of {name} has a pixel with a target: {_label(dataset, 0)} has none",
            "at least one",
            "look at the label files with 'virb data show'",
        )
    if blank.any():
        first = _label(dataset, int(np.flatnonzero(blank)[0]))
        progress.say(
            f"note: {name}: {int(blank.sum())} of {len(blank)} training samples have no pixel with a target "
            f"and are left out: {first}, ..."
        )
    return np.flatnonzero(~blank)


def _label(dataset: Dataset, row: int) -> Path:
    """Return the file of a training sample's target."""
    assert dataset.labels is not None
    return dataset.labels.paths[int(dataset.train.targets[row])]


def constant_maps(
    dataset: Dataset, targets: Targets, metrics: Sequence[Metric], device: torch.device
) -> dict[str, Callable[[int, int], torch.Tensor]]:
    """Return by metric the best constant map on train, at any size: a class for each position, or its mean.

    A position is one of the whole picture, also where heads see pieces and cannot know where these lie.
    """
    floor = PositionFloor(targets.kind, len(dataset.classes) or IGNORED)
    train = dataset.train.targets
    for target in _batches(targets, train, device):
        floor.add(target)
    some = np.sort(np.random.default_rng(seed_of("floor")).permutation(train)[:_COMPARED])
    found: dict[str, Callable[[int, int], torch.Tensor]] = {}
    for metric in metrics:
        rarity = best_rarity(floor, metric, _batches(targets, some, device)) if targets.kind == "classes" else 0.0
        found[metric.name] = lru_cache(maxsize=4)(partial(floor.output, rarity=rarity))
    return found


def _batches(targets: Targets, rows: np.ndarray, device: torch.device) -> Iterator[torch.Tensor]:
    for start in range(0, len(rows), _BATCH):
        yield targets.take(rows[start : start + _BATCH]).to(device)


def _coarse(wanted: torch.Tensor, features: Features, size: int) -> torch.Tensor:
    """Return targets as the finest map could tell them; that of a piece goes on as far as the picture does."""
    finest = max(features.levels, key=lambda level: level.height)
    height, width = (
        -(-side * cells // size) for side, cells in zip(wanted.shape[-2:], (finest.height, finest.width), strict=True)
    )
    return coarsened(wanted, height, width)
