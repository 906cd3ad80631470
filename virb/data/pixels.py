"""Data: what the adapters of pixel-wise tasks share: pairing by stem, pictures that are labels, samples to splits."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from virb.core.errors import DataError
from virb.core.types import SPLITS, Dataset, LabelKind, Labels, Pool
from virb.data.common import carve_groups, make_split, names_in
from virb.data.pictures import stored_pixels

REMEDY = "fetch or unpack this file again"


@dataclass(frozen=True)
class Sample:
    """One target and the pool ids of the pictures that it belongs to."""

    name: str
    frames: tuple[str, ...]
    group: str
    label: Path
    row: int = 0


def listing(folder: Path, pattern: str) -> dict[str, str]:
    """Return what the pattern's group catches of each file's name, and the name, sorted.

    Names that do not match are left out; so are hidden ones, which some archives hold a twin of every picture under.
    A folder that is not there has no files: the caller knows what should be in it.
    """
    found: dict[str, str] = {}
    for name in _names(folder, folders=False):
        match = re.fullmatch(pattern, name)
        if match is None:
            continue
        if match[1] in found:
            raise DataError(f"{folder} holds both {found[match[1]]} and {name}", "one file to a name", "remove one")
        found[match[1]] = name
    return found


def subfolders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted; strays are left out."""
    return _names(folder, folders=True)


def _names(folder: Path, folders: bool) -> list[str]:
    try:
        return names_in(folder, folders=folders)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(f"cannot list {folder}: {error.strerror or error}", "a readable folder", REMEDY) from error


def refuse_unpaired(source: str, pictures: Collection[str], targets: Collection[str], what: str, remedy: str) -> None:
    """Refuse pictures without their target, and targets without their picture: one of the two came in part."""
    for have, lack, message in (
        (pictures, targets, f"pictures have no {what}"),
        (targets, pictures, f"{what} files have no picture"),
    ):
        if alone := sorted(set(have) - set(lack)):
            raise DataError(
                f"{source}: {len(alone):,} of {len(have):,} {message}, the first is {alone[0]}",
                f"a picture and a {what} file to every name",
                remedy,
            )


def refuse_incomplete(source: str, found: Collection[str], expected: Collection[str], what: str, remedy: str) -> None:
    """Refuse a data set of which parts are missing; what is there beside them is the caller's business."""
    if missing := [name for name in expected if name not in found]:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise DataError(
            f"{source}: {len(missing):,} of {len(expected):,} {what} are missing: {shown}",
            f"all {len(expected):,} {what}",
            remedy,
        )


def carved(samples: Sequence[Sample], share: float, seed: str) -> tuple[list[Sample], list[Sample]]:
    """Return the samples to train on and those of the groups that are drawn for validation."""
    held = carve_groups([sample.group for sample in samples], share, seed)
    return (
        [sample for sample, out in zip(samples, held, strict=True) if not out],
        [sample for sample, out in zip(samples, held, strict=True) if out],
    )


def assemble(
    pool: Pool,
    parts: Mapping[str, Sequence[Sample]],
    kind: LabelKind,
    reader: Callable[[Path, int], np.ndarray],
    *,
    rule: str,
    classes: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Return the data set of these samples; the labels of all splits stand in one list, train first."""
    splits, start = {}, 0
    for name in SPLITS:
        some = parts[name]
        if not some:
            raise DataError(f"{pool.source}: there is no sample in {name}", f"samples in all of '{rule}'", REMEDY)
        rows = range(start, start := start + len(some))
        frames = [sample.frames for sample in some]
        splits[name] = make_split(
            pool, [sample.name for sample in some], frames, rows, [sample.group for sample in some]
        )
    every = [sample for name in SPLITS for sample in parts[name]]
    labels = Labels(
        kind,
        tuple(sample.name for sample in every),
        tuple(sample.label for sample in every),
        tuple(sample.row for sample in every),
        reader,
    )
    return Dataset(pool, splits["train"], splits["val"], splits["test"], classes, rule=rule, notes=notes, labels=labels)


def read_pixels(path: Path, modes: Collection[str], expected: str, convert: str | None = None) -> np.ndarray:
    """Return a label picture as it is stored; one of another mode would be read wrongly and is refused."""
    mode, values = stored_pixels(path, expected, REMEDY, convert=convert)
    if mode not in modes:
        raise DataError(f"{path} has pixels of mode {mode}", expected, REMEDY)
    return values
