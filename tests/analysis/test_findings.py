"""Findings: what was planted is found, noise is not, and the paper's own numbers give the paper's own answers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from boards import SUPERVISED, TASKS, noise, ssl, world
from scipy import stats

from virb.analysis.correlation import against
from virb.analysis.domain import chance_of, same_domain
from virb.analysis.finding import Effect, Reply, flip_test, judge, mean_difference
from virb.analysis.findings import findings
from virb.analysis.matched import balanced_data, compare_methods
from virb.analysis.predictor import of_quadrant, predictor
from virb.analysis.supervision import structural_gain, supervision
from virb.core.errors import UsageError
from virb.core.paths import reference_folder
from virb.leaderboard import Board

STRUCTURAL = np.array([task.quadrant.endswith("structural") for task in TASKS])
PIXEL = np.array([task.quadrant.startswith("pixel") for task in TASKS])


def published() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The paper's twenty tasks, errors negated, and who is supervised, read without the package's own reader."""
    files = [json.loads(path.read_text()) for path in sorted(reference_folder("paper2021").glob("*.json"))]
    tasks = [number["task"] for number in files[0]["numbers"] if not number["extra"]]
    rows = [
        {
            number["task"]: -number["value"] if number["direction"] == "lower" else number["value"]
            for number in file["numbers"]
        }
        for file in files
    ]
    labelled = np.array([file["encoder"]["method"] == "supervised" for file in files])
    return np.array([[row[task] for task in tasks] for row in rows]), labelled, tasks


def effect(finding: Reply, label: str) -> Effect:
    return next(found for found in finding.effects if found.label == label)


# --- the paper's own numbers ------------------------------------------------------------------------------------------


def test_effects_of_supervision_are_those_of_an_independent_computation(paper: Board) -> None:
    values, labelled, tasks = published()
    found = supervision(paper)
    for place, task in enumerate(tasks):
        leads = (values[~labelled, place] - values[labelled, place]) / values[:, place].std()
        test = stats.ttest_1samp(leads, 0).confidence_interval(0.95)
        assert effect(found, task).value == pytest.approx(leads.mean())
        assert [effect(found, task).low, effect(found, task).high] == pytest.approx([test.low, test.high])


def test_gains_of_the_best_are_those_read_off_the_papers_figure(paper: Board) -> None:
    """The table of gains that came with the digitised figure, in per cent."""
    wanted = {
        "imagenet": -4.1, "pets": -1.9, "cifar100": 6.8, "sun397": 14.9, "kinetics400": 17.5, "clevr_count": 27.9,
        "thor_egomotion": 11.2, "pets_seg": 0.5, "egohands": 8.3, "nyu_depth": 19.9, "thor_depth": 13.7,
        "taskonomy_depth": 11.8, "kitti_flow": 34.5,
    }  # fmt: skip
    found = supervision(paper)
    for task, gain in wanted.items():
        assert effect(found, task).more["gain_percent"] == pytest.approx(gain, abs=0.06), task


def test_the_papers_answers_that_its_figure_carries_are_found_again(paper: Board) -> None:
    answers = {finding.key: finding.answer for finding in findings(paper)}
    assert answers["structural_gain"].startswith("Yes: structural tasks gain more")
    assert answers["same_domain"].startswith("Yes: ")
    assert "first in 5 of 5" in answers["same_domain"]
    assert "SwAV-like encoders are better on image-semantic" in answers["methods"].replace("swav", "SwAV")
    assert "cannot tell for image-structural" in answers["predictor"]
    assert "ahead of the supervised encoder on 18" in answers["supervision"]  # all but ImageNet and Pets
    assert answers["balance"].startswith("Cannot tell")  # which runs were unbalanced cannot be read off the figure


