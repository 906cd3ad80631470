"""The commands submit, verify, reproduce and leaderboard --add, as a user runs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from virb.cli import main
from virb.run.options import Options
from virb.submit.bundle import card_as_yaml


@pytest.fixture
def card_file(card: Any, tmp_path: Path) -> Path:
    path = tmp_path / "baseline-color.yaml"
    path.write_bytes(card_as_yaml(card))
    return path


def test_submit_then_verify_then_add_then_the_board(
    results: Path, card_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, out = str(tmp_path / "b.zip"), str(tmp_path / "board")
    given = ["submit", "--encoder", str(card_file), "--records", str(results), "--out", bundle]
    assert main(given) == 0
    assert "4 records, 4 tasks" in capsys.readouterr().out
    assert main(given) == 2  # it is there already
    assert main([*given, "--force"]) == 0
    assert main(["verify", bundle]) == 0
    capsys.readouterr()
    assert main(["leaderboard", "--add", bundle, "--out", out]) == 0
    shown = capsys.readouterr()
    assert "4 records added" in shown.err
    assert "baseline-color" in shown.out
    assert ": 4 consistent" in shown.out
    assert main(["leaderboard", "--add", bundle, "--out", out]) == 0
    assert "0 records added" in capsys.readouterr().err


def test_a_card_with_gaps_is_refused_where_nobody_can_answer(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["submit", "-e", "baseline:color", "--records", str(results), "--out", str(tmp_path / "b.zip")]
    assert main(given) == 2
    assert "lacks 5 of the facts" in capsys.readouterr().err
    assert not (tmp_path / "b.zip").exists()


def test_exit_codes_of_verify(
    bundle: Path, forger: Callable[[], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(bundle), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["verdict"] == "consistent"
    assert main(["verify", str(tmp_path / "none.zip")]) == 2
    assert main(["verify", str(bundle), "--slice", "many"]) == 2
    assert main(["verify", str(bundle), "--weights", "w.pt"]) == 2
    stale = forger()
    record = stale.record(stale.records[0])
    record["task"]["version"] += 1
    stale.put_record(stale.records[0], record)
    path = str(stale.write())
    assert main(["verify", path]) == 1
    assert main(["verify", "--stale-ok", path]) == 0
    assert main(["leaderboard", "--add", path, "--out", str(tmp_path / "board")]) == 1
    (tmp_path / "text.zip").write_text("no bundle")
    assert main(["verify", "--stale-ok", str(tmp_path / "text.zip")]) == 1


def test_a_folder_of_bundles_is_verified_one_by_one_and_an_empty_one_is_fine(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(tmp_path)]) == 0
    assert "no bundles" in capsys.readouterr().out
    assert main(["verify", str(bundle.parent)]) == 0


def test_verify_with_data_runs_a_part_again(
    bundle: Path, tiny_options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(bundle), "--data", str(tiny_options.root), "--seed", "4", "--workers", "0"]) == 0
    out = capsys.readouterr().out
    assert ": verified" in out
    assert "--seed 4" in out


def test_reproduce_prints_the_command_and_runs_it(
    results: Path, tiny_options: Options, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    record = str(next((results / "records").rglob("dtd.*.json")))
    data = ["--data", str(tiny_options.root)]
    assert main(["reproduce", record, *data]) == 0
    assert main(["reproduce", str(tmp_path / "none.json")]) == 2
    assert capfd.readouterr().out.startswith("virb evaluate --encoder=baseline:color --tasks=dtd")
    assert main(["reproduce", record, *data, "--run", "--out", str(tmp_path / "again")]) == 0
    assert "to the last digit" in capfd.readouterr().out
    assert main(["reproduce", record, *data, "--run", "--out", str(tmp_path / "again")]) == 2
