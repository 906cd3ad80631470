"""Predictions and targets that tests of metrics of pixels share, and what a metric makes of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from virb.core.types import IGNORED
from virb.metrics import PIXEL_METRICS, PUBLISHED_METRICS, Metric, metric_for

CLASSES = 5
ALL = PIXEL_METRICS | PUBLISHED_METRICS
CLASS_METRICS = ["iou", "miou", "hand_iou", "pixel_accuracy", "published_iou", "published_miou"]
FLOW_METRICS = ["epe", "fl_all"]

Pixels = tuple[np.ndarray, np.ndarray]
every = pytest.mark.parametrize("name", sorted(ALL))


def metric(name: str) -> Metric:
    """Return a metric for pictures of five classes."""
    return metric_for(name, CLASSES)


def pixels(name: str, count: int = 7, height: int = 12, width: int = 10, seed: int = 0) -> Pixels:
    """Predictions that are right half of the time; a fifth of the target is void, and all of the fourth picture."""
    random = np.random.default_rng(seed)
    shape = (count, height, width)
    if name in CLASS_METRICS:
        target: np.ndarray = random.choice(CLASSES - 1, shape, p=[0.6, 0.2, 0.15, 0.05]).astype(
            np.uint8
        )  # the last is nowhere
        output = np.where(random.random(shape) < 0.5, target, random.integers(0, CLASSES - 1, shape)).astype(np.int64)
        void: float = IGNORED
    elif name in FLOW_METRICS:
        target = random.normal(scale=60, size=(count, 2, height, width)).astype(np.float32)
        output = target + random.normal(scale=3, size=target.shape).astype(np.float32)
        void = math.nan
    else:
        target = random.uniform(0.5, 9, shape).astype(np.float32)
        output = (target * np.exp(random.normal(scale=0.3, size=shape))).astype(np.float32)
        void = math.nan
    gone = random.random(shape) < 0.2
    gone[3:4] = True
    target[np.broadcast_to(gone[:, None], target.shape) if name in FLOW_METRICS else gone] = void
    return output, target


def rows(found: Metric, output: np.ndarray, target: np.ndarray) -> np.ndarray:
    return found.statistics(torch.from_numpy(output), torch.from_numpy(target)).numpy()


def value(found: Metric, output: np.ndarray, target: np.ndarray) -> float:
    return float(found.value(found.totals(rows(found, output, target))))


def picture(rows_of_pixels: list[list[float]], kind: type = np.float32) -> np.ndarray:
    return np.array([rows_of_pixels], dtype=kind)
