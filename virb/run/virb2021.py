"""Published: what protocol virb2021 measures where the others measure something else (stage 3, beside targets).

What the paper scored is kept so that its numbers can be compared; how its loaders came to lose or mix pixels is not:
labels are resized by the nearest pixel here, never mixed, and a pixel that was not measured is not trained as one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from virb.cards.task import Task
from virb.core.target import Draw
from virb.core.types import Dataset
from virb.data.facts import facts_of

_HEADS = {"upshuffle": "published_upshuffle", "siamese": "published_siamese", "aspp": "published_deeplab"}
_FARTHEST = 10000 / 512
"""Metres: the paper cut Taskonomy's stored depth at 10,000."""


def head_of(task: Task) -> str:
    """Return the paper's head for what the card asks for."""
    return _HEADS[task.head]


def weights_of(task: Task) -> tuple[float, ...] | None:
    """Return the weights of the classes in the loss, where the paper had any."""
    return facts_of(task.dataset, task.target).published.weights


def frozen_under(head: str) -> Literal["fully", "all but a copy of layer4"]:
    """Return what of an encoder stays as it is under a head: the paper's DeepLab trains a copy of a part."""
    return "all but a copy of layer4" if head == "published_deeplab" else "fully"


def draw_of(task: Task) -> Draw:
    """Return how the paper drew training crops. Its corners missed most of an enlarged picture; these do not."""
    return facts_of(task.dataset, task.target).published.draw


def as_published(dataset: Dataset, task: Task) -> Dataset:
    """Return the data with the paper's target; NYU's metres and walkable floor are what they are elsewhere."""
    name = facts_of(task.dataset, task.target).published.recast
    if name is None or dataset.labels is None:
        return dataset
    recast = _RECASTS[name]
    labels = replace(dataset.labels, reader=_Recaster(dataset.labels.reader, recast.change))
    classes = recast.classes or dataset.classes
    return replace(dataset, labels=labels, classes=classes, rule=f"{dataset.rule}; {recast.rule}")


def around_the_animal(found: np.ndarray) -> np.ndarray:
    """Return 1 on background and border and 0 on the animal: the paper's overlap is that of the background.

    Its border was mixed anew by resizing, codes 1 and 3 giving a 2 between them; here it is the owner's.
    """
    return np.asarray(found != 1).astype(np.uint8)


def standard_depth(found: np.ndarray) -> np.ndarray:
    """Return THOR's depth less 0.5 in units of 0.25, from -2 to 2: the paper's errors are in these units."""
    return np.asarray((found - np.float32(0.5)) / np.float32(0.25), np.float32)


def relative_depth(found: np.ndarray) -> np.ndarray:
    """Return depth over the picture's largest, less the smallest of that.

    A pixel that was not measured stays unknown. In the paper it was the farthest, and so set the scale of all others.
    """
    cut: np.ndarray = np.minimum(found, np.float32(_FARTHEST))
    if not np.isfinite(cut).any():
        return cut
    share = cut / np.nanmax(cut)
    return np.asarray(share - np.nanmin(share))


@dataclass(frozen=True)
class _Recast:
    """How a target becomes the paper's, and how that is called in the data's digest."""

    change: Callable[[np.ndarray], np.ndarray]
    rule: str
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Recaster:
    """A reader of labels and what is made of them; other processes can be handed it."""

    read: Callable[[Path, int], np.ndarray]
    change: Callable[[np.ndarray], np.ndarray]

    def __call__(self, path: Path, row: int) -> np.ndarray:
        return self.change(self.read(path, row))


_RECASTS = {
    "around_the_animal": _Recast(around_the_animal, "background and border", ("animal", "background and border")),
    "standard_depth": _Recast(standard_depth, "(depth - 0.5) / 0.25"),
    "relative_depth": _Recast(relative_depth, "depth over its maximum less its minimum"),
}
