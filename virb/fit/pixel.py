"""Fit: maps x grid of settings x seeds -> pixel-wise heads, chosen on validation (stage 5).

All settings of all seeds that are trained together share each batch of maps: reading or encoding it is what costs.
So seeds differ in their initial weights, and order is the same for all.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from virb.digest import seed_of
from virb.encode import unpack_maps
from virb.errors import NumericsError
from virb.fit.answer import Answer, answer_to
from virb.fit.choice import Curves, Setting, average, choose, one_thread, standard_error
from virb.heads.dense import DENSE, PUBLISHED_DENSE, DenseHeads, Inputs, LevelMoments
from virb.metrics import Metric
from virb.spec import PixelTraining
from virb.store import StoredRows
from virb.stream import StreamedMaps
from virb.targets import Targets
from virb.types import Dataset, Features, Split, View

_CURVE_POINTS = 5
_MOMENT_SAMPLES = 512
"""Training samples that a channel's mean and deviation are taken from: positions make many numbers of each."""


@dataclass(frozen=True)
class PixelFitted:
    """The chosen setting's heads, one per seed, and how they came to be chosen."""

    settings: tuple[Setting, ...]
    chosen: int
    validation: np.ndarray  # [G], mean over the search's seeds at the last epoch; nan without validation
    curves: Curves
    heads: tuple[DenseHeads, ...]
    answer: Answer

    @property
    def setting(self) -> Setting:
        """The chosen cell of the grid."""
        return self.settings[self.chosen]


@dataclass(frozen=True)
class Source:
    """Maps and targets of a task's samples, batch by batch on the training device."""

    features: Features
    targets: Targets
    device: torch.device
    read: tuple[int, ...] | None = None
    """The levels that the heads read, None for all; what `maps` returns for another may be anything of its shape."""

    def maps(self, split: Split, rows: np.ndarray, spent: list[torch.Tensor] | None = None) -> list[torch.Tensor]:
        """Return the maps of samples, [n, C, h, w] each, or [n, 2, C, h, w] for pairs of frames.

        `spent` are those of a batch that nobody needs any more: their memory is used again where it fits.
        """
        frames = self.features.index(split)[rows]
        levels = self._levels(frames.ravel(), spent)
        if frames.shape[1] == 1:
            return levels
        return [level.view(*frames.shape, *level.shape[1:]) for level in levels]

    def _levels(self, places: np.ndarray, spent: list[torch.Tensor] | None) -> list[torch.Tensor]:
        """Return the maps of pictures, [n, C, h, w] each; from disk without a copy between (a third of the cost)."""
        maps, levels = self.features.maps, self.features.levels
        assert maps is not None
        if self.device.type != "cpu" or not isinstance(maps, StoredRows):
            return unpack_maps(maps.take(places).to(self.device), levels)
        read = range(len(levels)) if self.read is None else self.read
        found = [torch.zeros(()).expand(len(places), level.channels, level.height, level.width) for level in levels]
        for place in read:
            found[place] = _memory(found[place].shape, spent[place] if spent else None)
        for number, row in enumerate(maps.views(places)):
            parts = torch.split(row, [level.size for level in levels])
            for place in read:
                found[place][number].view(-1).copy_(parts[place])
        return found

    def drawn(self, name: str) -> Source:
        """Return the source of one epoch of training: where pictures are changed each time, with draws of its own."""
        maps = self.features.maps
        if not isinstance(maps, StreamedMaps):
            return self
        return replace(self, features=replace(self.features, maps=maps.drawn(name)))

    def wanted(self, split: Split, rows: np.ndarray) -> torch.Tensor:
        """Return the targets of samples."""
        return self.targets.take(split.targets[rows]).to(self.device)

    def batches(self, split: Split, size: int) -> Iterator[tuple[list[torch.Tensor], torch.Tensor]]:
        """Yield maps and targets in order, the last partial batch included; the next batch takes the memory of one."""
        maps: list[torch.Tensor] | None = None
        for start in range(0, len(split), size):
            rows = np.arange(start, min(len(split), start + size))
            maps = self.maps(split, rows, maps)
            yield maps, self.wanted(split, rows)


def _memory(shape: torch.Size, spent: torch.Tensor | None) -> torch.Tensor:
    """Return room for a map: fresh pages for every batch cost more than reading it (measured)."""
    return torch.empty(shape) if spent is None or spent.numel() != shape.numel() else spent.view(shape)


