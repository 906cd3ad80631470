"""Fit: maps x grid of settings x seeds -> pixel-wise heads, chosen on validation (stage 5).

All settings of all seeds that are trained together share each batch of maps: reading or encoding it is what costs.
So seeds differ in their initial weights, and order is the same for all.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from virb.cards.protocol import PixelTraining
from virb.core.digest import seed_of
from virb.core.errors import NumericsError
from virb.core.types import Features, Predicted, Split
from virb.data.targets import Targets
from virb.heads.dense import DENSE, PUBLISHED_DENSE, DenseHeads, Inputs, LevelMoments
from virb.heads.fit.answer import Answer, answer_to
from virb.heads.fit.choice import Choice, Curves, Setting, average, choose, named_by_seed, one_thread, standard_error
from virb.heads.fit.probe import Advance, Tested, Work
from virb.heads.fit.source import Source
from virb.metrics import Metric

log = logging.getLogger(__name__)

_CURVE_POINTS = 5
_MOMENT_SAMPLES = 512
"""Training samples that a channel's mean and deviation are taken from: positions make many numbers of each."""


@dataclass(frozen=True)
class FittedPixels:
    """The chosen setting's heads, one per seed, and what their answers are compared with."""

    choice: Choice
    heads: tuple[DenseHeads, ...]
    answer: Answer
    targets: Targets

    def answers(self, features: Features, test: Tested, batch: int = 16) -> Iterator[Predicted]:
        """Yield every seed's predictions and the targets in the samples' order: batches, or whole pictures."""
        return test.joined(self._shown(features, test.split, batch))

    @torch.inference_mode()
    def _shown(self, features: Features, split: Split, batch: int) -> Iterator[Predicted]:
        size = (self.targets.size, self.targets.size)
        source = Source(features, self.targets, self.answer.mean.device, self.heads[0].places)
        for maps, wanted in source.batches(split, batch):
            outputs = [answered(head, maps, size)[0] for head in self.heads]
            yield [self.answer.predict(output) for output in outputs], wanted

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return each seed's parameters, and how outputs are read."""
        read = {"output.mean": self.answer.mean.cpu(), "output.scale": self.answer.scale.cpu()}
        return named_by_seed([head.state() for head in self.heads]) | read


@dataclass(frozen=True)
class PixelProbe:
    """Heads on maps; all settings of all seeds that are trained together share each batch."""

    training: PixelTraining
    head: str
    classes: int
    metric: Metric
    name: str
    device: torch.device
    loss: str
    targets: Targets
    size: int
    """Pixels of the view's side."""
    model: nn.Module | None = None
    """The encoder's own, for heads that train a copy of a part of it."""
    weights: Sequence[float] | None = None
    """Of classes in the loss."""
    precision: torch.dtype | None = None
    """Of the heads' products, None for full. Published heads are always trained in full."""
    crops: int = 1
    """Pieces of each training sample, one after another, of which every epoch takes the next."""

    @property
    def work(self) -> Work:
        """Training, by epochs: of the search, and of the seeds that only the chosen setting is trained with."""
        rest = self.training.search_seeds < self.training.seeds
        return Work("train", self.training.epochs * (1 + rest), "epochs")

    def fit(self, features: Features, train: Split, val: Tested, advance: Advance = lambda count: None) -> FittedPixels:
        """Return heads of the setting that does best on validation: searched with some seeds, trained with all."""
        scaled = self.training.scale_targets
        answer = answer_to(self.loss, self.targets, train, self.classes, self.device, scaled, self.weights)
        lesson = _Lesson(self, Source(features, self.targets, self.device), train, val, answer)
        with one_thread(self.head == "dense_linear" and self.device.type == "cpu"):
            return self._fitted(lesson, advance)

    def _fitted(self, lesson: _Lesson, advance: Advance) -> FittedPixels:
        settings, training = grid(self.training), self.training
        some = min(training.search_seeds, training.seeds)
        search = _PixelRun(lesson, settings, range(some))
        search.train(advance)
        choice = choose(
            settings,
            average(search.curves),
            self.metric,
            lambda place: standard_error([rows[place] for rows in search.rows], lesson.val.pictures, self.metric),
        )
        heads = [one.select(choice.chosen) for one in search.heads]
        if some < training.seeds:
            more = _PixelRun(lesson, (settings[choice.chosen],), range(some, training.seeds))
            more.train(advance)
            heads += [one.select(0) for one in more.heads]
        return FittedPixels(choice, tuple(heads), lesson.answer, self.targets)

    def made(self, settings: int, inputs: Inputs, outputs: int, generator: torch.Generator) -> DenseHeads:
        """Return new heads of so many settings."""
        if self.head in PUBLISHED_DENSE:
            return PUBLISHED_DENSE[self.head](settings, inputs, outputs, generator, self.device, self.model)
        heads = DENSE[self.head](settings, inputs, outputs, generator, self.device)
        heads.precision = self.precision
        return heads


