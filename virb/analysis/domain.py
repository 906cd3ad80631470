"""Analysis: whether pretraining on data like a task's helps on that task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from virb.analysis.encoders import blocks, mixed, plain, recipe, self_supervised
from virb.analysis.finding import DEVIATIONS, Effect, Question, Reply, judge, mean_difference
from virb.analysis.matched import guesses
from virb.analysis.scores import standardised
from virb.leaderboard.board import Board

DOMAIN = Question(
    "same_domain",
    "Does pretraining on data like a task's help on that task?",
    "Within encoders of one method, with as many images and epochs, the place of the one whose pretraining data are "
    "like the task's; exact test of the sum of places, which would be any with equal chance. Holm over tasks.",
    "The paper sorts bars of all encoders at 200 epochs and tests nothing; methods are mixed in it.",
    f"same domain less other domains, {DEVIATIONS}",
)
SIMILAR = {"caltech101": "imagenet", "kinetics400": "kinetics", "sun397": "places", "taskonomy_depth": "taskonomy"}
"""Tasks and the pretraining data that the paper calls similar."""


def same_domain(scores: Board) -> Reply:
    """Return whether encoders do better on tasks whose pictures are like those of their pretraining."""
    places, gaps, used = _domain_places(scores)
    if not places:
        listed = ", ".join(f"{data} for {task}" for task, data in SIMILAR.items())
        return DOMAIN.answered(
            "Cannot tell: no encoders of one method, with as many images and epochs, differ in their pretraining data "
            f"while one of these is like a task's ({listed})."
        )
    everywhere = [place for found in places.values() for place in found]
    main = judge([_domain_effect("all of them", everywhere, [value for found in gaps.values() for value in found])])
    tasks = judge([_domain_effect(task, places[task], gaps[task]) for task in places])
    first = sum(place == 1 for place, _ in everywhere)
    count = f"first in {first} of {len(everywhere)} comparisons, p = {main[0].p:.2g}"
    answers = {
        "higher": f"Yes: encoders pretrained on data like a task's are better there ({count}).",
        "lower": f"No: encoders pretrained on data like a task's are worse there ({count}).",
        "cannot tell": f"Cannot tell: encoders pretrained on data like a task's are {count}.",
    }
    return DOMAIN.answered(answers[main[0].verdict], (*main, *tasks), [guesses(scores, used)])


Places = list[tuple[int, int]]
"""Place among so many, 1 is best."""


def _domain_places(scores: Board) -> tuple[dict[str, Places], dict[str, list[float]], list[int]]:
    """Return per task the places of same-domain encoders, their lead in deviations, and all encoders compared."""
    heights = standardised(scores)
    places: dict[str, Places] = {}
    gaps: dict[str, list[float]] = {}
    used: list[int] = []
    groups = [members for _, members in blocks(scores, lambda row: recipe(row, "method"), self_supervised(scores))]
    for column, task in enumerate(scores.columns):
        for members in groups if task.name in SIMILAR else []:
            known = [place for place in members if np.isfinite(heights[place, column])]
            same = [place for place in known if plain(scores.rows[place].facts.pretraining) == SIMILAR[task.name]]
            others = [place for place in known if place not in same and not mixed(scores.rows[place].facts.pretraining)]
            for place in same if others else []:
                ahead = sum(heights[other, column] >= heights[place, column] for other in others)
                places.setdefault(task.name, []).append((int(ahead) + 1, len(others) + 1))
                gaps.setdefault(task.name, []).append(float(heights[place, column] - heights[others, column].mean()))
                used += [place, *others]
    return places, gaps, used


def _domain_effect(label: str, places: Places, gaps: Sequence[float]) -> Effect:
    lead = mean_difference(label, gaps)
    firsts = sum(place == 1 for place, _ in places)
    return Effect(label, lead.value, lead.low, lead.high, len(places), chance_of(places), more={"first": firsts})


def chance_of(places: Places) -> float:
    """Return the two-sided chance of so low or so high a sum of places, if each place were as likely as any other."""
    odds = np.ones(1)
    for _, among in places:
        odds = np.convolve(odds, np.full(among, 1 / among))
    total = sum(place - 1 for place, _ in places)
    return float(min(1.0, 2 * min(odds[: total + 1].sum(), odds[total:].sum())))
