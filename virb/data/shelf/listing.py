"""Shelf: what is there, what is missing, what is broken, and the next step for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from virb.cards.dataset import DataCard
from virb.cards.select import all_tasks
from virb.cards.task import Task
from virb.core.errors import CardError, DataError, MissingData, UsageError, VirbError, did_you_mean
from virb.data import read_dataset
from virb.data.common import DATASETS, data_card, is_sample, locate

State = Literal["found", "missing", "broken", "unreadable"]
"""`unreadable`: it lies there, but nothing in this version reads it."""


@dataclass(frozen=True)
class ShelfRow:
    """One data set on the shelf."""

    card: DataCard
    state: State
    tasks: tuple[Task, ...]
    folder: Path | None = None
    counts: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""
    remedy: str = ""
    sample: bool = False

    @property
    def next_step(self) -> str:
        """What someone who wants to use this data set does now."""
        if self.state == "found":
            return f"virb data verify {self.card.name}"
        if self.state == "missing" and self.sample:
            return f"virb data sample {self.card.name}"
        if self.state == "missing":
            return f"virb data download {self.card.name}" if self.card.access == "open" else self.card.steps
        return self.remedy


def names() -> list[str]:
    """Return every data set that has a card."""
    return DATASETS.names()


def card(name: str) -> DataCard:
    """Return the card of a data set; an unknown name is answered with the nearest."""
    known = names()
    if name not in known:
        raise UsageError(
            f"there is no data set '{name}'{did_you_mean(name, known)}",
            "one of " + ", ".join(known),
            "see 'virb data status' for what there is",
        )
    return data_card(name)


def uses() -> dict[str, list[Task]]:
    """Return the tasks of each data set, those that count in every comparison first."""
    found: dict[str, list[Task]] = {name: [] for name in names()}
    for task in sorted(all_tasks(), key=lambda task: (task.extra, task.name)):
        found.setdefault(task.dataset, []).append(task)
    return found


def targets(tasks: Sequence[Task]) -> list[str]:
    """Return what tasks ask of their data set, each once."""
    return list(dict.fromkeys(task.target for task in tasks))


def status(root: Path, chosen: Sequence[str] = (), *, sample: bool = False) -> list[ShelfRow]:
    """Return the state of every data set below `root`, or of the chosen ones; each is read for one target only.

    `sample` says that the root is the sample world's, where what is missing is made and not fetched.
    """
    tasks = uses()
    return [_row(card(name), root, tuple(tasks[name]), sample) for name in chosen or names()]


def _row(card: DataCard, root: Path, tasks: tuple[Task, ...], sample: bool) -> ShelfRow:
    try:
        folder = locate(root, card)
    except MissingData as error:
        return ShelfRow(card, "missing", tasks, problem=error.found, remedy=error.remedy, sample=sample)
    except DataError as error:
        return ShelfRow(card, "broken", tasks, problem=error.found, remedy=error.remedy)
    sample = is_sample(folder)
    if not tasks:
        return ShelfRow(card, "unreadable", tasks, folder, problem="no task of this version uses it", sample=sample)
    return _read(card, root, folder, tasks, sample)


def _read(card: DataCard, root: Path, folder: Path, tasks: tuple[Task, ...], sample: bool) -> ShelfRow:
    """Read the data set for its first target; what cannot be read for that one may be whole for another."""
    failures: list[VirbError] = []
    failed: list[str] = []
    for target in targets(tasks):
        try:
            dataset = read_dataset(card.name, root, target)
        except VirbError as error:
            failures.append(error)
            failed.append(f"{target}: {error.found}")
            continue
        notes = () if sample else dataset.notes  # the sample world is small by design
        return ShelfRow(card, "found", tasks, folder, tuple(dataset.counts.items()), (*failed, *notes), sample=sample)
    first = failures[0]
    state: State = "unreadable" if isinstance(first, CardError) else "broken"
    return ShelfRow(card, state, tasks, folder, problem=first.found, remedy=first.remedy, sample=sample)
