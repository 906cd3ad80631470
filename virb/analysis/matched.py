"""Analysis: encoders that differ in one thing only: their method, or the balance of their pretraining classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from virb.analysis.encoders import amount, balance, blocks, gap, means, method_family, plain, recipe, self_supervised
from virb.analysis.finding import (
    DEVIATIONS,
    FLIP_TEST,
    Effect,
    Question,
    Reply,
    judge,
    mean_difference,
    several,
    told,
    too_few,
)
from virb.analysis.scores import Array, standardised
from virb.core.errors import UsageError, did_you_mean
from virb.leaderboard.board import QUADRANTS, Board, Row

POOLED = (
    "The paper's ANOVA pools raw scores of different tasks. It does not fit: the spread between tasks swamps that "
    "between encoders, both groups hold the same tasks and so are not independent, and units are mixed."
)
METHODS = Question(
    "methods",
    "Which of two methods suits which kind of task?",
    f"Encoders are paired that share pretraining data, images and epochs. Per quadrant and level, a {FLIP_TEST} over "
    "tasks, each the mean over pairs; Holm over the rows.",
    POOLED,
    "",
)
BALANCE = Question(
    "balance",
    "Is pretraining on unbalanced classes worse than on balanced ones?",
    f"Encoders are paired that share method, images and epochs and differ in balance. {FLIP_TEST[0].upper()}"
    f"{FLIP_TEST[1:]} over tasks, each the mean over pairs; Holm over the rows.",
    POOLED + " Its logarithmic test also counts every balanced data set, ImageNet or not, as 'balanced'.",
    f"unbalanced less balanced, {DEVIATIONS}",
)
_CIRCULAR = (
    "Which published encoder is which was itself inferred from scores: the method from THOR egomotion, the "
    "pretraining data from tasks where they help."
)


def compare_methods(scores: Board, wanted: tuple[str, str] | None = None) -> Reply:
    """Return where one method is better than another, over encoders that differ in nothing else."""
    groups = [members for _, members in blocks(scores, lambda row: recipe(row, "pretraining"), self_supervised(scores))]
    chosen = _named(scores, wanted) if wanted else _most_pairs(scores, groups)
    if chosen is None:
        return METHODS.answered("Cannot tell: no two methods here share pretraining data, images and epochs.")
    one, other = chosen
    pairs = [
        (_of(scores, members, one), _of(scores, members, other))
        for members in groups
        if _of(scores, members, one) and _of(scores, members, other)
    ]
    question = _about(scores, one, other, pairs)
    if not pairs:
        return question.answered(
            f"Cannot tell: no {_spelt(scores, one)} and {_spelt(scores, other)} encoders here share pretraining data, "
            "images and epochs."
        )
    effects = judge(by_quadrant(scores, pairs, levels=True))
    answer = _who_is_better(effects, _spelt(scores, one), _spelt(scores, other))
    used = [place for pair in pairs for side in pair for place in side]
    return question.answered(answer, effects, [_pairs(scores, pairs), too_few(effects), guesses(scores, used)])


def _who_is_better(effects: Sequence[Effect], one: str, other: str) -> str:
    better, worse, open_ = (told(effects, verdict) for verdict in ("higher", "lower", "cannot tell"))
    parts = [
        f"{name}-like encoders are better on {several(kinds)} tasks"
        for name, kinds in ((one, better), (other, worse))
        if kinds
    ]
    if not parts:
        return f"Cannot tell on any kind of task whether {one}-like or {other}-like encoders are better."
    return "; ".join([*parts, *([f"cannot tell for {several(open_)} tasks"] if open_ else [])]) + "."


def _spelt(scores: Board, family: str) -> str:
    """Return a family of methods as a card spells it, without its version."""
    methods = [encoder.facts.method for encoder in scores.rows if method_family(encoder.facts.method) == family]
    return re.sub(r"\s*v?\d+$", "", methods[0]) if methods else family


def _about(scores: Board, one: str, other: str, pairs: Sequence[tuple[list[int], list[int]]]) -> Question:
    pooled = _pooled(scores, pairs)
    return Question(
        METHODS.key,
        f"Which suits which kind of task better, {_spelt(scores, one)}-like or {_spelt(scores, other)}-like encoders?",
        METHODS.test,
        METHODS.paper + (f" On these encoders' accuracies it gives p = {pooled:.2g}." if np.isfinite(pooled) else ""),
        f"{_spelt(scores, one)} less {_spelt(scores, other)}, {DEVIATIONS}",
    )


def _of(scores: Board, members: Sequence[int], family: str) -> list[int]:
    return [place for place in members if method_family(scores.rows[place].facts.method) == family]


def _most_pairs(scores: Board, groups: Sequence[Sequence[int]]) -> tuple[str, str] | None:
    """Return the two methods that share most settings."""
    met = [{method_family(scores.rows[place].facts.method) for place in members} for members in groups]
    counts: dict[tuple[str, str], int] = {}
    for families in met:
        for one, other in combinations(sorted(families), 2):
            counts[one, other] = counts.get((one, other), 0) + 1
    return max(sorted(counts), key=lambda pair: counts[pair]) if counts else None


def _named(scores: Board, wanted: tuple[str, str]) -> tuple[str, str]:
    known = sorted({method_family(encoder.facts.method) for encoder in scores.rows} - {""})
    families = tuple(method_family(name) for name in wanted)
    for name, family in zip(wanted, families, strict=True):
        if family not in known:
            raise UsageError(
                f"no encoder here is of method '{name}'{did_you_mean(name, known)}",
                f"two of {', '.join(known)}",
                "name methods as the encoders' cards do",
            )
    if families[0] == families[1]:
        raise UsageError(f"'{wanted[0]}' and '{wanted[1]}' are one method", "two methods", "name another one")
    return families[0], families[1]


def by_quadrant(scores: Board, pairs: Sequence[tuple[list[int], list[int]]], *, levels: bool = False) -> list[Effect]:
    """Return the mean difference over the tasks of each quadrant, of matched encoders."""
    gaps = over_pairs(scores, pairs)
    names = [*QUADRANTS, *(("image", "pixel") if levels else ())]
    kinds = [{task.quadrant, task.quadrant.split("-")[0]} for task in scores.columns]
    there = {name: [place for place, kind in enumerate(kinds) if name in kind] for name in names}
    return [mean_difference(name, gaps[places]) for name, places in there.items() if np.isfinite(gaps[places]).any()]


def over_pairs(scores: Board, pairs: Sequence[tuple[list[int], list[int]]]) -> Array:
    """Return per task the mean difference over matched pairs, in deviations."""
    return means(np.array([gap(standardised(scores), ones, others) for ones, others in pairs]))


def _pairs(scores: Board, pairs: Sequence[tuple[list[int], list[int]]]) -> str:
    sides = [[several([scores.names[place] for place in side]) for side in pair] for pair in pairs]
    listed = [" against ".join(pair) for pair in sides]
    return f"{len(pairs)} matched pair{'s' if len(pairs) > 1 else ''}: {'; '.join(listed)}."


def _pooled(scores: Board, pairs: Sequence[tuple[list[int], list[int]]]) -> float:
    """Return the p-value of the paper's ANOVA: raw shares of all tasks, pooled."""
    from scipy.stats import f_oneway

    shares = [place for place, task in enumerate(scores.columns) if task.unit == "share"]
    values = scores.matrix() * [column.turned(1.0) for column in scores.columns]
    sides = [values[np.ix_([place for pair in pairs for place in pair[side]], shares)].ravel() for side in (0, 1)]
    known = [values[np.isfinite(values)] for values in sides]
    if min(len(values) for values in known) < 2 or np.ptp(np.concatenate(known)) == 0:
        return float("nan")
    return float(f_oneway(*known).pvalue)


