"""Submit: a bundle's heads as what was trained: a file of tensors by name, which holds no code.

Its form is checked whenever a bundle is: unlike the numbers in it, it can be without weights and data.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from typing import IO, NoReturn

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load

from virb.core.strict_json import read_json
from virb.data.targets import Targets
from virb.encode.encoder import Encoder
from virb.heads import STACKS, Stack
from virb.heads.dense import DENSE, PUBLISHED_DENSE, DenseHeads, Inputs
from virb.heads.fit import FittedPixels, FittedStack
from virb.heads.fit.answer import Answer
from virb.heads.fit.choice import Choice, Curves, Setting
from virb.records.record import Record
from virb.run.plan import Job
from virb.submit.container import BundleError, refuse

_LARGEST_HEADER, _MOST_SIDES = 1 << 20, 8
_BYTES = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8}
_BESIDE = ("features.mean", "features.std", "output.mean", "output.scale")
"""Tensors of a file of heads that belong to no seed."""


def check_form(stream: IO[bytes], size: int, seeds: int, where: str) -> None:
    """Refuse a file that is no whole safetensors file with heads of every seed; no tensor is read."""
    try:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > min(_LARGEST_HEADER, size):
            raise ValueError(f"a header of {length:,} bytes")
        header = read_json(stream.read(length))
        names = [name for name in header if name != "__metadata__"]
        ends = [0, *_ends(header, names)]
    except (struct.error, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        refuse(where, f"cannot be read as heads: {str(error)[:120] or type(error).__name__}", error)
    if ends[-1] != size - 8 - length:
        refuse(where, "is not as long as its header says")
    owners = {name.partition(".")[0] for name in names if name not in _BESIDE}
    if owners != {f"seed{seed}" for seed in range(seeds)}:
        refuse(where, f"does not hold the heads of {seeds} seeds")


def _ends(header: Mapping[str, object], names: list[str]) -> Iterator[int]:
    """Yield where each tensor ends; they lie without gap one after another."""
    entries = [header[name] for name in names]
    if not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("tensors without a shape")
    place = 0
    for entry in sorted(entries, key=lambda entry: entry["data_offsets"]):  # type: ignore[index]
        kind, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]  # type: ignore[index]
        if len(shape) > _MOST_SIDES or min(shape, default=0) < 0:
            raise ValueError("a tensor of a shape that no head has")
        if start != place or end != start + _BYTES[kind] * math.prod(shape):
            raise ValueError(f"a tensor of shape {shape} from {start} to {end}")
        yield (place := end)


def _misfit(text: str, cause: BaseException | None = None) -> NoReturn:
    raise BundleError(f"its heads {text}", "the heads that were trained", "ask its maker for another bundle") from cause


def _tensors(heads: bytes, seeds: int) -> tuple[list[dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
    """Return each seed's tensors by their names, and the rest."""
    try:
        tensors = load(heads)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        _misfit(f"cannot be read: {error}", error)
    named: list[dict[str, torch.Tensor]] = [{} for _ in range(seeds)]
    rest = {}
    for name, tensor in tensors.items():
        first, _, inner = name.partition(".")
        if first.startswith("seed") and first[4:].isdecimal() and int(first[4:]) < seeds:
            named[int(first[4:])][inner] = tensor
        else:
            rest[name] = tensor
    return named, rest


def image_heads(record: Record, job: Job, heads: bytes, encoder: Encoder, device: torch.device) -> FittedStack:
    """Return the heads of an image-level task."""
    named, rest = _tensors(heads, len(record.seeds))
    dataset, frames, width = job.prepared.dataset, job.task.frames, encoder.shape.width
    stacks = []
    for state in named:
        stack = STACKS[job.prepared.head](1, width, frames, len(dataset.classes), torch.Generator(), device)
        stacks.append(_filled(stack, state))
    setting = _setting(record)
    size = width * frames
    mean, std = (_vector(rest, f"features.{name}", size, setting.standardise, device) for name in ("mean", "std"))
    return FittedStack(_choice(setting), setting.standardise, tuple(stacks), mean, std)


def _choice(setting: Setting) -> Choice:
    return Choice((setting,), 0, np.zeros(1), Curves())


def _setting(record: Record) -> Setting:
    chosen = record.setting
    if chosen.learning_rate is None or chosen.weight_decay is None:
        _misfit("cannot be, where nothing was trained")
    return Setting(chosen.learning_rate, chosen.weight_decay, chosen.standardise)


def _filled(stack: Stack, state: Mapping[str, torch.Tensor]) -> Stack:
    for place, name in enumerate(stack.names):
        own = stack.parameters[place]
        given = state.get(name)
        if given is None or given.shape != own.shape[1:] or given.dtype != own.dtype:
            _misfit(f"have no tensor {name} of shape {tuple(own.shape[1:])}")
        own.copy_(given[None])
    return stack


def _vector(
    tensors: Mapping[str, torch.Tensor], name: str, size: int, needed: bool, device: torch.device
) -> torch.Tensor:
    if not needed:
        return torch.zeros(size, device=device)
    found = tensors.get(name)
    if found is None or found.shape != (size,):
        _misfit(f"have no tensor {name} of {size} numbers")
    return found.to(device)


def pixel_heads(
    record: Record, job: Job, heads: bytes, inputs: Inputs, targets: Targets, encoder: Encoder, device: torch.device
) -> FittedPixels:
    """Return the heads of a pixel-wise task."""
    named, rest = _tensors(heads, len(record.seeds))
    mean, scale = rest.get("output.mean"), rest.get("output.scale")
    if mean is None or scale is None or mean.ndim != 3 or mean.shape != scale.shape:
        _misfit("do not say how outputs are read")
    stacks = []
    for state in named:
        head = _empty_head(job, inputs, len(mean), encoder, device)
        try:
            head.load({name: tensor.to(device) for name, tensor in state.items()})
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            _misfit(f"do not fit: {str(error)[:200]}", error)
        stacks.append(head)
    answer = Answer(job.task.loss, mean.to(device), scale.to(device))
    return FittedPixels(_choice(_setting(record)), tuple(stacks), answer, targets)


def _empty_head(job: Job, inputs: Inputs, outputs: int, encoder: Encoder, device: torch.device) -> DenseHeads:
    name, generator = job.prepared.head, torch.Generator()
    if name in PUBLISHED_DENSE:
        return PUBLISHED_DENSE[name](1, inputs, outputs, generator, device, encoder.model)
    return DENSE[name](1, inputs, outputs, generator, device)
