"""The command line, as its user meets it: exit codes, words, files, and what happens on Ctrl-C."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import virb
from virb.cli import main
from virb.core.errors import MissingData, UsageError
from virb.core.paths import card_folder

CLASSES = ("banded", "dotted", "zigzagged")
SPLITS = ("train", "val", "test")
COLOR = ("--encoder", "baseline:color")
FAST = ("--protocol", "quick", "--workers", "0", "--seeds", "1")


class Result(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything that the user reads."""
        return self.out + self.err


Run = Callable[..., Result]


def make_dtd(root: Path, each: int = 3) -> Path:
    """Write a tiny DTD in the owner's layout; a class has a colour, so that a histogram tells them apart."""
    random = np.random.default_rng(0)
    (root / "dtd" / "labels").mkdir(parents=True)
    number = 0
    for split in SPLITS:
        lines = []
        for place, name in enumerate(CLASSES):
            (root / "dtd" / "images" / name).mkdir(parents=True, exist_ok=True)
            for _ in range(each):
                number += 1
                pixels = random.integers(0, 60, (32, 32, 3)) + 150 * np.eye(3, dtype=int)[place]
                lines.append(f"{name}/{name}_{number:04d}.jpg")
                Image.fromarray(pixels.astype(np.uint8)).save(root / "dtd" / "images" / lines[-1])
        (root / "dtd" / "labels" / f"{split}1.txt").write_text("\n".join(lines) + "\n")
    return root


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(out.glob("records/*/*.json"))]


def assert_three_parts(text: str) -> None:
    assert "Expected: " in text
    assert "What to do: " in text
    assert "Traceback" not in text


