"""Statistics: how sure a number is, whether two differ, and whether two columns of numbers go together.

Everything rests on replicates that stand in the records: no sample is opened again.
"""

from __future__ import annotations

from virb.metrics.stats.ranks import mean_ranks, places, rank_intervals
from virb.metrics.stats.relation import METHODS, Correlation, Line, correlation, line
from virb.metrics.stats.resample import (
    LEVEL,
    REPLICATES,
    Interval,
    bootstrap,
    interval,
    paired_difference,
    seed_draws,
    weight_blocks,
)
from virb.metrics.stats.testing import holm, p_of_difference, sign_test

__all__ = [
    "LEVEL",
    "METHODS",
    "REPLICATES",
    "Correlation",
    "Interval",
    "Line",
    "bootstrap",
    "correlation",
    "holm",
    "interval",
    "line",
    "mean_ranks",
    "p_of_difference",
    "paired_difference",
    "places",
    "rank_intervals",
    "seed_draws",
    "sign_test",
    "weight_blocks",
]
