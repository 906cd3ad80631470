"""Heads: what is trained on frozen features (stage 4). A head here is a stack: every setting of a grid at once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Protocol

import torch

from virb.heads import dense
from virb.heads.frames import StackedFrames
from virb.heads.linear import StackedLinear


class Stack(Protocol):
    """G heads of one shape, trained side by side on the same batches.

    `parameters` are tensors whose first axis is the setting; `gradients` fills `grads`, laid out alike.
    """

    names: tuple[str, ...]
    settings: int
    parameters: list[torch.Tensor]
    grads: list[torch.Tensor]

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return [N, G, K] for inputs [N, T * D]."""

    def gradients(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Fill `grads` with those of the mean cross entropy and return the loss of each setting, [G]."""


STACKS: dict[str, Callable[[int, int, int, int, torch.Generator, torch.device], Stack]] = {
    "linear": StackedLinear,
    "frames": StackedFrames,
}
"""Head name to its maker: (settings, width, frames, classes, generator, device)."""
VERSIONS = {"linear": 1, "frames": 1, "neighbours": 1, **dense.VERSIONS}
"""Raised when a head of the same name would train to another answer: part of the resume key."""


def select(stack: Stack, setting: int) -> Stack:
    """Return a stack of this one setting, cut loose from the others."""
    alone = copy.copy(stack)
    alone.settings = 1
    alone.parameters = [tensor[setting : setting + 1].clone() for tensor in stack.parameters]
    alone.grads = []
    return alone


def state(stack: Stack) -> dict[str, torch.Tensor]:
    """Return the parameters of a stack of one setting, under the names of the plain layers."""
    return {name: tensor[0].cpu() for name, tensor in zip(stack.names, stack.parameters, strict=True)}
