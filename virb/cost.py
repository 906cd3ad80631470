"""Cost: what an image set will take, from short timed probes of this encoder and these heads on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from virb.backbones import Encoder
from virb.encode import decoded, encode
from virb.fit import fit, fit_pixels
from virb.metrics import METRICS, PIXEL_METRICS
from virb.plan import ImageSet, Job, Options
from virb.spec import PixelTraining, Training
from virb.targets import Targets
from virb.types import Features, Level, Rows, Split, View


@dataclass(frozen=True)
class Cost:
    """What one image set will take: images still to encode, bytes of cache, minutes."""

    images: int
    bytes: int
    encode_seconds: float
    fit_seconds: float


def estimate(encoder: Encoder, image_set: ImageSet, options: Options) -> Cost:
    """Return the cost of an image set from a short timed probe of this encoder and these heads."""
    rows, view = image_set.rows, image_set.view
    cached = options.features().holds(encoder, image_set.pool, rows, view, image_set.numerics, image_set.kept)
    waiting = [job for job in image_set.jobs if job.finished is None]
    images = len(rows) if waiting and not cached else 0
    every = encoder.levels(view.size) if image_set.kept else ()
    levels = tuple(every[place] for place in image_set.kept)
    size = images * (4 * encoder.shape.width + 2 * sum(level.size for level in levels))
    pace = _encode_pace(encoder, image_set, options) if images else 0.0
    return Cost(images, size, pace * images, sum(_fit_seconds(encoder, levels, view, job, options) for job in waiting))


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


def _fit_seconds(encoder: Encoder, levels: tuple[Level, ...], view: View, job: Job, options: Options) -> float:
    training = job.prepared.training
    if isinstance(training, PixelTraining):
        return _pixel_seconds(levels, view, job, training, options)
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


def _pixel_seconds(levels: tuple[Level, ...], view: View, job: Job, training: PixelTraining, options: Options) -> float:
    """Return the seconds of training a pixel task's heads, from two batches of noise."""
    count, size, frames = 2 * training.batch, options.protocol.size, job.task.frames
    dataset = job.prepared.dataset
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
                view=view,
                loss=job.task.loss,
                training=short,
                metric=PIXEL_METRICS["pixel_accuracy"],
                name="probe",
                device=options.device,
            )
        )

    start = trained(1)
    epoch = max(0.0, trained(2) - start)
    rest = (training.seeds - training.search_seeds) / (len(training.learning_rates) * len(training.weight_decays))
    return (training.search_seeds + rest) * (start + epoch * len(dataset.train) / count * training.epochs)


def _split(count: int, frames: int, targets: np.ndarray) -> Split:
    index = np.arange(count * frames).reshape(count, frames)
    return Split(tuple(map(str, range(count))), index, targets, np.arange(count))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
