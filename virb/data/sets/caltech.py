"""Data: Caltech-101 without its background class; the owner gives no split, so this one is drawn by a seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from virb.core.errors import DataError
from virb.core.types import Dataset, Split
from virb.data.classes import CALTECH101
from virb.data.common import (
    carve_per_class,
    check_target,
    compare_counts,
    data_card,
    is_sample,
    list_pictures,
    make_pool,
    make_split,
    refuse_part,
    taken,
)

_DRAWN = (25, 5)
"""Pictures of every class for train and for val; all others are tested."""
_WHOLE = 8_677


def read(folder: Path, target: str) -> Dataset:
    """Read `<class>/image_0001.jpg` of the 101 object classes."""
    check_target("caltech101", target, ("object",))
    card = data_card("caltech101")
    pictures = _pictures(folder)
    classes = {f"{CALTECH101[row]}/{name.rpartition('.')[0]}": row for row, names in pictures.items() for name in names}
    counts = {"all": len(classes)}
    if not is_sample(folder):
        refuse_part(card.title, counts, {"all": _WHOLE}, card.remedy)
    files = [f"{CALTECH101[row]}/{name}" for row, names in pictures.items() for name in names]
    pool = make_pool("caltech101", folder, files, card.remedy)
    names = list(pool.ids)
    drawn = _fitting(pictures) if is_sample(folder) else _DRAWN
    parts = carve_per_class(names, [classes[name] for name in names], drawn, "caltech101", CALTECH101)

    def split(chosen: Sequence[str]) -> Split:
        return make_split(pool, chosen, [[name] for name in chosen], [classes[name] for name in chosen])

    return Dataset(
        pool,
        split(taken(names, parts == 0)),
        split(taken(names, parts == 1)),
        split(taken(names, parts == 2)),
        CALTECH101,
        rule="caltech101 1: {} of each class / {} / all others".format(*drawn),
        notes=() if is_sample(folder) else compare_counts("caltech101", counts, card.counts),
    )


def _pictures(folder: Path) -> dict[int, list[str]]:
    """Return the pictures of each class; only the sample world may lack a class."""
    found = {row: list_pictures(folder / name) for row, name in enumerate(CALTECH101)}
    empty = [row for row, names in found.items() if not names]
    if empty and (len(empty) == len(found) or not is_sample(folder)):
        raise DataError(
            f"Caltech-101: {len(empty)} of {len(found)} class folders in {folder} are missing or empty, "
            f"the first is {CALTECH101[empty[0]]}",
            f"pictures of all {len(found)} classes",
            data_card("caltech101").remedy,
        )
    return {row: names for row, names in found.items() if names}


def _fitting(pictures: dict[int, list[str]]) -> tuple[int, int]:
    """Return the same shares for classes as small as the sample world's: half for train, a tenth for val."""
    fewest = min(len(names) for names in pictures.values())
    if fewest > sum(_DRAWN):
        return _DRAWN
    return max(1, fewest * _DRAWN[0] // 50), max(1, fewest * _DRAWN[1] // 50)
