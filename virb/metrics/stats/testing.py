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


def p_of_difference(difference: np.ndarray, error: np.ndarray, units: int | None = None) -> np.ndarray:
    """Return two-sided p-values of differences with these standard errors: Student's, of so many independent units.

    A bootstrap's standard error is too small by the root of (n - 1) / n. A difference without any error is sure.
    """
    from scipy.special import ndtr, stdtr

    given, sure = np.abs(np.asarray(difference, float)), np.asarray(error, float)
    certain = sure <= 1e-12 * np.maximum(1.0, given)
    far = given / np.where(certain, 1.0, sure)
    if units is None:
        tail = ndtr(-far)
    elif units > 1:
        tail = stdtr(units - 1, -far * np.sqrt((units - 1) / units))
    else:
        return np.ones_like(given)
    return np.asarray(np.where(certain, np.where(given > 1e-12, 0.0, 1.0), np.minimum(1.0, 2 * tail)))


def sign_test(wins: int, losses: int) -> float:
    """Return the two-sided p-value of as many wins out of wins and losses; ties count for nothing."""
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
