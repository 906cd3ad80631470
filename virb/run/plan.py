"""Plan: tasks x encoders to image sets and jobs; what is missing and why; what it will cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from virb.cards.protocol import Neighbours, PixelTraining, Protocol, Training
from virb.cards.select import Selection, task
from virb.cards.task import Task
from virb.core.errors import DataError, MissingData, Unsuited, UsageError, VirbError
from virb.core.target import ANYWHERE
from virb.core.types import Dataset, Numerics, Pool, Split, View, unique_rows
from virb.data import read_dataset
from virb.data.images import unreadable
from virb.data.tiles import Mosaic, Pieces, cut
from virb.encode.encoder import Encoder
from virb.encode.features import choose_numerics
from virb.encode.stream import CHUNK
from virb.heads import VERSIONS
from virb.heads.dense import DENSE, Inputs
from virb.records.record import Record, comparison_key, finished, record_folder, record_stem, resume_key
from virb.run import virb2021
from virb.run.options import GIB, Options


def _as_published(training: Training | PixelTraining | Neighbours) -> bool:
    return isinstance(training, PixelTraining) and training.head == "published"


def head_for(task: Task, training: Training | PixelTraining | Neighbours) -> str:
    """Return which head a task gets under a training: the card's, the paper's for it, or the light one."""
    if _as_published(training):
        return virb2021.head_of(task)
    if isinstance(training, Neighbours):
        return "neighbours"
    light = isinstance(training, PixelTraining) and training.head == "dense_linear"
    return "dense_linear" if light else task.head


def metrics_for(task: Task, training: Training | PixelTraining | Neighbours) -> tuple[str, ...]:
    """Return what is measured under a training, the primary metric first: the card's, or the one of the paper."""
    return (virb2021.metric_of(task),) if _as_published(training) else (task.metric, *task.also)


@dataclass(frozen=True)
class Prepared:
    """A task whose data were found and read."""

    task: Task
    dataset: Dataset
    training: Training | PixelTraining | Neighbours
    parent: Prepared | None = None
    """The task whose heads are scored here, where the card says `head_of`."""
    pieces: Pieces | None = None
    """The data in pieces, where pictures are too large for one view; `dataset` stays that of whole pictures."""

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
        return _as_published(self.training)

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


@dataclass(frozen=True)
class Missing:
    """A task that cannot run, and whether that is a failure or only a gap in a group."""

    task: Task
    error: VirbError
    failed: bool
    encoder: str = ""
    """The encoder that cannot be asked this task; empty where nobody can."""


@dataclass(frozen=True)
class Job:
    """One task for one encoder: everything but the features."""

    prepared: Prepared
    comparison: str
    resume: str
    place: Path
    """Where its record goes."""
    finished: Record | None = None

    @property
    def task(self) -> Task:
        """The task."""
        return self.prepared.task


@dataclass(frozen=True)
class Streaming:
    """How maps are made batch by batch instead of kept, and why."""

    numerics: Numerics
    exact: bool
    augment: bool
    reason: str


@dataclass(frozen=True)
class ImageSet:
    """The unique images of one source under one view, and the jobs that share their features."""

    pool: Pool
    rows: np.ndarray
    view: View
    numerics: Numerics
    jobs: tuple[Job, ...]

    kept: tuple[int, ...] = ()
    """The places of the encoder's maps that any waiting job reads, beside the pooled embedding."""
    streaming: Streaming | None = None
    """None: the maps, if any, are in the cache."""


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
    if options.seeds is not None and not isinstance(training, Neighbours):
        training = training.model_copy(update={"seeds": options.seeds})
    dataset = _readable(read_dataset(one.dataset, options.root, one.target), options)
    if parent:  # other heads make other numbers: what they were trained on is part of what is compared
        dataset = replace(dataset, rule=f"{dataset.rule}; heads of {parent.task.name} {parent.dataset.digest}")
    elif options.protocol.choice == "none":
        dataset = dataset.merged()
    if isinstance(training, PixelTraining) and training.head == "published":
        dataset = virb2021.as_published(dataset, one)
    prepared = _checked(Prepared(one, dataset.limited(options.limit), training, parent))
    return replace(prepared, pieces=_pieces(prepared, options.protocol))


