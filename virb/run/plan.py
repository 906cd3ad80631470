"""Plan: tasks of an encoder to image sets and jobs; tasks on the same images under the same view share one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from virb.cards.protocol import Protocol
from virb.cards.task import Task
from virb.core.types import Images, Numerics, View, unique_rows
from virb.data.tiles import Pieces
from virb.encode.encoder import Encoder
from virb.encode.features import choose_numerics
from virb.encode.stream import CHUNK
from virb.heads import VERSIONS
from virb.heads.dense import DENSE, Inputs
from virb.records.record import Record, comparison_key, finished, record_folder, record_stem, resume_key
from virb.run.options import GIB, Options
from virb.run.tasks import Prepared


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

    images: Images
    jobs: tuple[Job, ...]
    streaming: Streaming | None = None
    """None: the maps, if any, are in the cache."""

    @property
    def waiting(self) -> list[Job]:
        """The jobs that are not done."""
        return [job for job in self.jobs if job.finished is None]

    @property
    def streamed(self) -> Images:
        """The images as maps are made of them: what is streamed may come in smaller chunks than what is kept."""
        return replace(self.images, numerics=self.streaming.numerics) if self.streaming else self.images

    def numerics(self, level: str) -> Numerics:
        """Return how the features of a task of this level are made."""
        return self.streamed.numerics if level == "pixel" else self.images.numerics


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
        images = Images(members[0].shown.pool, rows, view, numerics, _kept(encoder, view, jobs))
        plain = ImageSet(images, jobs)
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


def _streaming(encoder: Encoder, image_set: ImageSet, options: Options) -> Streaming | None:
    """Return how to stream maps: where training goes as published, or the cache has no room for them."""
    images = image_set.images
    if not images.kept:
        return None
    numerics = replace(images.numerics, chunk=min(images.numerics.chunk, CHUNK))
    waiting = [job.prepared for job in image_set.waiting]
    if any(item.as_published for item in waiting):
        pixel = options.protocol.pixel
        cut_up = any(item.pieces for item in waiting)  # the paper changed the colours of whole pictures only
        augment = pixel is not None and pixel.augment and not cut_up
        how = ", another crop each time" if cut_up else ", in other colours each time" if augment else ""
        return Streaming(numerics, exact=True, augment=augment, reason=f"as published{how}")
    levels = encoder.levels(images.view.size)
    size = 2 * len(images) * sum(levels[place].size for place in images.kept)
    if size <= options.cache_limit or options.features().holds(encoder, images):
        return None
    have = options.cache_limit / GIB
    reason = f"they take {size / GIB:.2f} GiB and the cache {have:.2f} (--cache-size)"
    return Streaming(numerics, exact=False, augment=False, reason=reason)


def _job(item: Prepared, encoder: Encoder, numerics: Numerics, options: Options) -> Job:
    comparison = comparison_key(item.task, options.protocol, item.dataset.digest, item.source, options.limit)
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
    lacks = done is not None and options.save_heads and done.heads is None and job.prepared.training.epochs > 0
    return None if lacks else done
