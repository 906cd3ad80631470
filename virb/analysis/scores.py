"""Analysis: the noun that all analyses share: comparable scores, encoders x tasks, with what is known of both."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from virb.core.errors import UsageError, did_you_mean
from virb.leaderboard.board import QUADRANTS, Column, Source
from virb.records.record import CurveFacts

__all__ = ["QUADRANTS", "Array", "Cell", "Column", "Scores", "Source", "Who"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Who:
    """An encoder as far as its card, or the paper, describes it."""

    name: str
    fingerprint: str
    method: str
    family: str
    pretraining: str
    images: int | None
    epochs: int | None
    facts: Mapping[str, str | int | float | bool]
    guessed: bool = False
    """Whether it is in doubt which encoder of a paper this is."""


@dataclass(frozen=True)
class Cell:
    """One score with what is known of it; published numbers have neither interval nor floor."""

    value: float
    ceiling: float
    low: float = math.nan
    high: float = math.nan
    floor: float = math.nan
    replicates: NDArray[np.float64] | None = None
    """Of the test split, resampled alike for all encoders of a task; None for published numbers."""
    units: int | None = None
    """Groups that these were drawn from, where samples are not independent."""
    curves: CurveFacts | None = None

    def between(self, value: float) -> float:
        """Return a value as a share of the way from floor to ceiling; nan where there is no way."""
        return (value - self.floor) / (self.ceiling - self.floor) if self.ceiling != self.floor else math.nan


@dataclass(frozen=True)
class Scores:
    """Encoders x tasks [E, T] under one protocol and one kind of data; nan where there is no score."""

    source: Source
    protocol: str
    encoders: tuple[Who, ...]
    names: tuple[str, ...]
    """Encoder names; two encoders of one name are told apart by their fingerprints."""
    tasks: tuple[Column, ...]
    cells: Mapping[tuple[int, int], Cell]
    left_out: tuple[str, ...] = ()
    """Scores that do not compare with the others, and why."""

    @property
    def title(self) -> str:
        """What all scores here share, as a figure says it."""
        if self.source == "published":
            guesses = "; ? marks a guess who it is" if any(encoder.guessed for encoder in self.encoders) else ""
            return f"published numbers, protocol {self.protocol}, not measured by virb{guesses}"
        kind = "synthetic (sample world; not comparable with real data)" if self.source == "sample" else "real data"
        return f"{kind}, protocol {self.protocol}"

    @property
    def values(self) -> Array:
        """The scores as they are, [E, T]."""
        return self.of(lambda cell: cell.value)

    @property
    def goodness(self) -> Array:
        """The scores with errors negated: up is better in every column."""
        signs: Array = np.array([1.0 if task.higher else -1.0 for task in self.tasks])
        return self.values * signs

    @property
    def normalised(self) -> Array:
        """(score - floor) / (ceiling - floor): 0 is the best constant answer, 1 perfection; nan without a floor."""
        return self.of(lambda cell: cell.between(cell.value))

    @property
    def standardised(self) -> Array:
        """Goodness in standard deviations over encoders, from their mean; nan where all are equal."""
        goodness = self.goodness
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column of which nothing is known has no mean
            deviation = np.nanstd(goodness, axis=0)
            middle = np.nanmean(goodness, axis=0)
        flat = ~(deviation > 1e-12 * np.maximum(1.0, np.abs(middle)))
        return np.where(flat, np.nan, (goodness - middle) / np.where(flat, 1.0, deviation))

    def of(self, number: Callable[[Cell], float]) -> Array:
        """Return a number of every cell, [E, T]."""
        made = np.full((len(self.encoders), len(self.tasks)), np.nan)
        for place, cell in self.cells.items():
            made[place] = number(cell)
        return made

    def column(self, name: str) -> int:
        """Return the place of a task."""
        return [task.name for task in self.tasks].index(name)

    def keep(self, encoders: Sequence[int] | None = None, tasks: Sequence[int] | None = None) -> Scores:
        """Return the part with these rows and columns, in this order."""
        rows = list(range(len(self.encoders)) if encoders is None else encoders)
        columns = list(range(len(self.tasks)) if tasks is None else tasks)
        cells = {
            (row, column): self.cells[old_row, old_column]
            for row, old_row in enumerate(rows)
            for column, old_column in enumerate(columns)
            if (old_row, old_column) in self.cells
        }
        return replace(
            self,
            encoders=tuple(self.encoders[row] for row in rows),
            names=tuple(self.names[row] for row in rows),
            tasks=tuple(self.tasks[column] for column in columns),
            cells=cells,
        )


def paired(scores: Scores, places: Sequence[int]) -> Array | None:
    """Return replicates [E, T, R] of some encoders, up is better; None where one is missing or they do not pair."""
    cells = [[scores.cells.get((row, column)) for column in range(len(scores.tasks))] for row in places]
    found = [[None if cell is None else cell.replicates for cell in line] for line in cells]
    sizes = {0 if one is None else len(one) for line in found for one in line}
    if len(sizes) != 1 or sizes == {0}:
        return None
    signs: Array = np.array([1.0 if task.higher else -1.0 for task in scores.tasks])
    return np.array(found, dtype=np.float64) * signs[:, None]


def choose_tasks(scores: Scores, wanted: str | None, also: str = "") -> Scores:
    """Return the named tasks or groups, and one more; by default all that are not extra, unless there are only such."""
    if wanted is None:
        usual = [place for place, task in enumerate(scores.tasks) if not task.extra or task.name == also]
        return scores.keep(tasks=usual or None)
    found: list[int] = []
    for word in (part.strip() for part in wanted.split(",")):
        matching = [place for place, task in enumerate(scores.tasks) if word in _groups(task)]
        if not matching:
            raise _unknown("task", word, [task.name for task in scores.tasks])
        found += [place for place in matching if place not in found]
    found += [place for place, task in enumerate(scores.tasks) if task.name == also and place not in found]
    return scores.keep(tasks=sorted(found))


def _groups(task: Column) -> set[str]:
    level, kind = task.quadrant.split("-")
    return {task.name, *({"extra"} if task.extra else {"all", level, kind, task.quadrant})}


def choose_encoders(scores: Scores, wanted: Sequence[str]) -> list[int]:
    """Return the places of named encoders; a word stands for a name or for the start of a fingerprint."""
    found: list[int] = []
    for word in wanted:
        matching = [
            place
            for place, (name, encoder) in enumerate(zip(scores.names, scores.encoders, strict=True))
            if word in (name, encoder.name) or (len(word) >= 6 and encoder.fingerprint.startswith(word))
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
