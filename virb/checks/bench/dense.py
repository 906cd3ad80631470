"""Bench: an epoch of a dense head on maps and targets from disk, against the bare head on tensors in memory."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from virb.cards.encoder_names import encoder_card
from virb.cards.protocol import PixelTraining
from virb.core.store import Store, StoredRows
from virb.core.types import Dataset, Features, Level, Pool, Split
from virb.data.targets import Targets
from virb.encode.load import load_encoder
from virb.heads.dense import DENSE, DenseHeads, Inputs, LevelMoments
from virb.heads.fit import PixelProbe
from virb.heads.fit.answer import Answer
from virb.heads.fit.denormals import denormals_flushed
from virb.heads.fit.source import Source
from virb.metrics import metric_for
from virb.run.options import choose_device

HEAD, LOSS, CLASSES = "upshuffle", "binary", ("other", "walkable")
_CHUNK = 8


@dataclass(frozen=True)
class World:
    """Samples with random maps and targets, both on disk."""

    features: Features
    targets: Targets
    dataset: Dataset
    size: int


def compare(arch: str, size: int, samples: int, batch: int, rounds: int, device_name: str) -> None:
    """Print seconds per epoch of both, epoch about epoch: CPU seconds of one thread, or the clock's with a GPU."""
    device = choose_device(device_name)
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, denormals_flushed():
        ours, bare = measure(world(Path(folder), arch, size, samples), batch, rounds, device)
    torch.set_num_threads(threads)
    ratios = sorted(one / two for one, two in zip(ours, bare, strict=True))
    print(f"{HEAD} on maps of {arch} at {size} px, {samples} samples, batches of {batch}, on {device}")
    print(f"  {_unit(device)} per epoch, medians of {rounds} interleaved rounds")
    print(f"  bare head, tensors in memory         {statistics.median(bare):8.3f}")
    print(f"  virb, maps and targets from disk     {statistics.median(ours):8.3f}")
    print(f"  ratio {statistics.median(ratios):.3f} (from {ratios[0]:.3f} to {ratios[-1]:.3f})")


def measure(made: World, batch: int, rounds: int, device: torch.device) -> tuple[list[float], list[float]]:
    """Return seconds of every epoch of both; the first, which also checks what it reads, is left out.

    The bare loop runs between two epochs of the harness, where it tells how far it is.
    """
    loop = BareLoop(made, batch, device)
    ours: list[float] = []
    bare: list[float] = []
    clock = _clock(device)
    began = clock()

    def advance(count: int) -> None:
        nonlocal began
        ours.append(clock() - began)
        started = clock()
        loop.epoch()
        bare.append(clock() - started)
        began = clock()

    PixelProbe(
        training=rules(batch, rounds + 1),
        head=HEAD,
        classes=len(CLASSES),
        metric=metric_for("iou", len(CLASSES)),
        name="bench",
        device=device,
        loss=LOSS,
        targets=made.targets,
        size=made.size,
    ).fit(made.features, made.dataset.train, made.dataset.val, advance)
    return ours[1:], bare[1:]


class BareLoop:
    """What nobody can leave out: head, loss, backward, clipping and fused Adam, on batches that are there already."""

    def __init__(self, made: World, batch: int, device: torch.device) -> None:
        inputs = Inputs(made.features.levels, (made.size, made.size))
        self.head: DenseHeads = DENSE[HEAD](1, inputs, 1, torch.Generator().manual_seed(0), device)
        self.answer = Answer(LOSS, torch.zeros(1, 1, 1, device=device), torch.ones(1, 1, 1, device=device))
        source, train = Source(made.features, made.targets, device), made.dataset.train
        parts = torch.arange(len(train)).split(batch)  # type: ignore[no-untyped-call]
        self.batches = [(source.maps(train, rows.numpy()), source.wanted(train, rows.numpy())) for rows in parts]
        moments = LevelMoments(made.features.levels)
        for maps, _ in self.batches:
            moments.add(maps)
        self.head.prepare(moments)
        self.parameters = self.head.parameters_of(0)
        self.optimiser = torch.optim.Adam(self.parameters, lr=1e-3, fused=True)

    def epoch(self) -> None:
        """Train one epoch, always in the same order."""
        for maps, wanted in self.batches:
            self.optimiser.zero_grad(set_to_none=False)
            (output,) = self.head.outputs(maps, (wanted.shape[-2], wanted.shape[-1]))
            self.answer.error(output, wanted).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimiser.step()


def world(folder: Path, arch: str, size: int, samples: int) -> World:
    """Write random maps of an encoder's shapes, and random masks, as a run keeps them."""
    levels = load_encoder(encoder_card(f"random:{arch}")).levels(size)
    store = Store(folder, 1 << 40)
    width = sum(level.size for level in levels)
    random = np.random.default_rng(0)
    maps = _stored(store, "maps", width, "<f2", samples, lambda n: _rectified(random, n, levels))
    masks = _stored(store, "targets", size**2, "|u1", samples, lambda n: random.integers(0, 2, (n, size**2), np.uint8))
    rows = np.arange(samples)
    ids = tuple(map(str, rows))
    train = Split(ids, rows[:, None], rows, rows)
    none = train.take(rows[:0])
    return World(
        Features(rows, torch.zeros(samples, 1), maps, levels),
        Targets("classes", size, 1, rows, masks),
        Dataset(Pool("bench", ids, ()), train, none, none, CLASSES, "bench"),
        size,
    )


def _stored(
    store: Store, key: str, width: int, kind: str, samples: int, make: Callable[[int], np.ndarray]
) -> StoredRows:
    def chunks() -> Iterator[dict[str, np.ndarray]]:
        for start in range(0, samples, _CHUNK):
            yield {"array": make(min(_CHUNK, samples - start))}

    store.write(key, chunks(), {})
    stored = store.read(key, "array", samples, width, kind, whole=False)
    assert stored is not None
    return stored


def _rectified(random: np.random.Generator, count: int, levels: tuple[Level, ...]) -> np.ndarray:
    """Return noise cut at zero, as most maps are."""
    width = sum(level.size for level in levels)
    return random.standard_normal((count, width), np.float32).clip(0).astype("<f2")


def rules(batch: int, epochs: int) -> PixelTraining:
    """Return how `standard` trains, with one learning rate: several would share what reading costs."""
    return PixelTraining(
        head="card",
        optimiser="adam",
        batch=batch,
        epochs=epochs,
        schedule="cosine",
        learning_rates=(1e-3,),
        weight_decays=(0.0,),
        seeds=1,
        search_seeds=1,
    )


def _clock(device: torch.device) -> Callable[[], float]:
    """Return the clock of a device: a busy machine does not slow the CPU's own time, and a GPU has none."""
    if device.type == "cpu":
        return time.process_time

    def clock() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return clock


def _unit(device: torch.device) -> str:
    return "CPU seconds of one thread" if device.type == "cpu" else "seconds"
