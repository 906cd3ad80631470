"""Plots: what is drawn is what was computed, and no word is cut off or lies on another."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from boards import TASKS, board, many
from extents import faults
from laid import lay
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats

from virb.analysis.correlation import against, between, table
from virb.analysis.gather import gather
from virb.analysis.plots import correlations, curves, profile, ranks, style, tasks
from virb.analysis.plots.style import Canvas, fitted, labels, look, look_of, save, text_width
from virb.analysis.ranks import best, critical_difference, rank, runs
from virb.checks.bench.records import TaskSplit, hits
from virb.core.digest import digest
from virb.core.errors import UsageError, VirbError
from virb.core.paths import reference_folder
from virb.leaderboard import Board
from virb.records.load import load

Draw: TypeAlias = Callable[[Board], Figure]
FIGURES: dict[str, Draw] = {
    "correlations": lambda scores: correlations.draw(scores, against(scores), scores.column("imagenet")),
    "tasks": lambda scores: tasks.draw(scores, between(scores)),
    "profile": lambda scores: profile.draw(scores, best(scores, 8)),
    "ranks": lambda scores: ranks.draw(scores, rank(scores)),
    "curves": lambda scores: curves.draw(scores, scores.column("imagenet"), best(scores, 8)),
}
ALONE = ("profile", "curves")
"""The figures that make sense of one encoder."""


def odd(place: int) -> str:
    """A name as strangers give them: long, wide, with markup, a formula and a line break."""
    return f"W{place}" + "W" * 280 + f"\n$x_{place}^$<b>&\x1b[31m{place}"


def worlds() -> dict[str, Board]:
    few = [task for task in TASKS if task.name in ("imagenet", "dtd")]
    sparse = many(30, missing=0.3)
    sparse[:4] = many(4)
    falling = many(12)
    falling[:, 5:] = np.where(np.array([task.higher for task in TASKS[5:]]), 1 - falling[:, [0]], falling[:, [0]])
    return {
        "3": board(many(3)),
        "30": board(many(30)),
        "200": board(many(200)),
        "missing, synthetic": board(sparse, source="sample"),
        "odd names": board(many(12), name=odd),
        "all equal": board(np.full((5, len(TASKS)), 0.25)),
        "one task beside": board(many(8, tasks=few), tasks=few),
        "falling": board(falling),
    }


WORLDS = worlds()


SAME = {("tasks", "odd names"), ("tasks", "30"), ("curves", "3"), ("curves", "30"), ("curves", "falling")}
"""Where a world changes nothing in a figure beside another."""


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in FIGURES for name in WORLDS if (kind, name) not in SAME]
)
def test_no_word_is_cut_off_or_lies_on_another(kind: str, name: str) -> None:
    assert faults(FIGURES[kind](WORLDS[name])) == ([], [])


@pytest.mark.parametrize("kind", ALONE)
def test_one_encoder_is_drawn_alone(kind: str) -> None:
    assert faults(FIGURES[kind](board(many(1)))) == ([], [])


@pytest.mark.parametrize("kind", [kind for kind in FIGURES if kind not in ALONE])
def test_one_encoder_is_refused_where_several_are_compared(kind: str) -> None:
    with pytest.raises(VirbError) as caught:
        FIGURES[kind](board(many(1)))
    assert caught.value.found
    assert caught.value.expected
    assert caught.value.remedy


def test_the_measure_of_words_sees_what_is_cut_off_and_what_overlaps() -> None:
    with look():
        sheet = Canvas(1.0)
        sheet.words(1.0, 0.3, "one")
        sheet.words(1.1, 0.35, "two")
        sheet.figure.text(0.99, 0.5, "beyond the edge")
    assert faults(sheet.figure) == (["beyond the edge"], [("one", "two")])


@pytest.mark.parametrize("kind", list(FIGURES))
def test_a_figure_of_the_sample_world_says_that_it_is_synthetic(kind: str) -> None:
    assert any("synthetic" in text.get_text() for text in FIGURES[kind](WORLDS["missing, synthetic"]).texts)


# --- what is drawn on the paper's own numbers -----------------------------------------------------------------------


def published(task: str) -> np.ndarray:
    """A task's numbers, errors negated, read without the package's own reader."""
    files = [json.loads(path.read_text()) for path in sorted(reference_folder("paper2021").glob("*.json"))]
    numbers = [next(number for number in file["numbers"] if number["task"] == task) for file in files]
    return np.array([-number["value"] if number["direction"] == "lower" else number["value"] for number in numbers])


def drawn(figure: Figure) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield points, line and band of every task, in the order of the panels and their legends."""
    for axes in figure.axes:
        bands = [item.get_paths()[0].vertices for item in axes.collections if isinstance(item, PolyCollection)]
        points = [line.get_xydata() for line in axes.lines if line.get_linestyle() == "None"]
        lines = [line.get_xydata() for line in axes.lines if line.get_linestyle() != "None"]
        yield from ((np.asarray(a), np.asarray(b), np.asarray(c)) for a, b, c in zip(points, lines, bands, strict=True))


