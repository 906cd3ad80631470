"""Truth: the targets that a pixel task is trained on and scored by, and what of them there is to learn from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from virb.core.errors import DataError
from virb.core.progress import Progress
from virb.core.types import Dataset
from virb.data.targets import Targets, load_targets, unstored_targets
from virb.data.tiles import Pieces
from virb.run.options import Options
from virb.run.plan import Prepared


@dataclass(frozen=True)
class Truth:
    """The targets of a pixel task: as heads are trained and scored, and small ones of whole training pictures."""

    targets: Targets
    whole: Targets
    """The same, but where pictures are trained and scored in pieces."""


def read_truth(prepared: Prepared, options: Options, progress: Progress) -> Truth:
    """Return a pixel task's targets, at the protocol's size whatever the encoder takes, or in pieces.

    Of whole pictures that are scored in pieces only the training part is wanted small, for the constant predictor.
    """
    dataset, pieces = prepared.dataset, prepared.pieces
    if pieces:
        none = dataset.test.take(np.arange(0))
        dataset = replace(dataset, val=none, test=none)
    count = sum(dataset.counts.values()) + (sum(pieces.dataset.counts.values()) if pieces else 0)
    store, workers = options.features().store, options.decoders
    with progress.stage(f"read targets of {prepared.task.name}", count, "targets") as advance:
        whole = load_targets(dataset, options.protocol.size, store, workers, advance, progress.say)
        if pieces is None:
            return Truth(whole, whole)
        if prepared.as_published:  # a new crop in each epoch: as many pixels as would fill a disk, each used once
            return Truth(unstored_targets(pieces.dataset, pieces.size, workers), whole)
        return Truth(load_targets(pieces.dataset, pieces.size, store, workers, advance, progress.say), whole)


def learnable(prepared: Prepared, truth: Truth, progress: Progress) -> tuple[Dataset, Pieces | None]:
    """Return the data without training samples of which not one pixel counts: there is nothing to learn from them."""
    dataset, pieces = prepared.dataset, prepared.pieces
    blank = truth.whole.blank(dataset.train.targets)
    if not blank.any():
        return dataset, pieces
    if blank.all():
        raise DataError(
            f"no training picture of {prepared.task.name} has a pixel with a target: {_label(dataset, 0)} has none",
            "at least one",
            "look at the label files with 'virb data show'",
        )
    first = _label(dataset, int(np.flatnonzero(blank)[0]))
    progress.say(
        f"note: {prepared.task.name}: {int(blank.sum())} of {len(blank)} training samples have no pixel with a target "
        f"and are left out: {first}, ..."
    )
    kept = np.flatnonzero(~blank)
    return replace(dataset, train=dataset.train.take(kept)), pieces.trained_on(kept) if pieces else None


def _label(dataset: Dataset, row: int) -> Path:
    """Return the file of a training sample's target."""
    assert dataset.labels is not None
    return dataset.labels.paths[int(dataset.train.targets[row])]
