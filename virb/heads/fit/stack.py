"""Fit: features x grid of settings x seeds -> heads, chosen on validation (stage 5).

The settings of one seed share every batch. Raw and standardised settings form two stacks; the batch is gathered
once and standardised for the second. The host never waits for the device inside an epoch.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from virb.cards.protocol import Training
from virb.core.digest import seed_of
from virb.core.errors import NumericsError
from virb.core.types import Features, Predicted, Split
from virb.heads import STACKS, Stack, select, state
from virb.heads.fit.adam import StackedAdam
from virb.heads.fit.choice import Choice, Curves, Setting, average, choose, named_by_seed, one_thread, standard_error
from virb.heads.fit.probe import Advance, Tested, Work
from virb.metrics import Metric

log = logging.getLogger(__name__)

_EVAL_BATCH = 2048
_SMALL_BATCH = 256
_SMALL_WORK = 20_000_000
"""Multiplications of a step below which a second thread does not pay (measured: equal at 0.5 M, 1.5 x at 67 M)."""
_CURVE_POINTS = 20
_TINY = 1e-6
"""A feature whose deviation is below this share of the mean deviation is constant, and is only centred."""


@dataclass(frozen=True)
class FittedStack:
    """The chosen setting's heads, one per seed."""

    choice: Choice
    standardise: bool
    heads: tuple[Stack, ...]
    mean: torch.Tensor  # [T * D]
    std: torch.Tensor  # [T * D]

    def answers(self, features: Features, test: Tested) -> Iterator[Predicted]:
        """Yield the logits [n, K] of each seed and the targets, batch by batch in the split's order."""
        for inputs, targets in Matrix(features, test.split, self.mean.device).batches():
            shown = (inputs - self.mean) / self.std if self.standardise else inputs
            yield [head.logits(shown)[:, 0] for head in self.heads], targets

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return each seed's parameters, and the moments that inputs are standardised by."""
        moments = {"features.mean": self.mean.cpu(), "features.std": self.std.cpu()} if self.standardise else {}
        return named_by_seed([state(head) for head in self.heads]) | moments


class Matrix:
    """The samples of a split as rows [N, T * D] of pooled features, gathered batch by batch."""

    def __init__(self, features: Features, split: Split, device: torch.device) -> None:
        self.pooled = features.pooled
        self.index = torch.from_numpy(features.index(split)).to(self.pooled.device)
        self.targets = torch.from_numpy(split.targets).to(device)
        self.device = device

    def __len__(self) -> int:
        return len(self.index)

    def rows(self, chosen: torch.Tensor) -> torch.Tensor:
        """Return the inputs of these samples on the training device."""
        frames = self.index[chosen.to(self.index.device)]
        return self.pooled.index_select(0, frames.flatten()).view(len(chosen), -1).to(self.device)

    def batches(self, size: int = _EVAL_BATCH) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield inputs and targets in order, the last partial batch included."""
        for chosen in torch.split(torch.arange(len(self)), size):
            yield self.rows(chosen), self.targets[chosen.to(self.targets.device)]


@dataclass(frozen=True)
class StackProbe:
    """Heads on pooled features, linear or of several frames; all settings of a seed are trained side by side."""

    training: Training
    head: str
    classes: int
    metric: Metric
    name: str
    device: torch.device

    @property
    def work(self) -> Work:
        """Training, by epochs of all seeds."""
        return Work("train", self.training.epochs * self.training.seeds, "epochs")

    def fit(self, features: Features, train: Split, val: Tested, advance: Advance = lambda count: None) -> FittedStack:
        """Return heads of the setting that does best on validation."""
        samples, held = Matrix(features, train, self.device), Matrix(features, val.split, self.device)
        scale = moments(samples)
        settings = grid(self.training)
        runs = [_StackRun(self, samples, held, scale, seed) for seed in range(self.training.seeds)]
        with one_thread(_small(runs[0], self.training.batch, self.device)):
            for run in runs:
                run.train(advance)
        choice = choose(
            settings,
            average([run.curves for run in runs]),
            self.metric,
            lambda place: standard_error([run.rows[place] for run in runs], val.split, self.metric),
        )
        heads = tuple(run.head(choice.chosen) for run in runs)
        return FittedStack(choice, settings[choice.chosen].standardise, heads, *scale)


def _small(run: _StackRun, batch: int, device: torch.device) -> bool:
    work = batch * sum(stack.parameters[0].numel() for _, stack in run.stacks)
    return device.type == "cpu" and work < _SMALL_WORK


def grid(training: Training) -> tuple[Setting, ...]:
    """Return every setting; raw ones come first, so that each stack is one run of settings."""
    cells = itertools.product(sorted(training.standardise), training.learning_rates, training.weight_decays)
    return tuple(Setting(rate, decay, standardise) for standardise, rate, decay in cells)


def moments(samples: Matrix) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and deviation of the training inputs, [T * D] each, in one pass.

    Sums run over inputs less the first batch's mean, so a large common offset costs no digits.
    """
    pivot = samples.rows(torch.arange(min(len(samples), _SMALL_BATCH))).mean(0)
    total, squares = torch.zeros_like(pivot, dtype=torch.float64), torch.zeros_like(pivot, dtype=torch.float64)
    for inputs, _ in samples.batches(_SMALL_BATCH):
        _check_inputs(inputs)
        centred = inputs - pivot
        total += centred.sum(0)
        squares += centred.square_().sum(0)
    shift = total / len(samples)
    std = (squares / len(samples) - shift.square()).clamp_(min=0).sqrt()
    std = torch.where(std > _TINY * std.mean(), std, torch.ones_like(std))
    return (pivot + shift).float(), std.float()


