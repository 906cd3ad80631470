"""What checkpoint files of authors are made of: networks that have lived, wrappers, heads and what training leaves."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from torch import nn

State = dict[str, torch.Tensor]
Write = Callable[[Path, State], Path]


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(7)) * 0.02


@cache
def resnet(name: str = "resnet18") -> nn.Module:
    """A torchvision ResNet whose BatchNorm has lived."""
    torch.manual_seed(3)
    model = getattr(torchvision.models, name)(weights=None)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            module.num_batches_tracked += 9
    model.fc = nn.Identity()
    return model.eval()


@cache
def small_picture_resnet() -> nn.Module:
    """A ResNet-18 for 32 pixels: one 3 x 3 convolution of stride 1, and no pooling."""
    model = copy.deepcopy(resnet())
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model.eval()


@cache
def vit(name: str = "vit_tiny_patch16_224", **options: Any) -> nn.Module:
    torch.manual_seed(4)
    model = timm.create_model(name, num_classes=0, dynamic_img_size=True, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)
    return model.eval()


def under(prefix: str, state: Mapping[str, torch.Tensor]) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def moved(state: Mapping[str, torch.Tensor]) -> State:
    """The moving average beside a network: other numbers under the same names."""
    return {key: value * 0.9 if value.is_floating_point() else value for key, value in state.items()}


def mlp(prefix: str, width: int = 512) -> State:
    return {f"{prefix}0.weight": noise(64, width), f"{prefix}0.bias": noise(64), f"{prefix}2.weight": noise(32, 64)}


def classifier(state: State, name: str = "fc", width: int = 512) -> State:
    return {**state, f"{name}.weight": noise(10, width), f"{name}.bias": noise(10)}


def optimiser() -> dict[str, Any]:
    """What torch's SGD leaves in a file."""
    layer = nn.Linear(4, 4)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9)
    layer(torch.zeros(1, 4)).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


def saved(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def training(path: Path, state: State, **more: Any) -> Path:
    """`{'epoch', 'arch', 'state_dict', 'optimizer'}` of the PyTorch ImageNet example and all that descend from it."""
    return saved(path, {"epoch": 200, "arch": "resnet50", "state_dict": state, "optimizer": optimiser(), **more})
