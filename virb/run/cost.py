"""Cost: what an image set will take, from short timed probes of this encoder and these heads on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from virb.cards.protocol import Neighbours, PixelTraining, Training
from virb.core.types import Features, Level, Rows, Split
from virb.data.images import decoded
from virb.data.targets import Targets
from virb.encode.encoder import Encoder
from virb.encode.features import encode, head_precision
from virb.heads.fit import fit, fit_pixels, looks
from virb.metrics import METRICS, PIXEL_METRICS
from virb.run.options import Options
from virb.run.plan import ImageSet, Job

_FORWARD = 1 / 3
"""What an answer costs of a step of training, which also goes back through twice as many products."""


@dataclass(frozen=True)
class Cost:
    """What one image set will take: passes of pictures through the encoder, bytes of cache, seconds."""

    images: int
    bytes: int
    encode_seconds: float
    fit_seconds: float


def estimate(encoder: Encoder, image_set: ImageSet, options: Options) -> Cost:
    """Return the cost of an image set from a short timed probe of this encoder and these heads."""
    waiting = [job for job in image_set.jobs if job.finished is None]
    every = encoder.levels(image_set.view.size) if image_set.kept else ()
    levels = tuple(every[place] for place in image_set.kept)
    images, size = _images(encoder, image_set, levels, waiting, options)
    pace = _encode_pace(encoder, image_set, options) if images else 0.0
    return Cost(
        images, size, pace * images, sum(_fit_seconds(encoder, levels, image_set, job, options) for job in waiting)
    )


def _images(
    encoder: Encoder, image_set: ImageSet, levels: tuple[Level, ...], waiting: list[Job], options: Options
) -> tuple[int, int]:
    """Return how many pictures will be encoded, and how many bytes kept of them."""
    rows, streaming = image_set.rows, image_set.streaming
    stored = () if streaming else image_set.kept
    pooled = not streaming or any(job.task.level == "image" for job in waiting)
    cached = options.features().holds(encoder, image_set.pool, rows, image_set.view, image_set.numerics, stored)
    images = len(rows) if waiting and pooled and not cached else 0
    size = images * (4 * encoder.shape.width + (0 if streaming else 2 * sum(level.size for level in levels)))
    again = [_passes(job, job.prepared.training) for job in waiting if streaming]
    return images + sum(again), size


def _passes(job: Job, training: Training | PixelTraining | Neighbours) -> int:
    """Return how often a streamed picture is encoded for one task: in every epoch, at every look, in the test."""
    if not isinstance(training, PixelTraining):
        return 0
    trained, held, tested = _counts(job)
    runs = 1 + (training.search_seeds < training.seeds)
    return job.task.frames * (runs * (trained * training.epochs + held * len(looks(training))) + tested)


def _counts(job: Job) -> tuple[int, int, int]:
    """Return the samples of one epoch, and the pieces (or pictures) of validation and test."""
    shown = job.prepared.shown
    return len(job.prepared.dataset.train), len(shown.val), len(shown.test)


def _encode_pace(encoder: Encoder, image_set: ImageSet, options: Options) -> float:
    """Return seconds per image, from two short passes whose common start-up falls out of the difference.

    On a GPU decoding goes on beside encoding, in as many processes as there are cores for it.
    """
    chunk = image_set.numerics.chunk
    pool, rows = image_set.pool, image_set.rows[: 4 * chunk]

    def passed(some: np.ndarray) -> float:
        passes = encode(encoder, pool, some, image_set.view, image_set.numerics, options.device, 0)
        return _timed(lambda: list(passes))

    decode = _timed(lambda: list(decoded(pool, rows, image_set.view.size, chunk, 0))) / len(rows)
    start = passed(rows[:chunk])
    pace = max(decode, (passed(rows) - start) / max(1, len(rows) - chunk)) if len(rows) > chunk else start / chunk
    if options.device.type != "cuda":
        return pace
    return max(pace - decode, decode / max(1, min(options.decoders, os.cpu_count() or 1)))


def _fit_seconds(encoder: Encoder, levels: tuple[Level, ...], image_set: ImageSet, job: Job, options: Options) -> float:
    training = job.prepared.training
    if isinstance(training, PixelTraining):
        return _pixel_seconds(encoder, levels, image_set, job, training, options)
    if isinstance(training, Neighbours):
        return 0.0  # seconds where encoding takes minutes
    return _image_seconds(encoder.shape.width, job, training, options)


def _image_seconds(width: int, job: Job, training: Training, options: Options) -> float:
    """Return the seconds of training a job's heads, from short runs over at most twenty batches of noise."""
    train = job.prepared.learnt.train
    count, frames, classes = min(len(train), 20 * training.batch), job.task.frames, len(job.prepared.dataset.classes)
    split = _split(count, frames, np.arange(count) % classes)
    noise = torch.randn(count * frames, width, generator=torch.Generator().manual_seed(0))

    def trained(epochs: int) -> float:
        short = training.model_copy(update={"epochs": epochs, "seeds": 1})
        return _timed(
            lambda: fit(
                Features(np.arange(count * frames), noise),
                split,
                split.take(np.arange(0)),
                head=job.prepared.head,
                classes=classes,
                training=short,
                metric=METRICS["top1"],
                name="probe",
                device=options.device,
            )
        )

    start = trained(1)
    epoch = max(0.0, trained(3) - start) / 2
    return training.seeds * (start + epoch * len(train) / count * training.epochs)


