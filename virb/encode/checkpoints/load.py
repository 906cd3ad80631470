"""Checkpoints: what was understood to a frozen encoder; every number that is taken is checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from virb.cards.encoder import CheckpointFacts, EncoderCard, Triple
from virb.core.errors import CheckpointError
from virb.core.text import cut
from virb.encode.architectures import create
from virb.encode.checkpoints import beside
from virb.encode.checkpoints.notes import conventions
from virb.encode.checkpoints.safe import Stored, unusable
from virb.encode.checkpoints.understand import Understanding
from virb.encode.encoder import IMAGENET_MEAN, IMAGENET_STD, Encoder, TimmBody

CLIP_MEAN: Triple = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Triple = (0.26862954, 0.26130258, 0.27577711)
INCEPTION: Triple = (0.5, 0.5, 0.5)
FLOATS = ("float32", "float16", "bfloat16", "float64")
SLACK = 1 << 20
LARGEST_TABLES = 256 << 20
"""What a network may hold beside its tensors, such as tables of places, over the size of its file."""


def load(card: EncoderCard, understood: Understanding, known: tuple[Triple, Triple] | None = None) -> Encoder:
    """Return the encoder of a file that was understood, or an error that names what does not match.

    Mean and deviation follow the file's format, where its source does not make them `known`.
    """
    check(understood)
    model = _filled(understood)
    mean, std, notes = (*known, conventions(understood)) if known else view(understood)
    facts = facts_of(understood, notes)
    return Encoder(card, TimmBody(model), str(understood.matching.architecture), mean, std, checkpoint=facts)


def check(understood: Understanding) -> None:
    """Refuse less than every backbone tensor: the rest would be random, and nobody would see it."""
    one, faults = understood.matching, understood.faults()
    if faults:
        parts = [f"{len(names)} {label} ({_some(understood, names)})" for label, names in faults]
        fits, wanted = one.fitting
        kind = "as --arch or the card says" if understood.request.arch else "the nearest architecture"
        raise CheckpointError(
            f"{understood.path} does not fill {one.architecture}, {kind}: {fits} of "
            f"{wanted} backbone tensors match; {'; '.join(parts)}",
            f"every backbone tensor of {one.architecture}, behind the prefix '{cut(one.candidate.prefix)}'",
            _remedy(understood),
        )
    taken = {name: one.found[name] for name in one.wanted if name in one.found and name not in understood.allowed}
    _check_types(understood, taken)
    size = _file_size(understood.path, understood)
    needed = sum(stored.size * _itemsize(stored.dtype) for stored in taken.values())
    if needed > size + SLACK:
        raise unusable(
            understood.path, f"its tensors share their numbers: they would take {needed:,} bytes and it has {size:,}"
        )


def _remedy(understood: Understanding) -> str:
    one = understood.matching
    ways = ["--arch NAME where it is another of timm's architectures"]
    if "pos_embed" in one.reshaped and one.candidate.naming.family == "vit":
        options = [f"{name}={value!r}" for name, value in one.architecture.options.items() if name != "img_size"]
        whole = f"{one.architecture.name}({', '.join([*options, 'img_size=(HEIGHT, WIDTH)'])})"
        ways.append(f"--arch '{whole}', in pixels, where its positions are no square")
    if understood.others:
        ways.append("--prefix " + " or ".join(cut(part.rstrip(".")) or "''" for part in understood.others[:3]))
    first = understood.faults()[0][1][0]
    ways.append(f"--allow-missing PATTERN (such as '{cut(first)}') where it may be so, which the record then says")
    return "; ".join(ways)


def _some(understood: Understanding, names: list[str]) -> str:
    return ", ".join(cut(understood.describe(name), 160) for name in names[:4]) + (", …" if len(names) > 4 else "")


def _check_types(understood: Understanding, taken: Mapping[str, Stored]) -> None:
    for name, stored in taken.items():
        if stored.dtype not in FLOATS and not name.endswith("num_batches_tracked"):
            raise unusable(
                understood.path,
                f"{cut(understood.describe(name))} is of type {cut(stored.dtype)}, not {', '.join(FLOATS)}",
            )


def _itemsize(dtype: str) -> int:
    kind = getattr(torch, dtype, None)
    return kind.itemsize if isinstance(kind, torch.dtype) else 8


def _file_size(path: Path, understood: Understanding) -> int:
    paths = {
        place[0] for stored in understood.contents.tensors.values() if isinstance((place := stored.place)[0], Path)
    }
    return sum(part.stat().st_size for part in paths if isinstance(part, Path)) or path.stat().st_size


def _filled(understood: Understanding) -> Any:
    """Return the model with the file's numbers; what was allowed to be missing is drawn by a fixed seed."""
    one = understood.matching
    with torch.device("meta"):
        model = create(one.architecture)
    persistent = model.state_dict()
    beside = [buffer for name, buffer in model.named_buffers() if name not in persistent]
    hidden, own = bool(beside), sum(buffer.numel() * buffer.element_size() for buffer in beside)
    if own > LARGEST_TABLES + _file_size(understood.path, understood):
        raise unusable(understood.path, f"tables of {own:,} bytes would have to be made for {one.architecture}")
    whole = not understood.allowed and not hidden
    if not whole:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = create(one.architecture)
    values = {}
    for name, tensor in persistent.items():
        if name in one.found and name not in understood.allowed:
            values[name] = _number(understood, name, tensor.dtype)
        elif name.endswith("num_batches_tracked"):
            values[name] = torch.zeros((), dtype=torch.long)
    model.load_state_dict(values, strict=whole, assign=whole)
    return model


