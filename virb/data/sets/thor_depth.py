"""Data: the AI2-THOR depth archive of the original benchmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from virb.core.errors import DataError
from virb.core.types import Dataset
from virb.data.common import check_target, compare_counts, data_card, is_sample, make_pool
from virb.data.pixels import Sample, assemble, carved, listing, read_pixels, refuse_unpaired, subfolders

_CARVED = 0.1


def read(folder: Path, target: str) -> Dataset:
    """Read `{train,test}/<scene>/*rgb.jpg` and `*depth.jpg`, joined by what stands before these two endings.

    Splits are train less a tenth of its scenes, these scenes, and test.
    """
    check_target("thor_depth", target, ("depth",))
    card = data_card("thor_depth")
    samples = {split: _samples(folder, split) for split in ("train", "test")}
    every = [sample for part in samples.values() for sample in part]
    pool = make_pool("thor_depth", folder, [f"{sample.name}.jpg" for sample in every], card.remedy)
    counts = {"train and val": len(samples["train"])}
    train, val = carved(samples["train"], _CARVED, "thor_depth")
    return assemble(
        pool,
        {"train": train, "val": val, "test": samples["test"]},
        "values",
        read_depth,
        rule="thor_depth 1: train less a tenth of its scenes / these / test; grey of 0 to 1",
        notes=() if is_sample(folder) else compare_counts("thor_depth", counts, card.counts),
    )


def _samples(folder: Path, split: str) -> list[Sample]:
    card = data_card("thor_depth")
    samples = []
    for scene in subfolders(folder / split):
        place = folder / split / scene
        pictures, depths = (listing(place, rf"(.*){kind}\.jpg") for kind in ("rgb", "depth"))
        refuse_unpaired(f"{card.title}, {split}/{scene}", pictures, depths, "depth", card.remedy)
        for stem, file in pictures.items():
            name = f"{split}/{scene}/{file.removesuffix('.jpg')}"
            samples.append(Sample(name, (name,), scene, place / depths[stem]))
    if not samples:
        raise DataError(f"{card.title}: {folder / split} holds no pictures", "<scene>/*rgb.jpg", card.remedy)
    return samples


def read_depth(path: Path, row: int) -> np.ndarray:
    """Return how far things are [H,W] on a scale of 0 to 1, whose unit nobody stated."""
    stored = read_pixels(path, ("L", "RGB"), "a grey JPEG picture", convert="L")
    return stored.astype(np.float32) / np.float32(255)
