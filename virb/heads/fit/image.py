"""Fit: features x grid of settings x seeds -> heads, chosen on validation (stage 5).

The settings of one seed share every batch. Raw and standardised settings form two stacks; the batch is gathered
once and standardised for the second. The host never waits for the device inside an epoch.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from virb.cards.protocol import Training
from virb.core.digest import seed_of
from virb.core.errors import NumericsError
from virb.core.types import Features, Split
from virb.heads import STACKS, Stack, select
from virb.heads.fit.adam import StackedAdam
from virb.heads.fit.choice import Curves, Setting, average, choose, one_thread, standard_error
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
class Fitted:
    """The chosen setting's heads, one per seed, and how they came to be chosen."""

    settings: tuple[Setting, ...]
    chosen: int
    validation: np.ndarray  # [G], mean over seeds at the last epoch; nan without validation
    curves: Curves
    heads: tuple[Stack, ...]
    mean: torch.Tensor  # [T * D]
    std: torch.Tensor  # [T * D]

    @property
    def setting(self) -> Setting:
        """The chosen cell of the grid."""
        return self.settings[self.chosen]


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


def fit(
    features: Features,
    train: Split,
    val: Split,
    *,
    head: str,
    classes: int,
    training: Training,
    metric: Metric,
    name: str,
    device: torch.device,
    advance: Callable[[int], None] = lambda count: None,
) -> Fitted:
    """Return heads of the setting that does best on validation.

    Scores of a few hundred samples are too coarse to tell settings apart, and taking the highest takes the luckiest.
    So: of all settings within one standard error of the highest mean score, the one with the lowest loss.
    """
    samples, held = Matrix(features, train, device), Matrix(features, val, device)
    mean, std = moments(samples)
    settings = grid(training)
    runs = [
        _Run(samples, held, settings, (mean, std), head, classes, training, metric, f"{name}/{seed}", device)
        for seed in range(training.seeds)
    ]
    with one_thread(_small(runs[0], training.batch, device)):
        for run in runs:
            run.train(advance)
    curves = average([run.curves for run in runs])
    chosen, validation = choose(
        curves, metric, lambda place: standard_error([run.rows[place] for run in runs], val, metric)
    )
    heads = tuple(run.head(chosen) for run in runs)
    return Fitted(settings, chosen, validation, curves, heads, mean, std)


def _small(run: _Run, batch: int, device: torch.device) -> bool:
    work = batch * sum(stack.parameters[0].numel() for _, stack in run.stacks)
    return device.type == "cpu" and work < _SMALL_WORK


def grid(training: Training) -> tuple[Setting, ...]:
    """Return every setting; raw ones come first, so that each stack is one run of settings."""
    cells = itertools.product(sorted(training.standardise), training.learning_rates, training.weight_decays)
    return tuple(Setting(rate, decay, standardise) for standardise, rate, decay in cells)


def predict(fitted: Fitted, features: Features, split: Split, device: torch.device) -> Iterator[torch.Tensor]:
    """Yield the logits [n, S, K] of the chosen heads, batch by batch in the split's order."""
    for inputs, _ in Matrix(features, split, device).batches():
        shown = (inputs - fitted.mean) / fitted.std if fitted.setting.standardise else inputs
        yield torch.cat([head.logits(shown) for head in fitted.heads], dim=1)


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


def on_device(features: Features, device: torch.device) -> Features:
    """Keep features on the GPU while heads train, where they fit."""
    if device.type != "cuda":
        return features
    try:
        return replace(features, pooled=features.pooled.to(device))
    except torch.OutOfMemoryError:
        log.warning("the features do not fit on %s: they stay in memory", device)
        return features


class _Run:
    """One seed: its initial weights, its order of samples, its stacks of settings."""

    def __init__(
        self,
        samples: Matrix,
        held: Matrix,
        settings: tuple[Setting, ...],
        moments: tuple[torch.Tensor, torch.Tensor],
        head: str,
        classes: int,
        training: Training,
        metric: Metric,
        name: str,
        device: torch.device,
    ) -> None:
        self.samples, self.held, self.moments = samples, held, moments
        self.settings, self.training, self.metric = settings, training, metric
        self.device = device
        self.order = torch.Generator().manual_seed(seed_of(f"order/{name}"))
        self.stacks: list[tuple[bool, Stack]] = []
        self.curves = Curves()
        self.rows: list[np.ndarray] = []  # per setting, the validation statistics of the last look
        frames = samples.index.shape[1]
        width = samples.pooled.shape[1]
        for standardise, cells in itertools.groupby(settings, key=lambda setting: setting.standardise):
            members = list(cells)
            initial = torch.Generator().manual_seed(seed_of(f"head/{name}"))
            stack = STACKS[head](len(members), width, frames, classes, initial, device)
            self.stacks.append((standardise, stack))
        decays = [setting.weight_decay for setting in settings]
        self.optimiser = StackedAdam(training.optimiser, [stack for _, stack in self.stacks], decays)

    def train(self, advance: Callable[[int], None]) -> None:
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
