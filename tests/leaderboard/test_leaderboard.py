"""The leaderboard: what stands on one board, and who is ranked how."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from boards import boards, grid, only, record

from virb.checks.bench.records import many
from virb.core.paths import reference_folder
from virb.leaderboard import Board, render
from virb.leaderboard import boards as boards_of
from virb.records.load import Results, load
from virb.records.published import read_references
from virb.records.record import Record


def encoders(board: Board) -> list[str]:
    return [row.encoder for row in board.rows]


def column(board: Board, name: str) -> dict[str, Any]:
    if name == "rank":
        return {row.encoder: row.rank and row.rank.value for row in board.rows}
    if name == "tasks":
        return {row.encoder: row.covered for row in board.rows}
    found = {row.encoder: board.cells.get((row.encoder, name)) for row in board.rows}
    return {encoder: cell and cell.value for encoder, cell in found.items()}


def ranks(records: Sequence[Record]) -> dict[str, Any]:
    return column(only(records), "rank")


# --- boards ------------------------------------------------------------------------------------------------------


def test_sample_and_real_scores_never_stand_on_one_board() -> None:
    found = boards([record("a", source="sample", value=0.9), record("b", value=0.4), record("a", value=0.3)])
    assert [(board.source, encoders(board)) for board in found] == [
        ("real", ["b", "a"]),
        ("sample", ["a"]),
    ]
    assert "not comparable" in found[1].title
    assert "real data" in found[0].title


def test_protocols_limits_and_changed_rules_stand_apart() -> None:
    kinds: list[dict[str, Any]] = [
        {},
        {"protocol": "quick"},
        {"limit": 100},
        {"limit": 20},
        {"rules": "q" * 32},
        {"protocol": "quick", "limit": 100},
    ]
    found = boards([record(**kind) for kind in kinds])
    assert len(found) == len(kinds)
    assert all(len(board.rows) == 1 for board in found)
    assert {(board.protocol, board.limit) for board in found} == {
        (kind.get("protocol", "standard"), kind.get("limit")) for kind in kinds
    }


def test_a_limit_stands_in_the_title() -> None:
    assert "at most 20 samples" in only([record(limit=20)]).title
    assert "at most" not in only([record()]).title


def test_other_data_are_left_out_with_the_difference_named() -> None:
    records = [record("a"), record("b"), record("c", data="e" * 32, value=0.99)]
    board = only(records)
    assert set(encoders(board)) == {"a", "b"}
    (reason,) = board.left_out
    assert "c on dtd" in reason
    assert "data eeeeeeee" in reason
    assert "not dddddddd" in reason
    assert reason in " ".join(render([board], "table").split())


def test_another_task_version_is_left_out_with_the_difference_named() -> None:
    board = only([record("a"), record("b"), record("c", version=2)])
    (reason,) = board.left_out
    assert "task version 2, not 1" in reason
    assert "data" not in reason


def test_only_the_task_that_differs_is_left_out() -> None:
    records = grid({"a": {"dtd": 0.1, "pets": 0.2}, "b": {"dtd": 0.3, "pets": 0.4}, "c": {"pets": 0.9}})
    board = only([*records, record("c", "dtd", 0.9, data="e" * 32)])
    assert column(board, "dtd") == {"a": 0.1, "b": 0.3, "c": None}
    assert column(board, "pets")["c"] == 0.9


def test_of_two_kinds_of_data_that_equally_many_have_the_newer_is_shown() -> None:
    """After a task has a new version, an encoder that was evaluated again must not show its old score."""
    board = only([record(version=1, value=0.1, day=1), record(version=2, value=0.2, day=2)])
    assert column(board, "dtd") == {"a": 0.2}


# --- one row per encoder -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turned", [False, True])
def test_the_newest_record_wins_in_whatever_order_they_are_read(turned: bool) -> None:
    records = [record(value=0.1, day=3), record(value=0.2, day=7), record(value=0.3, day=5)]
    board = only(records[::-1] if turned else records)
    assert column(board, "dtd") == {"a": 0.2}
    assert not board.left_out


def test_one_name_with_two_fingerprints_is_shown_twice_with_both() -> None:
    records = [record(value=0.1, fingerprint="1" * 32), record(value=0.2, fingerprint="2" * 32), record("b", value=0.3)]
    assert column(only(records), "dtd") == {"a (11111111)": 0.1, "a (22222222)": 0.2, "b": 0.3}
    assert ranks(records) == {"b": 1.0, "a (22222222)": 2.0, "a (11111111)": 3.0}


def test_one_encoder_under_two_names_does_not_fall_into_halves() -> None:
    """Same weights, two cards: whether one row or two, each row must hold the tasks that its name has."""
    both = {"fingerprint": "1" * 32}
    records = [
        record("a", "dtd", 0.1, day=1, **both),
        record("a", "pets", 0.2, day=3, **both),
        record("b", "dtd", 0.1, day=2, **both),
        record("b", "pets", 0.2, day=2, **both),
    ]
    board = only(records)
    assert {row.covered for row in board.rows} == {2}
    assert all(row.rank for row in board.rows)


# --- ranks ---------------------------------------------------------------------------------------------------------


def test_the_highest_score_is_first_and_the_table_is_sorted_by_rank() -> None:
    board = only(grid({"a": {"dtd": 0.2}, "b": {"dtd": 0.6}, "c": {"dtd": 0.4}}))
    assert encoders(board) == ["b", "c", "a"]
    assert list(column(board, "rank").values()) == [1.0, 2.0, 3.0]


def test_the_lowest_error_is_first() -> None:
    records = grid(
        {"a": {"depth": 0.2}, "b": {"depth": 0.6}, "c": {"depth": 0.4}}, direction="lower", metric="mae", unit="m"
    )
    assert ranks(records) == {"a": 1.0, "c": 2.0, "b": 3.0}


def test_the_rank_is_the_mean_over_tasks_each_in_its_own_direction() -> None:
    higher = grid({"a": {"dtd": 0.9, "pets": 0.9}, "b": {"dtd": 0.5, "pets": 0.5}, "c": {"dtd": 0.1, "pets": 0.7}})
    lower = grid({"a": {"depth": 0.3}, "b": {"depth": 0.2}, "c": {"depth": 0.1}}, direction="lower", metric="mae")
    # dtd: a b c; pets: a c b; depth: c b a
    assert ranks([*higher, *lower]) == pytest.approx({"a": 5 / 3, "c": 6 / 3, "b": 7 / 3})


def test_equal_scores_share_their_places() -> None:
    assert ranks(grid({"a": {"dtd": 0.5}, "b": {"dtd": 0.5}, "c": {"dtd": 0.1}})) == {"a": 1.5, "b": 1.5, "c": 3.0}


def test_ranks_run_over_the_tasks_that_half_of_the_encoders_share_and_coverage_is_shown() -> None:
    records = grid({"a": {"dtd": 0.9, "pets": 0.1}, "b": {"dtd": 0.5, "pets": 0.9, "cifar": 0.9}, "c": {"dtd": 0.7}})
    board = only(records)
    assert board.common == ("dtd", "pets")
    assert column(board, "rank") == {"a": 1.5, "b": 1.5, "c": None}
    assert column(board, "tasks") == {"a": 2, "b": 3, "c": 1}
    text = render([board], "table")
    assert re.search(r"(?m)^-      c +- +1/3 ", text)
    assert "Here: 2 of 3 tasks, 2 encoders" in " ".join(text.split())


def test_one_sparse_encoder_does_not_shrink_everyones_ranks() -> None:
    full = {name: {"dtd": score, "pets": score, "cifar": score} for name, score in (("a", 0.3), ("b", 0.2), ("c", 0.1))}
    alone = only(grid(full))
    board = only(grid({**full, "sparse": {"dtd": 0.9}}))
    assert board.common == alone.common == ("cifar", "dtd", "pets")
    assert column(board, "rank") == {**column(alone, "rank"), "sparse": None}


def test_one_rich_encoder_does_not_stand_alone() -> None:
    records = grid({"rich": {"dtd": 0.5, "pets": 0.5, "cifar": 0.5}, "a": {"dtd": 0.9}, "b": {"dtd": 0.1}})
    assert ranks(records) == {"a": 1.0, "rich": 2.0, "b": 3.0}


def test_without_a_common_task_nobody_is_ranked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")  # the table in one block
    board = only(grid({"a": {"dtd": 0.9}, "b": {"pets": 0.5}}))
    assert column(board, "rank") == {"a": None, "b": None}
    assert set(encoders(board)) == {"a", "b"}
    assert render([board], "table").count("\n-  ") == 2


def test_extras_are_shown_and_stay_out_of_ranks() -> None:
    records = grid({"a": {"dtd": 0.9}, "b": {"dtd": 0.5}})
    extras = grid({"a": {"edges": 0.1}, "b": {"edges": 0.9}}, extra=True)
    assert ranks([*records, *extras]) == {"a": 1.0, "b": 2.0}
    board = only([*records, *extras])
    assert [one.name for one in board.columns] == ["dtd", "edges"], "extras come last"
    assert column(board, "edges") == {"a": 0.1, "b": 0.9}


def test_an_encoder_with_nothing_but_extras_takes_nobodys_rank_away() -> None:
    records = grid({"a": {"dtd": 0.9}, "b": {"dtd": 0.5}})
    extras = grid({"c": {"edges": 0.1}}, extra=True)
    assert ranks([*records, *extras]) == {"a": 1.0, "b": 2.0, "c": None}


def test_a_record_that_is_left_out_does_not_move_a_rank() -> None:
    records = grid({"a": {"dtd": 0.9}, "b": {"dtd": 0.5}})
    assert ranks([*records, record("c", value=0.99, data="e" * 32)]) == {"a": 1.0, "b": 2.0}


def test_published_numbers_stand_beside_measured_ones_and_are_never_ranked_among_them() -> None:
    records = grid(
        {"SWAV_800": {"dtd": 0.9, "kitti_flow": 0.5}, "b": {"dtd": 0.5, "kitti_flow": 0.5}}, protocol="virb2021"
    )
    published, _ = read_references(reference_folder("paper2021"))
    results = Results(tuple(records), tuple(Path() for _ in records), tuple(published))
    board, paper = boards_of(results)
    assert column(board, "rank") == {"SWAV_800": 1.25, "b": 1.75}
    (beside,) = board.references
    assert beside.rank is None
    assert board.cells[beside.encoder, "dtd"].value == 0.7992
    assert (beside.encoder, "kitti_flow") not in board.cells, "the paper has another metric there"
    assert "79.9" in render([board], "table")
    rows = json.loads(render([board], "json"))
    assert {row["task"]: row["published"] for row in rows if row["encoder"] == "SWAV_800"} == {
        "dtd": 0.7992,
        "kitti_flow": None,
    }
    assert paper.source == "published"
    assert len(paper.rows) == 28


def test_published_numbers_stand_beside_no_other_protocol() -> None:
    records = grid({"SWAV_800": {"dtd": 0.9}, "b": {"dtd": 0.5}})
    published, _ = read_references(reference_folder("paper2021"))
    results = Results(tuple(records), tuple(Path() for _ in records), tuple(published))
    assert boards_of(results)[0].references == ()


def test_tasks_stand_by_level_then_kind_then_name() -> None:
    records = [
        record(task="flow", level="pixel", semantic="structural"),
        record(task="seg", level="pixel"),
        record(task="pets"),
        record(task="count", semantic="structural"),
        record(task="dtd"),
        record(task="auto", extra=True),
    ]
    assert [one.name for one in only(records).columns] == ["dtd", "pets", "count", "seg", "flow", "auto"]


def test_each_task_keeps_its_floor_metric_and_unit() -> None:
    board = only([record(task="dtd"), record(task="depth", metric="mae", unit="m", direction="lower")])
    found = {one.name: (one.floor, one.metric, one.unit) for one in board.columns}
    assert found == {"dtd": (0.125, "top1", "share"), "depth": (0.125, "mae", "m")}


def test_rows_stand_in_the_order_of_their_places_and_then_of_their_ranks(tmp_path: Path) -> None:
    """A place does not follow the mean rank alone, so a table by rank would list places out of order."""
    many(tmp_path, 30, 4)
    (board,) = boards_of(load([tmp_path]))
    by_rank = [row.place for row in sorted(board.rows, key=lambda row: row.rank.value if row.rank else 0)]
    assert by_rank != sorted(by_rank)  # type: ignore[type-var]
    order = [(row.place, row.rank.value) for row in board.rows if row.rank]
    assert order == sorted(order)
    assert "of two mean ranks the worse can hold the better place" in " ".join(render([board], "table").split())


def test_who_is_not_ranked_stands_below_all_who_are() -> None:
    scores = {name: {"dtd": 0.5 + place / 10, "pets": 0.5} for place, name in enumerate("cba")}
    board = only([*grid(scores), record("Zero", "dtd", 0.99)])
    assert encoders(board) == ["a", "b", "c", "Zero"]
    assert board.rows[-1].place is None
