"""Checkpoints: the names that libraries give to one backbone's tensors, turned into timm's.

A naming is known by the end of its keys; what stands before is the prefix, whatever wrapped the network. The namings
themselves are in `namings.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from virb.encode.checkpoints.safe import Stored

Family = Literal["resnet", "clip_resnet", "vit", "convnext", "swin", "swinv2", "efficientnet", "regnet"]
PARTS = (("query", "key", "value"), ("q", "k", "v"), ("gate", "up"))
"""What libraries keep apart and timm in one tensor, from its first rows to its last."""


@dataclass(frozen=True)
class Naming:
    """How one library names the tensors of one family."""

    title: str
    family: Family
    body: str
    """Keys that only a backbone of this naming has; what stands before them is the prefix."""
    rules: tuple[tuple[str, str], ...] = ()
    """Patterns of whole keys behind the prefix, and timm's names for them; the first that fits is taken."""
    also: str = ""
    """A key that must stand behind the prefix too, where another kind of network has such blocks."""
    wide_epsilon: str = ""
    """Which of the family's models, by their names' ends, divide by a larger deviation in BatchNorm than timm's do."""

    def prefix(self, key: str) -> str | None:
        """Return what stands before the naming's own part of a key, if it is one of this naming."""
        found = re.fullmatch(rf"((?:.+?\.)??)(?:{self.body})", key)
        return found[1] if found else None

    def rename(self, key: str) -> str:
        """Return timm's name of a key behind the prefix; one without a rule stays as it is."""
        for pattern, replacement in self.rules:
            if found := re.fullmatch(pattern, key):
                return _filled(replacement, found)
        return key


def _filled(name: str, found: re.Match[str]) -> str:
    """Return a name with the parts of a key in it; `{1-3}` is the first part's number less three."""

    def counted(place: re.Match[str]) -> str:
        number, other = int(found[int(place[1])]), int(place[3])
        return str({"+": number + other, "-": number - other, "/": number // other}[place[2]])

    return found.expand(re.sub(r"\{(\d)([-+/])(\d)\}", counted, name))


def rename(naming: Naming, found: Mapping[str, Stored]) -> tuple[dict[str, Stored], dict[str, str]]:
    """Return tensors behind a prefix under timm's names, and for each of these the name it has in the file."""
    renamed: dict[str, Stored] = {}
    origin: dict[str, str] = {}
    for key, stored in found.items():
        name = naming.rename(key)
        if name in renamed:  # two that would be one: neither is safe to take
            name = key
        renamed[name], origin[name] = stored, key
    for name, parts in _packed(renamed):
        renamed[name] = joined([renamed.pop(f"{name}.{part}") for part in parts])
        origin[name] = " + ".join(origin.pop(f"{name}.{part}") for part in parts)
    if naming.family == "vit":
        _shape_tokens(renamed, origin)
    if naming.family == "swinv2":
        _split_biases(renamed, origin)
    if "patch_embed.proj.weight" in renamed and naming.family == "vit":
        renamed["patch_embed.proj.weight"] = _as_convolution(renamed["patch_embed.proj.weight"])
    for name, stored in renamed.items():
        if name.endswith(".gamma") and stored.shape[1:] == (1, 1):  # torchvision's layer scale
            renamed[name] = _reshaped(stored, stored.shape[:1])
    return renamed, origin


def _packed(renamed: Mapping[str, Stored]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the names of tensors whose parts are all there, apart."""
    for names in PARTS:
        for key in [key for key in renamed if key.endswith(f".{names[0]}")]:
            stem = key.rpartition(".")[0]
            parts = [renamed.get(f"{stem}.{name}") for name in names]
            if all(part is not None and part.shape == renamed[key].shape for part in parts):
                yield stem, names


def joined(parts: list[Stored]) -> Stored:
    """Return tensors of one shape, one above the other."""
    shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
    place = tuple(part.place for part in parts)
    return Stored(shape, parts[0].dtype, lambda: torch.cat([part.read() for part in parts]), place)


def _reshaped(stored: Stored, shape: tuple[int, ...]) -> Stored:
    return Stored(shape, stored.dtype, lambda: stored.read().reshape(shape), stored.place)


def _as_convolution(stored: Stored) -> Stored:
    """Return the weight of a patch embedding that was a matrix product as that of a convolution."""
    if len(stored.shape) != 2:
        return stored
    size = round((stored.shape[1] / 3) ** 0.5)
    return _reshaped(stored, (stored.shape[0], 3, size, size)) if 3 * size * size == stored.shape[1] else stored


def _shape_tokens(renamed: dict[str, Stored], origin: dict[str, str]) -> None:
    """Give tokens and positions timm's shapes: CLIP leaves out the first dimensions, DINOv2 shares a position."""
    for name, dimensions in (("cls_token", 1), ("pos_embed", 2)):
        stored = renamed.get(name)
        if stored is not None and len(stored.shape) == dimensions:
            renamed[name] = _reshaped(stored, (1,) * (3 - dimensions) + stored.shape)
    if "register_tokens" in renamed:
        renamed["reg_token"], origin["reg_token"] = renamed.pop("register_tokens"), origin.pop("register_tokens")
        _split_positions(renamed)


def _split_positions(renamed: dict[str, Stored]) -> None:
    """Add the class token's position to it: timm's models with registers have positions for patches only."""
    token, positions = renamed.get("cls_token"), renamed.get("pos_embed")
    if token is None or positions is None or len(positions.shape) != 3 or positions.shape[1] < 2:
        return
    if token.shape != (1, 1, positions.shape[2]):
        return
    shape = (1, positions.shape[1] - 1, positions.shape[2])
    renamed["cls_token"] = _derived(token, token.shape, lambda: token.read() + positions.read()[:, :1])
    renamed["pos_embed"] = _derived(positions, shape, lambda: positions.read()[:, 1:].contiguous())


def _split_biases(renamed: dict[str, Stored], origin: dict[str, str]) -> None:
    """Take a SwinV2's biases of queries and values apart, as timm has them; that of keys is nought in its forward."""
    for name in [name for name in renamed if name.endswith(".qkv.bias")]:
        packed, key = renamed[name], origin[name]
        if len(packed.shape) != 1 or packed.shape[0] % 3:
            continue
        del renamed[name], origin[name]
        third = packed.shape[0] // 3
        for place, part in ((0, "q_bias"), (2, "v_bias")):
            other = name.removesuffix("qkv.bias") + part
            read = partial(_slice, packed, place * third, third)
            renamed[other], origin[other] = _derived(packed, (third,), read), key


def _slice(stored: Stored, start: int, length: int) -> torch.Tensor:
    return stored.read()[start : start + length].clone()


def _derived(stored: Stored, shape: tuple[int, ...], read: Callable[[], torch.Tensor]) -> Stored:
    return Stored(shape, stored.dtype, read, stored.place)
