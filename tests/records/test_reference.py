"""Published numbers: what the set of the 2021 paper holds, and what is said of correlations in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from virb.cards.select import select_tasks
from virb.core.paths import reference_folder
from virb.metrics.stats import correlation, line
from virb.records.published import Reference, read_references

FOLDER = Path(__file__).resolve().parents[2] / "results" / "paper2021"


@pytest.fixture(scope="module")
def paper() -> list[Reference]:
    found, problems = read_references(reference_folder("paper2021"))
    assert not problems
    return found


def values(references: Sequence[Reference], task: str) -> list[float]:
    """Return a task's published values, one per encoder, turned so that higher is better; nan where one has none."""
    turned = []
    for reference in references:
        number = next((number for number in reference.numbers if number.task == task), None)
        sign = -1.0 if number and number.direction == "lower" else 1.0
        turned.append(sign * number.value if number else float("nan"))
    return turned


@pytest.fixture(scope="module")
def raw() -> dict[str, dict[str, float]]:
    """The same numbers by another way: task -> encoder -> value as the figure draws it, errors negative."""
    found: dict[str, dict[str, float]] = {}
    for path in FOLDER.glob("*.json"):
        content = json.loads(path.read_text())
        for number in content["numbers"]:
            sign = -1 if "l1" in number["metric"] else 1
            found.setdefault(number["task"], {})[content["encoder"]["name"]] = sign * number["value"]
    return found


def test_the_set_is_whole(paper: list[Reference]) -> None:
    assert len(paper) == 28
    assert {len(reference.numbers) for reference in paper} == {23}
    assert {number.task for number in paper[0].numbers if not number.extra} == {
        task.name for task in select_tasks("all").tasks
    }


def test_tasks_have_the_level_and_kind_of_their_cards(paper: list[Reference]) -> None:
    cards = {task.name: task for task in select_tasks("all,extra").tasks}
    for number in paper[0].numbers:
        if number.task in cards:
            assert (number.level, number.kind) == (cards[number.task].level, cards[number.task].kind), number.task


@pytest.mark.parametrize(
    ("encoder", "task", "value"),
    [
        ("e27-Supervised", "imagenet", 0.7503),
        ("e26-SWAV_800", "kinetics400", 0.5328),
        ("e09-SWAVPlaces", "nyu_depth", 0.4412),  # the figure's legend calls this series NYU walkable
        ("e09-SWAVPlaces", "nyu_walkable", 0.7401),
        ("e04-MoCov2Places", "thor_depth", 0.1377),
        ("e14-SWAV", "kitti_flow", 0.5738),
    ],
)
def test_numbers_stand_under_their_true_task(paper: list[Reference], encoder: str, task: str, value: float) -> None:
    reference = next(reference for reference in paper if reference.encoder.name == encoder)
    assert next(number.value for number in reference.numbers if number.task == task) == value


def test_guesses_are_marked_and_every_number_says_how_well_it_was_read(paper: list[Reference]) -> None:
    for reference in paper:
        assert reference.encoder.identity is not None
        single = reference.encoder.identity.confidence == "high"
        assert reference.encoder.guessed != single
        assert all(number.quality and number.reading_error for number in reference.numbers)
        assert reference.publication.place
    assert sum(not reference.encoder.guessed for reference in paper) == 7


@pytest.mark.parametrize("task", ["thor_egomotion", "pets", "nyu_depth", "kitti_flow", "cityscapes"])
def test_fits_and_coefficients_are_those_of_scipy(
    paper: list[Reference], raw: dict[str, dict[str, float]], task: str
) -> None:
    names = sorted(raw["imagenet"])
    x, y = (np.array([raw[name][encoder] for encoder in names]) for name in ("imagenet", task))
    found = line(values(paper, "imagenet"), values(paper, task))
    assert found is not None
    assert (found.slope, found.intercept) == pytest.approx(tuple(np.polyfit(x, y, 1)))
    for method, theirs in (
        ("pearson", scipy.stats.pearsonr(x, y)),
        ("spearman", scipy.stats.spearmanr(x, y)),
        ("kendall", scipy.stats.kendalltau(x, y)),
    ):
        ours = correlation(values(paper, "imagenet"), values(paper, task), method)  # type: ignore[arg-type]
        assert (ours.value, ours.p, ours.n) == pytest.approx((theirs.statistic, theirs.pvalue, 28))


@pytest.mark.parametrize(
    ("task", "slope", "intercept"),
    [("pets", 1.0432, 0.1820), ("thor_egomotion", -0.2921, 1.0915), ("nyu_depth", 0.0219, -0.5319)],
)
def test_fits_are_the_lines_that_the_figure_draws(
    paper: list[Reference], task: str, slope: float, intercept: float
) -> None:
    found = line(values(paper, "imagenet"), values(paper, task))
    assert found is not None
    assert (found.slope, found.intercept) == pytest.approx((slope, intercept), abs=0.002)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"schema_version": 9}', '{"kind": "published"}'])
def test_a_damaged_file_is_named_and_left_out(tmp_path: Path, damage: str) -> None:
    whole = (FOLDER / "e27-Supervised.json").read_text()
    (tmp_path / "a.json").write_text(whole)
    (tmp_path / "b.json").write_text(damage)
    found, problems = read_references(tmp_path)
    assert len(found) == 1
    assert len(problems) == 1
    assert "b.json" in problems[0]


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"0.5"x'])
def test_a_number_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    whole: dict[str, Any] = json.loads((FOLDER / "e27-Supervised.json").read_text())
    whole["numbers"][0]["value"] = "HERE"
    (tmp_path / "a.json").write_text(json.dumps(whole).replace('"HERE"', value))
    found, problems = read_references(tmp_path)
    assert not found
    assert "a.json" in problems[0]
