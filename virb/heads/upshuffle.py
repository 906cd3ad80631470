"""Heads: upshuffle, the original's decoder on a fixed width; `siamese` is the same on two frames.

Each map is first projected by a 1x1 convolution to a fixed width, so that what the head can learn follows the head
and not the encoder. Then five steps, each doubling the grid: convolution 3x3, pixel shuffle, LeakyReLU, plus the next
projected map. The last step ends in the outputs, without activation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from virb.heads.levels import Inputs, Origin, Size, choose, resize
from virb.heads.modules import Maps, ModuleHeads, drawn, entry

STRIDES = (32, 16, 8, 4, 2)
WIDTHS = (256, 256, 128, 64, 32)


class Upshuffle(nn.Module):
    """From the coarsest map to the pixels; `widths` are those of the grids of `STRIDES`, coarse to fine."""

    def __init__(
        self, sources: Sequence[Origin], channels: Sequence[int], widths: Sequence[int], outputs: int, project: bool
    ) -> None:
        super().__init__()
        self.sources = tuple(sources)
        self.enter = nn.ModuleList(
            nn.Conv2d(count, width, 1) if project else nn.Identity()
            for count, width in zip(channels, widths, strict=True)
        )
        after = (*widths[1:], outputs)
        self.steps = nn.ModuleList(
            nn.Conv2d(width, following * 4, 3, padding=1) for width, following in zip(widths, after, strict=True)
        )

    def forward(self, maps: Maps, size: Size) -> torch.Tensor:
        """Return [n, K, H, W]."""
        first, *others = (entry(maps, *pair) for pair in zip(self.sources, self.enter, strict=True))
        current = first
        for step, following in zip(self.steps[:-1], others, strict=True):
            current = functional.leaky_relu(functional.pixel_shuffle(step(current), 2))
            current = resize(current, (following.shape[-2], following.shape[-1])) + following
        return resize(functional.pixel_shuffle(self.steps[-1](current), 2), size)


def upshuffle(
    settings: int, inputs: Inputs, outputs: int, generator: torch.Generator, device: torch.device
) -> ModuleHeads:
    """Return G upshuffle heads of fixed width, for one frame or for two."""
    sources = choose(inputs, STRIDES)
    channels = [inputs.channels(source.place) for source in sources]
    module = drawn(lambda: Upshuffle(sources, channels, WIDTHS, outputs, project=True), generator)
    return ModuleHeads(settings, inputs, [source.place for source in sources], module, device)
