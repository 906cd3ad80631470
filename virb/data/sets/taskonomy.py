"""Data: Taskonomy, depth, edges and inpainting of buildings, in omnidata's, the owner's and ViRB's layout."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from virb.core.errors import DataError, MissingData
from virb.core.types import SPLITS, Dataset, Pool
from virb.data.classes import TASKONOMY_TINY
from virb.data.common import check_target, data_card, is_sample, read_lines, reading
from virb.data.formats.png16 import read_gray16
from virb.data.pictures import read_rgb
from virb.data.pixels import REMEDY, Sample, assemble, carved, listing, read_pixels, refuse_incomplete, subfolders

_CARVED = 0.1
_LIST = "train_val_test_tiny.csv"
_PER_METRE, _MISSING = 512.0, 65535
_RGB = "rgb"
_VIEW = r"(point_\d+_view_\d+)_domain_\w+\.png"
_VIRB_VIEW = r"(.+?)(?:_domain_\w+)?\.png"
"""What ViRB's pictures are called is not known, but for the part that may tell one kind from another."""


@dataclass(frozen=True)
class _Target:
    """Where a target lies in the owner's layouts and in ViRB's, and how it is read."""

    folder: str
    virb: str
    reader: Callable[[Path, int], np.ndarray]


_Files = dict[str, tuple[str, Path]]
"""The building and the file of each view, by the name of the view."""


def read(folder: Path, target: str) -> Dataset:
    """Read views by (building, point, view): the official tiny split, or ViRB's own folders of train and test.

    Omnidata: `<task>/taskonomy/<building>/point_0_view_0_domain_<task>.png`; the owner's archives:
    `<building>_<task>/<task>/...` or `<building>/<task>/...`; ViRB: `{train,test}/<task>/<building>/*.png`.
    """
    check_target("taskonomy", target, tuple(_TARGETS))
    if (folder / "train" / _RGB).is_dir() and set(_buildings(folder, _RGB)) <= {"train", "test"}:
        return _read_virb(folder, target)
    return _read_official(folder, target)


def _read_official(folder: Path, target: str) -> Dataset:
    card = data_card("taskonomy")
    tiny, notes = _tiny(folder)
    split_of = {building: split for split in SPLITS for building in tiny[split]}
    there = _buildings(folder, _RGB)
    if extra := set(there) - set(split_of):
        notes = (*notes, f"taskonomy: {len(extra):,} buildings outside the tiny split are not used")
    pictures, targets = (
        _files({name: place for name, place in _buildings(folder, task).items() if name in split_of}, _VIEW)
        for task in (_RGB, _TARGETS[target].folder)
    )
    if not is_sample(folder):
        found = {building for building, _ in pictures.values()}
        refuse_incomplete(card.title, found, list(split_of), "buildings of the tiny split", card.remedy)
    parts, orphans = _paired(pictures, targets, _TARGETS[target].folder)
    by_split = {split: [one for one in parts if split_of[one.group] == split] for split in SPLITS}
    return _dataset(pictures, by_split, target, "taskonomy 1: official tiny split by building", (*notes, *orphans))


def _read_virb(folder: Path, target: str) -> Dataset:
    """Return train less a tenth of its buildings, these, and test, as the original benchmark divides them."""
    part = _TARGETS[target].virb
    pictures, targets = (
        {
            f"{split}/{name}": entry
            for split in ("train", "test")
            for name, entry in _files(_inside(folder / split / kind), _VIRB_VIEW).items()
        }
        for kind in (_RGB, part)
    )
    samples, notes = _paired(pictures, targets, part)
    train, val = carved([one for one in samples if one.name.startswith("train/")], _CARVED, "taskonomy")
    test = [one for one in samples if one.name.startswith("test/")]
    rule = f"taskonomy 1: ViRB's folders, {part}: train less a tenth of its buildings / these / test"
    return _dataset(pictures, {"train": train, "val": val, "test": test}, target, rule, notes)


def _buildings(folder: Path, task: str) -> dict[str, Path]:
    """Return where the files of a task lie for each building, in omnidata's layout or in the owner's."""
    if (folder / task / "taskonomy").is_dir():
        return {name.lower(): place for name, place in _inside(folder / task / "taskonomy").items()}
    places = {name: place / task for name, place in _inside(folder).items()}
    return {name.removesuffix(f"_{task}").lower(): place for name, place in places.items() if place.is_dir()}


def _inside(folder: Path) -> dict[str, Path]:
    return {name: folder / name for name in subfolders(folder)}


