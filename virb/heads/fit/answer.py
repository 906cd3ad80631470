"""Fit: how a pixel-wise head's numbers are read: as predictions, and against the targets as an error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from virb.core.errors import NumericsError
from virb.core.types import IGNORED, Split
from virb.data.targets import Targets


@dataclass(frozen=True)
class Answer:
    """How a head's K numbers per pixel become a prediction, and what its error is: the loss of the card."""

    loss: str
    mean: torch.Tensor  # [K, 1, 1], of the training targets; 0 for classes
    scale: torch.Tensor  # [K, 1, 1]; 1 for classes
    weights: torch.Tensor | None = None  # [K], of classes in the loss

    @property
    def outputs(self) -> int:
        """K."""
        return len(self.mean)

    def predict(self, output: torch.Tensor) -> torch.Tensor:
        """Return predictions in the targets' form: classes [n, H, W] or values [n, (K,) H, W]."""
        if self.loss == "cross_entropy":
            return output.argmax(1)
        if self.loss == "binary":
            return (output[:, 0] > 0).long()
        values = output * self.scale + self.mean
        return values[:, 0] if self.outputs == 1 else values

    def error(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean loss over the pixels that count; 0 where none does."""
        return self.summed(output, target) / self.counted(target)

    def counted(self, target: torch.Tensor) -> torch.Tensor:
        """Return how much the pixels that count weigh together; 1 where none does, so that it can be divided by."""
        if self.loss == "l1":
            counted = (target if target.ndim == 4 else target[:, None]).isfinite().sum()
        else:
            kept = target != IGNORED
            counted = kept.sum() if self.weights is None else self.weights[target[kept].long()].sum()
        return counted.where(counted > 0, 1)

    def summed(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss summed over the pixels that count."""
        if self.loss == "cross_entropy":
            return functional.cross_entropy(output, target.long(), self.weights, ignore_index=IGNORED, reduction="sum")
        if self.loss == "binary":
            kept, wanted = target != IGNORED, (target == 1).float()
            return functional.binary_cross_entropy_with_logits(output[:, 0], wanted, kept.float(), reduction="sum")
        wanted = (target if target.ndim == 4 else target[:, None]).sub(self.mean).div(self.scale)
        return (output - wanted.nan_to_num(0.0)).abs().mul(wanted.isfinite()).sum()


def answer_to(
    loss: str,
    targets: Targets,
    train: Split,
    classes: int,
    device: torch.device,
    scaled: bool,
    weights: Sequence[float] | None,
) -> Answer:
    """Return how outputs are read: classes and values as they are, or values in units of their deviation."""
    if loss != "l1" or not scaled:
        count = {"cross_entropy": classes, "binary": 1}.get(loss, targets.channels)
        ones = torch.ones(count, 1, 1, device=device)
        return Answer(loss, 0 * ones, ones, None if weights is None else torch.tensor(weights, device=device))
    sums = torch.zeros(3, targets.channels, dtype=torch.float64)
    for start in range(0, len(train), 64):
        values = targets.take(train.targets[start : start + 64]).view(-1, targets.channels, targets.size**2)
        kept = values.isfinite()
        exact = values.double().where(kept, 0.0)
        sums += torch.stack([kept.double().sum((0, 2)), exact.sum((0, 2)), exact.square().sum((0, 2))])
    count, total, squares = sums
    if not bool((count > 0).all()):
        raise NumericsError(
            "no training sample has a pixel with a target",
            "at least one",
            "look at the label files with 'virb data show'",
        )
    mean = total / count
    scale = (squares / count - mean.square()).clamp(min=0).sqrt().clamp(min=1e-6)
    return Answer(loss, *(part.float().view(-1, 1, 1).to(device) for part in (mean, scale)))