def fit_pixels(
    features: Features,
    targets: Targets,
    dataset: Dataset,
    *,
    head: str,
    view: View,
    loss: str,
    training: PixelTraining,
    metric: Metric,
    name: str,
    device: torch.device,
    advance: Callable[[int], None] = lambda count: None,
    model: nn.Module | None = None,
    weights: Sequence[float] | None = None,
    precision: torch.dtype | None = None,
) -> PixelFitted:
    """Return heads of the setting that does best on validation: searched with some seeds, trained with all.

    `model` is the encoder's own, for heads that train a copy of a part of it; `weights` are those of classes in the
    loss; `precision` is that of the heads' products, None for full. Published heads are always trained in full.
    """
    source = Source(features, targets, device)
    answer = answer_to(loss, targets, dataset, device, training.scale_targets, weights)
    inputs = Inputs(features.levels, (view.size, view.size), dataset.train.index.shape[1])
    maker = _maker(head, inputs, answer.outputs, device, model, precision)
    with one_thread(head == "dense_linear" and device.type == "cpu"):
        return _fit_pixels(source, dataset, answer, maker, training, metric, name, advance)


Maker = Callable[[int, torch.Generator], DenseHeads]


def _maker(
    head: str,
    inputs: Inputs,
    outputs: int,
    device: torch.device,
    model: nn.Module | None,
    precision: torch.dtype | None,
) -> Maker:
    """Return what makes heads of so many settings from a generator."""

    def make(settings: int, generator: torch.Generator) -> DenseHeads:
        if head in PUBLISHED_DENSE:
            return PUBLISHED_DENSE[head](settings, inputs, outputs, generator, device, model)
        heads = DENSE[head](settings, inputs, outputs, generator, device)
        heads.precision = precision
        return heads

    return make


def _fit_pixels(
    source: Source,
    dataset: Dataset,
    answer: Answer,
    maker: Maker,
    training: PixelTraining,
    metric: Metric,
    name: str,
    advance: Callable[[int], None],
) -> PixelFitted:
    settings = grid(training)
    some = min(training.search_seeds, training.seeds)
    search = _Run(source, dataset, answer, maker, settings, range(some), training, metric, name)
    search.train(advance)
    curves = average(search.curves)
    chosen, validation = choose(
        curves, metric, lambda place: standard_error([rows[place] for rows in search.rows], dataset.val, metric)
    )
    heads = [one.select(chosen) for one in search.heads]
    if some < training.seeds:
        rest = range(some, training.seeds)
        more = _Run(source, dataset, answer, maker, settings[chosen : chosen + 1], rest, training, metric, name)
        more.train(advance)
        heads += [one.select(0) for one in more.heads]
    return PixelFitted(settings, chosen, validation, curves, tuple(heads), answer)


def grid(training: PixelTraining) -> tuple[Setting, ...]:
    """Return every setting."""
    cells = itertools.product(training.learning_rates, training.weight_decays)
    standardise = training.head != "published"
    return tuple(Setting(rate, decay, standardise) for rate, decay in cells)


def epochs(training: PixelTraining) -> int:
    """Return how many epochs `advance` will be told of."""
    return training.epochs * (1 + (training.search_seeds < training.seeds))


@torch.inference_mode()
def predict_pixels(
    fitted: PixelFitted, features: Features, targets: Targets, split: Split, device: torch.device, batch: int = 16
) -> Iterator[tuple[list[torch.Tensor], torch.Tensor]]:
    """Yield the predictions of every seed's head and the targets, batch by batch in the split's order."""
    for maps, wanted in Source(features, targets, device, fitted.heads[0].places).batches(split, batch):
        outputs = [head.outputs(maps, (targets.size, targets.size))[0] for head in fitted.heads]
        yield [fitted.answer.predict(output) for output in outputs], wanted


