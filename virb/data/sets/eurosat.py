"""Data: EuroSAT, ten kinds of land cover; there is no official split, so published lists are taken where they lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from virb.cards.dataset import DataCard
from virb.core.errors import DataError
from virb.core.types import Dataset, Split
from virb.data.classes import EUROSAT
from virb.data.common import (
    carve_stratified,
    check_target,
    class_of,
    compare_counts,
    data_card,
    is_sample,
    list_pictures,
    make_pool,
    make_split,
    read_lines,
    refuse_repeats,
    taken,
)

Lists = dict[str, list[str]]
"""Split to samples such as `AnnualCrop/AnnualCrop_1`."""

_SPLITS = ("train", "val", "test")
_SHARE = 0.2
"""Of every class for val, and as much for test, where no lists lie beside the pictures."""


def read(folder: Path, target: str) -> Dataset:
    """Read `<Class>/<Class>_<n>.jpg`, or the .jpeg or .png of a copy.

    Split by `eurosat-{train,val,test}.txt` in or beside the folder, else by a seed.
    The two splits have another rule and so another digest: their records never stand in one ranking.
    """
    check_target("eurosat", target, ("cover",))
    card = data_card("eurosat")
    listed = _published(folder, card)
    lists = _drawn(folder, card) if listed is None else listed
    refuse_repeats(card.title, lists, card.remedy)
    covers = {name: _cover(name) for names in lists.values() for name in names}
    files = [picture for picture in _there(folder) if _stem(picture) in covers]
    absent = covers.keys() - map(_stem, files)
    pool = make_pool("eurosat", folder, [*files, *(f"{name}.jpg" for name in absent)], card.remedy)

    def split(names: Sequence[str]) -> Split:
        return make_split(pool, names, [[name] for name in names], [covers[name] for name in names])

    drawn = "drawn 60/20/20 from each class" if listed is None else "the lists eurosat-{train,val,test}.txt"
    return Dataset(
        pool,
        split(lists["train"]),
        split(lists["val"]),
        split(lists["test"]),
        EUROSAT,
        rule=f"eurosat 1: {drawn}",
        notes=() if is_sample(folder) else compare_counts("eurosat", {"all": len(covers)}, card.counts),
    )


def _cover(name: str) -> int:
    return class_of(name.partition("/")[0], EUROSAT, "eurosat", name)


def _published(folder: Path, card: DataCard) -> Lists | None:
    """Return the published lists, or None where there are none; one or two of the three are a mistake."""
    for place in (folder, folder.parent):
        paths = {split: place / f"eurosat-{split}.txt" for split in _SPLITS}
        there = [path for path in paths.values() if path.is_file()]
        if there and len(there) < len(paths):
            absent = next(path for path in paths.values() if path not in there)
            raise DataError(
                f"{card.title}: {there[0]} is there, but {absent.name} is not beside it",
                "all three lists, or none of them",
                "fetch the missing list, or remove the others to have a split drawn by a seed",
            )
        if there:
            return {
                split: [_placed(line) for line in read_lines(paths[split], card.title, card.remedy)]
                for split in _SPLITS
            }
    return None


def _placed(line: str) -> str:
    """`AnnualCrop_1.jpg` -> `AnnualCrop/AnnualCrop_1`: the lists name no folder, and some of them another ending."""
    stem = os.path.splitext(os.path.basename(line))[0]
    return f"{stem.rpartition('_')[0]}/{stem}"


def _there(folder: Path) -> list[str]:
    return [f"{cover}/{picture}" for cover in EUROSAT for picture in list_pictures(folder / cover)]


def _stem(picture: str) -> str:
    return picture.rpartition(".")[0]


def _drawn(folder: Path, card: DataCard) -> Lists:
    names = [_stem(picture) for picture in _there(folder)]
    lacking = [cover for cover in EUROSAT if not any(name.startswith(f"{cover}/") for name in names)]
    if lacking:
        raise DataError(
            f"{card.title}: the class folder {folder / lacking[0]} is missing or empty",
            f"pictures of all {len(EUROSAT)} classes",
            card.remedy,
        )
    tested = carve_stratified(names, [_cover(name) for name in names], _SHARE, "eurosat test")
    rest = taken(names, ~tested)
    held = carve_stratified(rest, [_cover(name) for name in rest], _SHARE / (1 - _SHARE), "eurosat val")
    return {"train": taken(rest, ~held), "val": taken(rest, held), "test": taken(names, tested)}