def _files(buildings: Mapping[str, Path], pattern: str) -> _Files:
    return {
        f"{building}/{view}": (building, place / name)
        for building, place in buildings.items()
        for view, name in listing(place, pattern).items()
    }


def _paired(pictures: _Files, targets: _Files, what: str) -> tuple[list[Sample], tuple[str, ...]]:
    """Return a sample for each picture; a target without picture is noted, for not all archives are equally whole."""
    card = data_card("taskonomy")
    if pictures and not targets:
        raise MissingData(f"{card.title}: there is no {what} beside the pictures", f"the files of {what}", card.remedy)
    if alone := sorted(set(pictures) - set(targets)):
        raise DataError(
            f"{card.title}: {len(alone):,} of {len(pictures):,} views have no {what}, the first is {alone[0]}",
            f"a {what} file to every picture",
            card.remedy,
        )
    orphans = len(targets) - len(pictures)
    notes = (f"taskonomy: {orphans:,} {what} files have no picture and are not used",) if orphans else ()
    return [Sample(name, (name,), pictures[name][0], targets[name][1]) for name in sorted(pictures)], notes


def _dataset(
    pictures: _Files, parts: Mapping[str, Sequence[Sample]], target: str, rule: str, notes: tuple[str, ...]
) -> Dataset:
    """Return the data set; ids hold no layout, so that the owner's archives and omnidata's are the same data."""
    names = sorted(pictures)
    pool = Pool("taskonomy", tuple(names), tuple(pictures[name][1] for name in names))
    if target == "inpainting":  # other pictures, though of the same files: the encoder must not see what is hidden
        pool = replace(pool, source="taskonomy_hidden", rows=(0,) * len(names), reader=open_hidden)
    return assemble(pool, parts, "values", _TARGETS[target].reader, rule=f"{rule}; {target}", notes=notes)


def _tiny(folder: Path) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Return the buildings of each split: by the list of the owner where it lies in the folder, else by our own."""
    for path in (folder / _LIST, folder / "splits_taskonomy" / _LIST):
        if path.is_file():
            found = _listed(path)
            differs = any(set(found[split]) != set(TASKONOMY_TINY[split]) for split in SPLITS)
            return found, ((f"taskonomy: {path.name} differs from the tiny split as known here",) if differs else ())
    return TASKONOMY_TINY, ()


def _listed(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the buildings by split from a table with the columns id, train, val and test."""
    with reading(path, "Taskonomy", "list of splits", "columns id, train, val, test", REMEDY):
        rows = list(csv.DictReader(read_lines(path, "Taskonomy", REMEDY)))
        found = {split: tuple(sorted(row["id"].strip().lower() for row in rows if int(row[split]))) for split in SPLITS}
    every = [building for split in SPLITS for building in found[split]]
    if len(set(every)) < len(every) or not all(found.values()):
        raise DataError(f"{path} puts a building in two splits, or leaves one empty", "the owner's list", REMEDY)
    return found


def read_depth(path: Path, row: int) -> np.ndarray:
    """Return metres [H,W]; 65535 is missing, and so is 0, for no wall touches the camera."""
    stored = read_gray16(path)
    values = stored.astype(np.float32) / np.float32(_PER_METRE)
    values[(stored == _MISSING) | (stored == 0)] = np.nan
    return values


def read_edges(path: Path, row: int) -> np.ndarray:
    """Return the strength of edges [H,W] as a share of the largest that the file can hold, in 16 bits or in 8."""
    stored = read_pixels(path, ("I;16", "I", "L"), "a grey PNG picture of 16 or 8 bits")
    return stored.astype(np.float32) / np.float32(255 if stored.dtype == np.uint8 else 65535)


def open_hidden(path: Path, row: int) -> Image.Image:
    """Return a picture whose middle square is grey, the mean of ImageNet, as nothing at all looks to an encoder."""
    shown = read_rgb(path)
    width, height = shown.size
    box = (width * 64 // 224, height * 64 // 224, width * 160 // 224, height * 160 // 224)
    shown.paste((124, 116, 104), box)
    return shown


def read_colours(path: Path, row: int) -> np.ndarray:
    """Return the picture itself [H,W,3], 0 to 1: what is to be painted where it is hidden."""
    stored = read_pixels(path, ("RGB", "RGBA", "L", "P"), "an RGB picture", convert="RGB")
    return stored.astype(np.float32) / np.float32(255)


_TARGETS = {
    "depth_zbuffer": _Target("depth_zbuffer", "depth_zbuffer", read_depth),
    "edge_texture": _Target("edge_texture", "edges", read_edges),
    "inpainting": _Target(_RGB, _RGB, read_colours),
}
