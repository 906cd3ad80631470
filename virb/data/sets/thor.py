"""Data: the AI2-THOR archives of the original benchmark (egomotion between two frames, steps ahead of one)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from virb.core.errors import DataError
from virb.core.types import Dataset, Split
from virb.data.classes import THOR_ACTIONS
from virb.data.common import (
    carve_groups,
    check_target,
    class_of,
    compare_counts,
    data_card,
    is_sample,
    make_pool,
    make_split,
    read_lines,
    refuse_repeats,
    taken,
)

_CARVED = 0.1
_MOST_STEPS = 200


def read_egomotion(folder: Path, target: str) -> Dataset:
    """Read `{train,val}_labels.txt` (`<prefix> <Action>`) and `<prefix>_rgb_a.jpg`, `<prefix>_rgb_b.jpg`.

    Splits are train less a tenth of its scenes, these scenes, and the owner's val.
    """
    check_target("thor_egomotion", target, ("action",))
    labels = {split: _labels(folder, split, "thor_egomotion", "<Action>") for split in ("train", "val")}
    return _dataset("thor_egomotion", folder, labels, THOR_ACTIONS, ("_rgb_a", "_rgb_b"))


def read_num_steps(folder: Path, target: str) -> Dataset:
    """Read `{train,val}_labels.txt` (`<prefix> <steps>`) and `<prefix>_rgb.jpg`.

    Splits are those of egomotion; the classes run from 0 to the largest number of either list, whichever are absent.
    """
    check_target("thor_num_steps", target, ("steps",))
    labels = {split: _labels(folder, split, "thor_num_steps", "<steps>") for split in ("train", "val")}
    numbers = {
        split: {prefix: str(_steps(label, prefix)) for prefix, label in of.items()} for split, of in labels.items()
    }
    most = max(int(number) for of in numbers.values() for number in of.values())
    classes = tuple(str(number) for number in range(most + 1))
    return _dataset("thor_num_steps", folder, numbers, classes, ("_rgb",))


def _steps(label: str, prefix: str) -> int:
    """Return a number of steps: a rare large one is a slip that would make as many classes."""
    if not (label.isascii() and label.isdigit() and int(label) <= _MOST_STEPS):
        raise DataError(
            f"thor_num_steps: unknown label '{label}' for {prefix}",
            f"a number of steps from 0 to {_MOST_STEPS}",
            "check that the label file is the owner's",
        )
    return int(label)


def _dataset(
    source: str, folder: Path, labels: dict[str, dict[str, str]], classes: tuple[str, ...], endings: tuple[str, ...]
) -> Dataset:
    """Return the data set of two lists: the pictures of a sample are its prefix with each of the endings."""
    card = data_card(source)
    refuse_repeats(card.title, {split: list(of) for split, of in labels.items()}, card.remedy)
    targets = {
        prefix: class_of(label, classes, source, prefix) for of in labels.values() for prefix, label in of.items()
    }
    pool = make_pool(source, folder, [f"{prefix}{ending}.jpg" for prefix in targets for ending in endings], card.remedy)
    names = list(labels["train"])
    held = carve_groups([_scene(name) for name in names], _CARVED, source)

    def split(prefixes: Sequence[str]) -> Split:
        frames = [[f"{prefix}{ending}" for ending in endings] for prefix in prefixes]
        scenes = [_scene(prefix) for prefix in prefixes]
        return make_split(pool, prefixes, frames, [targets[prefix] for prefix in prefixes], scenes)

    return Dataset(
        pool,
        split(taken(names, ~held)),
        split(taken(names, held)),
        split(list(labels["val"])),
        classes,
        rule=f"{source} 1: train less a tenth of its scenes / these / val",
        notes=() if is_sample(folder) else compare_counts(source, {"train and val": len(names)}, card.counts),
    )


def _scene(prefix: str) -> str:
    """`train/FloorPlan1/7` -> `train/FloorPlan1`: pairs of one scene are not independent."""
    return prefix.rsplit("/", 1)[0]


def _labels(folder: Path, split: str, source: str, label: str) -> dict[str, str]:
    """Return prefix to label of a list, as text."""
    path = folder / f"{split}_labels.txt"
    card = data_card(source)
    labels: dict[str, str] = {}
    for line in read_lines(path, card.title, card.remedy):
        prefix, _, value = (part.strip() for part in line.rpartition(" "))
        if not prefix or prefix in labels:
            raise DataError(
                f"{card.title}: {path} has the line {line!r}" + (" twice" if prefix in labels else ""),
                f"'<prefix> {label}', each prefix once",
                card.remedy,
            )
        labels[prefix] = value
    return labels
