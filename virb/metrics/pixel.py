"""Metrics of pixels: predictions of the shape of their targets to statistics per sample.

Classes are predicted classes [n, H, W], values floats [n, H, W] or [n, 3, H, W], flow floats [n, 2, H, W]. A pixel
counts where the target is not IGNORED, or not nan; what is predicted elsewhere is never looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from virb.core.types import IGNORED, LabelKind
from virb.metrics.common import Direction, Metric, add_rows, columns, in_chunks, ratio, refuse_scores
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


@dataclass(frozen=True)
class Window:
    """The part of a picture that is scored, in the pixels of a picture of some size; it scales with others."""

    top: int
    bottom: int
    left: int
    right: int
    height: int
    width: int

    def cut(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the pixels [..., H, W] whose middle is inside."""
        height, width = pixels.shape[-2:]
        down = slice(_scaled(self.top, height, self.height), _scaled(self.bottom, height, self.height))
        across = slice(_scaled(self.left, width, self.width), _scaled(self.right, width, self.width))
        return pixels[..., down, across]


def _scaled(edge: int, size: int, of: int) -> int:
    """Return the first pixel of so many whose middle is not before an edge given in pixels of another size."""
    return -((of - 2 * edge * size) // (2 * of))


EIGEN_CROP = Window(45, 471, 41, 601, 480, 640)
"""What papers on NYU depth score; the frames have a white border that has no depth."""
CENTRE = Window(64, 160, 64, 160, 224, 224)
"""The square that inpainting blanks out: around it the answer is in the picture."""
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
"""By the names of task cards; `metric_for` fits them to a data set."""

PUBLISHED_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        PixelRatio("published_iou", "share", "higher", "classes", published_overlap),
        PublishedMeanIoU(),
        PixelRatio("published_l1", "value", "lower", "values", absolute_error),
    )
}
"""The numbers of the 2021 paper, for protocol virb2021."""


@dataclass(frozen=True)
class _Rule:
    """What a data set's field does differently: which part is scored, between which values, in which unit."""

    unit: str
    limits: tuple[float, float] | None = None
    window: Window | None = None


_RULES = {
    ("nyu", "depth"): _Rule("m", (_NEAREST, 10.0), EIGEN_CROP),
    ("taskonomy", "depth_zbuffer"): _Rule("m", (_NEAREST, 128.0)),  # 128 m is the largest depth that its files can hold
    ("taskonomy", "inpainting"): _Rule("colour", None, CENTRE),
}
_WITHOUT_BACKGROUND = ("cityscapes", "coco")
"""Data sets whose class 0 is a class like the others, which the paper's mean must not skip."""


def metric_for(name: str, dataset: str, target: str, classes: int = 0) -> Metric:
    """Return a metric as it is measured on one target of a data set, whose classes there are so many of.

    `nyu` and `nyu_depth` are both of the family `nyu`. Metrics of whole images are the same everywhere.
    """
    metric = {**METRICS, **PIXEL_METRICS, **PUBLISHED_METRICS}[name]
    family = dataset.partition("_")[0]
    if isinstance(metric, MeanIoU):
        return replace(metric, classes=classes or metric.classes)
    if isinstance(metric, PublishedMeanIoU):
        skipped = () if family in _WITHOUT_BACKGROUND else metric.skipped
        return replace(metric, classes=classes or metric.classes, skipped=skipped)
    rule = _RULES.get((family, target))
    if rule is None or not isinstance(metric, PixelRatio) or metric.kind != "values" or name in PUBLISHED_METRICS:
        return metric
    unit = rule.unit if metric.unit == "value" else metric.unit
    return replace(metric, unit=unit, limits=rule.limits or metric.limits, window=rule.window)
