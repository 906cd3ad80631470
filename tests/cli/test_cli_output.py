"""The command line on streams that take nothing: a full disk, or no stream at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import COLOR, FAST, assert_three_parts, records

from virb.cli import main

pytestmark = [
    pytest.mark.usefixtures("as_it_was"),
    pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device"),
]

Told = Callable[..., tuple[int, str]]
PAPER = "--records paper2021"
VERBS = [
    "", "--help", "--version", "evaluate --help", "evaluate {color} --json", "plan {color}", "show dtd {color}",
    "leaderboard --records {results}", f"leaderboard {PAPER} --format csv", "compare baseline-color baseline-pixels "
    "--records {results}", f"export {PAPER}", f"findings {PAPER}", f"plot correlations {PAPER} --out {{tmp}}",
    "submit --encoder {card} --records {results} --out {tmp}/b.zip", "verify {tmp}/b.zip", "reproduce {record}",
    "doctor", "check {card}", "tasks", "tasks --json", "tasks show dtd", "encoders", "encoders list", "encoders show "
    "MoCov2Places", "encoders inspect {weights}", "data", "data status dtd", "data verify dtd --data {data}",
    "data show dtd --data {data} --out {tmp}/s.png", "cache", "cache clear", "bench --help",
]  # fmt: skip


@pytest.fixture
def told(
    tmp_path: Path, data: Path, finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Told:
    """Return a function that runs a command whose output goes to a full device: its status and what it says."""
    import torch

    monkeypatch.setenv("VIRB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "weights.pt")
    card = "name: baseline-color\ntitle: Colours\nweights: baseline:color\nmethod: none\nfamily: baseline\n"
    (tmp_path / "baseline-color.yaml").write_text(card)
    (record,) = finished.glob("records/baseline-color-*/*.json")
    known = {"color": " ".join([*COLOR, "--tasks dtd --data", str(data), *FAST]), "card": "baseline-color.yaml"}
    known |= {"results": str(finished), "tmp": str(tmp_path), "data": str(data), "record": str(record)}

    def command(line: str) -> tuple[int, str]:
        capsys.readouterr()
        with open("/dev/full", "w") as full, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", full)
            code = main(line.format(**known, weights="weights.pt").split())
        return code, capsys.readouterr().err

    return command


@pytest.mark.parametrize("line", VERBS)
def test_a_full_output_is_an_error_in_three_parts_whatever_the_command(told: Told, line: str) -> None:
    code, err = told(line)
    assert code in (1, 2)
    assert "Traceback" not in err
    if "cannot write to the standard output" in err:
        assert_three_parts(err)
    else:
        assert code == 2 or line.split()[0] in ("verify", "encoders", "submit"), err


def test_what_was_measured_is_kept_and_told_though_the_table_could_not_be(told: Told) -> None:
    code, err = told("evaluate {color}")
    assert code == 1
    assert "cannot write to the standard output: No space left on device" in err
    assert "1 record in results" in err
    assert len(records(Path("results"))) == 1


def virb(line: str, redirected: str, folder: Path) -> subprocess.CompletedProcess[str]:
    shell = f"{sys.executable} -m virb {line} {redirected}"
    environment = {**os.environ, "VIRB_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(shell, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_nothing_is_said_at_the_end_of_the_process_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    done = virb("tasks", ">/dev/full", tmp_path)
    assert done.returncode == 1
    assert_three_parts(done.stderr)
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-", "<&-"])
def test_a_run_whose_notes_cannot_be_written_does_its_work(tmp_path: Path, data: Path, redirected: str) -> None:
    line = " ".join(["evaluate", *COLOR, "--tasks", "dtd", "--data", str(data), *FAST])
    done = virb(line, redirected, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "measured" in done.stdout
    assert len(records(tmp_path / "results")) == 1


def test_a_run_without_any_output_does_its_work(tmp_path: Path, data: Path) -> None:
    line = " ".join(["evaluate", *COLOR, "--tasks", "dtd", "--data", str(data), *FAST])
    assert virb(line, ">&-", tmp_path).returncode == 0
    assert len(records(tmp_path / "results")) == 1
