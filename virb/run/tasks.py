"""Tasks (plan): the selected tasks with their data, read and held to their cards; what is missing and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from virb.cards.protocol import AnyTraining, Protocol, metrics_for
from virb.cards.sample_world import known_samples
from virb.cards.select import Selection, task
from virb.cards.task import Task
from virb.core.errors import DataError, MissingData, Unsuited, UsageError, VirbError
from virb.core.target import ANYWHERE
from virb.core.types import Dataset, Split
from virb.data import read_dataset
from virb.data.facts import metric_of
from virb.data.images import read_image, unreadable
from virb.data.tiles import Mosaic, Pieces, cut
from virb.encode.encoder import Encoder
from virb.metrics import Metric
from virb.records.record import Source
from virb.run import virb2021
from virb.run.options import Options


def head_for(task: Task, training: AnyTraining) -> str:
    """Return which head a task gets under a training: the card's, the paper's for it, or the light one."""
    return virb2021.head_of(task) if training.published else training.head_of(task)


@dataclass(frozen=True)
class Prepared:
    """A task whose data were found and read."""

    task: Task
    dataset: Dataset
    training: AnyTraining
    parent: Prepared | None = None
    """The task whose heads are scored here, where the card says `head_of`."""
    pieces: Pieces | None = None
    """The data in pieces, where pictures are too large for one view; `dataset` stays that of whole pictures."""
    source: Source = "real"
    """What the data are, whatever folder they lie in."""

    @property
    def shown(self) -> Dataset:
        """The data as an encoder is shown them: pictures, or pieces of pictures."""
        return self.pieces.dataset if self.pieces else self.dataset

    @property
    def tested(self) -> Split | Mosaic:
        """The test split, or the tiles that it is put together from."""
        return self.pieces.test if self.pieces else self.dataset.test

    named: bool = False
    """Whether the task was asked for by its own name, and no group brought it."""

    @property
    def as_published(self) -> bool:
        """Whether head, target and metric are those of the 2021 paper where they differ from the card's."""
        return self.training.published

    @property
    def head(self) -> str:
        """The head that is trained: the card's, the paper's for it, or the light one of the protocol."""
        return head_for(self.task, self.training)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured, the primary metric first: the card's, or the one number of the paper."""
        return metrics_for(self.task, self.training)

    @property
    def learnt(self) -> Dataset:
        """The data that heads and floor are fitted on."""
        return self.parent.dataset if self.parent else self.dataset


def metrics_of(prepared: Prepared) -> list[Metric]:
    """Return what is measured, the primary metric first, as it is measured on these data."""
    return [metric_of(prepared.task, name, len(prepared.dataset.classes)) for name in prepared.metrics]


@dataclass(frozen=True)
class Missing:
    """A task that cannot run, and whether that is a failure or only a gap in a group."""

    task: Task
    error: VirbError
    failed: bool
    encoder: str = ""
    """The encoder that cannot be asked this task; empty where nobody can."""


def prepare(selection: Selection, options: Options) -> tuple[list[Prepared], list[Missing]]:
    """Return the tasks that can run and those that cannot; those that need another's heads come last.

    A named task without its data fails; a member of a group is left out. Half-present data always fails.
    """
    ready, missing = [], []
    for one in sorted(selection.tasks, key=lambda task: task.head_of is not None):
        try:
            ready.append(replace(_prepared(one, options), named=one.name in selection.named))
        except (DataError, UsageError) as error:
            gap = isinstance(error, (MissingData, Unsuited)) and one.name not in selection.named
            missing.append(Missing(one, error, failed=not gap))
    return ready, missing


def _prepared(one: Task, options: Options) -> Prepared:
    parent = _prepared(task(one.head_of), options) if one.head_of else None
    training = parent.training if parent else options.protocol.training(one)
    if options.seeds is not None:
        training = training.seeded(options.seeds)
    dataset = _readable(read_dataset(one.dataset, options.root, one.target), options)
    source = _source(one, dataset, parent, options)
    if parent:  # other heads make other numbers: what they were trained on is part of what is compared
        dataset = replace(dataset, rule=f"{dataset.rule}; heads of {parent.task.name} {parent.dataset.digest}")
    elif options.protocol.choice == "none":
        dataset = dataset.merged()
    if training.published:
        dataset = virb2021.as_published(dataset, one)
    prepared = _checked(Prepared(one, dataset.limited(options.limit), training, parent, source=source))
    return replace(prepared, pieces=_pieces(prepared, options.protocol))


