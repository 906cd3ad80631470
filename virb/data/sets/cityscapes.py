"""Data: Cityscapes, fine labels of street scenes, the 19 classes that are scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from virb.core.errors import DataError
from virb.core.types import IGNORED, Dataset
from virb.data.classes import CITYSCAPES, CITYSCAPES_CITIES
from virb.data.common import check_target, compare_counts, data_card, is_sample, make_pool
from virb.data.pixels import (
    REMEDY,
    Sample,
    assemble,
    listing,
    read_pixels,
    refuse_incomplete,
    refuse_unpaired,
    subfolders,
)

_HELD = ("monchengladbach", "zurich")
"""The cities of train that are validation: fixed by name, so that everyone carves the same ones."""
_IDS = 34


def _table() -> np.ndarray:
    """Return the class of each label id; those that are not scored are ignored."""
    table = np.full(_IDS, IGNORED, np.uint8)
    for place, (number, _) in enumerate(CITYSCAPES):
        table[number] = place
    return table


_CLASS = _table()


def read(folder: Path, target: str) -> Dataset:
    """Read `leftImg8bit/{train,val}/<city>/<stem>_leftImg8bit.png` and `gtFine/..._gtFine_labelIds.png`.

    Splits are train less two cities, these two, and the owner's val; its test part has dummy labels only.
    """
    check_target("cityscapes", target, ("semantic",))
    card = data_card("cityscapes")
    samples = {split: _samples(folder, split) for split in ("train", "val")}
    every = [sample for part in samples.values() for sample in part]
    pool = make_pool("cityscapes", folder / "leftImg8bit", [f"{sample.frames[0]}.png" for sample in every], card.remedy)
    parts = {
        "train": [sample for sample in samples["train"] if sample.group not in _HELD],
        "val": [sample for sample in samples["train"] if sample.group in _HELD],
        "test": samples["val"],
    }
    counts = {"train and val": len(samples["train"]), "test": len(samples["val"])}
    return assemble(
        pool,
        parts,
        "classes",
        read_classes,
        rule=f"cityscapes 1: train less {' and '.join(_HELD)} / these / val",
        classes=tuple(name for _, name in CITYSCAPES),
        notes=() if is_sample(folder) else compare_counts("cityscapes", counts, card.counts),
    )


def _samples(folder: Path, split: str) -> list[Sample]:
    """Return the pictures of a split, city by city, each with its label picture of the same stem."""
    card = data_card("cityscapes")
    cities = sorted({*subfolders(folder / "leftImg8bit" / split), *subfolders(folder / "gtFine" / split)})
    required = [city for city in CITYSCAPES_CITIES[split] if not is_sample(folder) or city in _HELD]
    refuse_incomplete(card.title, cities, required, f"cities of {split}", card.remedy)
    if unknown := sorted(set(cities) - set(CITYSCAPES_CITIES[split])):
        raise DataError(
            f"{card.title}: {unknown[0]} is no city of {split}", ", ".join(CITYSCAPES_CITIES[split]), card.remedy
        )
    return [sample for city in cities for sample in _city(folder, split, city)]


def _city(folder: Path, split: str, city: str) -> list[Sample]:
    card = data_card("cityscapes")
    labels = folder / "gtFine" / split / city
    pictures = listing(folder / "leftImg8bit" / split / city, r"(.+)_leftImg8bit\.png")
    targets = listing(labels, r"(.+)_gtFine_labelIds\.png")
    refuse_unpaired(f"{card.title}, {split}/{city}", pictures, targets, "labelIds", card.remedy)
    return [
        Sample(f"{split}/{city}/{stem}", (f"{split}/{city}/{stem}_leftImg8bit",), city, labels / targets[stem])
        for stem in pictures
    ]


def read_classes(path: Path, row: int) -> np.ndarray:
    """Return classes [H,W] of a picture of label ids."""
    stored = read_pixels(path, ("L", "P"), "a picture of label ids, 0 to 33")
    if stored.max(initial=0) >= _IDS:
        raise DataError(f"{path} holds the unknown label id {stored.max()}", f"0 to {_IDS - 1}", REMEDY)
    return np.asarray(_CLASS[stored])
