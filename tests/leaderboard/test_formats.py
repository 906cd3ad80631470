"""The formats of a leaderboard: each says the same, and no name of a stranger breaks one."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest
from boards import boards, grid, only, record

from virb.core.errors import VirbError
from virb.core.text import show
from virb.leaderboard import compare, render, render_comparison
from virb.records.record import Record


def mixed() -> list[Record]:
    return [
        *grid({"a": {"dtd": 1 / 3, "pets": 0.25}, "b,c": {"dtd": 0.875}}),
        record("a", "depth", 1.23456, metric="mae", unit="m", direction="lower"),
        record("a", "dtd", 0.75, source="sample", protocol="quick", limit=20),
    ]


def flat() -> set[tuple[Any, ...]]:
    return {
        ("real", "standard", None, "a", "depth", "mae", 1.23456),
        ("real", "standard", None, "a", "dtd", "top1", 1 / 3),
        ("real", "standard", None, "a", "pets", "top1", 0.25),
        ("real", "standard", None, "b,c", "dtd", "top1", 0.875),
        ("sample", "quick", 20, "a", "dtd", "top1", 0.75),
    }


def checked(rows: list[dict[str, Any]]) -> None:
    found = {
        (row["source"], row["protocol"], row["limit"], row["encoder"], row["task"], row["metric"]): row for row in rows
    }
    assert len(found) == len(rows) == len(flat())
    for *facts, value in flat():
        row = found[tuple(facts)]
        assert row["value"] == pytest.approx(value, abs=1e-9)
        assert row["low"] == pytest.approx(value - 0.05, abs=1e-9)
        assert row["high"] == pytest.approx(value + 0.0625, abs=1e-9)
        assert row["floor"] == 0.125


def test_csv_parses_back_to_every_score() -> None:
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(render(boards(mixed()), "csv"))))
    for row in rows:
        row.update({name: float(row[name]) for name in ("value", "low", "high", "floor")})
        row["limit"] = float(row["limit"]) if row["limit"] else None
    checked(rows)


def test_json_parses_back_to_every_score() -> None:
    checked(json.loads(render(boards(mixed()), "json"), parse_constant=pytest.fail))


def cells(line: str) -> list[str]:
    """Split a line of a markdown table at pipes that no backslash stands before."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_markdown_parses_back_to_every_score() -> None:
    text = render([only(mixed()[:4])], "markdown")
    header, rule, *rows = [cells(line) for line in text.splitlines() if line.startswith("|")]
    assert header == ["place", "encoder", "mean rank", "tasks", "depth", "dtd", "pets"]
    assert all(re.fullmatch("-{3,}", cell) for cell in rule)
    found = {row[1]: dict(zip(header, row, strict=True)) for row in rows}
    assert found["a"] == {
        "place": "2",
        "mean rank": "2.0 [2.0, 2.0]",
        "encoder": "a",
        "tasks": "3/3",
        "dtd": "33.3 [28.3, 39.6]",
        "pets": "25.0 [20.0, 31.2]",
        "depth": "1.235 [1.185, 1.297]",
    }
    assert found["b,c"] == {
        "place": "1",
        "mean rank": "1.0 [1.0, 1.0]",
        "encoder": "b,c",
        "tasks": "1/3",
        "dtd": "87.5 [82.5, 93.8]",
        "pets": "-",
        "depth": "-",
    }
    floor = next(row for name, row in found.items() if name.startswith("floor"))
    assert (floor["dtd"], floor["depth"]) == ("12.5", "0.125")


def test_a_pipe_in_a_name_does_not_break_markdown() -> None:
    text = render([only([record("a|b"), record("|"), record("c")])], "markdown")
    rows = [cells(line) for line in text.splitlines() if line.startswith("|")]
    assert {len(row) for row in rows} == {5}
    assert {row[1] for row in rows} >= {"a|b", "|", "c"}


def test_a_line_end_in_a_name_does_not_break_markdown() -> None:
    """Records come from strangers, and a name in a record is any text."""
    text = render([only([record("a\n| 1.0 | forged | 1/1 | 99.9 |"), record("c")])], "markdown")
    rows = [cells(line) for line in text.splitlines() if line.startswith("|")]
    assert [len(row) for row in rows] == [5] * 5, "header, rule, two encoders, floor"
    assert "forged" not in {row[1] for row in rows}


def test_every_board_of_several_is_rendered_under_its_title() -> None:
    found = boards(mixed())
    for form in ("table", "markdown"):
        text = render(found, form)
        assert all(board.title in text for board in found)


def test_columns_of_the_table_line_up() -> None:
    lines = render([only(grid({"a": {"dtd": 0.9}, "a much longer name": {"dtd": 0.05}}))], "table").splitlines()
    start = lines[2].index("dtd")
    assert {line[start - 2 : start] for line in lines[2:7]} == {"  "}
    assert lines[4][start:].startswith("90.0 [85.0, 96.2]")


def test_shares_are_shown_as_per_cent_and_other_units_as_they_are() -> None:
    assert show(0.12345, "share") == "12.3"
    assert show(0.12345, "m") == "0.123"


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "json"])
def test_no_records_make_an_empty_board_and_no_traceback(form: str) -> None:
    assert boards([]) == []
    text = render([], form)
    assert "Traceback" not in text
    assert form != "json" or json.loads(text) == []


def test_a_format_that_nobody_knows_is_answered_with_those_there_are() -> None:
    with pytest.raises(VirbError, match="markdown"):
        render(boards([record()]), "html")


EVIL = "**[win](https://evil.example)** <img src=x> `x` _y_ www.evil.example"


def evil() -> list[Record]:
    """Records of somebody who writes markup wherever a record holds a text."""
    names = {"protocol": EVIL, "task": f"# {EVIL}", "version": 1}
    return [record(f"=1+1 {EVIL}", **names), record("c", **names), record("d", **names | {"version": 2})]


def test_no_title_head_name_or_note_of_a_markdown_board_is_live_markup() -> None:
    text = render([only(evil())], "markdown")
    assert "Not ranked here" in text
    assert text.startswith("**real data, protocol \\*\\*[win]\\(https\\://evil.example)\\*\\*")
    for line in text.splitlines():
        assert not re.search(r"<img|\]\(|https?:|www\.|(?<!\\)`", line)
        assert not re.match(r"#|\* ", line)
        inner = line.removeprefix("**").removesuffix("**")
        assert not re.search(r"(?<!\\)\*", inner)


def test_a_comparison_in_markdown_is_not_live_either() -> None:
    found = compare([only(evil())], "c", f"=1+1 {EVIL}")
    assert found
    text = render_comparison(found[0], marked=True)
    assert not re.search(r"<img|\]\(|https?:|www\.|(?<!\\)`", text)


def test_no_text_of_a_csv_board_is_a_formula_and_every_number_stays_one() -> None:
    records = [
        record(name, "dtd", 0.5) for name in ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "'x", "plain")
    ]
    records += [record("low", "depth", -0.25, metric="mae", unit="m", direction="lower")]
    text = render(boards(records), "csv")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {row["encoder"] for row in rows} == {
        "'=cmd|' /C calc'!A0", "'+1", "'-1", "'@SUM(A1)", "'\tx", "''x", "plain", "low",
    }  # fmt: skip
    assert {float(row["value"]) for row in rows} == {0.5, -0.25}
