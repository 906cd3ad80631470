"""Statistics: whether two columns of scores go together, over encoders.

Coefficients and p-values are scipy's. Intervals are Fisher's: normal after arctanh, with the standard errors of
Fisher (Pearson), Bonett and Wright 2000 (Spearman) and Fieller, Hartley and Pearson 1957 (Kendall). At 28 encoders
they hold the truth as often as they say where both columns are normal; `virb bench stats` prints how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from virb.core.errors import VirbError
from virb.metrics.stats.resample import LEVEL

Method = Literal["pearson", "spearman", "kendall"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True)
class Correlation:
    """A coefficient over n encoders with its interval and two-sided p-value; nan where a column is constant."""

    method: Method
    n: int
    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Line:
    """A least-squares line and what its band needs."""

    slope: float
    intercept: float
    n: int
    center: float
    """The mean of x."""
    spread: float
    """The sum of squares of x around its mean."""
    error: float
    """The standard deviation of what the line leaves."""

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return the line at these places."""
        return np.asarray(self.intercept + self.slope * np.asarray(x, float))

    def band(self, x: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
        """Return the interval of the line itself, not of single encoders, at these places: Student's."""
        from scipy.special import stdtrit

        middle, far = self.at(x), (np.asarray(x, float) - self.center) ** 2
        if self.n < 3:
            return np.full_like(middle, -np.inf), np.full_like(middle, np.inf)
        half = stdtrit(self.n - 2, (1 + level) / 2) * self.error * np.sqrt(1 / self.n + far / self.spread)
        return middle - half, middle + half


def pairs(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the encoders that have both numbers."""
    first, second = np.asarray(x, float), np.asarray(y, float)
    if first.shape != second.shape or first.ndim != 1:
        raise VirbError(
            f"{first.size} scores stand against {second.size}", "one pair for every encoder", "pass columns of a board"
        )
    both = np.isfinite(first) & np.isfinite(second)
    return first[both], second[both]


def correlation(
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    method: Method = "pearson",
    level: float = LEVEL,
) -> Correlation:
    """Return how two columns go together; encoders that lack one of the numbers (nan) are left out."""
    from scipy import stats

    first, second = pairs(x, y)
    n = len(first)
    if n < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Correlation(method, n, *[float("nan")] * 4)
    test: Any = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}[method]
    found = test(first, second)
    value = float(np.clip(found.statistic, -1.0, 1.0))
    low, high = _fisher(value, n, method, level)
    return Correlation(method, n, value, low, high, float(found.pvalue))


def _fisher(value: float, n: int, method: Method, level: float) -> tuple[float, float]:
    """Return the interval of a coefficient; of too few encoders it says nothing."""
    from scipy.special import ndtri

    least = 5 if method == "kendall" else 4
    if n < least:
        return -1.0, 1.0
    if abs(value) == 1.0:
        return value, value
    variance = {
        "pearson": 1 / (n - 3),
        "spearman": (1 + value**2 / 2) / (n - 3),
        "kendall": 0.437 / max(1, n - 4),  # all three are worked out, and Kendall is never asked below five
    }[method]
    middle, half = np.arctanh(value), ndtri((1 + level) / 2) * np.sqrt(variance)
    return float(np.tanh(middle - half)), float(np.tanh(middle + half))


def line(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> Line | None:
    """Return the least-squares line through the encoders that have both numbers; None where there is none."""
    first, second = pairs(x, y)
    if len(first) < 2 or np.ptp(first) == 0:
        return None
    center = float(first.mean())
    spread = float(((first - center) ** 2).sum())
    slope = float(((first - center) * (second - second.mean())).sum() / spread)
    intercept = float(second.mean() - slope * center)
    rest = second - intercept - slope * first
    error = float(np.sqrt((rest**2).sum() / max(1, len(first) - 2)))
    return Line(slope, intercept, len(first), center, spread, error)
