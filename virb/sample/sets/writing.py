"""Sample (data): what every writer of a data set shares: items, files, pictures as bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from virb.sample.engine.fields import Dice

Item: TypeAlias = tuple[str, Any, int]
"""One item to make: its split, a class or scene (or None), and its number in there."""


@dataclass(frozen=True)
class Made:
    """What one item is: files by their path in the data set's folder, and what the lists need to know of it."""

    files: dict[str, bytes]
    record: Any = None


def no_lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    """Return nothing: the folders are the labels, or hold them."""
    return {}


@dataclass(frozen=True)
class Writer:
    """A data set: its folder, its items at a size, how one is made from a seed, and the lists over all."""

    folder: str
    items: Callable[[float], list[Item]]
    make: Callable[[int, Item], Made]
    lists: Callable[[Sequence[tuple[Item, Any]]], dict[str, bytes]] = no_lists


def scaled(count: int, size: float) -> int:
    """Return how many of `count` items a world of this size holds: at least one."""
    return max(1, round(count * size))


def by_class(counts: Mapping[str, int], names: Collection[str | None], size: float) -> list[Item]:
    """Return the items of each split, class after class, so many of every class."""
    return [
        (split, name, index)
        for split, count in counts.items()
        for name in names
        for index in range(scaled(count, size))
    ]


def in_rounds(parts: Mapping[str, tuple[Collection[Any], int]], size: float) -> list[Item]:
    """Return the items of each split's classes or scenes, one more of each with every round.

    So a larger world adds to every scene.
    """
    return [
        (split, name, index)
        for split, (names, count) in parts.items()
        for index in range(scaled(count, size))
        for name in names
    ]


def dealt(split: str, index: int, runs: Mapping[str, int]) -> int:
    """Return an item's number, from 1: numbers are dealt to the splits in runs, whatever the size."""
    count = runs[split]
    first = sum(list(runs.values())[: list(runs).index(split)])
    return index // count * sum(runs.values()) + first + index % count + 1


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture [H,W,3] as a JPEG file."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "jpeg", quality=90)
    return stream.getvalue()


def png(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture [H,W,C] as a PNG file, packed fast: noise does not pack well anyhow."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "png", compress_level=1)
    return stream.getvalue()


def exposed(picture: NDArray[np.uint8], dice: Dice) -> NDArray[np.uint8]:
    """Return a picture [H,W,3] as a camera that sets exposure and white balance for each frame would take it.

    Otherwise the colours of two frames alone tell most of what the camera did.
    """
    light = dice.between(0.65, 1.35)
    gains = np.array([light * dice.between(0.85, 1.15) for _ in range(3)])
    return np.asarray(np.minimum(np.floor(picture * gains + 0.5), 255.0).astype(np.uint8))


def lines_of(lines: Iterable[str]) -> bytes:
    """Return lines as a text file."""
    return "".join(f"{line}\n" for line in lines).encode()
