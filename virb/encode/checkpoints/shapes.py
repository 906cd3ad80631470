"""Checkpoints: the shapes of tensors by name: what a model has, and what a file's names and shapes count up to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import torch

from virb.encode.architectures import create

Shapes = Mapping[str, tuple[int, ...]]


@lru_cache(maxsize=64)
def shapes_of(text: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a model's backbone tensors; it is built without numbers."""
    with torch.device("meta"):
        model = create(text)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def problems(wanted: Shapes, found: Shapes) -> int:
    """Return how many tensors are missing or of another shape."""
    return sum(found.get(name) != shape for name, shape in wanted.items() if not name.endswith("num_batches_tracked"))


def usual(values: Iterable[Any]) -> Any:
    """Return the most frequent value: one odd tensor does not make another architecture."""
    counted = Counter(values).most_common(1)
    return counted[0][0] if counted else None


def depths_of(pattern: str, names: Iterable[str]) -> tuple[int, ...]:
    """Return how many blocks each stage has, by the numbers that occur."""
    blocks = {(int(found[1]), found[2]) for name in names if (found := re.match(pattern, name))}
    stages = sorted({stage for stage, _ in blocks})
    return tuple(sum(stage == other for other, _ in blocks) for stage in stages)