@pytest.fixture(scope="module", autouse=True)
def as_it_was() -> Iterator[None]:
    """Run on one thread, and leave torch and logging as they were found."""
    threads, root = torch.get_num_threads(), logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tiny DTD and nothing else; tests that damage it copy it first."""
    return make_dtd(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """Return a results folder with the records of both baselines; tests that change it copy it first."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIRB_CACHE", str(folder / "cache"))
        given = (
            "--encoder",
            "baseline:pixels",
            "--tasks",
            "dtd",
            "--data",
            str(data),
            "--out",
            str(folder / "results"),
        )
        assert main(["evaluate", *COLOR, *given, *FAST]) == 0
    return folder / "results"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs one command in an empty folder with a cache of its own."""
    monkeypatch.setenv("VIRB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VIRB_DATA", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def command(*arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return command


@pytest.fixture
def damaged(tmp_path: Path, data: Path) -> Path:
    """Return a copy of the tiny DTD for a test to damage."""
    return Path(shutil.copytree(data, tmp_path / "damaged"))


# Help, version, and commands that are no commands


@pytest.mark.parametrize(
    "line", ["", "evaluate", "plan", "leaderboard", "tasks", "tasks show", "encoders", "encoders list", "cache clear"]
)
def test_every_command_has_help(run: Run, line: str) -> None:
    done = run(*line.split(), "--help")
    assert done.code == 0
    assert f"Usage: virb {line}".rstrip() in done.out
    assert done.err == ""


def test_no_command_at_all_shows_help_and_is_wrong_usage(run: Run) -> None:
    done = run()
    assert done.code == 2
    assert "evaluate" in done.said


def test_the_version_option_prints_the_version(run: Run) -> None:
    done = run("--version")
    assert (done.code, done.out.strip()) == (0, f"virb {virb.__version__}")


@pytest.mark.parametrize(
    "line", ["--bogus", "evaluate --bogus", "plan --bogus", "leaderboard --bogus", "tasks --bogus"]
)
def test_an_unknown_option_is_wrong_usage_and_named(run: Run, line: str) -> None:
    done = run(*line.split())
    assert done.code == 2
    assert "--bogus" in done.err
    assert "Traceback" not in done.said


def test_an_unknown_command_is_answered_with_the_nearest_one(run: Run) -> None:
    done = run("evaluat")
    assert done.code == 2
    assert "'evaluate'" in done.err


@pytest.mark.parametrize("line", ["tasks shw", "encoders lst", "cache shwo"])
def test_an_unknown_inner_command_is_wrong_usage_and_named(run: Run, line: str) -> None:
    done = run(*line.split())
    assert done.code == 2
    assert f"'{line.split()[1]}'" in done.err


@pytest.mark.parametrize("line", ["evaluate --tasks dtd", "plan", "tasks show", "encoders show"])
def test_a_missing_option_or_argument_is_wrong_usage(run: Run, line: str) -> None:
    done = run(*line.split())
    assert done.code == 2
    assert "Missing" in done.err


# Unknown names


@pytest.mark.parametrize("command", ["evaluate", "plan"])
def test_an_unknown_task_is_answered_with_the_nearest_name(run: Run, data: Path, command: str) -> None:
    done = run(command, *COLOR, "--tasks", "dtdd", "--data", data)
    assert done.code == 2
    assert "'dtdd'; did you mean 'dtd'?" in done.err
    assert_three_parts(done.err)


@pytest.mark.parametrize("command", ["evaluate", "plan"])
def test_an_unknown_encoder_is_answered_with_the_nearest_name(run: Run, data: Path, command: str) -> None:
    done = run(command, "--encoder", "pixel", "--tasks", "dtd", "--data", data)
    assert done.code == 2
    assert "'pixel'; did you mean 'pixels'?" in done.err
    assert_three_parts(done.err)


@pytest.mark.parametrize("command", ["evaluate", "plan"])
@pytest.mark.parametrize(
    ("encoder", "hint"),
    [
        ("random:resnt18", "resnet18"),
        ("timm:resnt50", "resnet50"),
        ("torchvision:resnt50", "resnet50"),
        ("baseline:colour", "color"),
    ],
)
def test_an_unknown_architecture_is_wrong_usage_and_answered_with_the_nearest_name(
    run: Run, data: Path, command: str, encoder: str, hint: str
) -> None:
    done = run(command, "--encoder", encoder, "--tasks", "dtd", "--data", data, *FAST[:4])
    assert f"did you mean '{hint}'?" in done.err
    assert_three_parts(done.err)
    assert done.code == 2, "the command is wrong, not the data"


def test_an_unknown_architecture_is_found_before_another_encoder_has_run_for_hours(run: Run, data: Path) -> None:
    done = run("evaluate", *COLOR, "--encoder", "random:resnt18", "--tasks", "dtd", "--data", data, *FAST)
    assert done.code == 2
    assert "train dtd" not in done.err


@pytest.mark.parametrize("command", ["evaluate", "plan"])
def test_an_unknown_protocol_is_answered_with_the_nearest_name(run: Run, data: Path, command: str) -> None:
    done = run(command, *COLOR, "--tasks", "dtd", "--data", data, "--protocol", "qick")
    assert done.code == 2
    assert "'qick'; did you mean 'quick'?" in done.err
    assert_three_parts(done.err)


def test_a_folder_in_place_of_an_encoder_is_called_a_folder(run: Run, data: Path) -> None:
    Path("runs").mkdir()
    done = run("evaluate", "--encoder", "runs", "--tasks", "dtd", "--data", data)
    assert done.code == 2
    assert "folder" in done.err


# Impossible options


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--limit", "0"),
        ("--limit", "-3"),
        ("--limit", "many"),
        ("--seeds", "0"),
        ("--workers", "-1"),
        ("--device", "tpu"),
        ("--device", "meta"),
        ("--precision", "half"),
        ("--precision", "float64"),
        ("--precision", "Tensor"),
        ("--cache-size", "-1"),
        ("--cache-size", "nan"),
        ("--cache-size", "inf"),
        ("--cache-size", "big"),
    ],
)
def test_an_impossible_value_is_wrong_usage_and_names_the_option(run: Run, data: Path, option: str, value: str) -> None:
    done = run("evaluate", *COLOR, "--tasks", "dtd", "--data", data, "--out", "made", option, value)
    assert done.code == 2
    assert option.strip("-") in done.err
    assert "Traceback" not in done.said
    assert not Path("made").exists(), "nothing was begun"


def test_the_sample_world_and_a_data_folder_exclude_each_other(run: Run, data: Path) -> None:
    done = run("evaluate", *COLOR, "--tasks", "dtd", "--data", data, "--sample")
    assert done.code == 2
    assert "--sample" in done.err
    assert "--data" in done.err
    assert_three_parts(done.err)


def test_a_limit_that_leaves_one_class_fails_the_task_and_says_so(run: Run, data: Path) -> None:
    done = run("evaluate", *COLOR, "--tasks", "dtd", "--data", data, *FAST, "--limit", 1)
    assert done.code == 1
    assert "fewer than two classes" in done.err
    assert "--limit" in done.err
    assert_three_parts(done.err)


def test_standard_is_the_protocol_for_data_and_quick_the_one_for_the_sample_world(run: Run, data: Path) -> None:
    from virb.run.options import Asked

    assert Asked(data=data).options().protocol.name == "standard"
    assert Asked(sample=True).options().protocol.name == "quick"
    assert Asked(sample=True, protocol="standard").options().protocol.name == "standard"


# Data that are missing, empty or half there


@pytest.mark.parametrize("command", ["evaluate", "plan"])
@pytest.mark.parametrize("file", [True, False])
def test_a_data_folder_that_is_none_is_an_error_with_the_way_out(run: Run, command: str, file: bool) -> None:
    if file:
        Path("nowhere").write_text("a file")
    done = run(command, *COLOR, "--tasks", "all", "--data", "nowhere")
    assert done.code == 1
    assert "nowhere" in done.err
    assert ("file" in done.err.partition("Expected")[0]) == file
    assert_three_parts(done.err)


def test_without_a_data_option_the_folder_is_named_that_was_looked_for(run: Run) -> None:
    done = run("evaluate", *COLOR, "--tasks", "dtd")
    assert done.code == 1
    assert "there is no data folder data" in done.err
    assert "--sample" in done.err


def test_the_data_folder_may_stand_in_the_environment(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRB_DATA", str(data))
    done = run("plan", *COLOR, "--tasks", "dtd", "--protocol", "quick", "--json")
    assert done.code == 0
    assert json.loads(done.out)["plan"][0]["images"] == 27


@pytest.mark.parametrize("inner", [None, "dtd"], ids=["empty", "empty-dtd"])
def test_a_task_asked_for_by_name_fails_in_an_empty_data_folder(run: Run, tmp_path: Path, inner: str | None) -> None:
    (tmp_path / "empty" / (inner or "")).mkdir(parents=True)
    done = run("evaluate", *COLOR, "--tasks", "dtd", "--data", tmp_path / "empty", *FAST)
    assert done.code == 1
    assert "FAILED: dtd" in done.err
    assert "DTD is missing" in done.err
    assert_three_parts(done.err)
    assert done.out == ""


def test_a_group_is_skipped_in_an_empty_data_folder_and_nothing_left_is_a_failure(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("evaluate", *COLOR, "--tasks", "all", "--data", tmp_path / "empty", *FAST)
    assert done.code == 1
    for name in ("clevr_count", "dtd", "thor_egomotion"):
        assert f"left out: {name}" in done.err
    assert "FAILED" not in done.err
    assert "Nothing could run" in done.err
    assert_three_parts(done.err)


def test_a_group_runs_what_is_there_and_lists_what_is_not_with_the_remedy(run: Run, data: Path) -> None:
    done = run("evaluate", *COLOR, "--tasks", "all", "--data", data, *FAST)
    assert done.code == 0
    assert "left out: clevr_count" in done.err
    assert "CLEVR_v1.0.zip" in done.err
    assert [record["task"]["name"] for record in records(Path("results"))] == ["dtd"]


def test_a_named_task_without_data_fails_and_the_others_go_on(run: Run, data: Path) -> None:
    done = run("evaluate", *COLOR, "--tasks", "clevr_count,dtd", "--data", data, *FAST)
    assert done.code == 1
    assert "FAILED: clevr_count" in done.err
    assert "baseline-color" in done.out
    assert [record["task"]["name"] for record in records(Path("results"))] == ["dtd"]


@pytest.mark.parametrize("tasks", ["dtd", "all"])
@pytest.mark.parametrize(
    "lost", ["labels", "labels/val1.txt", "images", "images/dotted", "images/banded/banded_0001.jpg"]
)
def test_half_present_data_always_fail_and_say_what_is_missing(run: Run, damaged: Path, tasks: str, lost: str) -> None:
    place = damaged / "dtd" / lost
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink()
    done = run("evaluate", *COLOR, "--tasks", tasks, "--data", damaged, *FAST)
    assert done.code == 1
    assert "FAILED: dtd" in done.err
    counted = {"images": "27 of 27", "images/dotted": "9 of 27", "images/banded/banded_0001.jpg": "1 of 27"}
    assert counted.get(lost, "labels/") in done.err
    assert_three_parts(done.err)
    assert not records(Path("results"))


@pytest.mark.parametrize(
    ("content", "said"), [("", "empty"), ("unheard/unheard_0001.jpg\n", "unheard"), ("../../x.jpg\n", "../../x.jpg")]
)
def test_a_list_that_is_not_the_owners_is_named(run: Run, damaged: Path, content: str, said: str) -> None:
    (damaged / "dtd" / "labels" / "val1.txt").write_text(content)
    done = run("evaluate", *COLOR, "--tasks", "dtd", "--data", damaged, *FAST)
    assert done.code == 1
    assert said in done.err
    assert_three_parts(done.err)


@pytest.mark.parametrize("kept", [0, 200])
def test_a_truncated_image_is_an_error_that_names_the_file(run: Run, damaged: Path, kept: int) -> None:
    path = damaged / "dtd" / "images" / "dotted" / "dotted_0004.jpg"
    path.write_bytes(path.read_bytes()[:kept])
    done = run("evaluate", *COLOR, "--tasks", "dtd", "--data", damaged, *FAST)
    assert done.code == 1
    assert "FAILED: baseline-color on dtd" in done.err
    assert str(path) in done.err
    assert_three_parts(done.err)


# Checkpoints that are none


class Evil:
    """Something that a pickle would run."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.proof,)


