"""Heads: G copies of one module, trained side by side on the same maps; what all dense heads share."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Self, TypeVar

import torch
from torch import nn

from virb.heads.levels import Inputs, LevelMoments, Moments, Origin, Size

Module = TypeVar("Module", bound=nn.Module)
Maps = dict[int, torch.Tensor]
"""The maps that a head reads, by the place of their level."""


class ModuleHeads:
    """G copies of a module with parameters of their own. They share the batch and its standardisation.

    The module's `forward(maps, size)` takes maps [n, T * C, h, w] to outputs [n, K, H, W]; `places` are the levels
    it reads.

    Whether they learn or answer follows from gradients being on: under `no_grad` every layer is in eval mode.
    """

    training_stride = 1
    precision: torch.dtype | None = None

    def __init__(
        self,
        settings: int,
        inputs: Inputs,
        places: Iterable[int],
        module: nn.Module,
        device: torch.device,
        standardises: bool = True,
    ) -> None:
        self.settings, self.inputs, self.standardises, self.device = settings, inputs, standardises, device
        self.places = tuple(sorted(set(places)))
        layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
        self.modules = [copy.deepcopy(module).to(device).to(memory_format=layout) for _ in range(settings)]
        self.moments: Moments = tuple(
            (torch.zeros(level.channels, device=device), torch.ones(level.channels, device=device))
            for level in inputs.levels
        )

    def prepare(self, moments: LevelMoments) -> None:
        """Take the mean and deviation of every channel on the training samples; frozen from then on."""
        if self.standardises:
            self._take(moments.result())

    def parameters_of(self, setting: int) -> list[torch.Tensor]:
        """Return one setting's parameters, the leaves whose `.grad` a backward pass fills."""
        return list(self.modules[setting].parameters())

    def outputs(self, maps: Sequence[torch.Tensor], size: Size) -> list[torch.Tensor]:
        """Return [n, K, H, W] of each setting for maps [n, C, h, w], or [n, T, C, h, w] for several frames."""
        shown = {place: joined(tensor) for place, tensor in self._shown(maps).items()}
        return [self._answer(module, shown, size) for module in self.modules]

    def select(self, setting: int) -> Self:
        """Return a head of this one setting, cut loose from the others."""
        alone = copy.copy(self)
        alone.settings, alone.modules = 1, [copy.deepcopy(self.modules[setting])]
        return alone

    def state(self) -> dict[str, torch.Tensor]:
        """Return the tensors of a head of one setting, under the names of the plain layers."""
        tensors = self._only().state_dict()
        if self.standardises:
            for place, (mean, std) in enumerate(self.moments):
                tensors |= {f"input.{place}.mean": mean, f"input.{place}.std": std}
        return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take what `state` returned."""
        self._only().load_state_dict({name: value for name, value in state.items() if not name.startswith("input.")})
        if self.standardises:
            places = range(len(self.inputs.levels))
            self._take(tuple((state[f"input.{place}.mean"], state[f"input.{place}.std"]) for place in places))

    def _take(self, moments: Moments) -> None:
        self.moments = tuple((mean.to(self.device), std.to(self.device)) for mean, std in moments)

    def _only(self) -> nn.Module:
        if self.settings != 1:
            raise ValueError(f"a state belongs to one setting, not to {self.settings}: select one first")
        return self.modules[0]

    def _shown(self, maps: Sequence[torch.Tensor]) -> Maps:
        """Return the maps this head reads, as autograd may keep them, standardised where it wants them so."""
        shown = {}
        for place in self.places:
            tensor = maps[place]
            if self.standardises:
                mean, std = (moment[:, None, None] for moment in self.moments[place])
                shown[place] = (tensor - mean).div_(std)
            else:
                shown[place] = tensor.clone() if tensor.is_inference() else tensor
        return shown

    def _answer(self, module: nn.Module, shown: Maps, size: Size) -> torch.Tensor:
        module.train(torch.is_grad_enabled())
        with torch.autocast(self.device.type, self.precision, enabled=self.precision is not None):
            answer: torch.Tensor = module(shown, size)
        return answer.float()


def joined(tensor: torch.Tensor) -> torch.Tensor:
    """Return a map with its frames side by side as channels, [n, T * C, h, w], laid out as convolutions like it."""
    tensor = tensor.flatten(-4, -3) if tensor.ndim == 5 else tensor
    # channels_last makes these heads slower on a CPU (measured), faster on a GPU.
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.is_cuda else tensor.contiguous()


def drawn(make: Callable[[], Module], generator: torch.Generator) -> Module:
    """Return a module with the initial weights that PyTorch's layers have, from this generator and no other."""
    with torch.device("meta"):  # where the layers' own draws touch no state
        module = make()
    module = module.to_empty(device="cpu")
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
        elif isinstance(layer, (nn.GroupNorm, nn.BatchNorm2d)):
            layer.reset_parameters()
    return module


def entry(maps: Maps, source: Origin, layer: nn.Module) -> torch.Tensor:
    """Return a source's map through a 1x1 layer and on its grid: in this order it is the same, and cheaper."""
    return source.fit(layer(maps[source.place]))
