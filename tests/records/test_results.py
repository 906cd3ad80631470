"""Records as they are read for a board: whatever is wrong with one is named, and it is left out."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laid import lay

import virb
from virb.checks.bench.records import TaskSplit, hits
from virb.cli import main
from virb.core.errors import UsageError
from virb.core.paths import reference_folder
from virb.leaderboard import boards, record_rows
from virb.leaderboard.render import render
from virb.records.load import load
from virb.records.record import pack_arrays

DTD, DEPTH = TaskSplit("dtd"), TaskSplit("depth", level="pixel", kind="structural")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Results of two encoders on two tasks."""
    for number, (name, chance) in enumerate((("good", 0.7), ("bad", 0.3))):
        for place, test in enumerate((DTD, DEPTH)):
            lay(tmp_path, name, test, hits(test, chance, place, number))
    return tmp_path


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def one(out: Path) -> Path:
    return next(iter(sorted(out.glob("records/good-*/dtd.*.json"))))


def test_sound_records_are_read_without_a_word(out: Path) -> None:
    results = load([out, out])
    assert len(results.records) == 4
    assert not results.problems


@pytest.mark.parametrize("inner", ["", "records"])
def test_a_set_of_published_numbers_beside_the_records_is_not_taken_for_one(out: Path, inner: str) -> None:
    shutil.copytree(reference_folder("paper2021"), out / "paper2021")
    results = load([out / inner])
    assert (len(results.records), results.references, results.problems) == (4, (), ())


def test_the_results_folder_of_a_fresh_checkout_holds_no_records(tmp_path: Path) -> None:
    shutil.copytree(reference_folder("paper2021"), tmp_path / "paper2021")
    assert load([tmp_path]).problems == ()


def score(content: dict[str, Any], **changes: float) -> None:
    content["score"].update(changes)