def write_checkpoint(kind: str, path: Path, proof: Path) -> None:
    match kind:
        case "words":
            path.write_text("hello, I am a text\n")
        case "bytes":
            path.write_bytes(bytes(range(256)) * 4)
        case "empty":
            path.write_bytes(b"")
        case "list":
            torch.save([1, 2, 3], path)
        case "no-tensors":
            torch.save({"epoch": 3, "args": "x"}, path)
        case "other-network":
            torch.save({"encoder.weight": torch.zeros(3, 3)}, path)
        case "cut":
            torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
            path.write_bytes(path.read_bytes()[:5000])
        case "pickle":
            path.write_bytes(pickle.dumps(Evil(proof), protocol=2))
        case "zip-pickle":
            torch.save({"state_dict": Evil(proof)}, path)


KINDS = ["words", "bytes", "empty", "list", "no-tensors", "other-network", "cut", "pickle", "zip-pickle"]


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_that_is_none_fails_by_name_and_runs_nothing(
    run: Run, data: Path, tmp_path: Path, kind: str, ending: str
) -> None:
    path, proof = Path(f"weights{ending}"), tmp_path / "proof"
    write_checkpoint(kind, path, proof)
    done = run("evaluate", "--encoder", path, "--tasks", "dtd", "--data", data, *FAST)
    assert done.code == 1
    assert f"weights{ending}" in done.err
    assert_three_parts(done.err)
    assert "fault in virb" not in done.err
    assert not proof.exists()
    assert not records(Path("results"))