def test_quadrants_of_the_predictor_are_means_of_scipys_coefficients(paper: Board) -> None:
    values, _, tasks = published()
    x = values[:, tasks.index("imagenet")]
    places = [tasks.index(name) for name in ("cityscapes", "egohands", "pets_seg")]
    wanted = np.mean([stats.spearmanr(x, values[:, place]).statistic for place in places])
    assert effect(predictor(paper), "pixel-semantic").value == pytest.approx(wanted)


def test_answers_that_rest_on_guesses_say_so(paper: Board) -> None:
    methods = next(finding for finding in findings(paper) if finding.key == "methods")
    assert any("inferred from scores" in caution for caution in methods.cautions)
    assert any("matched pairs" in caution for caution in methods.cautions)


# --- what was planted -------------------------------------------------------------------------------------------------


def test_planted_worth_of_labels_is_found_on_its_tasks_only() -> None:
    goodness = 0.3 * noise(13)
    goodness[0] = 0
    goodness[1:, 3] += 1.5
    goodness[1:, 7] -= 1.5
    found = supervision(world(goodness, [SUPERVISED, *ssl(12)]))
    verdicts = {item.label: item.verdict for item in found.effects}
    assert verdicts.pop(TASKS[3].name) == "higher"
    assert verdicts.pop(TASKS[7].name) == "lower"
    assert set(verdicts.values()) == {"cannot tell"}


def test_planted_gain_of_structural_tasks_is_found_and_its_opposite_too() -> None:
    for sign, word in ((1, "Yes"), (-1, "No"), (0, "Cannot tell")):
        goodness = 0.5 * noise(11)
        goodness[1:, STRUCTURAL] += sign * 1.0
        goodness[0] = 0
        answer = structural_gain(world(goodness, [SUPERVISED, *ssl(10)])).answer
        assert answer.startswith(word)


def test_planted_prediction_is_found_in_its_quadrant_only() -> None:
    goodness = noise(30, seed=4)
    shared = goodness[:, [task.name for task in TASKS].index("imagenet")]
    for place, task in enumerate(TASKS):
        if task.quadrant == "pixel-semantic":
            goodness[:, place] = 0.4 * goodness[:, place] + shared
        if task.quadrant == "image-structural":
            goodness[:, place] = 0.4 * goodness[:, place] - shared
    found = predictor(world(goodness, ssl(30)))
    verdicts = [effect(found, quadrant).verdict for quadrant in ("pixel-semantic", "image-structural")]
    assert verdicts == ["higher", "lower"]
    assert effect(found, "pixel-structural").verdict == "cannot tell"


def matched(methods: Sequence[str], settings: Sequence[tuple[str, int]]) -> list[dict[str, object]]:
    return [
        {
            "name": f"{method}-{data}-{epochs}",
            "method": method,
            "pretraining": data,
            "images": 1_281_167,
            "epochs": epochs,
        }
        for data, epochs in settings
        for method in methods
    ]


def test_planted_strength_of_a_method_is_found_over_matched_encoders_only() -> None:
    rows = matched(["MoCo v2", "SwAV"], [("imagenet", 100), ("imagenet", 200), ("places", 200)])
    goodness = 0.2 * noise(len(rows))
    goodness[::2, PIXEL] += 1.0
    goodness[1::2, ~PIXEL] += 1.0
    lonely = {"name": "lonely", "method": "MoCo v2", "pretraining": "imagenet", "images": 1_281_167, "epochs": 800}
    goodness = np.vstack([goodness, np.full(len(TASKS), -5.0)])  # would turn everything round, were it counted
    found = compare_methods(world(goodness, [*rows, lonely]))
    assert (effect(found, "pixel").verdict, effect(found, "image").verdict) == ("higher", "lower")
    assert "MoCo-like encoders are better on pixel tasks" in found.answer


