"""Plan: tasks x encoders to image sets and jobs; what is missing and why; what it will cost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from virb import backbones, checkpoints
from virb.backbones import Encoder
from virb.cache import Cache
from virb.data import read_dataset
from virb.encode import choose_numerics, decoded, default_workers, encode
from virb.errors import DataError, MissingData, UsageError, VirbError
from virb.fit import fit
from virb.heads import VERSIONS
from virb.metrics import METRICS
from virb.paths import cache_folder
from virb.record import Record, Source, comparison_key, finished, record_folder, record_stem, resume_key
from virb.spec import EncoderCard, Protocol, Task, Training
from virb.suite import SCHEMES, Selection, safe_name
from virb.types import Dataset, Features, Numerics, Pool, Split, View, unique_rows

GIB = 1 << 30


@dataclass(frozen=True)
class Options:
    """What a run was asked for, beside encoders and tasks."""

    protocol: Protocol
    root: Path
    source: Source = "real"
    out: Path = Path("results")
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "auto"
    limit: int | None = None
    seeds: int | None = None
    force: bool = False
    save_heads: bool = False
    workers: int | None = None
    cache: Path = field(default_factory=cache_folder)
    cache_limit: int = 50 * GIB

    @property
    def decoders(self) -> int:
        """How many processes decode images."""
        return default_workers(self.device) if self.workers is None else self.workers

    def features(self) -> Cache:
        """Return the feature cache."""
        return Cache(self.cache, self.cache_limit)


@dataclass(frozen=True)
class Prepared:
    """A task whose data were found and read."""

    task: Task
    dataset: Dataset
    training: Training


@dataclass(frozen=True)
class Missing:
    """A task that cannot run, and whether that is a failure or only a gap in a group."""

    task: Task
    error: VirbError
    failed: bool


@dataclass(frozen=True)
class Job:
    """One task for one encoder: everything but the features."""

    prepared: Prepared
    comparison: str
    resume: str
    finished: Record | None

    @property
    def task(self) -> Task:
        """The task."""
        return self.prepared.task


@dataclass(frozen=True)
class ImageSet:
    """The unique images of one source under one view, and the jobs that share their features."""

    pool: Pool
    rows: np.ndarray
    view: View
    numerics: Numerics
    jobs: tuple[Job, ...]


def choose_device(name: str) -> torch.device:
    """Return the device of a name; `auto` takes CUDA where it is."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"there is no device '{name}'", "auto, cpu or cuda", "use --device auto") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda, but torch sees no GPU here", "a CUDA device", "use --device auto or cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"there is no device '{name}'", f"cuda:0 to cuda:{torch.cuda.device_count() - 1}", "choose one of these"
        )
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device '{name}' has not been tried with virb", "auto, cpu or cuda", "use --device auto")
    return device


def check_encoder(source: EncoderCard | nn.Module) -> None:
    """Refuse an unknown name or a missing file before any work is done."""
    if isinstance(source, nn.Module):
        return
    if source.weights.partition(":")[0] in SCHEMES:
        backbones.check_name(source)
    elif not Path(source.weights).is_file():
        raise UsageError(
            f"encoder {source.name}: there is no weights file {source.weights}",
            "the file that its card names, beside the card or by its whole path",
            "put the file there, or correct 'weights' in the card",
        )


def load_encoder(source: EncoderCard | nn.Module) -> Encoder:
    """Return the encoder of a card, or one around a module of the user's own."""
    if isinstance(source, nn.Module):
        name = type(source).__name__
        return backbones.from_module(EncoderCard(name=safe_name(name), title=name, weights="module"), source)
    if source.weights.partition(":")[0] in SCHEMES:
        return backbones.load_named(source)
    return checkpoints.load_file(source)


def prepare(selection: Selection, options: Options) -> tuple[list[Prepared], list[Missing]]:
    """Return the tasks that can run and those that cannot.

    A named task without its data fails; a member of a group is left out. Half-present data always fails.
    """
    ready, missing = [], []
    for task in selection.tasks:
        try:
            training = options.protocol.training(task)
            if options.seeds is not None:
                training = training.model_copy(update={"seeds": options.seeds})
            dataset = read_dataset(task.dataset, options.root, task.target)
            if options.protocol.choice == "none":
                dataset = dataset.merged()
            ready.append(Prepared(task, _checked(task, dataset.limited(options.limit)), training))
        except (DataError, UsageError) as error:
            gap = isinstance(error, MissingData) and task.name not in selection.named
            missing.append(Missing(task, error, failed=not gap))
    return ready, missing


def _checked(task: Task, dataset: Dataset) -> Dataset:
    """Refuse data that do not fit the card or leave nothing to learn from."""
    frames = dataset.train.index.shape[1]
    if frames != task.frames:
        raise UsageError(
            f"task {task.name} says frames: {task.frames}, but {task.dataset} gives {frames}",
            f"frames: {frames}",
            "correct the card",
        )
    if len(np.unique(dataset.train.targets)) < 2:
        raise DataError(
            f"task {task.name} has fewer than two classes in its {len(dataset.train)} training samples",
            "two classes or more",
            "use a larger --limit" if len(dataset.train) else "fetch the whole data set",
        )
    return dataset