def test_a_file_of_words_is_not_explained_by_a_bare_number(run: Run, data: Path) -> None:
    """torch answers such a file with KeyError(101), which tells nobody anything."""
    write_checkpoint("words", Path("weights.pt"), Path("unused"))
    done = run("evaluate", "--encoder", "weights.pt", "--tasks", "dtd", "--data", data, *FAST)
    assert done.code == 1
    assert "(101)" not in done.err
    assert "(104)" not in done.err


def test_a_broken_encoder_does_not_take_the_others_with_it(run: Run, data: Path) -> None:
    write_checkpoint("list", Path("weights.pt"), Path("unused"))
    done = run("evaluate", "--encoder", "weights.pt", *COLOR, "--tasks", "dtd", "--data", data, *FAST)
    assert done.code == 1
    assert "FAILED: weights" in done.err
    assert [record["encoder"]["name"] for record in records(Path("results"))] == ["baseline-color"]


def test_a_card_whose_weights_are_missing_is_told_apart_from_a_broken_file(run: Run, data: Path) -> None:
    Path("mine.yaml").write_text("name: mine\ntitle: Mine\nweights: weights/model.pt\n")
    done = run("evaluate", "--encoder", "mine.yaml", "--tasks", "dtd", "--data", data, *FAST)
    assert done.code in (1, 2)
    assert str(Path("weights/model.pt").resolve()) in done.err
    assert "No such file" in done.err or "there is no" in done.err
    assert_three_parts(done.err)
    assert "torch.save" not in done.err, "the way out is to bring the file, not to save another one"