@dataclass(frozen=True)
class _Lesson:
    """What all runs of one probe learn from."""

    probe: PixelProbe
    source: Source
    train: Split
    val: Tested
    answer: Answer

    def heads(self, settings: int, seed: int) -> DenseHeads:
        """Return new heads of one seed."""
        size = self.probe.size
        inputs = Inputs(self.source.features.levels, (size, size), self.train.index.shape[1])
        generator = torch.Generator().manual_seed(seed_of(f"head/{self.probe.name}/{seed}"))
        return self.probe.made(settings, inputs, self.answer.outputs, generator)


def grid(training: PixelTraining) -> tuple[Setting, ...]:
    """Return every setting."""
    cells = itertools.product(training.learning_rates, training.weight_decays)
    standardise = training.head != "published"
    return tuple(Setting(rate, decay, standardise) for rate, decay in cells)


def looks(training: PixelTraining) -> list[int]:
    """Return after which epochs validation is looked at: a few times on the way, and at the end."""
    every = max(1, training.epochs // _CURVE_POINTS)
    return [epoch for epoch in range(1, training.epochs + 1) if epoch % every == 0 or epoch == training.epochs]


def answered(head: DenseHeads, maps: Sequence[torch.Tensor], size: tuple[int, int]) -> list[torch.Tensor]:
    """Return a head's outputs, with no backward pass to come; where memory does not suffice, half of them at a time."""
    try:
        return head.outputs(maps, size)
    except torch.OutOfMemoryError:
        if len(maps[0]) == 1:
            raise
    # Outside the handler, whose traceback would keep the failed pass alive on the device.
    torch.cuda.empty_cache()
    half = -(-len(maps[0]) // 2)
    log.info("out of memory with the answers to %d samples at a time: going on with half", len(maps[0]))
    parts = [answered(head, [level[some] for level in maps], size) for some in (slice(half), slice(half, None))]
    return [torch.cat(outputs) for outputs in zip(*parts, strict=True)]


class _PixelRun:
    """All settings of some seeds."""

    def __init__(self, lesson: _Lesson, settings: tuple[Setting, ...], seeds: range) -> None:
        probe = lesson.probe
        self.train_split, self.val, self.answer = lesson.train, lesson.val, lesson.answer
        self.training, self.metric, self.name, self.crops = probe.training, probe.metric, probe.name, probe.crops
        self.settings = settings
        self.parts = 1  # that each batch is halved into for want of memory
        self.order = np.random.default_rng(seed_of(f"order/{probe.name}"))
        self.heads = [lesson.heads(len(settings), seed) for seed in seeds]
        if self.heads[0].standardises:
            moments = self._moments(lesson.source)
            for one in self.heads:
                one.prepare(moments)
        self.source = replace(lesson.source, read=self.heads[0].places)
        groups = [self._group(one, place) for one in self.heads for place in range(len(settings))]
        kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[self.training.optimiser]
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

    def _moments(self, source: Source) -> LevelMoments:
        train = self.train_split
        drawn = np.random.default_rng(seed_of("moments")).permutation(len(train))[:_MOMENT_SAMPLES]
        moments = LevelMoments(source.features.levels)
        for rows in np.array_split(np.sort(drawn), -(-len(drawn) // self.training.batch)):
            moments.add(source.maps(train, rows))
        return moments

    def train(self, advance: Advance) -> None:
        """Train every setting for all epochs."""
        steps = -(-len(self.train_split) // self.crops // self.training.batch)
        noted = looks(self.training)
        for epoch in range(self.training.epochs):
            source = self.source.drawn(f"{self.name}/{epoch}")
            losses = self._epoch(source, epoch, epoch * steps, self.training.epochs * steps)
            if epoch + 1 in noted:
                self._note(epoch + 1, losses)
            advance(1)

    def _epoch(self, source: Source, epoch: int, step: int, steps: int) -> torch.Tensor:
        """Train one epoch and return the mean loss, [S, G], still on the device."""
        train, device = self.train_split, source.device
        total = torch.zeros(len(self.heads), len(self.settings), device=device)
        samples = len(train) // self.crops
        shuffled = self.order.permutation(samples) * self.crops + epoch % self.crops
        for start in range(0, samples, self.training.batch):
            rows = shuffled[start : start + self.training.batch]
            maps, wanted = source.maps(train, rows, self.spent), source.wanted(train, rows)
            total += self._step(maps, wanted, step, steps) * len(rows)
            self.spent = maps if len(rows) == self.training.batch else self.spent
            step += 1
        return total / samples

    def _step(self, maps: list[torch.Tensor], wanted: torch.Tensor, step: int, steps: int) -> torch.Tensor:
        self._set_rates(step, steps)
        stride = self.heads[0].training_stride
        coarse = wanted[..., stride // 2 :: stride, stride // 2 :: stride]
        losses = self._gradients(maps, coarse)
        while losses is None:  # outside the handler, whose traceback would keep the failed pass alive on the device
            torch.cuda.empty_cache()
            self.parts *= 2
            log.warning("out of memory in training: batches of %d go on in %d parts", self.training.batch, self.parts)
            losses = self._gradients(maps, coarse)
        if self.training.clip is not None:
            for group in self.optimiser.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], self.training.clip)
        self.optimiser.step()
        return losses

    def _gradients(self, maps: list[torch.Tensor], wanted: torch.Tensor) -> torch.Tensor | None:
        """Fill gradients with those of a batch's mean loss, and return it, [S, G]; nothing where memory was too small.

        Parts of a batch are summed over the pixels of the whole, so their number changes nothing but the last digits
        (and what BatchNorm sees, in the one published head that has any).
        """
        size = (int(wanted.shape[-2]), int(wanted.shape[-1]))
        counted, total = self.answer.counted(wanted), torch.zeros((), device=wanted.device)
        step = -(-len(wanted) // self.parts)
        self.optimiser.zero_grad(set_to_none=False)
        try:
            for some in (slice(start, start + step) for start in range(0, len(wanted), step)):
                part = [level[some] for level in maps]
                losses = [
                    torch.stack([self.answer.summed(output, wanted[some]) for output in head.outputs(part, size)])
                    for head in self.heads
                ]
                shares = torch.stack(losses) / counted
                shares.sum().backward()  # type: ignore[no-untyped-call]
                total = total + shares.detach()
        except torch.OutOfMemoryError:
            if step == 1:
                raise
            return None
        return total

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
        if not len(self.val.split):
            return np.full(shape, math.nan).tolist(), np.full(shape, math.nan).tolist()
        loss = torch.zeros(shape, dtype=torch.float64)
        rows: list[list[list[np.ndarray]]] = [[[] for _ in self.settings] for _ in self.heads]
        found = self._held_out(loss)
        for predictions, wanted in self.val.joined(found):
            for place, one in enumerate(predictions):
                statistics = self.metric.statistics(one, wanted).cpu().numpy()
                rows[place // len(self.settings)][place % len(self.settings)].append(statistics)
        self.rows = [[np.concatenate(parts) for parts in per_seed] for per_seed in rows]
        scores = [[float(self.metric.value(self.metric.totals(part))) for part in per_seed] for per_seed in self.rows]
        return (loss / len(self.val.split)).tolist(), scores

    def _held_out(self, loss: torch.Tensor) -> Iterator[Predicted]:
        """Yield predictions on validation batches, seed by seed and setting by setting, and add up their losses."""
        size = self.source.targets.size
        for maps, wanted in self.source.batches(self.val.split, self.training.batch):
            predictions = []
            for seed, head in enumerate(self.heads):
                for place, output in enumerate(answered(head, maps, (size, size))):
                    loss[seed, place] += float(self.answer.error(output, wanted)) * len(wanted)
                    predictions.append(self.answer.predict(output))
            yield predictions, wanted
