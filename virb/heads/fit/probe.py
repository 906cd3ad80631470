"""Fit: what every way to judge features is, so that the harness need not ask which one it has (stage 5).

A probe is final: heads that are trained on pooled features, nearest neighbours, heads that are trained on maps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import torch

from virb.core.types import Features, Predicted, Split
from virb.data.tiles import Mosaic
from virb.heads.fit.choice import Choice

Advance = Callable[[int], None]
Tested = Split | Mosaic
"""Samples that are scored: as heads are shown them, or as whole pictures that are put together from tiles."""


class Work(NamedTuple):
    """What a probe does with a task, and how far `advance` will count."""

    verb: str
    total: int
    unit: str


class Fitted(Protocol):
    """What a probe has come to."""

    @property
    def choice(self) -> Choice:
        """Which setting was taken, and how they compared."""

    def answers(self, features: Features, test: Tested) -> Iterator[Predicted]:
        """Yield what every seed's heads give, and the targets, batch by batch in the samples' order."""
        ...

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return what was trained, by the names that it is stored under; nothing where nothing was."""
        ...


class Probe(Protocol):
    """A way to judge features."""

    @property
    def work(self) -> Work:
        """What it does, for whoever waits."""

    def fit(self, features: Features, train: Split, val: Tested, advance: Advance) -> Fitted:
        """Return heads of the setting that does best on validation."""
        ...
