"""Metrics of pixels: predictions of the shape of their targets to statistics per sample.

Classes are predicted classes [n, H, W], values floats [n, H, W] or [n, 3, H, W], flow floats [n, 2, H, W]. A pixel
counts where the target is not IGNORED, or not nan; what is predicted elsewhere is never looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from virb.core.target import PLAIN, TargetFacts, Window
from virb.core.types import IGNORED, LabelKind
from virb.metrics.common import Direction, Metric, add_rows, columns, in_chunks, known, ratio, refuse_scores
from virb.metrics.floor import position_constant
from virb.metrics.image import METRICS
from virb.metrics.measures import (
    Measure,
    absolute_error,
    agreement,
    end_point_error,
    flow_outliers,
    foreground,
    log_deviation,
    published_overlap,
    relative_error,
    root_square_error,
    within_delta,
)
from virb.metrics.overlap import MeanIoU, PublishedMeanIoU

if TYPE_CHECKING:
    import torch


_NEAREST = 1e-3
"""Metres. Depth that is not above it has no meaningful ratio."""


@dataclass(frozen=True)
class PixelRatio:
    """A metric that is a sum over a sum; a row is one picture's (numerator, denominator)."""

    name: str
    unit: str
    direction: Direction
    kind: LabelKind
    measure: Measure
    limits: tuple[float, float] | None = None
    """Targets count strictly between these, and predictions are clamped to them, as the field does for depth."""
    window: Window | None = None
    adapts: bool = True
    """Whether a target's own unit, limits and window hold."""
    rank: ClassVar[int] = 1

    @property
    def ceiling(self) -> float:
        """The best value: all of a share, none of an error."""
        return 1.0 if self.direction == "higher" else 0.0

    def statistics(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return [N, 2]: numerator and denominator."""
        if self.kind == "classes":
            refuse_scores(output)
        if self.window:
            output, target = self.window.cut(output), self.window.cut(target)
        return in_chunks(self._rows, output, target)

    def fitted_to(self, facts: TargetFacts, classes: int) -> Metric:
        """Return the metric of values with a target's own unit, limits and window."""
        if self.kind != "values" or not self.adapts:
            return self
        unit = facts.unit if facts.unit and self.unit == "value" else self.unit
        return replace(self, unit=unit, limits=facts.limits or self.limits, window=facts.window or self.window)

    def counted(self, target: torch.Tensor) -> torch.Tensor:
        """Return which pixels are inside window and limits."""
        kept = known(target)
        if self.limits:
            kept &= (target > self.limits[0]) & (target < self.limits[1])
        kept = kept.all(0) if kept.ndim == 3 else kept
        if self.window is None:
            return kept
        inside = kept.new_zeros(kept.shape)
        self.window.cut(inside).fill_(True)
        return kept & inside

    def _rows(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if self.kind == "classes":
            output, target = output.flatten(1), target.flatten(1)
            return columns(*self.measure(output, target, target != IGNORED))
        output, target = (part.flatten(2 if self.kind == "flow" else 1).double() for part in (output, target))
        counted = target.isfinite()
        if self.limits:
            low, high = self.limits
            counted &= (target > low) & (target < high)
            output = output.clamp(low, high)
        return columns(*self.measure(output, target, counted.all(1) if self.kind == "flow" else counted))

    def constant(self, targets: np.ndarray, classes: int) -> np.ndarray:
        """Return each position's most frequent class, or its mean."""
        return position_constant(self.kind, targets, classes, self)

    def totals(self, statistics: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Return (numerator, denominator)."""
        return add_rows(statistics, weights)

    def value(self, totals: np.ndarray) -> np.ndarray:
        """Return the quotient; nothing to count gives nan."""
        return ratio(totals[..., 0], totals[..., 1])

    def per_class(self, totals: np.ndarray) -> np.ndarray | None:
        """Return nothing."""
        return None


PIXEL_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        PixelRatio("iou", "share", "higher", "classes", foreground),
        MeanIoU(),
        PixelRatio("hand_iou", "share", "higher", "classes", foreground),
        PixelRatio("pixel_accuracy", "share", "higher", "classes", agreement),
        PixelRatio("pixel_mae", "value", "lower", "values", absolute_error),
        PixelRatio("rmse", "value", "lower", "values", root_square_error),
        PixelRatio("absrel", "ratio", "lower", "values", relative_error, (_NEAREST, math.inf)),
        PixelRatio("delta1", "share", "higher", "values", within_delta, (_NEAREST, math.inf)),
        PixelRatio("scale_invariant", "log", "lower", "values", log_deviation, (_NEAREST, math.inf)),
        PixelRatio("epe", "px", "lower", "flow", end_point_error),
        PixelRatio("fl_all", "share", "lower", "flow", flow_outliers),
    )
}
"""By the names of task cards; `metric_for` fits them to a target."""

PUBLISHED_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        PixelRatio("published_iou", "share", "higher", "classes", published_overlap),
        PublishedMeanIoU(),
        PixelRatio("published_l1", "value", "lower", "values", absolute_error, adapts=False),
    )
}
"""The numbers of the 2021 paper, for protocol virb2021."""


def metric_for(name: str, classes: int = 0, facts: TargetFacts = PLAIN) -> Metric:
    """Return a metric as it is measured on a target of so many classes; what is particular about it is in its facts."""
    return {**METRICS, **PIXEL_METRICS, **PUBLISHED_METRICS}[name].fitted_to(facts, classes)