# Task cards of the user's own


def own_task(name: str, **changes: object) -> str:
    """Write a card like the shipped dtd one with some values changed; return its path."""
    card = yaml.safe_load((card_folder("tasks") / "dtd.yaml").read_text())
    Path(f"{name}.yaml").write_text(yaml.safe_dump({**card, "name": name, **changes}))
    return f"{name}.yaml"


@pytest.mark.parametrize(("key", "wrong", "hint"), [("dataset", "dtdd", "dtd"), ("target", "textur", "texture")])
def test_a_card_with_an_unknown_data_set_or_target_is_answered_with_the_nearest(
    run: Run, data: Path, key: str, wrong: str, hint: str
) -> None:
    done = run("evaluate", *COLOR, "--tasks", own_task("mine", **{key: wrong}), "--data", data, *FAST)
    assert done.code in (1, 2)
    assert f"did you mean '{hint}'?" in done.err
    assert_three_parts(done.err)


def test_a_broken_card_of_the_users_own_is_wrong_usage(run: Run, data: Path) -> None:
    Path("mine.yaml").write_text("name: mine\ncolour: green\n")
    done = run("evaluate", *COLOR, "--tasks", "mine.yaml", "--data", data, *FAST)
    assert done.code == 2
    assert "mine.yaml has" in done.err
    assert "unknown key 'colour'" in done.err
    assert "Traceback" not in done.said


def test_a_protocol_that_follows_the_paper_refuses_a_task_by_name_with_the_reason(run: Run, data: Path) -> None:
    published = {"epochs": 5, "batch": 4, "learning_rate": 0.001, "comparable": False, "reason": "a picture was scored"}
    card = own_task("mine", published=published)
    done = run("evaluate", *COLOR, "--tasks", f"{card},dtd", "--data", data, "--protocol", "virb2021", "--workers", 0)
    assert done.code != 0
    assert "mine" in done.err
    assert "a picture was scored" in done.err
    assert_three_parts(done.err)
    assert [record["task"]["name"] for record in records(Path("results"))] == ["dtd"]


# Folders that cannot be written to


@pytest.mark.parametrize("out", ["taken", "taken/inner"])
def test_a_file_in_place_of_the_output_folder_is_an_error_before_the_work(run: Run, data: Path, out: str) -> None:
    Path("taken").write_text("precious")
    done = run("evaluate", *COLOR, "--tasks", "dtd", "--data", data, *FAST, "--out", out)
    assert done.code == 1
    assert f"cannot write {out}" in done.err
    assert "train dtd" not in done.err
    assert_three_parts(done.err)
    assert Path("taken").read_text() == "precious"