def _pieces(prepared: Prepared, protocol: Protocol) -> Pieces | None:
    """Return the data of a task in crops and tiles, where card and protocol want that."""
    task, tiles = prepared.task, protocol.tiles
    crops, training = tiles.crops if tiles else None, prepared.training
    if task.geometry != "tiles" or tiles is None or isinstance(training, Neighbours):
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
    found = f"needs maps, and encoder {name} returns no maps, only an embedding"
    dense = [item for item in prepared if item.task.level == "pixel"]
    errors = [Unsuited(f"task {item.task.name} {found}", expected, remedy) for item in dense]
    gaps = [Missing(item.task, error, item.named, name) for item, error in zip(dense, errors, strict=True)]
    return [item for item in prepared if item.task.level != "pixel"], gaps


def resolve_view(pieces: Pieces | None, protocol: Protocol, encoder: Encoder) -> View:
    """Return the one view that three owners agree on: task geometry, protocol size, encoder statistics."""
    geometry, size = ("tiles", pieces.size) if pieces else ("squash", protocol.size)
    return View(geometry, encoder.resolve_size(size), encoder.mean, encoder.std)


def image_sets(encoder: Encoder, prepared: Sequence[Prepared], options: Options) -> list[ImageSet]:
    """Return the image sets of one encoder; tasks on the same images under the same view share one."""
    groups: dict[tuple[str, tuple[str, ...], View], list[Prepared]] = {}
    for item in prepared:
        view = resolve_view(item.pieces, options.protocol, encoder)
        groups.setdefault((item.shown.pool.source, item.shown.pool.ids, view), []).append(item)
    sets = []
    for (_, _, view), members in groups.items():
        numerics = choose_numerics(options.device, view.size, options.precision)
        jobs = tuple(_job(item, encoder, numerics, options) for item in members)
        rows = unique_rows(item.shown.rows for item in members)
        plain = ImageSet(members[0].shown.pool, rows, view, numerics, jobs, _kept(encoder, view, jobs))
        sets.append(replace(plain, streaming=_streaming(encoder, plain, options)))
    return sets


def _kept(encoder: Encoder, view: View, jobs: Sequence[Job]) -> tuple[int, ...]:
    """Return which maps to keep: the light head leaves out the finest, which is two thirds of all numbers."""
    heads = {job.prepared.head for job in jobs if job.task.level == "pixel" and job.finished is None}
    levels = encoder.levels(view.size) if heads else ()
    if heads != {"dense_linear"}:
        return tuple(range(len(levels)))
    inputs = Inputs(levels, (view.size, view.size))
    return DENSE["dense_linear"](1, inputs, 1, torch.Generator(), torch.device("cpu")).places


def _streaming(encoder: Encoder, images: ImageSet, options: Options) -> Streaming | None:
    """Return how to stream maps: where training goes as published, or the cache has no room for them."""
    if not images.kept:
        return None
    numerics = replace(images.numerics, chunk=min(images.numerics.chunk, CHUNK))
    waiting = [job.prepared for job in images.jobs if job.finished is None]
    if any(item.as_published for item in waiting):
        pixel = options.protocol.pixel
        cut_up = any(item.pieces for item in waiting)  # the paper changed the colours of whole pictures only
        augment = pixel is not None and pixel.augment and not cut_up
        how = ", another crop each time" if cut_up else ", in other colours each time" if augment else ""
        return Streaming(numerics, exact=True, augment=augment, reason=f"as published{how}")
    levels = encoder.levels(images.view.size)
    size = 2 * len(images.rows) * sum(levels[place].size for place in images.kept)
    if size <= options.cache_limit:
        return None
    if options.features().holds(encoder, images.pool, images.rows, images.view, images.numerics, images.kept):
        return None
    have = options.cache_limit / GIB
    reason = f"they take {size / GIB:.2f} GiB and the cache {have:.2f} (--cache-size)"
    return Streaming(numerics, exact=False, augment=False, reason=reason)


def _job(item: Prepared, encoder: Encoder, numerics: Numerics, options: Options) -> Job:
    comparison = comparison_key(item.task, options.protocol, item.dataset.digest, options.source, options.limit)
    resume = resume_key(
        comparison,
        encoder.fingerprint,
        item.training.model_dump(mode="json"),
        asdict(numerics),
        VERSIONS[item.head],
    )
    folder = record_folder(options.out, encoder.card.name, encoder.fingerprint)
    place = folder / f"{record_stem(item.task.name, options.protocol.name, resume)}.json"
    job = Job(item, comparison, resume, place)
    return job if options.force else replace(job, finished=finished_job(job, options))


def finished_job(job: Job, options: Options) -> Record | None:
    """Return the record that makes a job needless, if it is there."""
    done = finished(job.place.parent, job.place.stem, job.resume)
    return None if done is not None and options.save_heads and done.heads is None else done
