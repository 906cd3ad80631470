"""What a stranger's folder claims of somebody else's encoder changes neither its numbers nor its facts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laid import lay

from virb.checks.bench.records import TaskSplit, hits
from virb.leaderboard import Board, boards, render
from virb.leaderboard.page import html
from virb.records.load import load

TASKS = [TaskSplit("dtd", samples=400), TaskSplit("pets", samples=400)]
PERFECT = np.ones((1, 400, 2))
SEEDS = np.ones((5, 400, 2))
LATER = {"created": "2026-06-01T00:00:00+00:00"}
LOST = {"ids": [f"dtd/{place}" for place in range(4, 400)], "data__digest": "e" * 32, "data__test_digest": "f" * 32}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    for number, name in enumerate(("owner", "other")):
        for place, split in enumerate(TASKS):
            lay(tmp_path / "mine", name, split, hits(split, 0.6 - 0.1 * number, place, number))
    return tmp_path / "mine"


def more_seeds(out: Path) -> None:
    lay(out, "owner", TASKS[0], SEEDS, keys__resume="a" * 32, **LATER)


def the_same_run(out: Path) -> None:
    lay(out, "owner", TASKS[0], PERFECT, **LATER)


def the_same_value_with_another_title(out: Path) -> None:
    lay(out, "owner", TASKS[0], hits(TASKS[0], 0.6, 0, 0), **LATER)
    path = next(out.rglob("dtd.*.json"))
    content = json.loads(path.read_text())
    content["encoder"] |= {"title": "Worthless", "pretraining": "dtd"}
    path.write_text(json.dumps(content))


def a_fingerprint_that_begins_alike(out: Path) -> None:
    lay(out, "owner", TASKS[0], PERFECT, encoder__fingerprint="owner000" + "1" * 24, keys__resume="a" * 32)


def a_fingerprint_in_large_letters(out: Path) -> None:
    lay(out, "owner", TASKS[0], PERFECT, encoder__fingerprint="OWNER" + "0" * 27, keys__resume="a" * 32)


def another_name(out: Path) -> None:
    lay(out, "better", TASKS[0], PERFECT, encoder__fingerprint="owner" + "0" * 27)


def a_crowd_with_other_data(out: Path) -> None:
    for number in range(6):
        lay(out, f"fake{number}", TASKS[0], hits(TASKS[0], 0.5, 7, number), data__digest="e" * 32, **LATER)


def lost_samples(out: Path) -> None:
    lay(out, "lossy", TASKS[0], hits(TASKS[0], 0.5, 0, 5)[:, 4:], **LOST)


def other_samples_under_the_same_key(out: Path) -> None:
    lay(out, "lossy", TASKS[0], hits(TASKS[0], 0.5, 0, 5)[:, 4:], ids=LOST["ids"])


ATTACKS = [
    more_seeds,
    the_same_run,
    the_same_value_with_another_title,
    a_fingerprint_that_begins_alike,
    a_fingerprint_in_large_letters,
    another_name,
    a_crowd_with_other_data,
    lost_samples,
    other_samples_under_the_same_key,
]


def cells(board: Board) -> dict[tuple[str, str, str], Any]:
    """Return what a board says of each of my encoders, whatever its label has become."""
    facts = {row.encoder: row.facts for row in board.rows}
    return {
        (facts[name].name, getattr(facts[name], "fingerprint", ""), task): (cell.value, cell.low, cell.high)
        for (name, task), cell in board.cells.items()
    }


def submitted(out: Path) -> None:
    """List all records of a folder as those of bundles, as adding them would have done."""
    for folder in (out / "records").iterdir():
        listed = [{"file": f"records/{folder.name}/{path.name}", "verdict": "consistent"} for path in
                  folder.glob("*.json")]  # fmt: skip
        place = out / "submissions" / folder.name / "verdict.json"
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps({"records": listed}))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("way", ["a folder beside", "a bundle"])
def test_no_claim_of_a_stranger_changes_what_is_mine(
    mine: Path, tmp_path: Path, attack: Callable[[Path], None], way: str
) -> None:
    (before,) = boards(load([mine]))
    theirs = tmp_path / "theirs"
    attack(theirs)
    if way == "a bundle":
        submitted(theirs)
        clash = [path for path in theirs.rglob("*.json") if (mine / path.relative_to(theirs)).exists()]
        if clash:
            return  # adding it is refused: nothing is overwritten
        for path in [path for path in theirs.rglob("*") if path.is_file()]:
            place = mine / path.relative_to(theirs)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    (after,) = boards(load([mine, theirs] if way != "a bundle" else [mine]))
    kept = {key: value for key, value in cells(after).items() if key in cells(before)}
    assert kept == cells(before)
    mine_now = {row.fingerprint: row.facts for row in after.rows}
    assert all(mine_now[row.fingerprint] == row.facts for row in before.rows)


def test_a_measured_record_in_a_folder_of_other_name_takes_nothing_from_the_one_in_its_own(
    mine: Path, tmp_path: Path
) -> None:
    """Who reads which files a change adds sees a new encoder's folder, and not that it is of an old one."""
    before = cells(boards(load([mine]))[0])
    lay(tmp_path / "made", "owner", TASKS[0], SEEDS, keys__resume="a" * 32, encoder__title="Worthless", **LATER)
    lay(
        tmp_path / "made", "owner", TaskSplit("eurosat"), hits(TaskSplit("eurosat"), 0.1, 3), encoder__title="Worthless"
    )
    (folder,) = (tmp_path / "made" / "records").iterdir()
    folder.rename(mine / "records" / "aaa-00000000")
    board = boards(load([mine]))[0]
    after = cells(board)
    assert {key: after[key] for key in before} == before
    assert any("contradicts" in note for note in board.notes)
    assert {row.facts.title for row in board.rows if row.encoder == "owner"} != {"Worthless"}


def test_what_contradicts_what_stands_is_told_in_every_format(mine: Path, tmp_path: Path) -> None:
    more_seeds(tmp_path / "theirs")
    results = load([mine, tmp_path / "theirs"])
    found = boards(results)
    told = "owner on dtd: 1 (measured, of folder 2) contradicts"
    assert told in " ".join(render(found, "table").split())
    assert told in render(found, "markdown")
    assert told in html(results, found)


def test_a_difference_that_the_interval_explains_is_no_contradiction(mine: Path, tmp_path: Path) -> None:
    lay(tmp_path / "theirs", "owner", TASKS[0], hits(TASKS[0], 0.61, 0, 0), keys__resume="a" * 32)
    (board,) = boards(load([mine, tmp_path / "theirs"]))
    assert not [note for note in board.notes if "contradict" in note]
    assert not board.left_out


def test_what_came_in_a_bundle_is_marked_where_it_is_shown(mine: Path) -> None:
    submitted(mine)
    (board,) = boards(load([mine]))
    assert {cell.note for cell in board.cells.values()} == {"submitted, changed since"}
    assert "submitted, changed since" in render([board], "csv")
