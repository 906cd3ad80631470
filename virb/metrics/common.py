"""Metrics: what every metric offers, and the arithmetic that they share. No torch until a tensor comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from virb.core.errors import DataError
from virb.core.target import TargetFacts
from virb.core.types import IGNORED

if TYPE_CHECKING:
    import torch

Direction = Literal["higher", "lower"]

_PIXELS = 1 << 22
"""Pixels whose statistics are computed at a time: some hundred megabytes, however large the batch."""


class Metric(Protocol):
    """What every metric offers."""

    @property
    def name(self) -> str:
        """The name on cards and in records."""

    @property
    def unit(self) -> str:
        """What the value counts: `share` is shown as per cent."""

    @property
    def direction(self) -> Direction:
        """Whether higher or lower is better."""

    @property
    def ceiling(self) -> float:
        """The best value there can be."""

    @property
    def rank(self) -> int:
        """How many of an image's best outputs hold a hit; 0 where the number is a distance between classes."""

    def fitted_to(self, facts: TargetFacts, classes: int) -> Metric:
        """Return the metric as it is measured on a target of so many classes; 0 where that is not known."""

    def counted(self, target: torch.Tensor) -> torch.Tensor:
        """Return what of one target counts: pixels [H, W] of [H, W] or [C, H, W], or a class."""

    def statistics(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return one row per sample, [N, s].

        For images from outputs [N, K] and targets [N]; for pixels from predictions of the shape of their targets.
        """

    def constant(self, targets: np.ndarray, classes: int) -> np.ndarray:
        """Return the output for every sample that scores best, or nearly, on these training targets.

        [K] for images; for pixels a map as large as one target.
        """

    def totals(self, statistics: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Return sums over samples, [q], or [R, q] under R rows of weights [R, N]."""

    def value(self, totals: np.ndarray) -> np.ndarray:
        """Return the metric of sums [..., q]."""

    def per_class(self, totals: np.ndarray) -> np.ndarray | None:
        """Return each class's own value [..., K], if rows are counts of pixels of every class."""


def columns(*parts: torch.Tensor) -> torch.Tensor:
    """Return columns [N] side by side, [N, s], in double precision: counts of pixels outgrow what a float can hold."""
    import torch

    return torch.stack([part.double() for part in parts], dim=-1)


def add_rows(statistics: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Return the sum of rows [N, s], or one sum for each row of weights [R, N]."""
    ones = np.ones(len(statistics)) if weights is None else weights
    return np.asarray(ones @ statistics)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return a quotient; nothing over nothing is nan, without a warning."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(numerator / denominator)


def in_chunks(
    rows: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], output: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """Return the rows of all samples, computed for a few at a time, so that memory is bounded."""
    import torch

    if output.shape != target.shape:
        raise ValueError(f"predictions {tuple(output.shape)} do not lie on targets {tuple(target.shape)}")
    step = max(1, _PIXELS // max(1, target.shape[1:].numel()))
    parts = zip(torch.split(output, step), torch.split(target, step), strict=True)
    return torch.cat([rows(some, truth) for some, truth in parts])


def known(target: torch.Tensor) -> torch.Tensor:
    """Return where a target says anything."""
    return target.isfinite() if target.is_floating_point() else target != IGNORED


def refuse_unknown(what: str, labels: torch.Tensor, counted: torch.Tensor, classes: int) -> None:
    """Refuse a class that does not exist where pixels count: it would be counted as another picture's."""
    if bool((strange := counted & ((labels < 0) | (labels >= classes))).any()):
        raise DataError(
            f"a {what} has a pixel of class {int(labels[strange][0])}",
            f"0 to {classes - 1}, or {IGNORED} where nothing counts",
            "look for label pictures that were resized or encoded otherwise than the data set's owner does",
        )


def refuse_scores(output: torch.Tensor) -> None:
    """Refuse scores or probabilities where classes are compared."""
    if output.is_floating_point():
        raise ValueError("expected predicted classes as integers, found floats")
