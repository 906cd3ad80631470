"""Heads: linear classifiers, G settings as one matrix product.

The gradient of softmax cross entropy is written out: with P the predicted and Y the true distribution of a batch of
B, the logits' gradient is (P - Y) / B, and both passes are one product over all settings. Autograd gives the same
numbers and costs more (measured).
"""

from __future__ import annotations

import math

import torch


class StackedLinear:
    """Weights [G, K, D] and biases [G, K], initialised as `nn.Linear` does, alike for every setting."""

    names: tuple[str, ...] = ("weight", "bias")

    def __init__(
        self, settings: int, width: int, frames: int, classes: int, generator: torch.Generator, device: torch.device
    ) -> None:
        if frames != 1:
            raise ValueError("a linear head takes one frame")
        self.settings, self.classes = settings, classes
        self.parameters = [
            uniform((classes, width), width, settings, generator, device),
            uniform((classes,), width, settings, generator, device),
        ]
        self.grads = [torch.empty_like(parameter) for parameter in self.parameters]

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return [N, G, K] for inputs [N, D]."""
        return self._columns(inputs).permute(2, 0, 1)

    def gradients(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Fill `grads` and return the loss of each setting, [G]."""
        losses, slope = cross_entropy(self._columns(inputs), targets)
        flat = slope.flatten(0, 1)  # [G * K, B]
        torch.mm(flat, inputs, out=self.grads[0].flatten(0, 1))
        torch.sum(flat, 1, out=self.grads[1].flatten())
        return losses

    def _columns(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits [G, K, B]: weights times samples as columns is the fastest of the products on a CPU."""
        weight, bias = self.parameters
        flat = torch.mm(weight.flatten(0, 1), inputs.T.contiguous())
        return flat.view(self.settings, self.classes, -1).add_(bias[:, :, None])


def uniform(
    shape: tuple[int, ...], fan_in: int, settings: int, generator: torch.Generator, device: torch.device
) -> torch.Tensor:
    """Return [G, *shape] from U(-1/sqrt(fan_in), 1/sqrt(fan_in)): one draw, repeated for each setting."""
    bound = 1 / math.sqrt(fan_in)
    drawn = torch.empty(shape).uniform_(-bound, bound, generator=generator)
    return drawn.expand(settings, *shape).contiguous().to(device)


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean loss of each setting [G] and the gradient of the logits; both are [G, K, B]."""
    logs = logits.log_softmax(1)
    chosen = targets.expand(len(logits), 1, -1)
    losses = -logs.gather(1, chosen).mean((1, 2))
    slope = logs.exp_().div_(len(targets))
    slope.scatter_add_(1, chosen, slope.new_full((1, 1, 1), -1 / len(targets)).expand(chosen.shape))
    return losses, slope