def test_a_file_in_place_of_the_cache_folder_is_an_error_with_the_way_out(run: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("precious")
    done = run("evaluate", *COLOR, "--tasks", "dtd", "--data", data, *FAST)
    assert done.code == 1
    assert "VIRB_CACHE" in done.err
    assert_three_parts(done.err)
    assert (tmp_path / "cache").read_text() == "precious"


# --debug, and faults of virb's own


@pytest.mark.parametrize("line", ["--debug tasks show dtdd", "tasks --debug show dtdd", "tasks show dtdd --debug"])
def test_debug_raises_in_place_of_a_message(run: Run, line: str) -> None:
    with pytest.raises(UsageError, match="dtdd"):
        run(*line.split())
    assert run(*line.replace("--debug", "").split()).code == 2


def test_debug_raises_for_data_too(run: Run) -> None:
    with pytest.raises(MissingData, match="nowhere"):
        run("--debug", "evaluate", *COLOR, "--tasks", "dtd", "--data", "nowhere")


def test_a_fault_in_one_task_is_told_without_a_traceback(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object, **named: object) -> None:
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr("virb.run.harness.fit", broken)
    done = run("evaluate", *COLOR, "--tasks", "dtd", "--data", data, *FAST)
    assert done.code == 1
    assert "FAILED: baseline-color on dtd" in done.err
    assert "ZeroDivisionError: a bug of ours" in done.err
    assert "--debug" in done.err
    assert "Traceback" not in done.said


# Tasks, encoders and their JSON


def test_tasks_are_listed_with_group_and_metric(run: Run) -> None:
    done = run("tasks")
    assert done.code == 0
    assert done.out == run("tasks", "list").out
    line = next(line for line in done.out.splitlines() if line.startswith("dtd "))
    assert line.split()[:4] == ["dtd", "image-semantic", "top1", "yes"]


def test_encoders_are_listed_with_their_weights(run: Run) -> None:
    done = run("encoders")
    assert done.code == 0
    assert done.out == run("encoders", "list").out
    assert next(line for line in done.out.splitlines() if line.split()[:1] == ["color"]).split() == [
        "color",
        "none",
        "yes",
    ]


@pytest.mark.parametrize("line", ["tasks --json", "tasks list --json", "tasks --json list"])
def test_the_json_of_tasks_names_every_task(run: Run, line: str) -> None:
    done = run(*line.split())
    rows = {row["task"]: row for row in json.loads(done.out)}
    assert done.code == 0
    assert (rows["dtd"]["group"], rows["dtd"]["metric"]) == ("image-semantic", "top1")


@pytest.mark.parametrize("line", ["encoders --json", "encoders list --json", "encoders --json list"])
def test_the_json_of_encoders_names_every_encoder(run: Run, line: str) -> None:
    done = run(*line.split())
    assert done.code == 0
    assert {row["name"]: row["weights"] for row in json.loads(done.out)}["color"] == "baseline:color"


def test_a_task_is_shown_as_a_card_that_says_the_same(run: Run) -> None:
    done = run("tasks", "show", "dtd")
    shown = yaml.safe_load(done.out)
    assert done.code == 0
    assert shown == yaml.safe_load((card_folder("tasks") / "dtd.yaml").read_text())
    whole = json.loads(run("tasks", "show", "dtd", "--json").out)
    assert whole["published"].pop("crop") is None
    assert whole == {**whole, **shown}
    assert whole["frames"] == 1


@pytest.mark.parametrize("encoder", ["color", "random:resnet18"])
def test_an_encoder_is_shown_as_a_card(run: Run, encoder: str) -> None:
    done = run("encoders", "show", encoder)
    assert done.code == 0
    shown = yaml.safe_load(done.out)
    assert shown["weights"] == ("baseline:color" if encoder == "color" else encoder)
    assert json.loads(run("encoders", "show", encoder, "--json").out)["weights"] == shown["weights"]


@pytest.mark.parametrize(
    ("line", "hint"),
    [("tasks show clevr", "clevr_count"), ("encoders show pixel", "pixels"), ("tasks show DTD", "dtd")],
)
def test_showing_an_unknown_card_is_answered_with_the_nearest_name(run: Run, line: str, hint: str) -> None:
    done = run(*line.split())
    assert done.code == 2
    assert f"did you mean '{hint}'?" in done.err
    assert_three_parts(done.err)


def test_a_task_card_of_the_users_own_can_be_shown_like_an_encoder_card(run: Run) -> None:
    own_task("mine", title="My own")
    Path("net.yaml").write_text("name: net\ntitle: Net\nweights: random:resnet18\n")
    assert run("encoders", "show", "net.yaml").code == 0
    assert run("tasks", "show", "mine.yaml").code == 0


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


def test_the_json_of_evaluate_says_what_was_measured_resumed_skipped_and_failed(run: Run, data: Path) -> None:
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
    assert statuses == {**statuses, "dtd": "resumed", "clevr_count": "skipped", "thor_egomotion": "skipped"}


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
    assert (row["encoder"], row["image set"], row["images"], row["to encode"]) == ("baseline-color", "dtd", 27, 27)
    assert row["minutes"] >= 0
    assert {gap["task"] for gap in plan["missing"]} >= {"clevr_count", "thor_egomotion"}
    assert not any(gap["fails"] for gap in plan["missing"])


def test_a_plan_after_the_run_has_nothing_to_encode(run: Run, data: Path) -> None:
    line = (*COLOR, "--tasks", "dtd", "--data", data, "--protocol", "quick", "--seeds", 1, "--workers", 0)
    assert run("evaluate", *line).code == 0
    (row,) = json.loads(run("plan", *line, "--json").out)["plan"]
    assert (row["to encode"], row["minutes"]) == (0, 0)
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


# Cache


def test_the_cache_is_shown_and_cleared(run: Run, data: Path, tmp_path: Path) -> None:
    line = ("evaluate", *COLOR, "--tasks", "dtd", "--data", data, *FAST)
    empty = run("cache", "show", "--json")
    assert (empty.code, json.loads(empty.out)["entries"]) == (0, [])
    run(*line)
    shown = json.loads(run("cache", "show", "--json").out)
    assert Path(shown["folder"]).is_relative_to(tmp_path)
    assert [(entry["encoder"], entry["source"], entry["images"]) for entry in shown["entries"]] == [
        ("baseline-color", "dtd", 27)
    ]
    assert "baseline-color" in run("cache").out
    assert "removed" in run("cache", "clear").out
    assert json.loads(run("cache", "show", "--json").out)["entries"] == []
    assert run("cache", "clear").code == 0
    assert len(records(Path("results"))) == 1, "records are no cache"


def test_the_cache_prints_json_like_tasks_and_encoders_do(run: Run) -> None:
    done = run("cache", "--json")
    assert done.code == 0
    assert json.loads(done.out)["entries"] == []


# Ctrl-C


@pytest.mark.parametrize(
    "place", ["virb.cards.select.select_tasks", "virb.run.options.Asked.options", "virb.run.plan.read_dataset"]
)
def test_ctrl_c_before_the_first_encoder_says_that_it_was_heard(
    run: Run, data: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def interrupt(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, interrupt)
    done = run("evaluate", *COLOR, "--tasks", "dtd", "--data", data, *FAST)
    assert done.code == 130
    assert "Interrupted" in done.err
    assert "Traceback" not in done.said


@pytest.mark.parametrize(
    "place",
    ["virb.encode.cache.encode_maps", "virb.run.harness.fit", "virb.run.harness.score", "virb.run.harness.write"],
)
def test_ctrl_c_in_any_stage_keeps_what_is_whole_and_the_same_command_goes_on(
    run: Run, data: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def interrupt(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    line = ("evaluate", *COLOR, "--encoder", "baseline:pixels", "--tasks", "dtd", "--data", data, *FAST)
    assert run(*line[:3], *line[5:]).code == 0
    with monkeypatch.context() as patch:
        patch.setattr(place, interrupt)
        stopped = run(*line)
    assert stopped.code == 130
    assert "Interrupted" in stopped.err
    assert [record["encoder"]["name"] for record in records(Path("results"))] == ["baseline-color"]
    assert [path for path in Path("results").rglob("*") if path.name.endswith(".tmp")] == []
    assert run(*line).code == 0
    assert len(records(Path("results"))) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are POSIX")
def test_a_real_ctrl_c_ends_the_run_whole_and_the_same_command_finishes_it(
    run: Run, data: Path, tmp_path: Path
) -> None:
    """To the whole process group, as a terminal sends it, once the first record is there."""
    out = tmp_path / "results"
    names = ("baseline:color", "baseline:pixels", "random:resnet18", "random:resnet18@1")
    encoders = [word for name in names for word in ("--encoder", name)]
    line = ["evaluate", *encoders, "--tasks", "dtd", "--data", str(data), *FAST, "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "virb", *line],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        limit = time.monotonic() + 60
        while not list(out.glob("records/*/*.json")) and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert "Interrupted" in errors
    assert "Traceback" not in output + errors
    before = {record["encoder"]["name"] for record in records(out)}
    assert 1 <= len(before) < len(names)
    assert [path for path in out.rglob("*") if path.name.endswith(".tmp")] == []
    done = run(*line)
    assert done.code == 0
    assert done.out.count("done before") == len(before)
    assert done.out.count("measured") == len(names) - len(before)
    assert len(records(out)) == len(names)
