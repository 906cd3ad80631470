"""Two encoders compared, and ranks, places and intervals of boards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from laid import lay
from scipy.stats import rankdata

from virb.checks.bench.records import TaskSplit, hits
from virb.checks.bench.stats import RANKS, correlation_coverage, coverage, rank_coverage, scenes
from virb.cli import main
from virb.core.errors import UsageError, VirbError
from virb.leaderboard import Board, boards, compare
from virb.metrics.stats import holm, mean_ranks, p_of_difference, places, rank_intervals, sign_test
from virb.records.load import load

TASKS = [
    TaskSplit("dtd"),
    TaskSplit("pets"),
    TaskSplit("count", kind="structural"),
    TaskSplit("depth", level="pixel", metric="pixel_accuracy"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Board]:
    out = tmp_path_factory.mktemp("results")
    for number, (name, chance) in enumerate((("good", 0.7), ("twin", 0.7), ("bad", 0.4))):
        for place, test in enumerate(TASKS):
            lay(out, name, test, hits(test, chance, place, number))
    return boards(load([out]))


def test_a_clear_difference_has_a_verdict_and_twins_have_none(found: list[Board]) -> None:
    (clear,), (turned,), (twins,) = (
        compare(found, *pair) for pair in (("good", "bad"), ("bad", "good"), ("good", "twin"))
    )
    assert {task.verdict for task in clear.tasks} == {"better"}
    assert {task.verdict for task in turned.tasks} == {"worse"}
    assert {task.verdict for task in twins.tasks} == {"cannot tell"}
    assert "better on 4, worse on 0" in clear.summary
    for task in clear.tasks:
        assert 0 < task.difference.low < task.difference.value < task.difference.high


def test_encoders_are_found_by_name_and_by_the_start_of_their_fingerprint(found: list[Board]) -> None:
    assert compare(found, "good0000", "bad")[0].first == "good"
    with pytest.raises(UsageError, match="did you mean 'good'"):
        compare(found, "goood", "bad")
    with pytest.raises(UsageError, match="the same encoder"):
        compare(found, "good", "good")


def test_encoders_of_two_kinds_of_data_are_on_no_board_together(tmp_path: Path) -> None:
    lay(tmp_path, "a", TASKS[0], hits(TASKS[0], 0.5, 0))
    lay(tmp_path, "b", TASKS[0], hits(TASKS[0], 0.5, 0), data__source="sample")
    with pytest.raises(VirbError, match="on no board together"):
        compare(boards(load([tmp_path])), "a", "b")


def test_twins_share_a_place_and_the_other_is_below(found: list[Board]) -> None:
    (board,) = found
    assert {row.encoder: (row.place, row.tied) for row in board.rows} == {
        "good": (1, True), "twin": (1, True), "bad": (3, False),
    }  # fmt: skip


def test_quadrants_are_means_of_what_lies_between_floor_and_ceiling(found: list[Board]) -> None:
    (board,) = found
    row = board.row("good")
    expected = np.mean([(board.cells["good", name].value - 0.1) / 0.9 for name in ("dtd", "pets")])
    assert row.quadrants is not None
    mean = row.quadrants["image-semantic"]
    assert mean.value == pytest.approx(expected)
    assert mean.low < mean.value < mean.high


def test_the_papers_encoders_are_compared_without_a_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "e26-SWAV_800", "e27-Supervised", "--records", "paper2021"]) == 0
    told = capsys.readouterr().out
    assert "nothing can be tested" in told
    assert "kitti_flow" in told


# --- statistics ----------------------------------------------------------------------------------------------------


def test_mean_ranks_are_scipys() -> None:
    scores = np.random.default_rng(0).integers(0, 6, (7, 5, 11)).astype(float)
    np.testing.assert_allclose(mean_ranks(scores), rankdata(-scores, axis=0).mean(1))


def test_holm_is_its_definition_and_leaves_what_was_not_tested() -> None:
    assert holm([0.01, 0.04, 0.03, np.nan]) == pytest.approx([0.03, 0.06, 0.06, np.nan], nan_ok=True)
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]


def test_signs_are_tested_two_sided() -> None:
    assert sign_test(16, 4) == pytest.approx(2 * 0.005908966064453125)
    assert sign_test(0, 0) == 1.0


def test_a_difference_without_spread_is_certain_and_none_at_all_is_nothing() -> None:
    found = p_of_difference(np.array([0.1, 0.0, 0.196]), np.array([0.0, 0.0, 0.1]))
    assert found == pytest.approx([0.0, 1.0, 0.05], abs=1e-3)
    assert p_of_difference(np.array(0.1), np.array(0.05), 5) > p_of_difference(np.array(0.1), np.array(0.05))


def test_far_encoders_have_certain_ranks_and_equal_ones_any() -> None:
    random = np.random.default_rng(1)
    far = np.arange(5.0)[:, None] + np.zeros((5, 4))
    noise = random.normal(size=(5, 4, 500)) * 0.01
    assert [(span.low, span.high) for span in rank_intervals(far, far[..., None] + noise)] == [
        (5, 5), (4, 4), (3, 3), (2, 2), (1, 1),
    ]  # fmt: skip
    close = random.normal(size=(5, 4)) * 0.001
    for span in rank_intervals(close, close[..., None] + random.normal(size=(5, 4, 500))):
        assert span.high - span.low > 2


def test_places_do_not_part_what_no_test_parts() -> None:
    random = np.random.default_rng(2)
    means = np.array([0.9, 0.899, 0.5])
    around = means[:, None] + 0.01 * random.normal(size=(3, 1000))
    assert places([1.0, 2.0, 3.0], means, around) == [1, 1, 3]


# --- calibration: `virb bench stats` has 2,000 sets --------------------------------------------------------


@pytest.mark.parametrize("scene", list(scenes()), ids=lambda scene: scene.name)
def test_intervals_hold_the_truth_about_as_often_as_they_say(scene: object) -> None:
    assert 0.89 <= coverage(scene, 150) <= 0.99  # type: ignore[arg-type]


@pytest.mark.parametrize("name", list(RANKS))
def test_intervals_of_ranks_hold_the_truth_about_as_often_as_they_say(name: str) -> None:
    assert rank_coverage(RANKS[name], sets=12) >= (0.8 if "a fifth" in name else 0.88)


def test_intervals_of_correlations_hold_the_truth_about_as_often_as_they_say() -> None:
    for share in correlation_coverage(0.5, 200).values():
        assert 0.91 <= share <= 0.99
