"""Leaderboard: two encoders on the tasks that both have, task by task, with a verdict that knows how many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from virb.core.errors import UsageError, VirbError, did_you_mean
from virb.leaderboard.board import Board, Cell, Column, Row
from virb.metrics.stats import LEVEL, Interval, holm, p_of_difference, paired_difference

Verdict = Literal["better", "worse", "cannot tell"]


@dataclass(frozen=True)
class Difference:
    """What two encoders differ by on one task."""

    column: Column
    first: Cell
    second: Cell
    difference: Interval
    """First less second, turned so that more is better for the first; nan bounds where nothing was resampled."""
    p: float
    """After Holm over the tasks compared; nan where there is no test."""
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """Two encoders of one board."""

    board: Board
    first: str
    second: str
    tasks: tuple[Difference, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One sentence."""
        count = Counter(task.verdict for task in self.tasks)
        untested = sum(not np.isfinite(task.p) for task in self.tasks)
        if untested == len(self.tasks):
            ahead = sum(task.difference.value > 0 for task in self.tasks)
            return f"{self.first} has the better number on {ahead} of {len(self.tasks)} tasks; nothing can be tested."
        return (
            f"{self.first} against {self.second}: better on {count['better']}, worse on {count['worse']}, "
            f"cannot tell on {count['cannot tell']} of {len(self.tasks)} tasks "
            f"(paired bootstrap, {100 * (1 - LEVEL):.0f} % over all tasks after Holm)."
        )


def compare(boards: Sequence[Board], first: str, second: str) -> list[Comparison]:
    """Return the comparison on every board that has both; names may be names, starts of fingerprints or files."""
    found = []
    for board in boards:
        one, two = _on(board, first), _on(board, second)
        if one is not None and two is not None and one is not two:
            found.append(_comparison(board, one, two))
    if found:
        return found
    names = [row.encoder for board in boards for row in board.rows]
    for asked in (first, second):
        if not any(_on(board, asked) for board in boards):
            raise UsageError(
                f"no record is of an encoder '{asked}'{did_you_mean(asked, names)}",
                "the name of an encoder on the leaderboard, the start of its fingerprint, or a file of its records",
                "list them with 'virb leaderboard'",
            )
    if all(_on(board, first) is _on(board, second) for board in boards):
        raise UsageError(f"'{first}' and '{second}' are the same encoder", "two encoders", "name another one")
    raise VirbError(
        f"'{first}' and '{second}' stand on no board together",
        "records of both under one protocol, on the same kind of data",
        "evaluate both with the same command",
    )


def _on(board: Board, asked: str) -> Row | None:
    """Return the row that a name, the start of a fingerprint or a record's file stands for."""
    path = Path(asked)
    if path.suffix == ".json" and path.is_file():
        from virb.records.record import read_record

        wanted = read_record(path).encoder
        return _one(
            row for row in board.rows if row.fingerprint == wanted.fingerprint and row.facts.name == wanted.name
        )
    exact = [row for row in board.rows if asked in (row.encoder, row.encoder.removesuffix("?"))]
    if exact:
        return exact[0]
    named = [row for row in board.rows if row.facts.name == asked]
    if len(named) > 1:
        raise UsageError(
            f"{len(named)} encoders are called '{asked}'",
            "one of them: " + ", ".join(row.encoder for row in named),
            "give the start of its fingerprint",
        )
    if named:
        return named[0]
    return _one(row for row in board.rows if len(asked) >= 4 and row.fingerprint.startswith(asked.lower()))


def _one(rows: Iterable[Row]) -> Row | None:
    found = list(rows)
    return found[0] if len(found) == 1 else None


def _comparison(board: Board, one: Row, two: Row) -> Comparison:
    has = [{column.name for column in board.columns if (row.encoder, column.name) in board.cells} for row in (one, two)]
    both = [column for column in board.columns if column.name in has[0] & has[1]]
    pairs = [(board.cells[one.encoder, column.name], board.cells[two.encoder, column.name]) for column in both]
    tested = [_test(column, *pair) for column, pair in zip(both, pairs, strict=True)]
    adjusted = holm([p for _, p in tested])
    tasks = tuple(
        Difference(column, *pair, difference, float(p), _verdict(difference, float(p)))
        for column, pair, (difference, _), p in zip(both, pairs, tested, adjusted, strict=True)
    )
    return Comparison(
        board, one.encoder, two.encoder, tasks, tuple(sorted(has[0] - has[1])), tuple(sorted(has[1] - has[0]))
    )


def _test(column: Column, one: Cell, two: Cell) -> tuple[Interval, float]:
    value = column.turned(one.value) - column.turned(two.value)
    if one.replicates is None or two.replicates is None or len(one.replicates) != len(two.replicates):
        return Interval(value, float("nan"), float("nan")), float("nan")
    sign = column.turned(1.0)
    units = one.units if one.units == two.units else None
    first, second = (
        (sign * cell.value, list(sign * cell.replicates)) for cell in (one, two) if cell.replicates is not None
    )
    difference = paired_difference(first, second, units)
    error = np.std(one.replicates - two.replicates)
    return difference, float(p_of_difference(np.array(value), np.asarray(error), units))


def _verdict(difference: Interval, p: float) -> Verdict:
    if not p < 1 - LEVEL:  # nan is no verdict either
        return "cannot tell"
    return "better" if difference.value > 0 else "worse"