def test_methods_can_be_named_in_any_spelling_and_order() -> None:
    rows = matched(["MoCo v2", "SwAV", "DINO"], [("imagenet", 100), ("imagenet", 200)])
    scores = world(noise(len(rows)), rows)
    found = compare_methods(scores, ("dino", "mocov2"))
    assert found.unit.startswith("DINO less MoCo")
    with pytest.raises(UsageError, match="did you mean 'swav'"):
        compare_methods(scores, ("swaw", "dino"))
    with pytest.raises(UsageError, match="are one method"):
        compare_methods(scores, ("moco v1", "MoCo v3"))


def test_planted_help_of_the_same_domain_is_found() -> None:
    rows = [
        {"name": f"{method}-{data}", "method": method, "pretraining": data, "images": 1_300_000, "epochs": 200}
        for method in ("SwAV", "MoCo v2", "DINO")
        for data in ("imagenet", "kinetics", "places", "combination")
    ]
    goodness = 0.2 * noise(len(rows))
    names = [task.name for task in TASKS]
    for place, row in enumerate(rows):
        for data, task in (("imagenet", "caltech101"), ("kinetics", "kinetics400"), ("places", "sun397")):
            goodness[place, names.index(task)] += 2.0 * (row["pretraining"] == data) + 9.0 * (
                row["pretraining"] == "combination"
            )
    found = same_domain(world(goodness, rows))
    assert effect(found, "all of them").n == 9
    assert effect(found, "all of them").more["first"] == 9  # mixed data hold the domain too and are no rival
    assert found.answer.startswith("Yes")
    assert same_domain(world(0.2 * noise(len(rows), seed=3), rows)).answer.startswith("Cannot tell")


def test_the_chance_of_places_is_that_of_counting_all_of_them() -> None:
    places = [(1, 3), (2, 4), (1, 2)]
    everything = list(itertools.product(range(1, 4), range(1, 5), range(1, 3)))
    low = np.mean([sum(one) <= 4 for one in everything])
    high = np.mean([sum(one) >= 4 for one in everything])
    assert chance_of(places) == pytest.approx(min(1, 2 * min(low, high)))
    assert chance_of([(1, 3), (1, 3), (1, 3), (1, 2), (1, 2)]) == pytest.approx(2 / 108)


def test_planted_cost_of_unbalanced_data_is_found() -> None:
    rows = [
        {
            "name": f"{method}-{data}",
            "method": method,
            "pretraining": data,
            "images": 250_000,
            "epochs": 200,
            "facts": {"balance": said},
        }
        for method in ("MoCo v2", "SwAV")
        for data, said in (("imagenet-quarter", "balanced"), ("imagenet-quarter-log", "log"))
    ]
    goodness = 0.2 * noise(4)
    goodness[[0, 2]] += 1.0
    found = balanced_data(world(goodness, rows))
    assert found.answer.startswith("Unbalanced data are worse: log -")
    assert found.effects[0].n == len(TASKS)


# --- when it cannot tell ----------------------------------------------------------------------------------------------


def test_noise_answers_no_question() -> None:
    rows = [SUPERVISED, *matched(["MoCo v2", "SwAV"], [("imagenet", 100), ("places", 200), ("kinetics", 200)])]
    goodness = noise(len(rows), seed=11)
    goodness[0] = 0
    for finding in findings(world(goodness, rows)):
        assert "cannot tell" in finding.answer.lower(), finding.key


@pytest.mark.parametrize("rows", [ssl(1), [SUPERVISED], [{"name": "unknown"}] * 1, [SUPERVISED, *ssl(2)]])
def test_few_encoders_and_bare_cards_are_no_error(rows: list[dict[str, object]]) -> None:
    found = findings(world(noise(len(rows)), rows))
    assert len(found) == 6
    assert all("cannot tell" in finding.answer.lower() for finding in found)