def _number(understood: Understanding, name: str, dtype: torch.dtype) -> torch.Tensor:
    value = understood.matching.found[name].read()
    if value.is_floating_point() and not torch.isfinite(value).all():
        raise unusable(understood.path, f"{understood.describe(name)} holds NaN or infinity")
    value = value.to(dtype)
    if value.is_floating_point() and not torch.isfinite(value).all():
        raise unusable(understood.path, f"{understood.describe(name)} is too large for {dtype}")
    return value


def facts_of(understood: Understanding, notes: tuple[str, ...]) -> CheckpointFacts:
    """Return what a record says of the file."""
    one = understood.matching
    kinds = {one.found[name].dtype for name in one.wanted if name in one.found} - {"int64"}
    around = f"{understood.contents.kind}: {understood.container}" if understood.container else understood.contents.kind
    return CheckpointFacts(
        container=around,
        prefix=understood.prefix,
        naming=one.candidate.naming.title,
        dtype=", ".join(sorted(kinds)),
        dropped=understood.dropped,
        allowed=understood.allowed,
        others=understood.others,
        notes=notes,
    )


def view(understood: Understanding) -> tuple[Triple, Triple, tuple[str, ...]]:
    """Return mean and deviation for a file's format, and what was taken by convention."""
    one, notes = understood.matching, conventions(understood)
    naming, names = one.candidate.naming.title, set(one.found)
    if "Hugging Face" in naming and (known := beside.statistics(understood.path)):
        return (*known, (*notes, f"mean and deviation from {beside.VIEW} beside the file"))
    if one.architecture.name.startswith("beit"):
        return (
            INCEPTION,
            INCEPTION,
            (*notes, "mean and deviation 0.5, as BEiT has it; BEiT v2 has ImageNet's: write a card"),
        )
    if naming.startswith("torchvision") and one.architecture.name == "efficientnetv2_l":
        return INCEPTION, INCEPTION, (*notes, "mean and deviation 0.5, as torchvision has it")
    if "CLIP" in naming or "_clip_" in one.architecture.name:
        return CLIP_MEAN, CLIP_STD, (*notes, "mean and deviation of CLIP")
    masked = any(name.startswith(("decoder", "mask_token")) for name in understood.contents.tensors)
    if naming == "Hugging Face ViT" and one.architecture.options.get("init_values") is None:
        plain = not masked and "dinov2" not in one.architecture.name and not {"mask_token", "dist_token"} & names
        if plain:
            guess = "mean and deviation 0.5, as google/vit has it; where the model card says otherwise, write a card"
            return INCEPTION, INCEPTION, (*notes, guess)
    return IMAGENET_MEAN, IMAGENET_STD, notes
