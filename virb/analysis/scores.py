"""Analysis: a board's scores as arrays, encoders x tasks, and the part of a board that a question is asked of."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from virb.core.errors import UsageError, did_you_mean
from virb.leaderboard.board import Board, Column

Array = NDArray[np.float64]


def title(scores: Board) -> str:
    """Return what all scores here share, as a figure says it."""
    if scores.source == "published":
        guesses = "; ? marks a guess who it is" if any(row.guessed for row in scores.rows) else ""
        return f"published numbers, protocol {scores.protocol}, not measured by virb{guesses}"
    kind = "synthetic (sample world; not comparable with real data)" if scores.source == "sample" else "real data"
    return f"{kind}, protocol {scores.protocol}"


def normalised(scores: Board) -> Array:
    """Return (score - floor) / (ceiling - floor): 0 is the best constant answer, 1 perfection; nan without a floor."""
    columns = zip(scores.columns, scores.matrix().T, strict=True)
    return np.stack([column.normalised(column.turned(1.0) * values) for column, values in columns], axis=1)


def standardised(scores: Board) -> Array:
    """Return scores in standard deviations over encoders, from their mean; up is better, nan where all are equal."""
    goodness = scores.matrix()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of which nothing is known has no mean
        deviation = np.nanstd(goodness, axis=0)
        middle = np.nanmean(goodness, axis=0)
    flat = ~(deviation > 1e-12 * np.maximum(1.0, np.abs(middle)))
    return np.where(flat, np.nan, (goodness - middle) / np.where(flat, 1.0, deviation))


def paired(scores: Board, places: Sequence[int]) -> Array | None:
    """Return replicates [E, T, R] of some encoders, up is better; None where one is missing or they do not pair."""
    names = [scores.names[place] for place in places]
    cells = [[scores.cells.get((name, column.name)) for column in scores.columns] for name in names]
    found = [[None if cell is None else cell.replicates for cell in line] for line in cells]
    sizes = {0 if one is None else len(one) for line in found for one in line}
    if len(sizes) != 1 or sizes == {0}:
        return None
    signs: Array = np.array([column.turned(1.0) for column in scores.columns])
    return np.array(found, dtype=np.float64) * signs[:, None]


def choose_tasks(scores: Board, wanted: str | None, also: str = "") -> Board:
    """Return the named tasks or groups, and one more; by default all that are not extra, unless there are only such."""
    if wanted is None:
        usual = [place for place, task in enumerate(scores.columns) if not task.extra or task.name == also]
        return scores.keep(columns=usual or None)
    found: list[int] = []
    for word in (part.strip() for part in wanted.split(",")):
        matching = [place for place, task in enumerate(scores.columns) if word in _groups(task)]
        if not matching:
            raise _unknown("task", word, [task.name for task in scores.columns])
        found += [place for place in matching if place not in found]
    found += [place for place, task in enumerate(scores.columns) if task.name == also and place not in found]
    return scores.keep(columns=sorted(found))


def _groups(task: Column) -> set[str]:
    level, kind = task.quadrant.split("-")
    return {task.name, *({"extra"} if task.extra else {"all", level, kind, task.quadrant})}


def choose_encoders(scores: Board, wanted: Sequence[str]) -> list[int]:
    """Return the places of named encoders; a word stands for a name or for the start of a fingerprint."""
    found: list[int] = []
    for word in wanted:
        matching = [
            place
            for place, row in enumerate(scores.rows)
            if word in (row.encoder, row.facts.name) or (len(word) >= 6 and row.fingerprint.startswith(word))
        ]
        if not matching:
            raise _unknown("encoder", word, scores.names)
        found += [place for place in matching if place not in found]
    return found


def _unknown(kind: str, word: str, known: Sequence[str]) -> UsageError:
    shown = ", ".join(sorted(known)[:30]) + (f" and {len(known) - 30} more" if len(known) > 30 else "")
    return UsageError(
        f"no record is of {kind} '{word}'{did_you_mean(word, known)}", f"one of {shown}", "name one that is there"
    )