class _StackRun:
    """One seed: its initial weights, its order of samples, its stacks of settings."""

    def __init__(
        self,
        probe: StackProbe,
        samples: Matrix,
        held: Matrix,
        moments: tuple[torch.Tensor, torch.Tensor],
        seed: int,
    ) -> None:
        self.samples, self.held, self.moments = samples, held, moments
        self.settings, self.training, self.metric = grid(probe.training), probe.training, probe.metric
        self.device = probe.device
        name = f"{probe.name}/{seed}"
        self.order = torch.Generator().manual_seed(seed_of(f"order/{name}"))
        self.stacks: list[tuple[bool, Stack]] = []
        self.curves = Curves()
        self.rows: list[np.ndarray] = []  # per setting, the validation statistics of the last look
        frames = samples.index.shape[1]
        width = samples.pooled.shape[1]
        for standardise, cells in itertools.groupby(self.settings, key=lambda setting: setting.standardise):
            members = list(cells)
            initial = torch.Generator().manual_seed(seed_of(f"head/{name}"))
            stack = STACKS[probe.head](len(members), width, frames, probe.classes, initial, self.device)
            self.stacks.append((standardise, stack))
        decays = [setting.weight_decay for setting in self.settings]
        self.optimiser = StackedAdam(self.training.optimiser, [stack for _, stack in self.stacks], decays)

    def train(self, advance: Advance) -> None:
        """Train every setting for all epochs."""
        steps = -(-len(self.samples) // self.training.batch)
        every = max(1, self.training.epochs // _CURVE_POINTS)
        for epoch in range(self.training.epochs):
            losses = self._epoch(epoch * steps, self.training.epochs * steps)
            last = epoch + 1 == self.training.epochs
            if last or (epoch + 1) % every == 0:
                self._note(epoch + 1, losses)
            advance(1)

    def head(self, chosen: int) -> Stack:
        """Return the chosen setting's head as a stack of one."""
        for _, stack in self.stacks:
            if chosen < stack.settings:
                return select(stack, chosen)
            chosen -= stack.settings
        raise IndexError(chosen)

    @torch.inference_mode()
    def _epoch(self, step: int, steps: int) -> torch.Tensor:
        """Train one epoch and return the mean loss of each setting, [G], still on the device."""
        total = torch.zeros(len(self.settings), device=self.device)
        shuffled = torch.randperm(len(self.samples), generator=self.order).to(self.samples.index.device)
        targets = self.samples.targets
        for chosen in torch.split(shuffled, self.training.batch):
            inputs = self.samples.rows(chosen)
            losses = [
                stack.gradients(shown, targets[chosen.to(targets.device)]) for shown, stack in self._shown(inputs)
            ]
            self.optimiser.step(self._rates(step, steps))
            total += torch.cat(losses) * len(chosen)
            step += 1
        return total / len(self.samples)

    def _shown(self, inputs: torch.Tensor) -> Iterator[tuple[torch.Tensor, Stack]]:
        mean, std = self.moments
        for standardise, stack in self.stacks:
            yield ((inputs - mean).div_(std) if standardise else inputs), stack

    def _rates(self, step: int, steps: int) -> list[float]:
        share = 1.0 if self.training.schedule == "constant" else 0.5 * (1 + math.cos(math.pi * step / steps))
        return [setting.learning_rate * share for setting in self.settings]

    def _note(self, epoch: int, losses: torch.Tensor) -> None:
        """Write one point of the curves; this is where the host looks at the device, once in a while."""
        train_loss = losses.tolist()
        if not any(map(math.isfinite, train_loss)):
            raise NumericsError(
                f"the training loss is NaN or infinite in all {len(train_loss)} settings after epoch {epoch}",
                "a finite loss in at least one setting",
                "check the features of this encoder; lower learning rates need a protocol card of your own",
            )
        val_loss, val_score = self._validate()
        self.curves.epochs.append(epoch)
        self.curves.train_loss.append(train_loss)
        self.curves.val_loss.append(val_loss)
        self.curves.val_score.append(val_score)

    @torch.inference_mode()
    def _validate(self) -> tuple[list[float], list[float]]:
        """Return validation loss and score of each setting; nan where nothing is held out."""
        count = len(self.settings)
        if not len(self.held):
            return [math.nan] * count, [math.nan] * count
        loss = torch.zeros(count, dtype=torch.float64, device=self.device)
        rows: list[list[np.ndarray]] = [[] for _ in range(count)]
        for inputs, targets in self.held.batches():
            logits = torch.cat([stack.logits(shown) for shown, stack in self._shown(inputs)], dim=1)
            for place in range(count):
                loss[place] += functional.cross_entropy(logits[:, place], targets, reduction="sum")
                rows[place].append(self.metric.statistics(logits[:, place], targets).cpu().numpy())
        self.rows = [np.concatenate(parts) for parts in rows]
        scores = [float(self.metric.value(self.metric.totals(statistics))) for statistics in self.rows]
        return (loss / len(self.held)).tolist(), scores


def _check_inputs(inputs: torch.Tensor) -> None:
    if not torch.isfinite(inputs).all():
        bad = int((~torch.isfinite(inputs)).any(1).sum())
        raise NumericsError(
            f"{bad} of {len(inputs)} samples have features that are NaN or infinite",
            "finite features",
            "check the encoder's weights; 'virb cache clear' removes stored features",
        )
