"""The command line at work: evaluate, plan, the leaderboard and the cache."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest
import timm
import torch
from commands import COLOR, FAST, Run, assert_three_parts, records

pytestmark = pytest.mark.usefixtures("as_it_was")


# Evaluate: tables, JSON, resume


def test_results_go_to_the_output_and_everything_else_to_the_error_stream(run: Run, data: Path) -> None:
    done = run("evaluate", *COLOR, "--tasks", "dtd", "--data", data, *FAST)
    assert done.code == 0
    assert "baseline-color  dtd   top1" in done.out
    assert "measured" in done.out
    assert "encode dtd" in done.err
    assert "encode dtd" not in done.out


def test_the_same_command_goes_on_where_it_was_and_force_does_it_again(run: Run, data: Path) -> None:
    line = ("evaluate", *COLOR, "--tasks", "dtd", "--data", data, *FAST)
    assert "measured" in run(*line).out
    again = run(*line)
    assert again.code == 0
    assert "done before" in again.out
    assert "train dtd" not in again.err
    forced = run(*line, "--force")
    assert "measured" in forced.out
    assert "train dtd" in forced.err
    assert len(records(Path("results"))) == 1


def test_the_json_of_evaluate_says_what_was_measured_done_before_skipped_and_failed(run: Run, data: Path) -> None:
    line = ("evaluate", *COLOR, "--data", data, *FAST, "--json")
    first = run(*line, "--tasks", "image-semantic,clevr_count")
    rows = {row["task"]: row for row in json.loads(first.out)}
    assert first.code == 1
    assert (rows["dtd"]["status"], rows["clevr_count"]["status"]) == ("measured", "failed")
    assert 0 <= rows["dtd"]["low"] <= rows["dtd"]["value"] <= rows["dtd"]["high"] <= 1
    assert "CLEVR is missing" in rows["clevr_count"]["reason"]
    second = run(*line, "--tasks", "all")
    assert second.code == 0
    statuses = {row["task"]: row["status"] for row in json.loads(second.out)}
    assert statuses == {**statuses, "dtd": "done before", "clevr_count": "skipped", "thor_egomotion": "skipped"}


def test_the_json_of_evaluate_parses_when_nothing_could_run(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("evaluate", *COLOR, "--tasks", "dtd", "--data", tmp_path / "empty", *FAST, "--json")
    assert done.code == 1
    assert [(row["task"], row["status"]) for row in json.loads(done.out)] == [("dtd", "failed")]


def test_limit_and_seeds_do_what_they_say(run: Run, data: Path) -> None:
    done = run("evaluate", *COLOR, "--tasks", "dtd", "--data", data, *FAST[:4], "--seeds", 2, "--limit", 8)
    assert done.code == 0
    (record,) = records(Path("results"))
    assert record["data"]["counts"] == {"train": 8, "val": 8, "test": 8}
    assert record["data"]["limit"] == 8
    assert len(record["seeds"]) == 2


def test_several_encoders_make_one_table(finished: Path) -> None:
    found = records(finished)
    assert {record["encoder"]["name"] for record in found} == {"baseline-color", "baseline-pixels"}
    assert all(record["score"]["value"] > record["floor"]["value"] for record in found)


def test_the_summary_counts_one_record_as_one(run: Run, data: Path) -> None:
    done = run("evaluate", *COLOR, "--tasks", "dtd", "--data", data, *FAST)
    assert "1 record in" in done.err


# Plan


def test_a_plan_says_what_would_run_and_what_is_missing_and_why(run: Run, data: Path) -> None:
    done = run("plan", *COLOR, "--tasks", "all", "--data", data, "--protocol", "quick")
    assert done.code == 0
    assert "squash 96" in done.out
    assert "Left out: clevr_count" in done.out
    assert_three_parts(done.out)
    assert not Path("results").exists(), "a plan writes nothing"


def test_the_json_of_a_plan_counts_images_and_gaps(run: Run, data: Path) -> None:
    done = run("plan", *COLOR, "--tasks", "all", "--data", data, "--protocol", "quick", "--json")
    plan = json.loads(done.out)
    (row,) = plan["plan"]
    assert (row["encoder"], row["image_set"], row["images"], row["to_encode"]) == ("baseline-color", "dtd", 27, 27)
    assert row["minutes"] >= 0
    assert {gap["task"] for gap in plan["missing"]} >= {"clevr_count", "thor_egomotion"}
    assert not any(gap["fails"] for gap in plan["missing"])


def test_a_plan_after_the_run_has_nothing_to_encode(run: Run, data: Path) -> None:
    line = (*COLOR, "--tasks", "dtd", "--data", data, "--protocol", "quick", "--seeds", 1, "--workers", 0)
    assert run("evaluate", *line).code == 0
    (row,) = json.loads(run("plan", *line, "--json").out)["plan"]
    assert (row["to_encode"], row["minutes"]) == (0, 0)
    assert "done" in row["tasks"]


def test_a_plan_without_anything_to_run_is_a_failure_and_promises_no_minutes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("plan", *COLOR, "--tasks", "dtd", "--data", tmp_path / "empty", "--protocol", "quick")
    assert done.code == 1
    assert "Fails: dtd" in done.out
    assert "estimated from a short probe" not in done.out, "there was no probe"
    assert json.loads(run("plan", *COLOR, "--tasks", "dtd", "--data", tmp_path / "empty", "--json").out)["plan"] == []


# Leaderboard


@pytest.mark.parametrize("made", ["nothing", "empty", "file"])
def test_a_leaderboard_without_records_is_an_error_with_the_way_out(run: Run, made: str) -> None:
    if made == "empty":
        Path("results/records").mkdir(parents=True)
    elif made == "file":
        Path("results").write_text("a file")
    done = run("leaderboard")
    assert done.code == 1
    assert "no records in results" in done.err
    assert_three_parts(done.err)


def test_a_leaderboard_ranks_every_encoder_above_its_floor(run: Run, finished: Path) -> None:
    done = run("leaderboard", "--out", finished)
    assert done.code == 0
    for word in ("baseline-color", "baseline-pixels", "floor", "real data, protocol quick", "dtd"):
        assert word in done.out
    assert done.err == ""


def test_the_formats_of_a_leaderboard_hold_the_same_scores(run: Run, finished: Path) -> None:
    rows = json.loads(run("leaderboard", "--out", finished, "--format", "json").out)
    table = list(csv.DictReader(io.StringIO(run("leaderboard", "--out", finished, "--format", "csv").out)))
    scores = {record["encoder"]["name"]: record["score"]["value"] for record in records(finished)}
    assert {row["encoder"]: row["value"] for row in rows} == pytest.approx(scores)
    assert {row["encoder"]: float(row["value"]) for row in table} == pytest.approx(scores)
    lines = run("leaderboard", "--out", finished, "--format", "markdown").out.splitlines()
    grid = [line for line in lines if line.startswith("|")]
    assert len(grid) == 5, "header, rule, two encoders, floor"
    assert len({line.count("|") for line in grid}) == 1


def test_an_unknown_format_is_wrong_usage_and_lists_the_formats(run: Run, finished: Path) -> None:
    done = run("leaderboard", "--out", finished, "--format", "htlm")
    assert done.code == 2
    assert "markdown" in done.err
    assert_three_parts(done.err)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema_version": 1}', b"\xff\xfe", b"null"])
def test_a_broken_record_is_a_warning_that_names_the_file_and_the_rest_is_ranked(
    run: Run, finished: Path, content: bytes
) -> None:
    shutil.copytree(finished, "mine")
    broken = Path("mine/records/x-0/broken.json")
    broken.parent.mkdir()
    broken.write_bytes(content)
    done = run("leaderboard", "--out", "mine")
    assert done.code == 0
    assert "warning" in done.err
    assert str(broken) in done.err
    assert "Traceback" not in done.said
    assert "baseline-pixels" in done.out


def test_a_broken_record_is_done_again_by_the_same_command(run: Run, data: Path) -> None:
    line = ("evaluate", *COLOR, "--tasks", "dtd", "--data", data, *FAST)
    run(*line)
    (path,) = Path("results").glob("records/*/*.json")
    path.write_bytes(path.read_bytes()[:100])
    assert "measured" in run(*line).out
    assert len(records(Path("results"))) == 1


def test_one_reason_is_told_once_below_all_the_tasks_that_it_keeps_from_an_encoder(run: Run, small_world: Path) -> None:
    Path("mine.py").write_text("class Mine:\n    def embed(self, images):\n        return images.mean((2, 3))\n")
    line = ("evaluate", "--encoder", "mine.py", "--data", small_world, *FAST)
    done = run(*line, "--tasks", "pixel,dtd")
    assert done.code == 0
    assert done.err.count("returns no maps, only an embedding") == 1
    (told,) = [text for text in done.err.splitlines() if text.startswith("left out: ")]
    assert told.startswith("left out: mine on cityscapes, egohands, ")
    assert run(*line, "--tasks", "nyu_depth,thor_depth").err.count("FAILED: mine on nyu_depth, thor_depth\n") == 1


def keys(facts: object) -> set[str]:
    """Return every key at any depth."""
    if isinstance(facts, dict):
        return {*facts, *(key for value in facts.values() for key in keys(value))}
    return {key for value in facts for key in keys(value)} if isinstance(facts, list) else set()


@pytest.mark.parametrize(
    "line",
    [
        "plan {color}", "evaluate {color}", "data", "data status pets nyu", "tasks", "encoders", "cache", "doctor",
        "cache clear --dry-run", "encoders inspect weights.pt", "check mine.py", "data verify dtd --data {data}",
        "findings --records paper2021 --format json",
    ],
)  # fmt: skip
def test_keys_of_json_are_words_that_scripts_need_not_quote(run: Run, data: Path, line: str) -> None:
    Path("mine.py").write_text("class Mine:\n    def embed(self, images):\n        return images.mean((2, 3))\n")
    torch.save(timm.create_model("resnet18").state_dict(), "weights.pt")
    color = " ".join([*COLOR, "--tasks dtd --data", str(data), *FAST])
    words = line.format(color=color, data=data).split()
    done = run(*words, *([] if "json" in words else ["--json"]))
    found = keys(json.loads(done.out))
    assert found
    groups = {f"{level}-{kind}" for level in ("image", "pixel") for kind in ("semantic", "structural")}
    assert {key for key in found - groups if not re.fullmatch(r"[A-Za-z0-9_.]+", key)} == set()
