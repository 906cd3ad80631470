"""Analysis: what a finding is: a question, effects with intervals, the test that fits, and one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from virb.core.digest import seed_of
from virb.metrics.stats import LEVEL, holm

Verdict = Literal["higher", "lower", "cannot tell"]
ALPHA = 1 - LEVEL
_FLIPS = 20_000
"""Sign patterns that are tried; all of them up to fourteen differences."""
FLIP_TEST = "sign-flip permutation test of the mean paired difference"


@dataclass(frozen=True)
class Effect:
    """One number of an answer, with its interval and what a test says of it; nan where there is none."""

    label: str
    value: float
    low: float
    high: float
    n: int
    p: float
    adjusted: float = math.nan
    """p after Holm's correction over the effects of the same question."""
    verdict: Verdict = "cannot tell"
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """The answer to one question."""

    key: str
    question: str
    answer: str
    """One sentence, which says "cannot tell" where it cannot."""
    test: str
    """Which test, over what, and why it fits."""
    paper: str
    """What the paper did instead, and where that does not fit."""
    unit: str
    """What the effects are measured in."""
    effects: tuple[Effect, ...] = ()
    cautions: tuple[str, ...] = ()
    spread: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """By category, the numbers whose distribution the question is about; in the unit of the effects."""


@dataclass(frozen=True)
class Question:
    """What is asked and how; the answer makes a finding of it."""

    key: str
    question: str
    test: str
    paper: str
    unit: str

    def answered(self, answer: str, effects: Sequence[Effect] = (), cautions: Sequence[str] = ()) -> Reply:
        """Return the finding; empty cautions are none."""
        kept = tuple(caution for caution in cautions if caution)
        return Reply(self.key, self.question, answer, self.test, self.paper, self.unit, tuple(effects), kept)


DEVIATIONS = "standard deviations over the encoders at hand; above 0 is better"


def mean_difference(label: str, differences: ArrayLike, **more: Any) -> Effect:
    """Return the mean of paired differences with Student's interval and the p-value of flipping their signs."""
    from scipy.special import stdtrit

    known = np.asarray(differences, float)
    known = known[np.isfinite(known)]
    n = len(known)
    if n == 0:
        return Effect(label, math.nan, math.nan, math.nan, 0, math.nan, more=more)
    value = float(known.mean())
    if n == 1:
        return Effect(label, value, math.nan, math.nan, 1, math.nan, more=more)
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2) * known.std(ddof=1) / math.sqrt(n))
    return Effect(label, value, value - half, value + half, n, flip_test(known), more=more)


def flip_test(differences: np.ndarray) -> float:
    """Return how often random signs give a mean as far from zero: exact for few differences, sampled for many."""
    from scipy.stats import permutation_test

    if not np.any(differences):
        return 1.0
    found = permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_FLIPS,
        rng=np.random.default_rng(seed_of("sign flips")),
    )
    return float(found.pvalue)


def judge(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    """Return effects with verdicts: Holm's correction over all of them, and an interval that leaves out zero."""
    corrected = holm([effect.p for effect in effects])
    return tuple(
        replace(effect, adjusted=float(p), verdict=_verdict(effect, float(p)))
        for effect, p in zip(effects, corrected, strict=True)
    )


def _verdict(effect: Effect, p: float) -> Verdict:
    if not p < ALPHA or effect.low <= 0 <= effect.high:
        return "cannot tell"
    return "higher" if effect.value > 0 else "lower"


def told(effects: Sequence[Effect], verdict: Verdict) -> list[str]:
    """Return the labels of the effects with a verdict."""
    return [effect.label for effect in effects if effect.verdict == verdict]


def several(names: Sequence[str], most: int = 6) -> str:
    """Return names as a part of a sentence."""
    shown = list(names[:most])
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def too_few(effects: Sequence[Effect]) -> str:
    """Return why tests over so few differences cannot decide, or nothing where they could."""
    few = [effect for effect in effects if 0 < effect.n < 6]
    if not few:
        return ""
    largest = max(effect.n for effect in few)
    return (
        f"A sign-flip test over {largest} difference{'s' if largest > 1 else ''} cannot give less than "
        f"p = {2 / 2**largest:.2g}, so that {several([effect.label for effect in few])} stay open whatever the numbers."
    )
