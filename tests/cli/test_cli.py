"""The command line, as its user meets it: help, exit codes, and words for what was typed wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import COLOR, FAST, Run, assert_three_parts

import virb
from virb.core.errors import MissingData, UsageError

pytestmark = pytest.mark.usefixtures("as_it_was")


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

    monkeypatch.setattr("virb.run.harness.probe_of", broken)
    done = run("evaluate", *COLOR, "--tasks", "dtd", "--data", data, *FAST)
    assert done.code == 1
    assert "FAILED: baseline-color on dtd" in done.err
    assert "ZeroDivisionError: a bug of ours" in done.err
    assert "--debug" in done.err
    assert "Traceback" not in done.said