def _source(one: Task, dataset: Dataset, parent: Prepared | None, options: Options) -> Source:
    """Return whether these data, or those that its heads were trained on, are the sample world's.

    A folder can be given with --data, copied in part, or lose its marker: then the samples tell, and a picture.
    """
    if options.source == "sample" or dataset.sample or (parent is not None and parent.source == "sample"):
        return "sample"
    known = known_samples(one.dataset, one.target)
    ids = (name for split in (dataset.train, dataset.val, dataset.test) for name in split.ids)
    if known is None or not known.holds(ids, dataset.counts):
        return "real"
    longest = max(read_image(dataset.pool, int(dataset.rows[0])).shape[1:])
    return "sample" if longest <= known.longest else "real"


def _pieces(prepared: Prepared, protocol: Protocol) -> Pieces | None:
    """Return the data of a task in crops and tiles, where card and protocol want that."""
    task, tiles = prepared.task, protocol.tiles
    crops, training = tiles.crops if tiles else None, prepared.training
    if task.geometry != "tiles" or tiles is None:
        return None
    size = (task.published and task.published.crop if prepared.as_published else None) or protocol.size
    rule = virb2021.draw_of(task) if prepared.as_published else ANYWHERE
    return cut(prepared.dataset, size, tiles.overlap, crops or training.epochs, rule)


def _readable(dataset: Dataset, options: Options) -> Dataset:
    """Return the data set without pictures that cannot be read, where so few were allowed to be left out.

    They are looked for before anything else: what is compared and resumed is then what was used.
    """
    if not options.skip_bad:
        return dataset
    bad = unreadable(dataset.pool, dataset.rows, options.decoders)
    if len(bad) > options.skip_bad:
        raise DataError(
            f"{len(bad):,} of {len(dataset.rows):,} pictures of {dataset.pool.source} cannot be read, the first is "
            f"{dataset.pool.paths[min(bad)]}",
            f"at most {options.skip_bad} (--skip-bad)",
            "fetch the data set again; 'virb data verify' lists every broken file",
        )
    return dataset.without(np.array(sorted(bad), np.int64)) if bad else dataset


def _checked(prepared: Prepared) -> Prepared:
    """Refuse data that do not fit the card or leave nothing to learn from."""
    task, learnt = prepared.task, prepared.learnt
    frames = prepared.dataset.test.index.shape[1]
    if frames != task.frames:
        raise UsageError(
            f"task {task.name} says frames: {task.frames}, but {task.dataset} gives {frames}",
            f"frames: {frames}",
            "correct the card",
        )
    if task.level == "image" and len(np.unique(learnt.train.targets)) < 2:
        raise DataError(
            f"task {task.name} has fewer than two classes in its {len(learnt.train)} training samples",
            "two classes or more",
            "use a larger --limit" if len(learnt.train) else "fetch the whole data set",
        )
    if prepared.dataset.classes != learnt.classes:
        raise UsageError(
            f"task {task.name} has other classes than {task.head_of}, whose heads it takes",
            "the same classes in the same order",
            "correct 'head_of' in the card",
        )
    return prepared


def askable(encoder: Encoder, prepared: Sequence[Prepared]) -> tuple[list[Prepared], list[Missing]]:
    """Return the tasks that this encoder can be asked, and the pixel tasks that need maps where it has none."""
    if encoder.shape.maps:
        return list(prepared), []
    name, expected = encoder.card.name, "an encoder that returns maps [N, C, h, w] beside its embedding"
    remedy = "choose --tasks image, or give it maps: a module that returns [N, C, h, w], a class with maps()"
    # One text for all of them, so that it is told once.
    error = Unsuited(
        f"pixel-wise tasks need maps, and encoder {name} returns no maps, only an embedding", expected, remedy
    )
    gaps = [Missing(item.task, error, item.named, name) for item in prepared if item.task.level == "pixel"]
    return [item for item in prepared if item.task.level != "pixel"], gaps