def test_points_lines_and_bands_of_the_paper_are_those_of_an_independent_computation(paper: Board) -> None:
    relations = against(paper)
    figure = FIGURES["correlations"](paper)
    x = published("imagenet")
    series = list(drawn(figure))
    assert len(series) == len(relations) == 19
    for relation, (points, line, band) in zip(relations, series, strict=True):
        y = published(relation.task.name)
        assert sorted(map(tuple, points)) == sorted(zip(x, y, strict=True)), relation.task.name
        slope, intercept = np.polyfit(x, y, 1)
        assert np.allclose(line[:, 1], intercept + slope * line[:, 0], atol=1e-10)
        error = np.sqrt(((y - intercept - slope * x) ** 2).sum() / 26)
        at = np.unique(band[:, 0])
        half = stats.t.ppf(0.975, 26) * error * np.sqrt(1 / 28 + (at - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
        for place, middle, wide in zip(at, intercept + slope * at, half, strict=True):
            edge = band[band[:, 0] == place, 1]
            assert [edge.min(), edge.max()] == pytest.approx([middle - wide, middle + wide])


def test_the_table_holds_the_coefficients_of_an_independent_computation(paper: Board) -> None:
    rows = table(against(paper), "imagenet").set_index("task")
    x = published("imagenet")
    for task, row in rows.iterrows():
        y = published(str(task))
        fisher = np.tanh(np.arctanh(np.corrcoef(x, y)[0, 1]) + np.array([-1, 1]) * stats.norm.ppf(0.975) / np.sqrt(25))
        assert row["pearson"] == pytest.approx(np.corrcoef(x, y)[0, 1])
        assert [row["pearson_low"], row["pearson_high"]] == pytest.approx(list(fisher))
        assert row["spearman"] == pytest.approx(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])
        assert row["kendall"] == pytest.approx(stats.kendalltau(x, y).statistic)
        assert row["slope"] == pytest.approx(np.polyfit(x, y, 1)[0])
        assert row["n"] == 28


def test_the_lines_are_those_that_the_paper_itself_drew(paper: Board) -> None:
    """Slopes of the lines in the published picture; two of its tasks have a clipped point and are left out."""
    slopes = {
        "pets": 1.0432, "cifar100": 0.7323, "caltech101": 0.3673, "eurosat": 0.0513, "sun397": 0.3250,
        "kinetics400": 0.2996, "clevr_count": 0.2412, "thor_num_steps": 0.0329, "thor_egomotion": -0.2921,
        "nuscenes_egomotion": 0.0263, "pets_seg": 0.0603, "cityscapes": 0.0638, "egohands": 0.0284,
        "nyu_depth": 0.0219, "taskonomy_depth": -0.0090, "kitti_flow": -0.1092, "dtd": 0.5587,
    }  # fmt: skip
    rows = table(against(paper), "imagenet").set_index("task")
    for task, slope in slopes.items():
        assert rows.loc[task, "slope"] == pytest.approx(slope, abs=0.0021), task


def test_the_matrix_between_tasks_keeps_names_and_numbers_together(paper: Board) -> None:
    matrix = between(paper, "spearman")
    names = [task.name for task in matrix.tasks]
    assert sorted(names) == sorted(task.name for task in paper.columns)
    for one, other in (("dtd", "pets"), ("thor_egomotion", "eurosat"), ("nyu_depth", "thor_depth")):
        wanted = stats.spearmanr(published(one), published(other)).statistic
        assert matrix.values[names.index(one), names.index(other)] == pytest.approx(wanted)


def test_alike_tasks_stand_beside_one_another() -> None:
    values = many(20)[:, :4]
    values[:, 2] = values[:, 0] * 0.5
    matrix = between(board(values, tasks=TASKS[:4]))
    places = [matrix.tasks.index(TASKS[0]), matrix.tasks.index(TASKS[2])]
    assert abs(places[0] - places[1]) == 1
    assert list(matrix.tree[0, :2].astype(int)) in ([min(places), max(places)], [max(places), min(places)])


def test_scores_that_are_no_shares_are_divided_until_they_go_on_the_axis() -> None:
    relation = next(found for found in against(board(many(8))) if found.task.name == "kitti_flow")
    assert relation.task.power(relation.y.tolist()) == 1
    assert relation.task.label(1) == "kitti_flow (−epe / 10)"


def test_only_encoders_above_a_bound_are_correlated(paper: Board) -> None:
    relations = against(paper, above=0.6)
    assert {len(relation.x) for relation in relations} == {int((published("imagenet") > 0.6).sum())}


# --- from records on disk ---------------------------------------------------------------------------------------------


def written(out: Path, protocol: str = "standard") -> None:
    """Records of three encoders on two tasks, with their samples beside them."""
    for place, task in enumerate(("imagenet", "dtd")):
        for number, chance in enumerate((0.3, 0.6, 0.8)):
            test = TaskSplit(task, metric="top1")
            rules = {"protocol__name": protocol, "keys__resume": digest([protocol, task, number])}
            lay(out, f"encoder{number}", test, hits(test, chance, place, number), **rules)


def test_records_on_disk_become_scores_with_intervals_floors_and_paired_replicates(tmp_path: Path) -> None:
    written(tmp_path)
    scores = gather(load([tmp_path]))
    assert sorted(scores.names) == ["encoder0", "encoder1", "encoder2"]
    assert [task.name for task in scores.columns] == ["dtd", "imagenet"]
    for cell in scores.cells.values():
        assert cell.low is not None
        assert cell.high is not None
        assert cell.low < cell.value < cell.high
    assert [task.floor for task in scores.columns] == [0.1, 0.1]
    ranking = rank(scores)
    assert ranking.over == "test samples"
    assert [scores.names[place] for place in ranking.order] == ["encoder2", "encoder1", "encoder0"]
    assert faults(FIGURES["correlations"](scores)) == ([], [])


def test_records_of_two_protocols_are_not_drawn_together(tmp_path: Path) -> None:
    written(tmp_path)
    written(tmp_path, protocol="quick")
    with pytest.raises(UsageError, match="2 kinds that do not compare") as caught:
        gather(load([tmp_path]))
    assert "--protocol" in caught.value.remedy
    assert gather(load([tmp_path]), protocol="quick").protocol == "quick"
    with pytest.raises(VirbError, match="protocol virb2021"):
        gather(load([tmp_path]), protocol="virb2021")


# --- ranks -----------------------------------------------------------------------------------------------------------


def test_the_critical_difference_is_that_of_demsars_paper() -> None:
    """Demsar, JMLR 2006: 1.25 for four classifiers on 14 data sets, and q = 3.164 for ten."""
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(10, 60) == pytest.approx(3.164 * np.sqrt(10 * 11 / 360), abs=0.001)


def test_mean_ranks_turn_errors_round_and_share_ties() -> None:
    shown = [task for task in TASKS if task.name in ("dtd", "kitti_flow")]
    scores = board(np.array([[0.5, 1.0], [0.5, 3.0], [0.2, 2.0]]), tasks=shown)
    ranking = rank(scores)
    assert ranking.order.tolist() == [0, 1, 2]
    assert ranking.mean.tolist() == [1.25, 2.25, 2.5]
    assert (ranking.low <= ranking.mean).all()
    assert (ranking.mean <= ranking.high).all()


def test_ranks_on_one_task_have_no_interval_over_tasks() -> None:
    shown = [task for task in TASKS if task.name == "dtd"]
    scores = board(np.array([[0.5], [0.3], [0.2]]), tasks=shown)
    ranking = rank(scores)
    assert np.isnan(ranking.low).all()
    texts = [text.get_text() for text in ranks.draw(scores, ranking).texts]
    assert any("one task leaves undecided" in text for text in texts)
    assert not any("intervals over" in text for text in texts)


def test_bars_join_the_longest_runs_within_the_critical_difference() -> None:
    assert runs(np.array([1.0, 1.5, 2.4, 4.0, 4.1]), 1.0) == ((0, 1), (1, 2), (3, 4))
    assert runs(np.array([1.0, 3.0]), 1.0) == ()


def test_an_encoder_without_every_task_is_not_ranked_and_said_so() -> None:
    values = many(5)
    values[2, 3] = np.nan
    ranking = rank(board(values))
    assert 2 not in ranking.order
    assert ranking.left_out == (2,)
    assert any("1 without a score" in text.get_text() for text in ranks.draw(board(values), ranking).texts)


# --- words, colours, files -------------------------------------------------------------------------------------------


def test_a_long_name_keeps_both_its_ends_and_fits() -> None:
    short = fitted("moco" + "x" * 300 + "200ep", 1.0)
    assert short.startswith("moco")
    assert short.endswith("200ep")
    assert "…" in short
    assert text_width(short, style.TEXT) <= 1.0


def test_names_that_shortening_makes_alike_are_told_apart() -> None:
    names = [f"start{'x' * 100}{place}{'y' * 100}end" for place in range(12)]
    assert len(set(labels(names, 1.0))) == 12


def test_every_series_has_its_own_colour_and_marker() -> None:
    assert len({look_of(place) for place in range(81)}) == 81


def simulated(colour: str, matrix: np.ndarray) -> np.ndarray:
    """A colour as someone sees it who lacks one kind of cone, in linear light."""
    value = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.clip(matrix @ linear, 0, 1))


