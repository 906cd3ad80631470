"""Folding: each BatchNorm into the convolution before it, where that changes nothing (stage 3)."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_FOLD_TOLERANCE = 1e-4


@torch.inference_mode()
def fold_batch_norms(encoder: nn.Module, probe: torch.Tensor) -> nn.Module:
    """Return the encoder with each BatchNorm folded into the convolution before it, if that changes nothing.

    Pairs are found by watching one forward, so no architecture is known by name; the result is compared with the
    original on every output and thrown away when it differs.
    """
    device = next((tensor.device for tensor in encoder.parameters()), None)
    if device is None:
        return encoder
    probe = probe.to(device)
    folded = copy.deepcopy(encoder)
    pairs = _watch(folded, probe)
    if not pairs:
        return encoder
    before = encoder(probe, maps=True)
    for convolution, norm in pairs:
        _fold(folded, convolution, norm)
    after = folded(probe, maps=True)
    expected, found = [before[0], *before[1]], [after[0], *after[1]]
    same = all(
        bool((one - two).abs().max() <= _FOLD_TOLERANCE * (one.abs().max() + 1e-12))
        for one, two in zip(expected, found, strict=True)
    )
    return folded if same else encoder


def _watch(encoder: nn.Module, probe: torch.Tensor) -> list[tuple[str, str]]:
    """Return names of (convolution, norm) where the norm's input is the very tensor the convolution returned."""
    made: dict[int, tuple[str, torch.Tensor]] = {}
    pairs: list[tuple[str, str]] = []
    handles = []
    for name, module in encoder.named_modules():
        if type(module) is nn.Conv2d:
            handles.append(
                module.register_forward_hook(lambda _, __, out, name=name: made.update({id(out): (name, out)}))
            )
        elif isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            handles.append(
                module.register_forward_pre_hook(
                    lambda _, args, name=name: (
                        pairs.append((made[id(args[0])][0], name)) if id(args[0]) in made else None
                    )
                )
            )
    encoder(probe)
    for handle in handles:
        handle.remove()
    return list(dict.fromkeys(pairs))


def _fold(encoder: nn.Module, convolution: str, norm: str) -> None:
    """Put the folded convolution in place; the norm keeps only what it did after normalising."""
    old, bn = encoder.get_submodule(convolution), encoder.get_submodule(norm)
    assert isinstance(old, nn.Conv2d)
    assert isinstance(bn, nn.BatchNorm2d)
    encoder.set_submodule(convolution, fuse_conv_bn_eval(old, bn))
    rest = [child for child in (getattr(bn, "drop", None), getattr(bn, "act", None)) if child is not None]
    encoder.set_submodule(norm, nn.Sequential(*rest) if rest else nn.Identity())
