"""The command line where data, weights, cards or folders are not what they should be."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from commands import COLOR, FAST, Run, assert_three_parts, own_task, records

pytestmark = pytest.mark.usefixtures("as_it_was")


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
