"""Data: egomotion between two frames of nuScenes, by the lists that the original benchmark published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from virb.cards.dataset import DataCard
from virb.core.errors import DataError
from virb.core.files import read_bytes
from virb.core.types import Dataset, Split
from virb.data.classes import NUSCENES_ACTIONS
from virb.data.common import (
    carve_groups,
    check_target,
    compare_counts,
    data_card,
    is_sample,
    make_pool,
    make_split,
    reading,
    refuse_repeats,
    taken,
)

_CARVED = 0.1
_CAMERA = "__CAM_FRONT__"


@dataclass(frozen=True)
class _Pair:
    """Two frames, by their files, and what the car did between them."""

    first: str
    second: str
    label: str

    @property
    def id(self) -> str:
        """Return both stems: one frame may begin several pairs."""
        return f"{_stem(self.first)} {_stem(self.second)}"

    @property
    def drive(self) -> str:
        """Return the log that the frames come from, or the pair itself where the name does not tell."""
        drive, found, _ = self.first.rpartition("/")[2].partition(_CAMERA)
        return drive if found else self.id


def read(folder: Path, target: str) -> Dataset:
    """Read `nuScenes_{train,test}.json`, lists of img_a, img_b and label, and the frames that they name.

    Splits are train less a tenth of its drives, these, and test.
    """
    check_target("nuscenes", target, ("action",))
    card = data_card("nuscenes")
    lists = {split: _pairs(folder / f"nuScenes_{split}.json", card) for split in ("train", "test")}
    refuse_repeats(card.title, {split: list(pairs) for split, pairs in lists.items()}, card.remedy)
    pairs = {**lists["train"], **lists["test"]}
    classes, notes = _classes([pair.label for pair in pairs.values()])
    pool = make_pool(
        "nuscenes", folder, [file for pair in pairs.values() for file in (pair.first, pair.second)], card.remedy
    )
    names = list(lists["train"])
    held = carve_groups([pairs[name].drive for name in names], _CARVED, "nuscenes")
    places = {name.lower(): row for row, name in enumerate(classes)}

    def split(chosen: Sequence[str]) -> Split:
        these = [pairs[name] for name in chosen]
        frames = [[_stem(pair.first), _stem(pair.second)] for pair in these]
        targets = [places[pair.label.lower()] for pair in these]
        return make_split(pool, chosen, frames, targets, [pair.drive for pair in these])

    if not is_sample(folder):
        notes += compare_counts("nuscenes", {"train and val": len(names)}, card.counts)
    return Dataset(
        pool,
        split(taken(names, ~held)),
        split(taken(names, held)),
        split(list(lists["test"])),
        classes,
        rule="nuscenes 1: train less a tenth of its drives / these / test",
        notes=notes + _shared(lists["train"], lists["test"]),
    )


def _stem(file: str) -> str:
    return file.rpartition(".")[0]


def _classes(labels: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the classes and, where the lists hold other labels than the paper speaks of, a note.

    The words in the lists could not be read when this was written: the union of both lists is then taken, sorted.
    """
    spoken = {label.lower() for label in labels}
    if spoken <= set(NUSCENES_ACTIONS):
        return NUSCENES_ACTIONS, ()
    union = tuple(sorted(spoken))
    return union, (f"nuscenes: the labels are {', '.join(union)}, not {', '.join(NUSCENES_ACTIONS)}",)


def _shared(train: dict[str, _Pair], test: dict[str, _Pair]) -> tuple[str, ...]:
    """Return a note where drives stand in both lists: frames of one drive are not independent."""
    tested = {pair.drive for pair in test.values()}
    both = tested & {pair.drive for pair in train.values()}
    return (f"nuscenes: {len(both)} of the {len(tested)} drives of test stand in train too",) if both else ()


def _pairs(path: Path, card: DataCard) -> dict[str, _Pair]:
    """Return the pairs of a list by their ids, in its order."""
    expected = 'a JSON list of {"img_a": ..., "img_b": ..., "label": ...}'
    with reading(path, card.title, "list of pairs", expected, card.remedy):
        entries = json.loads(read_bytes(path))
        pairs = [_Pair(*(_text(entry[key]) for key in ("img_a", "img_b", "label"))) for entry in entries]
    named = {pair.id: pair for pair in pairs}
    if not pairs or len(named) < len(pairs):
        raise DataError(f"{card.title}: {path} lists {len(pairs)} pairs, {len(named)} of them different",
                        "each pair once", card.remedy)  # fmt: skip
    return named


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError(f"{value!r} is no text")
    return value.strip().removeprefix("./")