def _pixel_seconds(
    encoder: Encoder,
    levels: tuple[Level, ...],
    image_set: ImageSet,
    job: Job,
    training: PixelTraining,
    options: Options,
) -> float:
    """Return the seconds of training a pixel task's heads and of their answers, from two batches of noise."""
    pieces, dataset = job.prepared.pieces, job.prepared.shown
    count, size, frames = 2 * training.batch, pieces.size if pieces else options.protocol.size, job.task.frames
    split = _split(count, frames, np.arange(count))
    numbers = sum(level.size for level in levels)
    noise = torch.randn(count * frames, numbers, generator=torch.Generator().manual_seed(0)).half()
    features = Features(np.arange(count * frames), torch.zeros(count * frames, 1), Rows(noise), levels)
    kind = dataset.labels.kind if dataset.labels else "classes"
    channels = 2 if kind == "flow" else 1
    blank = torch.zeros(count, channels * size**2, dtype=torch.uint8 if kind == "classes" else torch.float32)
    targets = Targets(kind, size, channels, np.arange(count), Rows(blank))

    def trained(epochs: int) -> float:
        short = training.model_copy(update={"epochs": epochs, "seeds": 1, "search_seeds": 1})
        return _timed(
            lambda: fit_pixels(
                features,
                targets,
                replace(dataset, train=split, val=split.take(np.arange(0)), test=split),
                head=job.prepared.head,
                view=image_set.view,
                loss=job.task.loss,
                training=short,
                metric=PIXEL_METRICS["pixel_accuracy"],
                name="probe",
                device=options.device,
                model=getattr(encoder.body, "model", None),
                precision=head_precision(image_set.numerics),
            )
        )

    start = trained(1)
    sample = max(0.0, trained(2) - start) / count  # all settings of one seed
    samples, held, tested = _counts(job)
    settings = len(training.learning_rates) * len(training.weight_decays)
    seeds = training.search_seeds + (training.seeds - training.search_seeds) / settings
    steps = samples * training.epochs + _FORWARD * held * len(looks(training))
    return seeds * (start + sample * steps) + _FORWARD * sample * tested * training.seeds / settings


def _split(count: int, frames: int, targets: np.ndarray) -> Split:
    index = np.arange(count * frames).reshape(count, frames)
    return Split(tuple(map(str, range(count))), index, targets, np.arange(count))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
