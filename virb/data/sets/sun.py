"""Data: SUN397, scenes by the owner's first partition; some of its classes have two levels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from virb.cards.dataset import DataCard
from virb.core.errors import DataError, did_you_mean
from virb.core.types import Dataset, Split
from virb.data.common import (
    carve_stratified,
    check_target,
    compare_counts,
    data_card,
    is_sample,
    make_pool,
    make_split,
    read_lines,
    refuse_part,
    refuse_repeats,
    taken,
)

_CARVED = 0.1
_CLASSES = 397
_LISTED = 50 * _CLASSES


def read(folder: Path, target: str) -> Dataset:
    """Read `a/abbey/sun_*.jpg`, `c/church/outdoor/sun_*.jpg` by `Training_01.txt` and `Testing_01.txt`.

    Splits are the training list less a tenth of each class, these, and the testing list. Lines begin with a slash.
    """
    check_target("sun397", target, ("scene",))
    card = data_card("sun397")
    classes = _class_names(folder, card)
    places = _partition(folder, card)
    lists = {
        name: [line.removeprefix("/") for line in read_lines(path, card.title, card.remedy)]
        for name, path in places.items()
    }
    refuse_repeats(card.title, lists, card.remedy)
    numbers = {name: row for row, name in enumerate(classes)}
    labels = {
        line.rpartition(".")[0]: _scene(line, numbers, places[name], card)
        for name, lines in lists.items()
        for line in lines
    }
    pool = make_pool("sun397", folder, [line for lines in lists.values() for line in lines], card.remedy)
    names, tested = ([line.rpartition(".")[0] for line in lines] for lines in lists.values())
    held = carve_stratified(names, [labels[name] for name in names], _CARVED, "sun397")

    def split(chosen: Sequence[str]) -> Split:
        return make_split(pool, chosen, [[name] for name in chosen], [labels[name] for name in chosen])

    counts = {"train and val": len(names), "test": len(tested)}
    if not is_sample(folder):
        refuse_part(card.title, counts, {"train and val": _LISTED, "test": _LISTED}, card.remedy)
    return Dataset(
        pool,
        split(taken(names, ~held)),
        split(taken(names, held)),
        split(tested),
        classes,
        rule="sun397 1: partition 01, its training less a tenth of each class / these / its testing",
        notes=() if is_sample(folder) else compare_counts("sun397", counts, card.counts),
    )


def _class_names(folder: Path, card: DataCard) -> tuple[str, ...]:
    """Return the classes of the owner's file, sorted: `/c/church/outdoor` -> `church/outdoor`."""
    path = folder / "ClassName.txt"
    names = sorted(_without_letter(line.removeprefix("/")) for line in read_lines(path, card.title, card.remedy))
    if len(set(names)) != len(names) or (len(names) != _CLASSES and not is_sample(folder)):
        raise DataError(
            f"{card.title}: {path} lists {len(names)} classes, {len(set(names))} of them different",
            f"{_CLASSES} different ones",
            card.remedy,
        )
    return tuple(names)


def _without_letter(place: str) -> str:
    return place.partition("/")[2]


def _partition(folder: Path, card: DataCard) -> dict[str, Path]:
    """Return the two lists of partition 01, wherever their own archive was unpacked."""
    near = (folder, folder / "Partitions", folder.parent / "Partitions", folder.parent)
    for place in near:
        paths = {"training": place / "Training_01.txt", "testing": place / "Testing_01.txt"}
        if any(path.is_file() for path in paths.values()):
            return paths
    raise DataError(
        f"{card.title}: no Training_01.txt in {folder}, nor beside it, nor in a folder Partitions",
        f"{folder / 'Training_01.txt'} and {folder / 'Testing_01.txt'}",
        card.remedy,
    )


def _scene(line: str, numbers: dict[str, int], path: Path, card: DataCard) -> int:
    """Return the class of a picture: what stands between the letter and the file, one level or two."""
    name = _without_letter(line.rpartition("/")[0])
    if name not in numbers:
        raise DataError(
            f"{card.title}: unknown class '{name}' of {line} in {path}{did_you_mean(name, numbers)}",
            "a class of ClassName.txt",
            card.remedy,
        )
    return numbers[name]
