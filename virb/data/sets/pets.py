"""Data: Oxford-IIIT Pet, the breed of an animal and, on the same pictures, its outline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from virb.core.errors import DataError
from virb.core.types import IGNORED, Dataset, Labels, Split
from virb.data.classes import PETS
from virb.data.common import (
    carve_stratified,
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
from virb.data.pictures import stored_pixels

_CARVED = 0.1
_CODES = np.array([IGNORED, 1, 0, IGNORED], np.uint8)
"""A trimap's own codes: 1 the animal, 2 around it, 3 the border between; some maps hold a few zeros."""


def read(folder: Path, target: str) -> Dataset:
    """Read `images/<Breed>_<n>.jpg` by the lists `annotations/{trainval,test}.txt`, for `breed` or `trimap`.

    Splits are trainval less a tenth of each breed, these, and test: the same pictures for both targets.
    """
    check_target("pets", target, ("breed", "trimap"))
    card = data_card("pets")
    trainval, test = _breeds(folder, "trainval"), _breeds(folder, "test")
    refuse_repeats(card.title, {"trainval": list(trainval), "test": list(test)}, card.remedy)
    breeds = {**trainval, **test}
    pool = make_pool("pets", folder / "images", [f"{name}.jpg" for name in breeds], card.remedy)
    labels = _trimaps(folder, pool.ids) if target == "trimap" else None
    values = {name: row for row, name in enumerate(labels.ids)} if labels else breeds
    names = list(trainval)
    held = carve_stratified(names, list(trainval.values()), _CARVED, "pets")

    def split(chosen: Sequence[str]) -> Split:
        return make_split(pool, chosen, [[name] for name in chosen], [values[name] for name in chosen])

    counts = {"train and val": len(trainval), "test": len(test)}
    return Dataset(
        pool,
        split(taken(names, ~held)),
        split(taken(names, held)),
        split(list(test)),
        ("background", "animal") if labels else PETS,
        rule="pets 1: trainval less a tenth of each breed / these / test",
        notes=() if is_sample(folder) else compare_counts("pets", counts, card.counts),
        labels=labels,
    )


def _breeds(folder: Path, split: str) -> dict[str, int]:
    """Return name to breed of a list whose lines are `<Breed>_<n> CLASS SPECIES BREED`; the name is what counts."""
    card = data_card("pets")
    path = folder / "annotations" / f"{split}.txt"
    breeds: dict[str, int] = {}
    for line in read_lines(path, card.title, card.remedy):
        if line.startswith("#"):
            continue
        name = line.split()[0]
        if name in breeds:
            raise DataError(f"{card.title}: {path} lists {name} twice", "each picture once", card.remedy)
        breeds[name] = class_of(name.rpartition("_")[0], PETS, "pets", f"{name} in {path}")
    if not is_sample(folder) and (lacking := set(range(len(PETS))) - set(breeds.values())):
        raise DataError(
            f"{card.title}: {path} lists no {PETS[min(lacking)]} ({len(lacking)} of {len(PETS)} breeds are missing)",
            f"pictures of all {len(PETS)} breeds",
            card.remedy,
        )
    return breeds


def _trimaps(folder: Path, names: Sequence[str]) -> Labels:
    """Return the outlines of these pictures; one without is an error."""
    files = [f"{name}.png" for name in names]
    maps = make_pool("pets trimaps", folder / "annotations" / "trimaps", files, data_card("pets").remedy)
    return Labels("classes", maps.ids, maps.paths, (0,) * len(maps), read_trimap)


def read_trimap(path: Path, _row: int) -> np.ndarray:
    """Return 1 on the animal, 0 around it, IGNORED on the border and where nothing was said, uint8 [H, W]."""
    _, codes = stored_pixels(path, "a PNG file", data_card("pets").remedy, name=f"the trimap {path}")
    if codes.ndim != 2 or codes.max(initial=0) >= len(_CODES):
        found = f"the value {codes.max()}" if codes.ndim == 2 else f"{codes.shape[-1]} channels"
        raise DataError(f"the trimap {path} holds {found}", "one channel of the codes 0 to 3", data_card("pets").remedy)
    return np.asarray(_CODES[codes.astype(np.intp)])
