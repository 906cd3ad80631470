"""Leaderboard: the board, the noun that tables, plots, findings and pages read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from virb.cards.task import Kind, Level
from virb.metrics.stats import Interval
from virb.records.published import Number, PublishedEncoder
from virb.records.record import EncoderFacts, Record

QUADRANTS = ("image-semantic", "image-structural", "pixel-semantic", "pixel-structural")
Source = Literal["real", "sample", "published"]


@dataclass(frozen=True)
class Column:
    """One task, and how its scores are read."""

    name: str
    title: str
    level: Level
    kind: Kind
    extra: bool
    metric: str
    unit: str
    direction: Literal["higher", "lower"]
    ceiling: float
    floor: float | None
    """The score of the best constant answer; None where a paper gives none."""

    @property
    def quadrant(self) -> str:
        """Level and kind as one word."""
        return f"{self.level}-{self.kind}"

    @property
    def higher(self) -> bool:
        """Whether more is better."""
        return self.direction == "higher"

    def turned(self, value: float) -> float:
        """Return a score so that higher is better."""
        return value if self.higher else -value

    def power(self, values: Iterable[float]) -> int:
        """Return by which power of ten scores are divided, so that pixels of flow and shares go on one axis."""
        largest = max(map(abs, values), default=0.0)
        return 0 if self.unit == "share" or largest <= 1 else math.ceil(math.log10(largest))

    def label(self, power: int) -> str:
        """Return a task's name and metric, and by what its scores were divided."""
        return f"{self.name} ({'' if self.higher else '−'}{self.metric}{f' / {10**power}' if power else ''})"

    @property
    def normal(self) -> bool:
        """Whether scores can be placed between a floor and a ceiling."""
        return self.floor is not None and self.floor != self.ceiling

    def normalised(self, values: float | np.ndarray) -> np.ndarray:
        """Return where scores stand between the floor, 0, and the ceiling, 1; higher is better in any direction."""
        if self.floor is None or self.floor == self.ceiling:
            return np.full(np.shape(values), np.nan)
        return np.asarray((np.asarray(values) - self.floor) / (self.ceiling - self.floor))


@dataclass(frozen=True)
class Cell:
    """One encoder's score on one task."""

    value: float
    low: float | None
    high: float | None
    replicates: np.ndarray | None
    """[R] from the test split; encoders of one column were resampled alike. None for published numbers."""
    units: int | None = None
    overlap: str = ""
    """Why the pretraining may have seen this task's pictures."""
    frozen: str | None = "fully"
    note: str = ""
    record: Record | None = None
    number: Number | None = None


@dataclass(frozen=True)
class Row:
    """One encoder of a board."""

    encoder: str
    """The name, with the fingerprint where two encoders share one, and '?' where a paper's encoder is a guess."""
    facts: EncoderFacts | PublishedEncoder
    covered: int
    """How many of the board's tasks it has, extras aside."""
    place: int | None = None
    """Shared by encoders that no test tells apart; None where it is not ranked."""
    tied: bool = False
    rank: Interval | None = None
    """The mean rank over the board's common tasks; without an interval low and high are nan."""
    quadrants: dict[str, Interval] | None = None
    """Means of floor-normalised scores over the common tasks of a quadrant, where it has all of them."""
    quadrant_ranks: dict[str, float] | None = None

    @property
    def fingerprint(self) -> str:
        """The measured encoder's fingerprint; empty for a published one."""
        return self.facts.fingerprint if isinstance(self.facts, EncoderFacts) else ""

    @property
    def family(self) -> str:
        """What kind of signal taught the measured encoder; empty for a published one, whose paper has no such word."""
        return self.facts.family if isinstance(self.facts, EncoderFacts) else ""

    @property
    def guessed(self) -> bool:
        """Whether it is in doubt which encoder of a paper this is."""
        return isinstance(self.facts, PublishedEncoder) and self.facts.guessed


@dataclass(frozen=True)
class Board:
    """Encoders against tasks, under one protocol and one kind of data: only such scores are ranked together."""

    source: Source
    protocol: str
    limit: int | None
    columns: tuple[Column, ...]
    """Tasks by extra, level, kind and name."""
    rows: tuple[Row, ...]
    """Ranked encoders first, best first."""
    cells: dict[tuple[str, str], Cell]
    """By encoder and task; a gap is no entry."""
    common: tuple[str, ...]
    """The tasks that all ranked encoders have: ranks and means run over these."""
    references: tuple[Row, ...] = ()
    """Published numbers of encoders that stand on this board under the paper's protocol, or asked for; never ranked."""
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What all scores on this board share."""
        kind = {
            "sample": "sample world (synthetic; not comparable with real data)",
            "real": "real data",
            "published": "published numbers (as a paper reports them; not comparable with measured ones)",
        }[self.source]
        limit = f", at most {self.limit} samples a split, test included" if self.limit is not None else ""
        return f"{kind}, protocol {self.protocol}{limit}"

    @property
    def counted(self) -> tuple[Column, ...]:
        """The columns that are no extras."""
        return tuple(column for column in self.columns if not column.extra)

    @property
    def quadrants(self) -> tuple[str, ...]:
        """The quadrants that have a common task."""
        there = {column.quadrant for column in self.columns if column.name in self.common}
        return tuple(name for name in QUADRANTS if name in there)

    @property
    def names(self) -> tuple[str, ...]:
        """The encoders of the rows."""
        return tuple(row.encoder for row in self.rows)

    def keep(self, rows: Sequence[int] | None = None, columns: Sequence[int] | None = None) -> Board:
        """Return the part with these rows and columns, in this order; places and ranks stay those of the whole."""
        return replace(
            self,
            rows=self.rows if rows is None else tuple(self.rows[place] for place in rows),
            columns=self.columns if columns is None else tuple(self.columns[place] for place in columns),
        )

    def column(self, task: str) -> Column:
        """Return a task's column."""
        return next(column for column in self.columns if column.name == task)

    def row(self, encoder: str) -> Row:
        """Return an encoder's row, ranked or published."""
        return next(row for row in (*self.rows, *self.references) if row.encoder == encoder)

    def values(self, task: str) -> np.ndarray:
        """Return a task's scores, one per row, turned so that higher is better; nan is a gap."""
        turn = self.column(task).turned
        found = (self.cells.get((row.encoder, task)) for row in self.rows)
        return np.array([np.nan if cell is None else turn(cell.value) for cell in found])

    def matrix(self) -> np.ndarray:
        """Return all scores [encoders, tasks], turned so that higher is better; nan is a gap."""
        return np.stack([self.values(column.name) for column in self.columns], axis=1)

    def __iter__(self) -> Iterator[tuple[Row, Column, Cell]]:
        """Yield every cell with its row and column."""
        for row in (*self.rows, *self.references):
            for column in self.columns:
                cell = self.cells.get((row.encoder, column.name))
                if cell is not None:
                    yield row, column, cell
