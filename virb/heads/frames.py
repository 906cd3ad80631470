"""Heads: two layers over the concatenated embeddings of several frames, G settings side by side.

The original's head: T embeddings concatenated, 512 units, ReLU, K classes. The first layer of all settings is one
product; the second, small, is a batched one.
"""

from __future__ import annotations

import torch

from virb.heads.linear import cross_entropy, uniform

HIDDEN = 512


class StackedFrames:
    """Weights [G, 512, T * D] and [G, K, 512] with their biases."""

    names: tuple[str, ...] = ("hidden.weight", "hidden.bias", "output.weight", "output.bias")

    def __init__(
        self, settings: int, width: int, frames: int, classes: int, generator: torch.Generator, device: torch.device
    ) -> None:
        self.settings = settings
        fan_in = width * frames
        self.parameters = [
            uniform((HIDDEN, fan_in), fan_in, settings, generator, device),
            uniform((HIDDEN,), fan_in, settings, generator, device),
            uniform((classes, HIDDEN), HIDDEN, settings, generator, device),
            uniform((classes,), HIDDEN, settings, generator, device),
        ]
        self.grads = [torch.empty_like(parameter) for parameter in self.parameters]

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return [N, G, K] for inputs [N, T * D]."""
        return self._output(self._hidden(inputs)).permute(2, 0, 1)

    def gradients(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Fill `grads` and return the loss of each setting, [G]."""
        hidden = self._hidden(inputs)  # [G, 512, B]
        losses, slope = cross_entropy(self._output(hidden), targets)
        torch.bmm(slope, hidden.transpose(1, 2), out=self.grads[2])
        torch.sum(slope, 2, out=self.grads[3])
        inner = torch.bmm(self.parameters[2].transpose(1, 2), slope).mul_(hidden > 0)
        flat = inner.flatten(0, 1)  # [G * 512, B]
        torch.mm(flat, inputs, out=self.grads[0].flatten(0, 1))
        torch.sum(flat, 1, out=self.grads[1].flatten())
        return losses

    def _hidden(self, inputs: torch.Tensor) -> torch.Tensor:
        weight, bias = self.parameters[:2]
        flat = torch.mm(weight.flatten(0, 1), inputs.T.contiguous())
        return flat.view(self.settings, HIDDEN, -1).add_(bias[:, :, None]).relu_()

    def _output(self, hidden: torch.Tensor) -> torch.Tensor:
        return torch.baddbmm(self.parameters[3][:, :, None], self.parameters[2], hidden)
