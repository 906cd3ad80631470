"""Heads: one linear layer on every pixel: all maps, standardised, enlarged and concatenated, then a 1x1 convolution.

A 1x1 convolution and bilinear enlarging commute, so each level gives its share of the outputs at its own resolution,
for all settings as one product, and only the outputs are enlarged. The map of stride 2, where there is one, is left
out: it is the largest and says the least.

A layer that is linear in two frames side by side cannot tell what moved. So for two frames there are a few more
channels, which nothing trains: where each cell of the first frame went, as the likeness of its features with those
of the cells around it in the second tells, at strides 4 and 8. On warped noise and an untrained ResNet-18 the error of
the flow is 7.1 pixels without (that of no motion at all) and 3.1 with; giving the likenesses themselves is as good
where every displacement was trained on, and useless for one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from virb.heads.levels import Inputs, Size, choose, resize
from virb.heads.modules import ModuleHeads, drawn, joined

FINEST = 4
RADIUS = 3
"""Cells to each side that are compared: 12 pixels at stride 4, 24 at stride 8."""
MATCHED = (4, 8)
SHARPNESSES = (10.0, 20.0, 40.0)
"""By how much cosines are multiplied before a softmax over places: from blurred to decided."""
GAIN = 3.0
"""Of the displacement channels, so that few steps of a small learning rate get somewhere."""


class DenseLinear(ModuleHeads):
    """G layers `nn.Conv2d(all channels, K, 1)`, applied as one."""

    training_stride = 4

    def __init__(
        self, settings: int, inputs: Inputs, outputs: int, generator: torch.Generator, device: torch.device
    ) -> None:
        places = _used(inputs)
        self.matched = sorted({source.place for source in choose(inputs, MATCHED)}) if inputs.frames == 2 else []
        self.widths = [inputs.channels(place) for place in places] + [2 * len(SHARPNESSES)] * len(self.matched)
        layer = drawn(lambda: nn.Conv2d(sum(self.widths), outputs, 1), generator)
        super().__init__(settings, inputs, places, layer, device)

    def outputs(self, maps: Sequence[torch.Tensor], size: Size) -> list[torch.Tensor]:
        """Return [n, K, H, W] of each setting on a grid of any size."""
        shown = self._shown(maps)
        levels = [joined(shown[place]) for place in self.places]
        levels += [matches(shown[place][:, 0], shown[place][:, 1]) for place in self.matched]
        weights, biases = zip(*map(self.parameters_of, range(self.settings)), strict=True)
        parts = torch.split(torch.cat(weights), self.widths, 1)  # [G * K, C, 1, 1] of each level
        total = resize(functional.conv2d(levels[-1], parts[-1], torch.cat(biases)), size)
        for level, part in zip(levels[:-1], parts[:-1], strict=True):
            total += resize(functional.conv2d(level, part), size)
        return list(total.float().view(len(total), self.settings, -1, *size).unbind(1))


def dense_linear(
    settings: int, inputs: Inputs, outputs: int, generator: torch.Generator, device: torch.device
) -> ModuleHeads:
    """Return G linear layers over the maps of strides 4 and more."""
    return DenseLinear(settings, inputs, outputs, generator, device)


def matches(first: torch.Tensor, second: torch.Tensor, radius: int = RADIUS) -> torch.Tensor:
    """Return where each cell of the first frame went, as far as its features tell; both are [n, C, h, w].

    It is the mean over the (2r + 1)^2 cells around it, weighted by a softmax of cosines: cells to the right and down,
    for each sharpness. Beyond the border cosines are zero.
    """
    here = functional.normalize(first, dim=1).permute(0, 2, 3, 1)  # [n, h, w, C]
    there = functional.pad(functional.normalize(second, dim=1), (radius,) * 4).permute(0, 2, 3, 1).contiguous()
    count, height, width, _ = here.shape
    side, wide = 2 * radius + 1, width + 2 * radius
    bands = []
    for down in range(side):
        product = torch.matmul(here, there[:, down : down + height].transpose(2, 3)).contiguous()  # [n, h, w, w + 2r]
        # Cell x matches the cells x to x + 2r of the widened row: a band along the diagonal.
        strides = (height * width * wide, width * wide, wide + 1, 1)
        bands.append(product.as_strided((count, height, width, side), strides))
    cosines = torch.cat(bands, 3).float()  # [n, h, w, side^2], row by row from above left
    steps = torch.arange(-radius, radius + 1, dtype=cosines.dtype, device=cosines.device)
    places = torch.stack([steps.repeat(side), steps.repeat_interleave(side)], 1) * GAIN
    found = [(cosines * sharpness).softmax(3) @ places for sharpness in SHARPNESSES]
    return torch.cat(found, 3).permute(0, 3, 1, 2).contiguous()


def _used(inputs: Inputs) -> list[int]:
    """Return the levels of stride 4 or coarser; the coarsest one of an encoder that has none such."""
    count = len(inputs.levels)
    used = [place for place in range(count) if inputs.stride(place) > FINEST / math.sqrt(2)]
    return used or [count - 1]
