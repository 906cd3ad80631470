"""Statistics: tests of many pairs at once, and of signs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return p-values of the same shape that may be compared with the level although there are many (Holm 1979).

    What has no p-value (nan) is no test: it keeps none and makes the others no stricter.
    """
    given = np.asarray(p_values, float)
    flat = given.ravel()
    adjusted = np.full(flat.shape, np.nan)
    tested = np.flatnonzero(np.isfinite(flat))
    order = tested[np.argsort(flat[tested], kind="stable")]
    steps = flat[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted.reshape(given.shape)


def sign_test(wins: int, losses: int) -> float:
    """Return the two-sided p-value of as many wins out of wins and losses; ties count for nothing."""
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
