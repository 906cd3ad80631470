"""Data: NYU Depth v2, metric depth and walkable floor of rooms, as its owner and as ViRB's archive lay it out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from virb.core.errors import MissingData
from virb.core.types import Dataset
from virb.data.common import check_target, compare_counts, data_card, is_sample, make_pool
from virb.data.pixels import Sample, assemble, carved, listing, read_pixels, refuse_unpaired
from virb.data.sets.nyu_official import DEPTHS_FILE, read_official

_CARVED = 0.1
_RAW = "raw_depth"
_TARGETS = {"depth": ("depths", r"(.+)\.tiff?"), "walkable": ("walkable", r"(.+)\.png")}
"""Where ViRB's archive holds each target, and what its files are called."""
_WALKABLE = ("not walkable", "walkable")


def read(folder: Path, target: str) -> Dataset:
    """Read the owner's `nyu_depth_v2_labeled.mat` for depth where it is, else ViRB's `{train,test}/images/*.png`.

    ViRB's archive has a split of its own, in which one scene may be on both sides, and gives no scene names. Its
    depth is another data set than the owner's; walkable floor stands nowhere else. Depth is what the owner filled in
    where the sensor saw nothing; `raw_depth`, with the holes, is in the owner's file alone.
    """
    check_target("nyu", target, (*_TARGETS, _RAW))
    if target in ("depth", _RAW) and (folder / DEPTHS_FILE).exists():
        return read_official(folder, _CARVED, target == _RAW)
    if target == _RAW:
        raise MissingData(f"NYU: {DEPTHS_FILE} is not in {folder}", "the file for raw_depth", data_card("nyu").remedy)
    return _read_archive(_archive(folder, target), target)


def _archive(folder: Path, target: str) -> Path:
    """Return where ViRB's archive was unpacked: nothing says whether it brings a folder of its own."""
    for place in (folder, folder / "nyu"):
        if (place / "train").is_dir() or (place / "test").is_dir():
            return place
    wanted = f"{DEPTHS_FILE} or train/images" if target == "depth" else "train/images and train/walkable"
    raise MissingData(f"NYU: {wanted} is not in {folder}", f"the files for {target}", data_card("nyu").remedy)


def _read_archive(folder: Path, target: str) -> Dataset:
    """Return train less a seeded tenth, that tenth, and test, as ViRB's archive divides them."""
    card = data_card("nyu")
    samples = {split: _samples(folder, split, target) for split in ("train", "test")}
    every = [sample for part in samples.values() for sample in part]
    pool = make_pool("nyu", folder, [f"{sample.frames[0]}.png" for sample in every], card.remedy)
    train, val = carved(samples["train"], _CARVED, "nyu")
    counts = {"train and val": len(samples["train"]), "test": len(samples["test"])}
    usual = {"train and val": card.counts["ViRB's train"], "test": card.counts["ViRB's test"]}
    unit = ("depth taken for metres: its unit is nowhere stated",) if target == "depth" else ()
    notes = () if is_sample(folder) else (*unit, *compare_counts("nyu", counts, usual))
    return assemble(
        pool,
        {"train": train, "val": val, "test": samples["test"]},
        "values" if target == "depth" else "classes",
        read_depth if target == "depth" else read_walkable,
        rule=f"nyu 1: ViRB's archive, {target}: train less a seeded tenth / that / test; no scenes known",
        classes=_WALKABLE if target == "walkable" else (),
        notes=notes,
    )


def _samples(folder: Path, split: str, target: str) -> list[Sample]:
    part, pattern = _TARGETS[target]
    card = data_card("nyu")
    pictures = listing(folder / split / "images", r"(.+)\.png")
    targets = listing(folder / split / part, pattern)
    if pictures and not targets:
        raise MissingData(f"{card.title}: {folder / split / part} has no files", f"ViRB's {part}", card.remedy)
    refuse_unpaired(f"{card.title}, {split}", pictures, targets, part, card.remedy)
    names = {stem: f"{split}/images/{stem}" for stem in pictures}
    return [
        Sample(f"{split}/{stem}", (name,), name, folder / split / part / targets[stem]) for stem, name in names.items()
    ]


def read_depth(path: Path, row: int) -> np.ndarray:
    """Return metres [H,W]; what is not a distance in front of the camera is not known."""
    values = read_pixels(path, ("F",), "a TIFF picture of 32-bit floats").astype(np.float32)
    values[~(np.isfinite(values) & (values > 0))] = np.nan
    return values


def read_walkable(path: Path, row: int) -> np.ndarray:
    """Return 1 where one can walk and 0 elsewhere [H,W]: any colour but black means floor."""
    values = read_pixels(path, ("1", "L", "P", "I;16", "I", "RGB"), "a mask: a grey or RGB picture, black and not")
    marked = values != 0
    return np.asarray(marked.any(axis=2) if marked.ndim == 3 else marked).astype(np.uint8)
