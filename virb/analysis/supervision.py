"""Analysis: whether labels of ImageNet beat pictures without labels, and on which kind of task."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from virb.analysis.encoders import self_supervised, supervised_imagenet
from virb.analysis.finding import (
    ALPHA,
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
from virb.core.digest import seed_of
from virb.leaderboard.board import QUADRANTS, Board
from virb.metrics.stats import LEVEL, holm, interval, p_of_difference, sign_test

SEEN = ("imagenet", "imagenetv2")
"""Tasks whose labels a supervised ImageNet encoder was trained with."""
ENOUGH = 6
"""Self-supervised encoders from which a test over encoders can decide anything."""
BETTER = Question(
    "supervision",
    "On which tasks are self-supervised encoders better than a supervised ImageNet encoder?",
    f"Per task, a {FLIP_TEST} between each self-supervised encoder and the supervised one; Holm over tasks. Under six "
    "self-supervised encoders that test can decide nothing: then a paired bootstrap over test samples, of these very "
    "encoders, where records hold one.",
    "The paper sets the best self-supervised encoder against the supervised one: a best of many is lucky by choice. "
    "Here all of them count; the best one's gain in per cent stands beside it.",
    f"self-supervised less supervised, {DEVIATIONS}",
)
GAIN = Question(
    "structural_gain",
    "Do structural tasks gain more from self-supervision than semantic ones?",
    "A permutation test of the difference between the mean gains of structural and of semantic tasks. Tasks are the "
    "sample: encoders meet the same tasks, and counting them all would take few tasks for many. ImageNet's own tasks "
    "are left out, for the supervised encoder has seen their labels.",
    "The paper draws violins of encoders by tasks, pooled, and tests nothing; they are drawn here too, over all "
    "self-supervised encoders at hand and not only those of 200 epochs on 1.3 million pictures.",
    f"gain of self-supervised encoders over the supervised one, {DEVIATIONS}",
)


def supervision(scores: Board) -> Reply:
    """Return how self-supervised encoders stand against the supervised one, task by task."""
    labelled, others = supervised_imagenet(scores), self_supervised(scores)
    if lack := _lack(labelled, others):
        return BETTER.answered(f"Cannot tell: {lack}.")
    gains = _gains(scores, labelled, others)
    effects = judge(
        [
            replace(_lead(scores, labelled, others, place, gains), more=_best(scores, labelled, others, place))
            for place in range(len(scores.columns))
        ]
    )
    return BETTER.answered(
        _told_apart(effects, len(others)),
        effects,
        [
            _most_wins(scores, gains, others),
            _together(scores, others, labelled),
            too_few(effects) if not any(effect.p < ALPHA for effect in effects) else "",
        ],
    )


def _lead(scores: Board, labelled: list[int], others: list[int], task: int, gains: Array) -> Effect:
    few = over_samples(scores, others, labelled, task) if len(others) < ENOUGH else None
    return few or mean_difference(scores.columns[task].name, gains[:, task])


def over_samples(scores: Board, ones: list[int], others: list[int], task: int) -> Effect | None:
    """Return how far the means of two sets of encoders lie apart, by the paired bootstrap over test samples."""
    column, names = scores.columns[task], scores.names
    cells = [[scores.cells.get((names[place], column.name)) for place in side] for side in (ones, others)]
    drawn = [[None if cell is None else cell.replicates for cell in side] for side in cells]
    sizes = {0 if one is None else len(one) for side in drawn for one in side}
    goodness = scores.matrix()[:, task]
    deviation = float(np.nanstd(goodness))
    if len(sizes) != 1 or sizes == {0} or not deviation > 0:
        return None
    sign = column.turned(1.0) / deviation
    means = [np.mean(np.array(side, dtype=np.float64), axis=0) for side in drawn]
    replicates = sign * (means[0] - means[1])
    value = float(goodness[ones].mean() - goodness[others].mean()) / deviation
    units = min((cell.units for side in cells for cell in side if cell and cell.units), default=None)
    found = interval(value, replicates, units)
    p = float(p_of_difference(np.array(value), np.array(replicates.std()), units))
    return Effect(column.name, value, found.low, found.high, len(ones) + len(others), p)


def _lack(labelled: list[int], others: list[int]) -> str:
    if not labelled:
        return "there is no encoder here whose card says 'supervised' on ImageNet"
    return "" if others else "there is no self-supervised encoder here"


def _gains(scores: Board, labelled: list[int], others: list[int]) -> Array:
    """Return each self-supervised encoder's lead over the supervised ones' mean, [encoders, T]."""
    heights = standardised(scores)
    base = np.array([_mean(column) for column in heights[labelled].T])
    gains: Array = heights[others] - base
    return gains


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _best(scores: Board, labelled: list[int], others: list[int], task: int) -> dict[str, object]:
    """Return the best self-supervised encoder and its gain as the paper has it, in per cent of the supervised score."""
    column = scores.matrix()[:, task]
    base, known = _mean(column[labelled]), [place for place in others if np.isfinite(column[place])]
    if not known or not np.isfinite(base):
        return {}
    best = max(known, key=lambda place: column[place])
    percent = 100 * (column[best] - base) / abs(base) if base else float("nan")
    return {"best": scores.names[best], "gain_percent": float(percent)}


def _told_apart(effects: tuple[Effect, ...], encoders: int) -> str:
    known = [effect for effect in effects if effect.n]
    better, worse, open_ = (told(known, verdict) for verdict in ("higher", "lower", "cannot tell"))
    parts = [
        f"better on {len(better)} ({several(better)})" if better else "",
        f"worse on {len(worse)} ({several(worse)})" if worse else "",
    ]
    parts.append(f"on {len(open_)} it cannot tell" if open_ else "")
    ahead = sum(effect.more.get("gain_percent", -1.0) > 0 for effect in known)
    return (
        f"Of {len(known)} tasks, {encoders} self-supervised encoders are on average {', '.join(filter(None, parts))}; "
        f"the best of them is ahead of the supervised encoder on {ahead}."
    )


def _most_wins(scores: Board, gains: Array, others: list[int]) -> str:
    """Return the sign test of the encoder that wins on most tasks, corrected for having chosen it."""
    wins, losses = (gains > 0).sum(axis=1), (gains < 0).sum(axis=1)
    adjusted = holm([sign_test(int(won), int(lost)) for won, lost in zip(wins, losses, strict=True)])
    top = int(np.argmax(wins - losses))
    return (
        f"The encoder that wins most, {scores.names[others[top]]}, wins on {wins[top]} of {wins[top] + losses[top]} "
        f"tasks (sign test, Holm over {len(others)} encoders: p = {adjusted[top]:.2g})."
    )


def _together(scores: Board, others: list[int], labelled: list[int]) -> str:
    one = "one supervised encoder" if len(labelled) == 1 else f"the mean of {len(labelled)} supervised encoders"
    guessed = sum(scores.rows[place].guessed for place in others)
    doubt = f"; who is who is a guess for {guessed} of them" if guessed else ""
    if len(others) < ENOUGH:
        return f"Only {len(others)} self-supervised, against {one}: this is of these encoders and no others{doubt}."
    return (
        f"Intervals are over the {len(others)} self-supervised encoders at hand, many of one method, against {one}: "
        f"they say nothing of encoders unlike these{doubt}."
    )


def structural_gain(scores: Board) -> Reply:
    """Return whether the gain of self-supervision is larger on structural tasks."""
    labelled, others = supervised_imagenet(scores), self_supervised(scores)
    if lack := _lack(labelled, others):
        return GAIN.answered(f"Cannot tell: {lack}.")
    single = _gains(scores, labelled, others)
    gains = np.array([_mean(column) for column in single.T])
    places = {
        name: [
            place
            for place, task in enumerate(scores.columns)
            if name in (task.quadrant, task.quadrant.split("-")[1])
            and task.name not in SEEN
            and np.isfinite(gains[place])
        ]
        for name in (*QUADRANTS, "structural", "semantic")
    }
    if min(len(places["structural"]), len(places["semantic"])) < 2:
        return GAIN.answered("Cannot tell: there are fewer than two structural or two semantic tasks here.")
    main = judge([_between(gains[places["structural"]], gains[places["semantic"]])])
    rest = judge([mean_difference(name, gains[places[name]]) for name in QUADRANTS if places[name]])
    found = GAIN.answered(_larger(main[0]), (*main, *rest), [_together(scores, others, labelled), too_few(rest)])
    pooled = {name: single[:, places[name]].ravel() for name in QUADRANTS if places[name]}
    return replace(found, spread={name: tuple(values[np.isfinite(values)].tolist()) for name, values in pooled.items()})


def _between(ones: Array, others: Array) -> Effect:
    """Return the difference of two means over tasks, with Welch's interval and a permutation test."""
    from scipy.stats import permutation_test, ttest_ind

    welch = ttest_ind(ones, others, equal_var=False).confidence_interval(LEVEL)
    found = permutation_test(
        (ones, others),
        lambda one, other, axis: one.mean(axis=axis) - other.mean(axis=axis),
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(seed_of("gains of two kinds")),
    )
    value = float(ones.mean() - others.mean())
    return Effect(
        "structural − semantic",
        value,
        float(welch.low),
        float(welch.high),
        len(ones) + len(others),
        float(found.pvalue),
    )


def _larger(effect: Effect) -> str:
    size = f"{effect.value:+.2f} deviations [{effect.low:+.2f}, {effect.high:+.2f}], p = {effect.p:.2g}"
    if effect.verdict == "higher":
        return f"Yes: structural tasks gain more than semantic ones ({size})."
    if effect.verdict == "lower":
        return f"No: semantic tasks gain more than structural ones ({size})."
    return f"Cannot tell: the gains of structural and semantic tasks differ by {size}."
