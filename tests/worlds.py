"""Copies of data sets of the sample world, with the marks that stand beside them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from virb.data.classes import SAMPLE_MARKER as MARKER
from virb.data.common import sample_markers


def copy_world(world: Path, top: str, root: Path, copy: Callable[[str, str], object] = shutil.copy2) -> Path:
    """Copy a folder of a world into another root, and its mark, which is rewritten whole and never linked."""
    place = Path(shutil.copytree(world / top, root / top, copy_function=copy))
    mark = sample_markers(world / top)[0]
    if mark.is_file():
        shutil.copy(mark, sample_markers(place)[0])
    return place


def marker_of(folder: Path) -> Path:
    """Return where the mark of a data set of the sample world stands."""
    return sample_markers(folder)[0]


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder but the marks."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(MARKER)
    }


def leftovers(root: Path) -> list[str]:
    """Return what was begun in a folder and not finished."""
    return [path.name for path in root.iterdir() if path.name.endswith(".tmp")]
