"""Data: ImageNet-1k by class folders, or with the owner's flat val; and ImageNetV2, which is tested on only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from virb.cards.dataset import DataCard
from virb.core.errors import DataError
from virb.core.files import read_text
from virb.core.types import Dataset, Pool, Split
from virb.data.common import (
    carve_stratified,
    check_target,
    class_list,
    compare_counts,
    data_card,
    is_sample,
    list_pictures,
    make_split,
    reading,
    refuse_part,
    taken,
)
from virb.data.formats.mat import read_mat

_CARVED = 0.02
_DEVKIT = "ILSVRC2012_devkit_t12/data"
_TRAIN, _VAL, _V2 = 1_281_167, 50_000, 10_000

Found = dict[str, tuple[Path, int]]
"""Sample id, whatever layout it was found in, to file and class."""


def read(folder: Path, target: str) -> Dataset:
    """Read `{train,val}/<wnid>/*.JPEG`, or a flat val with the owner's devkit beside it.

    Splits are train less a fiftieth of each class, these, and val. A class is a place in the sorted wnids.
    """
    check_target("imagenet", target, ("class",))
    card = data_card("imagenet")
    wnids = class_list("imagenet_wnids")
    train = _by_class(
        folder / "train", {name: ("train", row) for row, name in enumerate(wnids)}, card, is_sample(folder)
    )
    test = _val(folder, wnids, card)
    counts = {"train and val": len(train), "test": len(test)}
    if not is_sample(folder):
        refuse_part(card.title, counts, {"train and val": _TRAIN, "test": _VAL}, card.remedy)
    pool = _pool("imagenet", {**train, **test})
    names = list(train)
    held = carve_stratified(names, [row for _, row in train.values()], _CARVED, "imagenet")
    return Dataset(
        pool,
        _split(pool, taken(names, ~held), train),
        _split(pool, taken(names, held), train),
        _split(pool, list(test), test),
        wnids,
        rule="imagenet 1: train less a fiftieth of each class / these / val",
        notes=() if is_sample(folder) else compare_counts("imagenet", counts, card.counts),
    )


def read_v2(folder: Path, target: str) -> Dataset:
    """Read `<k>/*.jpeg`, where k is the number of a class, not padded, or its wnid; there is only a test split.

    Folders in the order of their names would give 0, 1, 10, 100: the usual mistake with this set.
    """
    check_target("imagenetv2", target, ("class",))
    card = data_card("imagenetv2")
    wnids = class_list("imagenet_wnids")
    numbered = any((folder / str(row)).is_dir() for row in range(len(wnids)))
    folders = {str(row) if numbered else name: (str(row), row) for row, name in enumerate(wnids)}
    test = _by_class(folder, folders, card, is_sample(folder))
    if not is_sample(folder):
        refuse_part(card.title, {"test": len(test)}, {"test": _V2}, card.remedy)
    pool = _pool("imagenetv2", test)
    none = _split(pool, [], test)
    return Dataset(
        pool,
        none,
        none,
        _split(pool, list(test), test),
        wnids,
        rule="imagenetv2 1: matched frequency, tested only",
        notes=() if is_sample(folder) else compare_counts("imagenetv2", {"test": len(test)}, card.counts),
    )


def _named(wnids: Sequence[str], split: str) -> dict[str, tuple[str, int]]:
    return {name: (split, row) for row, name in enumerate(wnids)}


def _by_class(folder: Path, folders: Mapping[str, tuple[str, int]], card: DataCard, sample: bool) -> Found:
    """Return the pictures of class folders, given each folder's name, what its ids begin with, and its class.

    The names of ImageNet's own files occur once, so that their ids need no folder; those of V2 do not.
    """
    _refuse_folders(folder, folders, card)
    found: Found = {}
    empty = []
    for name, (prefix, row) in folders.items():
        pictures = list_pictures(folder / name)
        if not pictures:
            empty.append(name)
        _add(found, prefix, folder / name, pictures, row, card)
    if empty and not (sample and found):
        raise DataError(
            f"{card.title}: {len(empty):,} of {len(folders):,} class folders in {folder} are missing or empty, "
            f"the first is {empty[0]}",
            f"pictures of all {len(folders):,} classes",
            card.remedy,
        )
    return found


def _add(found: Found, prefix: str, folder: Path, pictures: Iterable[str], row: int, card: DataCard) -> None:
    for picture in pictures:
        name = f"{prefix}/{os.path.splitext(picture)[0]}"
        if name in found:
            raise DataError(
                f"{card.title}: {picture} stands in {found[name][0].parent} and in {folder}",
                "each picture once, in the folder of its class",
                card.remedy,
            )
        found[name] = (folder / picture, row)


def _refuse_folders(folder: Path, folders: Mapping[str, object], card: DataCard) -> None:
    """Refuse a class folder that is not in the fixed list; what else lies there is no matter."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        raise DataError(f"{card.title}: cannot list {folder}: {error.strerror}", "a folder", card.remedy) from error
    for name in names:
        if name not in folders and _like_a_class(name) and (folder / name).is_dir():
            raise DataError(
                f"{card.title}: {folder / name} is the folder of an unknown class '{name}'",
                f"folders of the {len(folders):,} classes only, such as {next(iter(folders))}",
                card.remedy,
            )


