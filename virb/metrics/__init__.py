"""Metrics: per-sample statistics that add up, then one division (stage: output -> statistics -> value).

A sample that cannot be scored keeps its row, all zeros, and counts for nothing.

A statistic is one row per sample; `totals` adds rows, weighted if asked; `value` divides once at the end. So a
score has a bootstrap interval, two encoders have a paired test, and nothing depends on the batch size.
"""

from __future__ import annotations

from virb.metrics.common import Direction, Metric
from virb.metrics.floor import PositionFloor, best_rarity, coarsened
from virb.metrics.image import METRICS, Mean, MeanPerClass, class_accuracies
from virb.metrics.overlap import MeanIoU, PublishedMeanIoU
from virb.metrics.pixel import PIXEL_METRICS, PUBLISHED_METRICS, PixelRatio, metric_for

__all__ = [
    "METRICS",
    "PIXEL_METRICS",
    "PUBLISHED_METRICS",
    "Direction",
    "Mean",
    "MeanIoU",
    "MeanPerClass",
    "Metric",
    "PixelRatio",
    "PositionFloor",
    "PublishedMeanIoU",
    "best_rarity",
    "class_accuracies",
    "coarsened",
    "metric_for",
]
