"""The command line on Ctrl-C: what is whole stays, and the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import COLOR, FAST, Run, records

import virb.api  # noqa: F401  first imported while a name is patched, it would keep the patched one

pytestmark = pytest.mark.usefixtures("as_it_was")


# Ctrl-C


@pytest.mark.parametrize(
    "place", ["virb.cards.select.select_tasks", "virb.run.options.Asked.options", "virb.run.tasks.read_dataset"]
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
    [
        "virb.encode.features.Pass.chunks",
        "virb.run.harness.probe_of",
        "virb.run.harness.score",
        "virb.run.harness.write",
    ],
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
