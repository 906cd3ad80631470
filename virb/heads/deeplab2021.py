"""Heads: the three dense heads of the 2021 paper, as its code has them (facts: allenai/ViRB at commit fbe1c42).

The widths of its upshuffle and siamese heads are the encoder's own, so capacity follows the encoder: 99.7 million
parameters on a ResNet-50. Its DeepLab trains a dilated copy of the encoder's last stage: such a result is not one of
a frozen encoder alone, and only a ResNet has that stage.

Two slips of the original are not kept: ASPP took its momentum for BatchNorm's eps, and one BatchNorm stayed in
training mode during the test. Momenta are those its code runs with; a running mean that is meant to forget slowly
starts as a plain one here, or it would still hold the initial zeros at the end of a short training.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from virb.core.errors import UsageError
from virb.heads.levels import Inputs, Origin, Size, choose, resize
from virb.heads.modules import Maps, ModuleHeads, drawn
from virb.heads.upshuffle import STRIDES, Upshuffle

RATES = (6, 12, 18)
WIDTH, DETAIL = 256, 48
SLOW = 0.0003
"""Momentum of the decoder's BatchNorms."""
DILATIONS = (2, 4, 2)
"""Of the blocks of the copied stage."""


def published_upshuffle(
    settings: int,
    inputs: Inputs,
    outputs: int,
    generator: torch.Generator,
    device: torch.device,
    model: nn.Module | None = None,
) -> ModuleHeads:
    """Return the original's upshuffle: each grid as wide as its map; two frames are first fused to that (siamese)."""
    sources = choose(inputs, STRIDES)
    places = [source.place for source in sources]
    widths = [inputs.levels[place].channels for place in places]
    channels = [inputs.channels(place) for place in places]
    module = drawn(lambda: Upshuffle(sources, channels, widths, outputs, project=inputs.frames > 1), generator)
    return ModuleHeads(settings, inputs, places, module, device, standardises=False)


def published_deeplab(
    settings: int,
    inputs: Inputs,
    outputs: int,
    generator: torch.Generator,
    device: torch.device,
    model: nn.Module | None = None,
) -> ModuleHeads:
    """Return the original's DeepLab; `model` is the encoder's ResNet, not folded, whose last stage is copied."""
    if inputs.frames != 1:
        raise ValueError("a DeepLab head takes one frame")
    stage, width = dilated_stage(model)
    sources = choose(inputs, (4, 16))
    fine = inputs.levels[sources[0].place].channels
    module = drawn(lambda: DeepLab(sources, fine, width, outputs), generator)
    module.stage = stage
    return ModuleHeads(settings, inputs, [source.place for source in sources], module, device, standardises=False)


class DeepLab(nn.Module):
    """The copied stage on the map of stride 16, ASPP, detail of stride 4, decoder."""

    stage: nn.Module

    def __init__(self, sources: Sequence[Origin], fine: int, width: int, outputs: int) -> None:
        super().__init__()
        self.sources = tuple(sources)
        self.detail = nn.Sequential(nn.Conv2d(fine, DETAIL, 1), BatchNorm(DETAIL, SLOW), nn.ReLU())
        self.branches = nn.ModuleList(
            [_branch(width, 1), *(_branch(width, 3, rate) for rate in RATES), _branch(width, 1)]
        )
        self.merge = _branch(WIDTH * len(self.branches), 1)
        self.decode = nn.Sequential(
            nn.Conv2d(WIDTH + DETAIL, WIDTH, 3, padding=1),
            BatchNorm(WIDTH, SLOW),
            nn.ReLU(),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            BatchNorm(WIDTH, SLOW),
            nn.ReLU(),
            nn.Conv2d(WIDTH, outputs, 3, padding=1),
        )

    def train(self, mode: bool = True) -> DeepLab:
        """Keep the copied stage's BatchNorms as they came: only its weights learn."""
        super().train(mode)
        self.stage.eval()
        return self

    def forward(self, maps: Maps, size: Size) -> torch.Tensor:
        """Return [n, K, H, W]."""
        fine, coarse = (source.fit(maps[source.place]) for source in self.sources)
        coarse = self.stage(coarse)
        *branches, pooling = self.branches
        pooled = pooling(coarse.mean((2, 3), keepdim=True)).expand(-1, -1, *coarse.shape[-2:])
        merged = self.merge(torch.cat([*(branch(coarse) for branch in branches), pooled], 1))
        context = resize(merged, (fine.shape[-2], fine.shape[-1]), align_corners=True)
        decoded: torch.Tensor = self.decode(torch.cat([self.detail(fine), context], 1))
        return resize(decoded, size, align_corners=True)


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm whose running statistics start as plain means, and which takes a batch of one value per channel."""

    def __init__(self, channels: int, momentum: float = 0.1) -> None:
        super().__init__(channels, momentum=momentum)
        self.least = momentum

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Normalise by the batch in training, else (or where the batch is one value) by what was seen so far."""
        if self.training and input[:, 0].numel() > 1:
            assert self.num_batches_tracked is not None
            self.momentum = max(self.least, 1 / (int(self.num_batches_tracked) + 1))
            return super().forward(input)
        return functional.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


def dilated_stage(model: nn.Module | None) -> tuple[nn.Sequential, int]:
    """Return a trainable copy of a ResNet's last stage without its stride, and its width; others are refused."""
    layers = getattr(model, "layer4", None)
    if not isinstance(layers, nn.Sequential) or not all(hasattr(block, "conv1") for block in layers):
        raise _refusal(model, "has none")
    stage = copy.deepcopy(layers).eval().requires_grad_(True)
    for block, dilation in zip(stage, itertools.cycle(DILATIONS)):
        for layer in block.modules():
            if isinstance(layer, nn.Conv2d):
                reach = layer.kernel_size[0] // 2
                layer.stride, layer.padding = (1, 1), (dilation * reach,) * 2
                layer.dilation = (dilation, dilation) if reach else (1, 1)
            elif isinstance(layer, nn.AvgPool2d):  # the shortcut of some; over one cell it does nothing
                layer.kernel_size = layer.stride = 1
    convolution = next(layer for layer in stage.modules() if isinstance(layer, nn.Conv2d))
    try:
        answer = copy.deepcopy(stage).to("meta")(torch.empty(1, convolution.in_channels, 4, 4, device="meta"))
    except RuntimeError:  # halfway down the grid is another
        answer = None
    if answer is None or answer.shape[-2:] != (4, 4):
        raise _refusal(model, "hides its stride in another layer than a convolution")
    return stage, int(answer.shape[1])


def _refusal(model: nn.Module | None, reason: str) -> UsageError:
    kind = type(model).__name__
    return UsageError(
        f"the published DeepLab head trains a dilated copy of a ResNet's last stage, and {kind} {reason}",
        "an encoder of the ResNet family (resnet18 to resnet152, resnext50_32x4d, wide_resnet50_2)",
        "use --protocol standard, whose heads take the maps of any encoder",
    )


def _branch(channels: int, kernel: int, rate: int = 1) -> nn.Sequential:
    """Return convolution, BatchNorm, ReLU; the norm takes the bias' place."""
    convolution = nn.Conv2d(channels, WIDTH, kernel, padding=rate * (kernel // 2), dilation=rate, bias=False)
    return nn.Sequential(convolution, BatchNorm(WIDTH), nn.ReLU())