def test_few_encoders_are_compared_over_their_test_samples() -> None:
    goodness = np.zeros((3, len(TASKS)))
    goodness[1:, 3] = 0.5
    goodness[1:, 4] = 0.05
    plain = world(goodness, [SUPERVISED, *ssl(2)])
    shared = np.random.default_rng(2).normal(size=(2, len(TASKS), 1000))
    cells = {
        (row.encoder, task.name): replace(cell, replicates=cell.value + 0.05 * shared[min(number, 1), place])
        for number, row in enumerate(plain.rows)
        for place, task in enumerate(plain.columns)
        for cell in [plain.cells[row.encoder, task.name]]
    }
    found = supervision(replace(plain, cells=cells))
    verdicts = {item.label: item.verdict for item in found.effects}
    assert verdicts[TASKS[3].name] == "higher"
    assert verdicts[TASKS[4].name] == "cannot tell"
    deviation = goodness[:, 3].std()
    drawn = 0.05 * (shared[1, 3] - shared[0, 3]) / deviation
    lead = effect(found, TASKS[3].name)
    assert lead.value == pytest.approx(0.5 / deviation)
    assert lead.high - lead.low == pytest.approx(2 * 1.96 * drawn.std(), rel=0.1)


def test_missing_cells_are_left_out_of_each_mean() -> None:
    goodness = 0.3 * noise(9)
    goodness[0] = 0
    goodness[3, 2] = np.nan
    found = supervision(world(goodness, [SUPERVISED, *ssl(8)]))
    assert effect(found, TASKS[2].name).n == 7
    assert effect(found, TASKS[3].name).n == 8


def test_a_task_on_which_all_are_equal_decides_nothing() -> None:
    goodness = noise(9)
    goodness[:, 5] = 0.25
    found = supervision(world(goodness, [SUPERVISED, *ssl(8)]))
    assert effect(found, TASKS[5].name).n == 0
    assert effect(found, TASKS[5].name).verdict == "cannot tell"


# --- the tests themselves ---------------------------------------------------------------------------------------------


def test_flipping_signs_is_the_exact_test_of_counting_all_patterns() -> None:
    values = np.array([0.4, 1.2, -0.3, 0.9, 0.7])
    means = [np.mean(values * signs) for signs in itertools.product([-1, 1], repeat=5)]
    wanted = np.mean(np.abs(means) >= abs(values.mean()) - 1e-12)
    assert flip_test(values) == pytest.approx(wanted)


def test_four_differences_cannot_decide_however_large_they_are() -> None:
    (found,) = judge([mean_difference("four", [5.0, 5.1, 5.2, 5.3])])
    assert found.p == pytest.approx(0.125)
    assert found.verdict == "cannot tell"


def test_many_effects_are_corrected_together() -> None:
    sure = mean_difference("sure", np.linspace(0.9, 1.1, 12))
    weak = replace(mean_difference("weak", np.linspace(0.0, 1.0, 12)), p=0.03)
    assert [item.verdict for item in judge([weak])] == ["higher"]
    assert [item.verdict for item in judge([sure, weak, weak])] == ["higher", "cannot tell", "cannot tell"]


def test_intervals_of_a_quadrants_mean_correlation_hold_at_28_encoders() -> None:
    """Eight tasks that share their encoders, each correlated 0.5 with the reference; the truth is that of ranks."""
    generator = np.random.default_rng(7)
    truth, turns = 6 / np.pi * np.arcsin(0.5 / 2), 200
    held = 0
    for _ in range(turns):
        x, common = generator.normal(size=(28, 1)), generator.normal(size=(28, 1))
        own = generator.normal(size=(28, 8))
        found = of_quadrant("q", x[:, 0], 0.5 * x + np.sqrt(0.375) * common + np.sqrt(0.375) * own)
        held += found.low <= truth <= found.high
    assert 0.90 <= held / turns <= 0.99


def test_relations_and_findings_agree(paper: Board) -> None:
    """Two ways to the same coefficient."""
    relation = next(found for found in against(paper) if found.task.name == "dtd")
    assert effect(predictor(paper), "dtd").value == pytest.approx(relation.by("spearman").value)