def guesses(scores: Board, used: Sequence[int]) -> str:
    """Return how sure it is which published encoder is which, of those that an answer rests on."""
    guessed = sorted({scores.names[place] for place in used if scores.rows[place].guessed})
    doubt = f" In doubt: {several(guessed)}." if guessed else ""
    return _CIRCULAR + doubt if scores.source == "published" else ""


def balanced_data(scores: Board) -> Reply:
    """Return whether unbalanced pretraining data cost something."""
    pairs: dict[str, list[tuple[list[int], list[int]]]] = {}
    for _, members in blocks(scores, _subset):
        even = [place for place in members if balance(scores.rows[place]) == "balanced"]
        for degree in sorted({_degree(scores.rows[place]) for place in members} - {""}):
            odd = [place for place in members if _degree(scores.rows[place]) == degree]
            if even and odd:
                pairs.setdefault(degree, []).append((odd, even))
    if not pairs:
        return BALANCE.answered(
            "Cannot tell: no two encoders here share method, images and epochs and are known to differ in the balance "
            "of their pretraining classes."
        )
    together = [pair for found in pairs.values() for pair in found]
    named = {"all of them": together, **pairs} if len(pairs) > 1 else dict(pairs)
    effects = judge([mean_difference(name, over_pairs(scores, found)) for name, found in named.items()])
    parts = [
        f"{effect.label} {effect.value:+.2f} deviations [{effect.low:+.2f}, {effect.high:+.2f}]" for effect in effects
    ]
    words = {"higher": "unbalanced data are better", "lower": "unbalanced data are worse", "cannot tell": "cannot tell"}
    answer = f"{words[effects[0].verdict]}: {'; '.join(parts)}, over {effects[0].n} tasks."
    used = [place for pair in together for side in pair for place in side]
    return BALANCE.answered(
        answer[0].upper() + answer[1:], effects, [_pairs(scores, together), too_few(effects), guesses(scores, used)]
    )


def _subset(encoder: Row) -> object | None:
    base = re.sub(r"-(linear|log)$", "", encoder.facts.pretraining.lower())
    shared = amount(encoder)
    return (plain(encoder.facts.method), base, *shared) if shared and base and balance(encoder) else None


def _degree(encoder: Row) -> str:
    """Return how unbalanced the classes are; empty for balanced ones."""
    return str(encoder.facts.facts["balance"]).lower() if balance(encoder) == "unbalanced" else ""
