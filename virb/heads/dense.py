"""Heads: what is trained on frozen maps, one output per pixel (stage 4). Any encoder's maps do.

A pipeline goes: `LevelMoments` over the training maps -> `prepare`; then steps of `outputs`, losses, one backward
pass, one optimiser with a group of `parameters_of` per setting; at the end `select` and `state`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, Self

import torch
from torch import nn

from virb.heads.aspp import aspp
from virb.heads.deeplab2021 import published_deeplab, published_upshuffle
from virb.heads.dense_linear import dense_linear
from virb.heads.levels import Inputs, LevelMoments, Levels, Size
from virb.heads.upshuffle import upshuffle

__all__ = ["DENSE", "PUBLISHED_DENSE", "VERSIONS", "DenseHeads", "Inputs", "LevelMoments", "Levels"]


class DenseHeads(Protocol):
    """G heads of one shape, trained side by side on the same maps."""

    settings: int
    places: tuple[int, ...]
    """The levels it reads; the others may be anything."""
    training_stride: int
    """Training compares outputs and targets on a grid this much coarser than the view; the test on every pixel."""
    standardises: bool
    """Whether `prepare` wants the moments of the training maps."""
    precision: torch.dtype | None
    """What its products are made in, None for full; weights, sums and losses are always full."""

    def prepare(self, moments: LevelMoments) -> None:
        """Take the mean and deviation of every channel on the training samples."""

    def parameters_of(self, setting: int) -> list[torch.Tensor]:
        """Return one setting's parameters, the leaves whose `.grad` a backward pass fills."""
        ...

    def outputs(self, maps: Sequence[torch.Tensor], size: Size) -> list[torch.Tensor]:
        """Return float32 [n, K, H, W] of each setting for every level's [n, C, h, w], or [n, 2, C, h, w] of pairs."""
        ...

    def select(self, setting: int) -> Self:
        """Return a head of this one setting, cut loose from the others."""
        ...

    def state(self) -> dict[str, torch.Tensor]:
        """Return the tensors of a head of one setting."""
        ...

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take what `state` returned."""


Maker = Callable[[int, Inputs, int, torch.Generator, torch.device], DenseHeads]
PublishedMaker = Callable[[int, Inputs, int, torch.Generator, torch.device, nn.Module | None], DenseHeads]

DENSE: dict[str, Maker] = {"dense_linear": dense_linear, "upshuffle": upshuffle, "siamese": upshuffle, "aspp": aspp}
"""Head name to its maker: (settings, inputs, outputs, generator, device)."""
PUBLISHED_DENSE: dict[str, PublishedMaker] = {
    "published_upshuffle": published_upshuffle,
    "published_siamese": published_upshuffle,
    "published_deeplab": published_deeplab,
}
"""The heads of the 2021 paper; their makers also take the encoder's model, which only DeepLab needs."""
VERSIONS = dict.fromkeys((*DENSE, *PUBLISHED_DENSE), 1)
"""Raised when a head of the same name would train to another answer: part of the resume key."""