class _Run:
    """All settings of some seeds."""

    def __init__(
        self,
        source: Source,
        dataset: Dataset,
        answer: Answer,
        maker: Maker,
        settings: tuple[Setting, ...],
        seeds: range,
        training: PixelTraining,
        metric: Metric,
        name: str,
    ) -> None:
        self.source, self.dataset, self.answer = source, dataset, answer
        self.settings, self.training, self.metric, self.name = settings, training, metric, name
        self.order = np.random.default_rng(seed_of(f"order/{name}"))
        self.heads = [
            maker(len(settings), torch.Generator().manual_seed(seed_of(f"head/{name}/{seed}"))) for seed in seeds
        ]
        if self.heads[0].standardises:
            moments = self._moments()
            for one in self.heads:
                one.prepare(moments)
        self.source = replace(source, read=self.heads[0].places)
        groups = [self._group(one, place) for one in self.heads for place in range(len(settings))]
        kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[training.optimiser]
        self.optimiser = kind(groups, fused=True)
        self.curves = [Curves() for _ in self.heads]
        self.spent: list[torch.Tensor] | None = None  # a batch's maps that are done with
        self.rows: list[list[np.ndarray]] = []  # per seed and setting, the validation statistics of the last look

    def _group(self, head: DenseHeads, place: int) -> dict[str, object]:
        setting = self.settings[place]
        return {
            "params": head.parameters_of(place),
            "lr": setting.learning_rate,
            "weight_decay": setting.weight_decay,
        }

    def _moments(self) -> LevelMoments:
        train = self.dataset.train
        drawn = np.random.default_rng(seed_of("moments")).permutation(len(train))[:_MOMENT_SAMPLES]
        moments = LevelMoments(self.source.features.levels)
        for rows in np.array_split(np.sort(drawn), -(-len(drawn) // self.training.batch)):
            moments.add(self.source.maps(train, rows))
        return moments

    def train(self, advance: Callable[[int], None]) -> None:
        """Train every setting for all epochs."""
        steps = -(-len(self.dataset.train) // self.training.batch)
        every = max(1, self.training.epochs // _CURVE_POINTS)
        for epoch in range(self.training.epochs):
            source = self.source.drawn(f"{self.name}/{epoch}")
            losses = self._epoch(source, epoch * steps, self.training.epochs * steps)
            if epoch + 1 == self.training.epochs or (epoch + 1) % every == 0:
                self._note(epoch + 1, losses)
            advance(1)

    def _epoch(self, source: Source, step: int, steps: int) -> torch.Tensor:
        """Train one epoch and return the mean loss, [S, G], still on the device."""
        train, device = self.dataset.train, source.device
        total = torch.zeros(len(self.heads), len(self.settings), device=device)
        shuffled = self.order.permutation(len(train))
        for start in range(0, len(train), self.training.batch):
            rows = shuffled[start : start + self.training.batch]
            maps, wanted = source.maps(train, rows, self.spent), source.wanted(train, rows)
            total += self._step(maps, wanted, step, steps) * len(rows)
            self.spent = maps if len(rows) == self.training.batch else self.spent
            step += 1
        return total / len(train)

    def _step(self, maps: list[torch.Tensor], wanted: torch.Tensor, step: int, steps: int) -> torch.Tensor:
        self._set_rates(step, steps)
        stride = self.heads[0].training_stride
        coarse = wanted[..., stride // 2 :: stride, stride // 2 :: stride]
        size = (int(coarse.shape[-2]), int(coarse.shape[-1]))
        self.optimiser.zero_grad(set_to_none=False)
        losses = [
            torch.stack([self.answer.error(output, coarse) for output in head.outputs(maps, size)])
            for head in self.heads
        ]
        torch.cat(losses).sum().backward()  # type: ignore[no-untyped-call]
        if self.training.clip is not None:
            for group in self.optimiser.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], self.training.clip)
        self.optimiser.step()
        return torch.stack(losses).detach()

    def _set_rates(self, step: int, steps: int) -> None:
        if self.training.schedule == "constant":
            return
        share = 0.5 * (1 + math.cos(math.pi * step / steps))
        for group, setting in zip(self.optimiser.param_groups, itertools.cycle(self.settings), strict=False):
            group["lr"] = setting.learning_rate * share

    def _note(self, epoch: int, losses: torch.Tensor) -> None:
        """Write one point of the curves; this is where the host looks at the device, once in a while."""
        if not losses.isfinite().any():
            raise NumericsError(
                f"the training loss is NaN or infinite in all {losses.numel()} settings after epoch {epoch}",
                "a finite loss in at least one setting",
                "check the maps of this encoder; lower learning rates need a protocol card of your own",
            )
        val_losses, val_scores = self._validate()
        for curve, train, loss, score in zip(self.curves, losses.tolist(), val_losses, val_scores, strict=True):
            curve.epochs.append(epoch)
            curve.train_loss.append(train)
            curve.val_loss.append(loss)
            curve.val_score.append(score)

    @torch.inference_mode()
    def _validate(self) -> tuple[list[list[float]], list[list[float]]]:
        """Return validation loss and score of each seed and setting; nan where nothing is held out."""
        shape = (len(self.heads), len(self.settings))
        val = self.dataset.val
        if not len(val):
            return np.full(shape, math.nan).tolist(), np.full(shape, math.nan).tolist()
        loss = torch.zeros(shape, dtype=torch.float64)
        rows: list[list[list[np.ndarray]]] = [[[] for _ in self.settings] for _ in self.heads]
        size = self.source.targets.size
        for maps, wanted in self.source.batches(val, self.training.batch):
            for seed, head in enumerate(self.heads):
                for place, output in enumerate(head.outputs(maps, (size, size))):
                    loss[seed, place] += float(self.answer.error(output, wanted)) * len(wanted)
                    statistics = self.metric.statistics(self.answer.predict(output), wanted)
                    rows[seed][place].append(statistics.cpu().numpy())
        self.rows = [[np.concatenate(parts) for parts in per_seed] for per_seed in rows]
        scores = [[float(self.metric.value(self.metric.totals(part))) for part in per_seed] for per_seed in self.rows]
        return (loss / len(val)).tolist(), scores