def _like_a_class(name: str) -> bool:
    return name.isdecimal() or (len(name) == 9 and name[0] == "n" and name[1:].isdecimal())


def _val(folder: Path, wnids: Sequence[str], card: DataCard) -> Found:
    """Return the validation pictures from class folders, or flat ones with the labels of the devkit."""
    val = folder / "val"
    flat = list_pictures(val)
    if not flat:
        return _by_class(val, _named(wnids, "val"), card, is_sample(folder))
    devkit = next((place / _DEVKIT for place in (folder, folder.parent) if (place / _DEVKIT).is_dir()), None)
    if devkit is None:
        raise DataError(
            f"{card.title}: {val} holds {len(flat):,} pictures that are in no class folder",
            f"{val}/<wnid>/*.JPEG, or the owner's {_DEVKIT} in {folder}, which has their classes",
            "unpack ILSVRC2012_devkit_t12.tar.gz beside train and val, or move each picture into the folder of its "
            "class, which is what the usual script valprep.sh does",
        )
    rows = _ground_truth(devkit, wnids, card)
    names = {f"ILSVRC2012_val_{number:08d}": row for number, row in enumerate(rows, start=1)}
    pictures = {os.path.splitext(name)[0]: name for name in flat}
    missing = [name for name in names if name not in pictures]
    if missing:
        raise DataError(
            f"{card.title}: {len(missing):,} of {len(names):,} pictures are missing from {val}, "
            f"the first is {missing[0]}.JPEG",
            f"all {len(names):,} pictures that {devkit} labels",
            card.remedy,
        )
    return {f"val/{name}": (val / pictures[name], row) for name, row in names.items()}


def _ground_truth(devkit: Path, wnids: Sequence[str], card: DataCard) -> list[int]:
    """Return the class of each validation picture, in order; the devkit counts classes in an order of its own."""
    path = devkit / "ILSVRC2012_validation_ground_truth.txt"
    place = {name: row for row, name in enumerate(wnids)}
    with reading(devkit, card.title, "devkit", f"the owner's meta.mat and {path.name}", card.remedy):
        synsets = read_mat(devkit / "meta.mat")["synsets"]
        rows = {_number(one["ILSVRC2012_ID"]): place.get(str(np.ravel(one["WNID"])[0]), -1) for one in synsets}
        truth = [rows[int(line)] for line in read_text(path, "ascii").split()]
    if not truth or -1 in truth:
        raise DataError(
            f"{card.title}: {path} labels {len(truth):,} pictures, {truth.count(-1):,} of them with no class of the "
            f"{len(wnids):,}",
            "the owner's file",
            card.remedy,
        )
    return truth


def _number(value: np.ndarray) -> int:
    return int(np.ravel(value)[0])


def _pool(source: str, found: Found) -> Pool:
    ids = tuple(sorted(found))
    return Pool(source, ids, tuple(found[name][0] for name in ids))


def _split(pool: Pool, names: Sequence[str], found: Found) -> Split:
    return make_split(pool, names, [[name] for name in names], [found[name][1] for name in names])
