"""Samples: pictures that are encoded for their features alone, outside any task's heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from virb.cards.select import Selection
from virb.core.errors import UsageError, did_you_mean
from virb.core.paths import user_path
from virb.core.types import SPLITS, Images, Pool, Split
from virb.data.tiles import Pieces
from virb.encode.encoded import Encoded
from virb.encode.features import choose_numerics
from virb.run.encoder_run import EncoderRun
from virb.run.options import Options
from virb.run.plan import ImageSet, resolve_view
from virb.run.tasks import prepare


@dataclass(frozen=True)
class SampleSet:
    """A pool, some samples of it, and how its pictures are cut, if they are."""

    pool: Pool
    split: Split
    pieces: Pieces | None = None


def task_samples(selection: Selection, split: str, options: Options) -> SampleSet:
    """Return a split of the one task that was selected."""
    if split not in SPLITS:
        raise UsageError(
            f"there is no split '{split}'{did_you_mean(split, SPLITS)}", f"one of {', '.join(SPLITS)}", "choose one"
        )
    if len(selection.tasks) != 1:
        raise UsageError(
            f"{len(selection.tasks)} tasks were given", "one task, or a list of picture files", "call it once for each"
        )
    prepared, missing = prepare(selection, options)
    if missing:
        raise missing[0].error
    (item,) = prepared
    return SampleSet(item.shown.pool, getattr(item.shown, split), item.pieces)


def pictures(files: Sequence[str | Path]) -> SampleSet:
    """Return picture files as samples without targets, each under its own name."""
    paths = tuple(user_path(file) for file in files)
    if not paths:
        raise UsageError("no picture was given", "at least one file", "pass a list of paths")
    if lost := next((path for path in paths if not path.is_file()), None):
        raise UsageError(f"there is no picture {lost}", "files that are there", "check the path")
    rows = np.arange(len(paths))
    names = tuple(map(str, paths))
    return SampleSet(Pool("pictures", names, paths), Split(names, rows[:, None], np.full(len(paths), -1), rows))


def encoded(run: EncoderRun, samples: SampleSet, maps: bool) -> Encoded:
    """Return the features of samples, from the cache where they are there."""
    options, encoder = run.options, run.encoder
    view = resolve_view(samples.pieces, options.protocol, encoder)
    numerics = choose_numerics(options.device, view.size, options.precision)
    kept = tuple(range(len(encoder.levels(view.size)))) if maps else ()
    images = Images(samples.pool, np.unique(samples.split.index), view, numerics, kept)
    return Encoded(samples.split, run.features(ImageSet(images, ())))