def lab(linear: np.ndarray) -> np.ndarray:
    """CIE Lab of a colour in linear light."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    ratio = xyz / np.array([0.9505, 1.0, 1.089])
    root = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


@pytest.mark.parametrize(
    "matrix",
    [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ],
    ids=["protanopia", "deuteranopia"],
)
def test_the_first_colours_differ_for_those_who_lack_a_cone(matrix: list[list[float]]) -> None:
    """Matrices of Machado, Oliveira and Fernandes 2009; 2.3 is the just noticeable difference."""
    seen = [lab(simulated(colour, np.array(matrix))) for colour in style.PALETTE]
    least = min(np.linalg.norm(one - other) for place, one in enumerate(seen) for other in seen[place + 1 :])
    assert least > 3 * 2.3


def test_vector_files_keep_text_as_text_and_escape_it(tmp_path: Path) -> None:
    figure = profile.draw(board(many(2), name='<script>&"$a_b$ {}'.format), [0, 1])
    save(figure, tmp_path / "profile.svg")
    text = (tmp_path / "profile.svg").read_text(encoding="utf-8")
    assert "&lt;script&gt;&amp;" in text
    assert "<script>" not in text
    assert "caltech101" in text


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    for turn in ("one", "two"):
        save(FIGURES["ranks"](WORLDS["3"]), tmp_path / f"{turn}.svg")
        save(FIGURES["ranks"](WORLDS["3"]), tmp_path / f"{turn}.png")
    for form in ("svg", "png"):
        assert (tmp_path / f"one.{form}").read_bytes() == (tmp_path / f"two.{form}").read_bytes()


def test_a_picture_is_as_wide_as_a_page(tmp_path: Path) -> None:
    save(FIGURES["profile"](WORLDS["3"]), tmp_path / "profile.png")
    with Image.open(tmp_path / "profile.png") as picture:
        assert picture.width == 1400  # 7 inches at 200 dots


def test_out_is_a_file_by_its_ending_or_a_folder_for_both(tmp_path: Path) -> None:
    assert style.targets(tmp_path / "x.SVG", "ranks") == (tmp_path, [tmp_path / "x.SVG"])
    assert style.targets(tmp_path, "ranks") == (tmp_path, [tmp_path / "ranks.png", tmp_path / "ranks.svg"])
    with pytest.raises(UsageError, match=r"x\.png"):
        style.targets(tmp_path / "x.pdf", "ranks")


def test_a_task_name_from_a_stranger_stays_inside_the_folder() -> None:
    assert "/" not in style.safe_name("../../etc/passwd")


# --- what a profile and curves show ---------------------------------------------------------------------------


def test_a_quadrant_mean_is_drawn_only_over_all_its_tasks() -> None:
    values = many(2)
    missing = next(place for place, task in enumerate(TASKS) if task.quadrant == "pixel-semantic")
    values[0, missing] = np.nan
    scores = board(values)
    heights = profile.scale(scores)
    assert np.isnan(profile.quadrant_mean(scores, heights, 0, "pixel-semantic"))
    places = [place for place, task in enumerate(TASKS) if task.quadrant == "pixel-semantic"]
    wanted = np.mean([(values[1, place] - 0.1) / 0.9 for place in places])
    assert profile.quadrant_mean(scores, heights, 1, "pixel-semantic") == pytest.approx(wanted)


def test_numbers_without_floors_are_drawn_in_deviations(paper: Board) -> None:
    heights = profile.scale(paper)
    assert np.allclose(heights.mean(axis=0), 0)
    assert np.allclose(heights.std(axis=0), 1)


def test_curves_of_published_numbers_are_refused(paper: Board) -> None:
    with pytest.raises(VirbError, match="no record of dtd here holds a curve"):
        curves.draw(paper, paper.column("dtd"), [0])
