"""Findings as they are told: what cards say, text, pictures and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from boards import SUPERVISED, TASKS, many, noise, ssl, who, world
from extents import faults

from virb.analysis.encoders import balance, kind, method_family
from virb.analysis.findings import as_json, as_markdown, findings
from virb.analysis.plots import forest, violins
from virb.analysis.supervision import structural_gain, supervision
from virb.cli import main
from virb.leaderboard import Board


@pytest.mark.parametrize(
    ("method", "family", "wanted"),
    [
        ("SwAV", "", "self-supervised"),
        ("supervised", "", "supervised"),
        ("anything", "supervised", "supervised"),
        ("CLIP", "language", "other"),
        ("SigLIP 2", "", "other"),
        ("baseline", "none", "other"),
        ("", "", "other"),
    ],
)
def test_cards_say_what_taught_an_encoder(method: str, family: str, wanted: str) -> None:
    assert kind(who("x", method=method, family=family, pretraining="imagenet")) == wanted


def test_methods_are_read_without_their_versions_and_guesses_are_none() -> None:
    names = ["MoCo v2", "mocov3", "SwAV", "DINOv2", "MoCo v2 or SimCLR", "SigLIP 2"]
    assert [method_family(name) for name in names] == ["moco", "moco", "swav", "dino", "", "siglip"]


def test_balance_is_known_only_where_a_card_says_it() -> None:
    said = [{}, {"balance": "log"}, {"balance": "balanced"}, {"balance": True}]
    assert [balance(who("x", facts=facts)) for facts in said] == [
        "",
        "unbalanced",
        "balanced",
        "",
    ]


def test_json_holds_no_number_that_is_none(paper: Board) -> None:
    content = json.loads(as_json(paper, findings(paper)), parse_constant=lambda name: pytest.fail(name))
    assert [finding["key"] for finding in content["findings"]] == [
        "supervision", "predictor", "methods", "structural_gain", "same_domain", "balance",
    ]  # fmt: skip


def test_names_from_strangers_break_no_table_and_make_no_link() -> None:
    rows = [SUPERVISED, *({**row, "name": f"a|b<script>`*[x](javascript:{row['name']})\n# h"} for row in ssl(7))]
    goodness = noise(8)
    goodness[0] = 0
    scores = world(goodness, rows)
    text = as_markdown(scores, findings(scores))
    assert "<script>" not in text.replace("\\<script>", "")
    assert "](javascript" not in text
    assert "\n# h" not in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in tables if TASKS[0].name in line}) <= 2


def test_pictures_of_findings_keep_their_words_apart(paper: Board) -> None:
    for finding in findings(paper):
        figure = forest.draw(paper, finding)
        assert (figure is None) == (finding.key == "balance")
        if figure is not None:
            assert faults(figure) == ([], []), finding.key


def test_violins_hold_every_gain_of_a_category_and_their_middle_is_the_drawn_bar(paper: Board) -> None:
    """Recomputed from the scores: each self-supervised encoder less the supervised one, in deviations of the task."""
    found = structural_gain(paper)
    goodness, names = paper.matrix(), [task.name for task in paper.columns]
    row = next(place for place, one in enumerate(paper.rows) if one.facts.method.lower() == "supervised")
    heights = (goodness - goodness[row]) / np.nanstd(goodness, axis=0)
    others = [place for place in range(len(goodness)) if place != row]
    figure = violins.draw(paper, found)
    assert figure is not None
    bars = sorted(line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linewidth() == 1.6)  # type: ignore[index]
    medians = []
    for quadrant, values in found.spread.items():
        tasks = [
            place
            for place, task in enumerate(paper.columns)
            if task.quadrant == quadrant and names[place] not in ("imagenet", "imagenetv2")
        ]
        expected = heights[np.ix_(others, tasks)].ravel()
        expected = expected[np.isfinite(expected)]
        assert sorted(values) == pytest.approx(sorted(expected))
        medians.append(np.median(expected))
    assert len(found.spread) == 4
    assert bars == pytest.approx(sorted(medians))
    assert faults(figure) == ([], [])


@pytest.mark.parametrize("encoders", [2, 3, 30, 200])
def test_violins_keep_their_words_apart_with_few_encoders_and_many(encoders: int) -> None:
    values = many(encoders, missing=0.2 if encoders > 2 else 0)
    rows: list[dict[str, object]] = [{"method": "supervised", "family": "supervised", "pretraining": "imagenet"}]
    rows += [{"method": "swav", "family": "contrastive", "pretraining": "imagenet"}] * (encoders - 1)
    values[0] = many(encoders)[0]
    scores = world(values, rows)
    figure = violins.draw(scores, structural_gain(scores))
    assert figure is not None
    assert faults(figure) == ([], [])
    assert violins.draw(scores, supervision(scores)) is None  # a question of means, not of distributions


def test_the_command_writes_text_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["findings", "-r", "paper2021", "--out", str(tmp_path), "--tasks", "structural,imagenet,pets"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "findings.md")
    text = (tmp_path / "findings.md").read_text(encoding="utf-8")
    assert text.count("\n## ") == 6
    for name in [line.split("](")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]:
        assert (tmp_path / name).is_file()
        assert (tmp_path / name).with_suffix(".png").is_file()


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--format", "html"], 2, "markdown or json"),
        (["--methods", "swav"], 2, "two methods with a comma"),
        (["--methods", "swav,mocov9x"], 2, "no encoder here is of method 'mocov9x'"),
        (["--tasks", "dtdd"], 2, "did you mean 'dtd'?"),
    ],
)
def test_a_mistake_is_told(more: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["findings", "-r", "paper2021", *more]) == code
    assert words in capsys.readouterr().err
