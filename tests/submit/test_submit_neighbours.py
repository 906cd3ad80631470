"""Records of nearest neighbours go the whole way: every format, a bundle, a second run, and the command again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from virb.cards.encoder_names import encoder_cards
from virb.cards.select import protocol, select_tasks
from virb.cli import main
from virb.records.record import Record
from virb.run.harness import run
from virb.run.options import Options
from virb.run.score import breakdown_of, measured, value_of
from virb.submit.current import cards_of, metrics_of
from virb.submit.make import make_bundle
from virb.submit.verdict import Verdict, as_text
from virb.submit.verify import Trial, verify

TASKS = ("dtd", "pets", "thor_egomotion")


@pytest.fixture(scope="module")
def options(tiny_options: Options, tmp_path_factory: pytest.TempPathFactory) -> Options:
    out = tmp_path_factory.mktemp("neighbours") / "results"
    return replace(tiny_options, protocol=protocol("knn_quick"), seeds=None, out=out)


@pytest.fixture(scope="module")
def neighbours(options: Options) -> Path:
    """Return a results folder with such records of three encoders."""
    report = run(
        encoder_cards(["baseline:color", "baseline:pixels", "random:resnet18"]), select_tasks(",".join(TASKS)), options
    )
    assert len(report.records) == 9
    return options.out


@pytest.fixture
def packed(neighbours: Path, card: Any, tmp_path: Path) -> Path:
    made = make_bundle(card, neighbours, tmp_path / "neighbours.zip")
    assert not any("heads" in note for note in made.notes), "there are none to be kept"
    return made.path


@pytest.fixture
def check(options: Options) -> Trial:
    return Trial(options, share=1.0, seed=3)


def of(forged: Any, task: str) -> str:
    return next(str(name) for name in forged.records if f"/{task}." in name)


def why(verdict: Verdict, task: str = "dtd") -> str:
    return "; ".join(next(record for record in verdict.records if record.task == task).reasons)


@pytest.mark.parametrize("form", ["table", "csv", "markdown", "json", "html"])
def test_a_board_of_neighbours_is_shown_in_every_format(
    neighbours: Path, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "page.html")] if form == "html" else []
    assert main(["leaderboard", "--records", str(neighbours), "--format", form, *out]) == 0
    shown = (tmp_path / "page.html").read_text() if form == "html" else capsys.readouterr().out
    assert "baseline-color" in shown
    assert "knn_quick" in shown
    if form == "html":
        assert " neighbours</td>" in shown or " neighbour</td>" in shown


@pytest.mark.parametrize(
    "line",
    [
        ["plot", "correlations", "--reference", "dtd"],
        ["plot", "tasks"],
        ["plot", "profile"],
        ["plot", "ranks"],
        ["plot", "curves", "--task", "dtd"],
        ["export"],
        ["findings"],
        ["compare", "baseline-color", "baseline-pixels"],
    ],
    ids=lambda line: " ".join(line[:2]),
)
def test_what_reads_boards_reads_those_of_neighbours(neighbours: Path, line: list[str], tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "plots")] if line[0] == "plot" else []
    assert main([*line, "--records", str(neighbours), *out]) == 0


def test_neighbours_are_verified_by_asking_them_again(packed: Path, check: Trial) -> None:
    assert verify(packed).verdict == "consistent", as_text(verify(packed))
    verdict = verify(packed, check)
    assert verdict.verdict == "verified", as_text(verdict)
    assert all("validation scores came out again" in record.reasons[0] for record in verdict.records)


def made_up(forged: Any, name: str) -> None:
    """Make a record's statistics up so that all of it adds up: every answer is right."""
    record, arrays = Record.model_validate_json(forged.files[name]), forged.arrays(name)
    arrays["predictions"] = arrays["targets"][None].copy()
    arrays["statistics.top1"] = np.ones((1, len(arrays["targets"]), 2), np.float32)
    metrics = metrics_of(record, cards_of(record)[0])
    assert metrics is not None
    rows = arrays["statistics.top1"].astype(np.float64)
    score, replicates = measured(metrics[0], list(rows), arrays["groups"].astype(np.int64), record.data.test_digest)
    told = {
        "score": score,
        "seeds": [value_of(metrics[0], one) for one in rows],
        "replicates": [round(float(value), 6) for value in replicates],
        "breakdown": breakdown_of(metrics[0], rows, arrays["targets"], arrays["predictions"], list(record.breakdown)),
    }
    forged.files[name] = record.model_copy(update=told).model_dump_json(indent=1).encode()
    forged.put_arrays(name, arrays)


def test_made_up_answers_of_neighbours_are_seen_by_asking_them_again(
    packed: Path, forging: Callable[[Path], Any], check: Trial
) -> None:
    forged = forging(packed)
    made_up(forged, of(forged, "dtd"))
    path = forged.write()
    assert verify(path).verdict == "consistent"
    assert "answers are others" in why(verify(path, check))


def test_made_up_validation_scores_of_neighbours_are_seen(
    packed: Path, forging: Callable[[Path], Any], check: Trial
) -> None:
    forged = forging(packed)
    name = of(forged, "dtd")
    record = forged.record(name)
    for setting in record["settings"]:
        setting["validation"] = (setting["validation"] + 3) / 4  # the best is still the best
    record["setting"]["validation"] = record["curves"]["val_score"][0] = (record["setting"]["validation"] + 3) / 4
    forged.put_record(name, record)
    path = forged.write()
    assert verify(path).verdict == "consistent"
    assert "it says validation score of" in why(verify(path, check))


def other_number(record: dict[str, Any]) -> None:
    record["settings"] = [one for one in record["settings"] if one["neighbours"] != 5]


def not_the_best(record: dict[str, Any]) -> None:
    worst = min(record["settings"], key=lambda one: (one["validation"], -one["neighbours"]))
    record["setting"] = worst
    record["curves"]["val_score"] = [worst["validation"]]


def trained(record: dict[str, Any]) -> None:
    record["curves"]["train_loss"] = [0.1]
    record["train_loss"] = 0.1


def rates(record: dict[str, Any]) -> None:
    for one in record["settings"]:
        one["learning_rate"] = 0.1
    record["setting"]["learning_rate"] = 0.1


def seeds(record: dict[str, Any]) -> None:
    record["seeds"] = record["seeds"] * 2


@pytest.mark.parametrize("change", [other_number, not_the_best, trained, rates, seeds])
def test_what_neighbours_cannot_be_is_seen_without_data(
    packed: Path, forging: Callable[[Path], Any], change: Callable[[dict[str, Any]], None]
) -> None:
    forged = forging(packed)
    name = of(forged, "thor_egomotion")
    record = forged.record(name)
    change(record)
    forged.put_record(name, record)
    assert verify(forged.write()).verdict == "broken"


def test_neighbours_that_were_asked_are_not_asked_again_for_heads(neighbours: Path, options: Options) -> None:
    report = run(encoder_cards(["baseline:color"]), select_tasks("dtd"), replace(options, save_heads=True))
    assert not report.records
    assert len(report.resumed) == 1


def test_the_command_of_a_record_of_neighbours_makes_it_again(
    neighbours: Path, options: Options, capfd: pytest.CaptureFixture[str]
) -> None:
    record = str(next(neighbours.glob("records/baseline-color-*/dtd.*.json")))
    assert main(["reproduce", record, "--data", str(options.root), "--run", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["same"] is True
    assert told["facts"]["validation"]["recorded"] == told["facts"]["validation"]["now"]
    assert "neighbour" in told["facts"]["setting"]["now"]
