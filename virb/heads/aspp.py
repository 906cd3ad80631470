"""Heads: atrous spatial pyramid pooling with a light decoder (DeepLab v3+), on frozen maps.

The maps of strides 16 and 32, each projected to a fixed width, meet on the finer grid: in the original the stride of
the last stage is removed and the stage trained anew; here it stays frozen, so its own map is taken. GroupNorm
instead of BatchNorm: what one picture gets depends on no other of its batch, and nothing is left to be estimated
between training and test.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from virb.heads.levels import Inputs, Origin, Size, choose, resize
from virb.heads.modules import Maps, ModuleHeads, drawn, entry

STRIDES = (4, 16, 32)
WIDTH, DETAIL, GROUPS = 256, 48, 16
RATES = (6, 12, 18)
"""Cells between the taps of a kernel at stride 16."""


class Aspp(nn.Module):
    """ASPP on the coarse grid, joined with a little detail of the fine one, decoded and enlarged."""

    def __init__(self, sources: Sequence[Origin], channels: Sequence[int], rates: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.sources = tuple(sources)
        widths = (DETAIL, WIDTH, WIDTH)
        self.enter = nn.ModuleList(nn.Conv2d(count, width, 1) for count, width in zip(channels, widths, strict=True))
        self.detail = nn.Sequential(nn.GroupNorm(GROUPS, DETAIL), nn.ReLU())
        self.branches = nn.ModuleList([_block(WIDTH, 1), *(_block(WIDTH, 3, rate) for rate in rates)])
        self.pooled = _block(WIDTH, 1)
        self.merge = _block(WIDTH * (len(self.branches) + 1), 1)
        self.decode = nn.Sequential(_block(WIDTH + DETAIL, 3), _block(WIDTH, 3), nn.Conv2d(WIDTH, outputs, 1))

    def forward(self, maps: Maps, size: Size) -> torch.Tensor:
        """Return [n, K, H, W]."""
        fine, middle, coarse = (entry(maps, *pair) for pair in zip(self.sources, self.enter, strict=True))
        context = middle + resize(coarse, _grid(middle))
        pooled = self.pooled(context.mean((2, 3), keepdim=True)).expand(-1, -1, *_grid(context))
        merged = self.merge(torch.cat([*(branch(context) for branch in self.branches), pooled], 1))
        decoded: torch.Tensor = self.decode(torch.cat([self.detail(fine), resize(merged, _grid(fine))], 1))
        return resize(decoded, size)


def aspp(settings: int, inputs: Inputs, outputs: int, generator: torch.Generator, device: torch.device) -> ModuleHeads:
    """Return G ASPP heads of fixed width; the rates keep their reach in pixels where the grid has another stride."""
    sources = choose(inputs, STRIDES)
    channels = [inputs.channels(source.place) for source in sources]
    stride = inputs.stride(sources[1].place) / sources[1].scale
    rates = [max(1, round(rate * 16 / stride)) for rate in RATES]
    module = drawn(lambda: Aspp(sources, channels, rates, outputs), generator)
    return ModuleHeads(settings, inputs, [source.place for source in sources], module, device)


def _block(channels: int, kernel: int, rate: int = 1) -> nn.Sequential:
    """Return convolution, GroupNorm, ReLU; the norm takes the bias' place."""
    convolution = nn.Conv2d(channels, WIDTH, kernel, padding=rate * (kernel // 2), dilation=rate, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(GROUPS, WIDTH), nn.ReLU())


def _grid(tensor: torch.Tensor) -> Size:
    return tensor.shape[-2], tensor.shape[-1]
