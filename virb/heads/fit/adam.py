"""Fit: one step of Adam for all settings of a grid, each with a learning rate and a weight decay of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from virb.heads import Stack

_BETAS = (0.9, 0.999)
_EPSILON = 1e-8
_KERNELS = {"adam": torch._fused_adam_, "adamw": torch._fused_adamw_}


class StackedAdam:
    """The fused kernels of `torch.optim.Adam` and `AdamW`, called on the slices of stacks.

    A group of parameters for each setting does the same in `torch.optim`, whose bookkeeping per group then costs a
    third of a step of a linear head (measured). Here all slices share one counter and nothing is collected anew.
    """

    def __init__(self, kind: str, stacks: Sequence[Stack], decays: Sequence[float]) -> None:
        self._kernel, self._decays = _KERNELS[kind], decays
        self._slices = [_Slices(stack, place) for stack in stacks for place in range(stack.settings)]
        self._count = torch.zeros((), device=stacks[0].parameters[0].device)

    def step(self, rates: Sequence[float]) -> None:
        """Move every setting's parameters at its learning rate, by the gradients that the stacks hold now."""
        self._count += 1
        for slices, rate, decay in zip(self._slices, rates, self._decays, strict=True):
            self._kernel(
                slices.parameters,
                slices.grads,
                slices.means,
                slices.squares,
                [],
                [self._count] * len(slices.parameters),
                lr=rate,
                beta1=_BETAS[0],
                beta2=_BETAS[1],
                weight_decay=decay,
                eps=_EPSILON,
                amsgrad=False,
                maximize=False,
            )


class _Slices:
    """One setting's views of the stack's parameters and gradients, and its moments."""

    def __init__(self, stack: Stack, place: int) -> None:
        self.parameters = [tensor[place] for tensor in stack.parameters]
        self.grads = [tensor[place] for tensor in stack.grads]
        self.means = [torch.zeros_like(tensor) for tensor in self.parameters]
        self.squares = [torch.zeros_like(tensor) for tensor in self.parameters]