def lift(content: dict[str, Any]) -> None:
    """Raise everything within the record by as much: only the samples tell."""
    for name in ("value", "low", "high"):
        content["score"][name] += 0.1
    content["seeds"] = [value + 0.1 for value in content["seeds"]]
    content["replicates"] = [value + 0.1 for value in content["replicates"]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: score(content, value=0.99), "its seeds do not give its value"),
        (lambda content: score(content, low=0.0), "its replicates give the interval"),
        (lambda content: content.update(seeds=[0.99]), "its seeds do not give its value"),
        (lambda content: content.update(seeds=[]), "its seeds do not give its value"),
        (lambda content: content.update(replicates=[]), "no bootstrap replicates"),
        (lambda content: content.update(replicates=[0.5] * 1000), "its replicates give the interval"),
        (lift, "its statistics give"),
        (lambda content: score(content, metric="beauty"), "nobody knows its metric"),
        (lambda content: content.update(schema_version=2), "schema_version"),
        (lambda content: content.update(kind="published"), "published numbers"),
        (lambda content: content["score"].update(value=float("nan")), "score.value"),
        (lambda content: content["replicates"].append(float("nan")), "replicates"),
        (lambda content: content["encoder"].update(name="<script>alert(1)</script>"), "encoder.name"),
        (lambda content: content["encoder"].update(name="a" * 300), "encoder.name"),
        (lambda content: content["encoder"].update(name="rocket \N{ROCKET}"), "encoder.name"),
        (lambda content: content["encoder"].update(name="a\nb"), "encoder.name"),
        (lambda content: content["encoder"].update(name="\x1b[31mred"), "encoder.name"),
    ],
)
def test_an_edited_record_is_named_and_left_out(
    out: Path, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    edit(one(out), change)
    results = load([out])
    assert len(results.records) == 3
    (problem,) = results.problems
    assert "dtd" in problem
    assert reason in problem


@pytest.mark.parametrize("damage", ["gone", "other", "cut"])
def test_a_record_whose_samples_are_not_its_own_is_left_out(out: Path, damage: str) -> None:
    samples = one(out).with_suffix(".npz")
    if damage == "gone":
        samples.unlink()
    else:
        samples.write_bytes(pack_arrays({"ids": np.arange(3)}) if damage == "other" else samples.read_bytes()[:50])
    results = load([out])
    assert len(results.records) == 3
    assert samples.name in results.problems[0]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_record_is_left_out(out: Path, share: float) -> None:
    path = one(out)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    results = load([out])
    assert len(results.records) == 3
    assert str(path) in results.problems[0]


def test_the_same_run_with_two_values_is_nobodys(out: Path, tmp_path: Path) -> None:
    lay(tmp_path / "other", "good", DTD, hits(DTD, 0.9, 5))
    (twin,) = (tmp_path / "other" / "records").iterdir()
    twin.rename(out / "records" / "good-copied")
    (out / "records" / twin.name).rename(out / "records" / "good-moved")
    results = load([out])
    assert {(record.encoder.name, record.task.name) for record in results.records} == {
        ("good", "depth"), ("bad", "dtd"), ("bad", "depth"),
    }  # fmt: skip
    assert "2 records of the same run with different values" in results.problems[0]


def test_of_the_same_run_with_two_values_the_one_in_its_own_encoders_folder_stands(out: Path, tmp_path: Path) -> None:
    """Who adds a folder under a new name must not take an old encoder's number away."""
    before = {(record.encoder.name, record.task.name): record for record in load([out]).records}
    lay(tmp_path / "other", "good", DTD, hits(DTD, 0.9, 5))
    (twin,) = (tmp_path / "other" / "records").iterdir()
    twin.rename(out / "records" / "aaa-00000000")
    results = load([out])
    assert {(record.encoder.name, record.task.name): record for record in results.records} == before
    assert results.problems[0].endswith(f"{before['good', 'dtd'].score.value:g} stands")


def test_of_the_same_run_with_two_values_in_two_folders_the_one_of_the_first_stands(out: Path, tmp_path: Path) -> None:
    """A folder of somebody else's must not take a number away by contradicting it."""
    before = {(record.encoder.name, record.task.name): record for record in load([out]).records}
    lay(tmp_path / "other", "good", DTD, hits(DTD, 0.9, 5))
    results = load([out, tmp_path / "other"])
    assert {(record.encoder.name, record.task.name): record for record in results.records} == before
    assert "2 records of the same run with different values" in results.problems[0]
    assert results.problems[0].endswith(f"{before['good', 'dtd'].score.value:g} stands")


def test_a_place_that_is_not_there_is_answered_with_the_nearest_set() -> None:
    with pytest.raises(UsageError, match="did you mean 'paper2021'"):
        load(["paper2012"])


def test_titles_with_terminal_codes_and_names_of_files_do_not_reach_the_terminal(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = one(out)
    edit(path, lambda content: content["encoder"].update(title="\x1b[2J\N{RIGHT-TO-LEFT OVERRIDE}", method="\x1b[31m"))
    path.with_name("\x1b[31mbroken\n.json").write_text("{")
    for arguments in (["leaderboard"], ["leaderboard", "--format", "markdown"], ["compare", "good", "bad"]):
        assert main([*arguments, "--records", str(out)]) == 0
        told = capsys.readouterr()
        assert "\x1b" not in told.out + told.err
        assert "warning: left out:" in told.err


def test_export_holds_every_record(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--records", str(out), "--records", "paper2021", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 4 + 644 == len(record_rows(load([out, "paper2021"])))
    assert {row["kind"] for row in rows} == {"measured", "published"}


# --- almost the same test samples ----------------------------------------------------------------------------------


def board_with_lost(tmp_path: Path, lost: int, **facts: Any) -> Any:
    test = TaskSplit("dtd", samples=400)
    lay(tmp_path, "whole", test, hits(test, 0.6, 0, 0))
    lay(tmp_path, "again", test, hits(test, 0.5, 0, 2), created="2025-01-01T00:00:00+00:00")
    kept = np.arange(lost, 400)
    lay(
        tmp_path,
        "lossy",
        test,
        hits(test, 0.6, 0, 1)[:, kept],
        ids=[f"dtd/{place}" for place in kept],
        data__digest="e" * 32,
        **facts,
    )
    (board,) = boards(load([tmp_path]))
    return board


def test_who_lost_a_few_samples_is_scored_on_the_rest_and_moves_nobody_else(tmp_path: Path) -> None:
    board = board_with_lost(tmp_path, 4)
    test = TaskSplit("dtd", samples=400)
    assert {row.encoder for row in board.rows} == {"whole", "again", "lossy"}
    assert board.cells["whole", "dtd"].value == pytest.approx(hits(test, 0.6, 0, 0)[0, :, 0].mean())
    assert board.cells["lossy", "dtd"].value == pytest.approx(hits(test, 0.6, 0, 1)[0, 4:, 0].mean())
    assert board.cells["lossy", "dtd"].units == 396
    assert not board.left_out
    assert "some encoders lack a few test samples" in " ".join(render([board], "table").split())


def test_replicates_of_who_lost_a_few_samples_pair_with_those_of_the_others(tmp_path: Path) -> None:
    """The same answers less four samples: resampled alike, the two differ by what the four can make."""
    test, facts = TaskSplit("dtd", samples=400), {"data__test_digest": "dtd"}
    answers, kept = hits(test, 0.6, 0, 0), np.arange(4, 400)
    for name in ("whole", "again"):
        lay(tmp_path, name, test, answers, **facts)
    ids = [f"dtd/{place}" for place in kept]
    lay(tmp_path, "lossy", test, answers[:, kept], ids=ids, data__digest="e" * 32, **facts)
    (board,) = boards(load([tmp_path]))
    whole, lossy = (board.cells[name, "dtd"].replicates for name in ("whole", "lossy"))
    assert np.abs(whole - lossy).max() < 0.02 < np.ptp(whole)


def test_many_lost_samples_are_another_test(tmp_path: Path) -> None:
    board = board_with_lost(tmp_path, 9)
    assert {row.encoder for row in board.rows} == {"whole", "again"}
    assert "lossy on dtd: data eeeeeeee" in board.left_out[0]


def test_other_data_with_the_same_ids_are_another_test(tmp_path: Path) -> None:
    board = board_with_lost(tmp_path, 0)
    assert {row.encoder for row in board.rows} == {"whole", "again"}


@pytest.mark.parametrize("damage", ["gone", "twice", "short", "table"])
def test_samples_whose_names_do_not_fit_make_no_common_ones(tmp_path: Path, damage: str) -> None:
    """Statistics and hash are right, so the record stands; it can only not be matched sample by sample."""
    split = TaskSplit("dtd", samples=400)
    lay(tmp_path, "whole", split, hits(split, 0.6, 0, 0))
    lay(tmp_path, "again", split, hits(split, 0.5, 0, 2))
    kept, facts = np.arange(4, 400), {"data__digest": "e" * 32}
    ids = [f"dtd/{place}" for place in kept]
    _, path = lay(tmp_path, "lossy", split, hits(split, 0.6, 0, 1)[:, kept], ids=ids, **facts)
    with np.load(path.with_suffix(".npz")) as found:
        arrays = dict(found)
    if damage == "gone":
        del arrays["ids"]
    else:
        wrong = {"twice": [*ids[1:], ids[1]], "short": ids[1:], "table": [[one] for one in ids]}
        arrays["ids"] = np.array(wrong[damage])
    content = pack_arrays(arrays)
    path.with_suffix(".npz").write_bytes(content)
    edit(path, lambda told: told["samples"].update(sha256=hashlib.sha256(content).hexdigest()))
    (board,) = boards(load([tmp_path]))
    assert {row.encoder for row in board.rows} == {"whole", "again"}
    assert "lossy on dtd: data eeeeeeee" in board.left_out[0]


def test_a_file_larger_than_any_honest_one_is_left_out_unread(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virb.records.load.LARGEST_ARRAYS", 10)
    results = load([out])
    assert not results.records
    assert "where 10 are the most" in results.problems[0]
    monkeypatch.setattr("virb.records.record.LARGEST_RECORD", 11)
    assert "where 11 are the most" in load([out]).problems[0]


def test_samples_that_unpack_to_more_than_they_say_are_left_out(out: Path) -> None:
    path = one(out)
    packed = bytearray(pack_arrays({"statistics.top1": np.zeros((1, 1 << 20, 2))}))
    start = packed.rindex(b"PK\x01\x02")
    packed[start + 24 : start + 28] = struct.pack("<L", 128 + 16)
    path.with_suffix(".npz").write_bytes(packed)
    edit(path, lambda told: told["samples"].update(sha256=hashlib.sha256(packed).hexdigest()))
    assert "Bad CRC" in load([out]).problems[0]


def test_python_reads_what_the_board_reads(out: Path) -> None:
    edit(one(out), lift)
    with pytest.warns(UserWarning, match="left out: .*its statistics give"):
        table = virb.load_results(out)
    assert len(table) == 3
