"""A column says what this copy's card and the statistics say: a record that says otherwise is named and left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boards import record
from honest import COUNT, lay_honest, made, with_samples

from virb.cards.select import task
from virb.checks.bench.records import TaskSplit, hits
from virb.core.npz import read_arrays
from virb.leaderboard import Board, render
from virb.leaderboard import boards as boards_of
from virb.leaderboard.columns import settled
from virb.records.load import load
from virb.records.record import Record, write

Change = dict[str, Any]
LIES: dict[str, Change] = {
    "direction": {"score": {"direction": "lower"}, "floor": {"direction": "lower"}},
    "unit": {"score": {"unit": "px"}, "floor": {"unit": "px"}},
    "ceiling": {"score": {"ceiling": 5.0}, "floor": {"ceiling": 5.0}},
    "floor": {"floor": {"value": 0.9}},
    "floor that may be anything": {"floor": {"value": 0.9, "low": -1e12, "high": 1e12}},
    "quadrant": {"task": {"level": "image", "kind": "structural"}},
    "metric of the floor": {"floor": {"metric": "mae"}},
}


def changed(one: Record, **parts: Change) -> Record:
    """Return a record with parts of its facts changed."""
    updates = {name: getattr(one, name).model_copy(update=change) for name, change in parts.items()}
    return one.model_copy(update=updates)


def lie(out: Path, name: str, **parts: Change) -> None:
    """Add a third encoder's record that is the first to be read."""
    one, files = made("aaa", name, 0.9)
    write(changed(one, **parts), out, files)


def board(out: Path) -> Board:
    (found,) = boards_of(load([out]))
    return found


@pytest.mark.parametrize("lied", LIES)
@pytest.mark.parametrize("name", ["dtd", "nyu_depth"])
def test_a_record_that_reads_its_score_otherwise_is_named_and_left_out(tmp_path: Path, name: str, lied: str) -> None:
    lay_honest(tmp_path)
    before = board(tmp_path)
    lie(tmp_path, name, **LIES[lied])
    results = load([tmp_path])
    (problem,) = results.problems
    assert "/aaa-" in problem
    assert board(tmp_path).columns == before.columns
    assert board(tmp_path).names == before.names


@pytest.mark.parametrize("lied", LIES)
def test_of_a_task_that_this_copy_lacks_one_record_rewrites_nothing(tmp_path: Path, lied: str) -> None:
    lay_honest(tmp_path)
    before = board(tmp_path)
    lie(tmp_path, "own_textures", **LIES[lied])
    assert board(tmp_path).columns == before.columns
    assert {row.encoder for row in board(tmp_path).rows} == {"alpha", "beta"}
    told = [*load([tmp_path]).problems, *board(tmp_path).left_out]
    assert len(told) == 1
    assert "aaa" in told[0]


def test_of_a_task_that_this_copy_lacks_the_board_says_how_it_is_shown(tmp_path: Path) -> None:
    lay_honest(tmp_path)
    assert (
        "By cards that this copy of virb does not have, and shown as most records say: own_textures."
        in board(tmp_path).notes
    )
    assert "own_textures" in render([board(tmp_path)], "table")


def test_a_title_is_that_of_the_card_and_leaves_nobody_out(tmp_path: Path) -> None:
    """Titles are reworded without a new version: a record that was made before is as good as any."""
    lay_honest(tmp_path)
    lie(tmp_path, "dtd", task={"title": "Buy textures here", "extra": True})
    column = board(tmp_path).column("dtd")
    assert (column.title, column.extra) == (task("dtd").title, False)
    assert "aaa" in board(tmp_path).names


def test_other_statistics_of_the_floor_are_another_answer(tmp_path: Path) -> None:
    """A floor that follows from the samples beside it is still not the one that the same data give all others."""
    lay_honest(tmp_path)
    before = board(tmp_path)
    one, files = made("aaa", "dtd", 0.9)
    ((file, content),) = files.items()
    arrays = read_arrays(content)
    arrays["floor.top1"] = hits(TaskSplit("dtd", samples=COUNT), 0.8, 9)[0]
    value = float(arrays["floor.top1"][:, 0].mean())
    write(*_placed(changed(one, floor={"value": value}), file, arrays, tmp_path))
    after = board(tmp_path)
    assert after.columns == before.columns
    assert after.left_out == (f"aaa on dtd: it says floor {value:g}, not {before.column('dtd').floor:g}",)


def _placed(one: Record, file: str, arrays: dict[str, np.ndarray], out: Path) -> tuple[Record, Path, dict[str, bytes]]:
    made_again, files = with_samples(one, file, arrays)
    return made_again, out, files


def test_a_comparison_key_that_does_not_follow_puts_no_other_data_into_a_column(tmp_path: Path) -> None:
    lay_honest(tmp_path)
    lie(tmp_path, "dtd", data={"digest": "e" * 32}, keys={"data": "e" * 32})
    (problem,) = load([tmp_path]).problems
    assert "comparison key does not follow" in problem


def test_a_card_that_is_not_of_this_copy_never_pushes_out_the_one_that_is(tmp_path: Path) -> None:
    """However many records say it is another version: they are of another task."""
    honest = lay_honest(tmp_path)
    before = board(tmp_path)
    for number in range(5):
        one, files = made(f"z{number}", "dtd", 0.9)
        created = {"created": "2026-02-01T00:00:00+00:00"}
        other = changed(one, task={"version": 99}, keys={"comparison": "c" * 32}).model_copy(update=created)
        write(other, tmp_path, files)
    after = board(tmp_path)
    assert after.columns == before.columns
    assert {row.encoder for row in after.rows} == {one.encoder.name for one in honest}
    assert len(after.left_out) == 5
    assert "its card, version 99" in after.left_out[0]


def test_what_the_surest_records_say_holds_however_many_others_there_are() -> None:
    honest = record("a", "own", 0.5)
    others = [record(f"z{place}", "own", 0.9, unit="px") for place in range(4)]
    members = [(one, Path()) for one in (*others, honest)]
    kept, left_out = settled(members, trust=lambda member: (int(member[0].encoder.name != "a"),))
    assert [member[0].encoder.name for member in kept] == ["a"]
    assert left_out == [f"z{place} on own: it says unit px, not share" for place in range(4)]


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "json"])
def test_every_format_shows_the_column_as_it_is(tmp_path: Path, form: str) -> None:
    lay_honest(tmp_path)
    before = render([board(tmp_path)], form)
    lie(tmp_path, "dtd", **LIES["direction"])
    assert render([board(tmp_path)], form) == before