def resolve_view(task: Task, protocol: Protocol, encoder: Encoder) -> View:
    """Return the one view that three owners agree on: task geometry, protocol size, encoder statistics."""
    return View(task.geometry, encoder.resolve_size(protocol.size), encoder.mean, encoder.std)


def image_sets(encoder: Encoder, prepared: Sequence[Prepared], options: Options) -> list[ImageSet]:
    """Return the image sets of one encoder; tasks on the same images under the same view share one."""
    groups: dict[tuple[str, tuple[str, ...], View], list[Prepared]] = {}
    for item in prepared:
        view = resolve_view(item.task, options.protocol, encoder)
        groups.setdefault((item.dataset.pool.source, item.dataset.pool.ids, view), []).append(item)
    sets = []
    for (_, _, view), members in groups.items():
        numerics = choose_numerics(options.device, view.size, options.precision)
        jobs = tuple(_job(item, encoder, numerics, options) for item in members)
        rows = unique_rows(item.dataset.rows for item in members)
        sets.append(ImageSet(members[0].dataset.pool, rows, view, numerics, jobs))
    return sets


def _job(item: Prepared, encoder: Encoder, numerics: Numerics, options: Options) -> Job:
    comparison = comparison_key(item.task, options.protocol, item.dataset.digest, options.source, options.limit)
    resume = resume_key(
        comparison,
        encoder.fingerprint,
        item.training.model_dump(mode="json"),
        asdict(numerics),
        VERSIONS[item.task.head],
    )
    folder = record_folder(options.out, encoder.card.name, encoder.fingerprint)
    stem = record_stem(item.task.name, options.protocol.name, resume)
    done = None if options.force else finished(folder, stem, resume)
    if done is not None and options.save_heads and done.heads is None:
        done = None
    return Job(item, comparison, resume, done)


@dataclass(frozen=True)
class Cost:
    """What one image set will take: images still to encode, bytes of cache, minutes."""

    images: int
    bytes: int
    encode_seconds: float
    fit_seconds: float


def estimate(encoder: Encoder, image_set: ImageSet, options: Options) -> Cost:
    """Return the cost of an image set from a short timed probe of this encoder and these heads."""
    rows = image_set.rows
    cached = options.features().holds(encoder, image_set.pool, rows, image_set.view, image_set.numerics)
    waiting = [job for job in image_set.jobs if job.finished is None]
    images = len(rows) if waiting and not cached else 0
    size = images * encoder.shape.width * 4
    pace = _encode_pace(encoder, image_set, options) if images else 0.0
    return Cost(images, size, pace * images, sum(_fit_seconds(encoder, job, options) for job in waiting))


def _encode_pace(encoder: Encoder, image_set: ImageSet, options: Options) -> float:
    """Return seconds per image, from two short passes whose common start-up falls out of the difference.

    On a GPU decoding goes on beside encoding, in as many processes as there are cores for it.
    """
    chunk = image_set.numerics.chunk
    paths = [image_set.pool.paths[row] for row in image_set.rows[: 4 * chunk]]

    def passed(images: list[Path]) -> float:
        passes = encode(encoder, images, image_set.view, image_set.numerics, options.device, 0)
        return _timed(lambda: list(passes))

    decode = _timed(lambda: list(decoded(paths, image_set.view.size, chunk, 0))) / len(paths)
    start = passed(paths[:chunk])
    pace = max(decode, (passed(paths) - start) / max(1, len(paths) - chunk)) if len(paths) > chunk else start / chunk
    if options.device.type != "cuda":
        return pace
    return max(pace - decode, decode / max(1, min(options.decoders, os.cpu_count() or 1)))


def _fit_seconds(encoder: Encoder, job: Job, options: Options) -> float:
    """Return the seconds of training a job's heads, from short runs over at most twenty batches of noise."""
    training, train = job.prepared.training, job.prepared.dataset.train
    count = min(len(train), 20 * training.batch)
    frames, classes = train.index.shape[1], len(job.prepared.dataset.classes)
    noise = torch.randn(count * frames, encoder.shape.width, generator=torch.Generator().manual_seed(0))
    split = Split(
        tuple(map(str, range(count))),
        np.arange(count * frames).reshape(count, frames),
        np.arange(count) % classes,
        np.arange(count),
    )

    def trained(epochs: int) -> float:
        short = training.model_copy(update={"epochs": epochs, "seeds": 1})
        return _timed(
            lambda: fit(
                Features(np.arange(count * frames), noise),
                split,
                split.take(np.arange(0)),
                head=job.task.head,
                classes=classes,
                training=short,
                metric=METRICS[job.task.metric],
                name="probe",
                device=options.device,
            )
        )

    start = trained(1)
    epoch = max(0.0, trained(3) - start) / 2
    return training.seeds * (start + epoch * len(train) / count * training.epochs)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
