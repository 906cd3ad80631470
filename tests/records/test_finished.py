"""Records: which are finished work, what readers say of the others, and what killed runs left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from record_facts import RESUME, facts, files, folder, record

from virb.core import paths
from virb.core.errors import VirbError
from virb.records.record import (
    Record,
    beside,
    finished,
    read_all,
    read_record,
    record_stem,
    to_row,
    write,
)

# --- finished ---------------------------------------------------------------------------------------------------------


def test_a_whole_record_is_finished_work(tmp_path: Path) -> None:
    write(record(), tmp_path, files())
    assert finished(folder(tmp_path), record().stem, RESUME) == record()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [flip, cut, empty, Path.unlink, pipe])
def test_damaged_or_lost_samples_are_unfinished_work(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    write(record(), tmp_path, files())
    damage(folder(tmp_path) / f"{record().stem}.npz")
    assert finished(folder(tmp_path), record().stem, RESUME) is None


@pytest.mark.parametrize("damage", [cut, empty, Path.unlink])
def test_a_damaged_or_lost_record_is_unfinished_work(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = write(record(), tmp_path, files())
    damage(path)
    if path.exists():
        damage(path)  # the last byte is a line end, which nobody misses
    assert finished(folder(tmp_path), record().stem, RESUME) is None


def test_a_record_of_another_key_is_not_this_work(tmp_path: Path) -> None:
    write(record(), tmp_path, files())
    other = RESUME[:8] + "f" * 24
    assert record_stem("textures", "quick", other) == record().stem, "the file name alone cannot tell"
    assert finished(folder(tmp_path), record().stem, other) is None


def test_a_record_whose_date_no_board_takes_is_unfinished_work(tmp_path: Path) -> None:
    write(record(created="2099-01-01T00:00:00+00:00"), tmp_path, files())
    assert finished(folder(tmp_path), record().stem, RESUME) is None


@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_damaged_or_lost_heads_are_unfinished_work(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    heads = f"{record().stem}.safetensors"
    with_heads = record(heads=beside(heads, b"heads").model_dump())
    write(with_heads, tmp_path, {**files(), heads: b"heads"})
    assert finished(folder(tmp_path), record().stem, RESUME) == with_heads
    damage(folder(tmp_path) / heads)
    assert finished(folder(tmp_path), record().stem, RESUME) is None


# --- read_all ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"kind": "measured"}', b"\xff\xfe"])
def test_an_unreadable_record_is_reported_and_the_others_are_kept(tmp_path: Path, content: bytes) -> None:
    write(record(), tmp_path, files())
    other = record(encoder={**facts()["encoder"], "name": "vit", "fingerprint": "1" * 32})
    write(other, tmp_path, files())
    broken = folder(tmp_path) / "a.quick.00000000.json"
    broken.write_bytes(content)
    records, problems = read_all(tmp_path)
    assert records == [record(), other]
    assert len(problems) == 1
    assert str(broken) in problems[0]


def test_a_record_with_a_field_that_nobody_knows_or_without_one_is_unreadable(tmp_path: Path) -> None:
    path = write(record(), tmp_path, files())
    content = json.loads(path.read_text())
    short = {name: value for name, value in content.items() if name != "floor"}
    odd = {**content, "score": {**content["score"], "direction": "up"}}
    for changed, place in (({**content, "bonus": 1}, "bonus"), (short, "floor"), (odd, r"score\.direction")):
        path.write_text(json.dumps(changed))
        with pytest.raises(VirbError, match=f"{place}: "):
            read_record(path)


def test_a_record_of_another_schema_is_unreadable_and_not_misread(tmp_path: Path) -> None:
    path = write(record(), tmp_path, files())
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 2}))
    with pytest.raises(VirbError, match="schema 1"):
        read_record(path)


def test_no_results_folder_holds_no_records(tmp_path: Path) -> None:
    assert read_all(tmp_path / "nowhere") == ([], [])


def test_a_flat_row_holds_what_tables_need() -> None:
    row = to_row(record())
    assert (row["encoder"], row["task"], row["quadrant"]) == ("resnet", "textures", "image-semantic")
    assert (row["metric"], row["value"], row["low"], row["high"]) == ("top1", 1 / 3, 0.1, 0.7)
    assert (row["floor"], row["protocol"], row["source"]) == (1 / 47, "quick", "real")


# --- sweeping ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def dead() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-E", "-c", ""])
    process.wait()
    return process.pid


def test_a_process_lives_until_it_has_ended(dead: int) -> None:
    assert paths.process_lives(os.getpid())
    assert paths.process_lives(os.getppid())
    assert not paths.process_lives(dead)


def test_sweeping_takes_what_dead_processes_left_and_nothing_else(tmp_path: Path, dead: int) -> None:
    host = paths.temporary_beside(tmp_path / "a.json").name.split(".")[-2].split("-")[0]
    kept = [
        f".a.json.{host}-{os.getpid()}-00ff.tmp",
        f".a.json.{host}-{os.getppid()}-00ff.tmp",
        f".a.json.{'0' * 8}-{dead}-00ff.tmp",  # of another machine on a shared disk
        f".a.json.{dead}-00ff.tmp",
        f"a.json.{host}-{dead}-00ff.tmp",
        f".a.json.{host}-{dead}-00ff.tmp.json",
        ".notes.tmp",
        f".{dead}.json",
        "a.json",
    ]
    for name in [*kept, f".a.json.{host}-{dead}-00ff.tmp", f".with.dots.npz.{host}-{dead}-12ab.tmp"]:
        (tmp_path / name).write_text("")
    (tmp_path / f".entry.{host}-{dead}-ab12.tmp").mkdir()
    (tmp_path / f".entry.{host}-{dead}-ab12.tmp" / "array").write_text("")
    paths.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


def test_sweeping_knows_the_names_that_writing_makes(
    tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = paths.temporary_beside(tmp_path / "a.json")
    assert mine.parent == tmp_path
    assert mine != paths.temporary_beside(tmp_path / "a.json"), "two threads may write one file"
    mine.write_text("")
    paths.sweep(tmp_path)
    assert mine.exists()
    monkeypatch.setattr(paths.os, "getpid", lambda: dead)
    theirs = paths.temporary_beside(tmp_path / "a.json")
    theirs.write_text("")
    paths.sweep(tmp_path)
    assert not theirs.exists()
    assert mine.exists()


def test_a_foreign_name_with_an_impossible_process_number_stops_nobody(tmp_path: Path) -> None:
    foreign = tmp_path / ".backup.20260101123456789-1.tmp"
    foreign.write_text("")
    paths.sweep(tmp_path)


def test_replicates_are_kept_as_one_block_and_written_as_a_list(tmp_path: Path) -> None:
    """Lists of Python's numbers cost a board of thousands of records half a second and four times the memory."""
    made = record()
    assert memoryview(made.replicates).format == "d"  # type: ignore[arg-type]
    assert json.loads(made.model_dump_json())["replicates"] == list(made.replicates)
    assert Record.model_validate(made.model_dump()) == made
