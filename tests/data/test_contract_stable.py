"""Contract (data): what is read is the same whenever, wherever and in whatever company it lies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from virb.cards.select import TASKS
from virb.cards.task import Task
from virb.core.types import SPLITS, Dataset, Split
from virb.data import read_dataset

TASK_NAMES = TASKS.names()
STRAY_FOLDERS = ("@eaDir", "__MACOSX", ".thumbnails", "#recycle", "lost+found")
STRAYS = ("Thumbs.db", ".DS_Store", "._x.png", "._x.jpg", "tmp", "desktop.ini")


@cache
def read(name: str, root: Path) -> Dataset:
    return read_again(name, root)


def read_again(name: str, root: Path) -> Dataset:
    task = Task.read(TASKS.path(name))
    return read_dataset(task.dataset, root, task.target)


# Stability


def splits(data: Dataset) -> dict[str, Split]:
    return {"train": data.train, "val": data.val, "test": data.test}


def assert_same(one: Dataset, two: Dataset) -> None:
    assert one.pool.ids == two.pool.ids
    assert (one.classes, one.rule, one.notes, one.world) == (two.classes, two.rule, two.notes, two.world)
    for part in SPLITS:
        left, right = splits(one)[part], splits(two)[part]
        assert left.ids == right.ids
        for field in ("index", "targets", "groups"):
            assert np.array_equal(getattr(left, field), getattr(right, field)), (part, field)
    if one.labels and two.labels:
        assert one.labels.ids == two.labels.ids
        assert one.labels.rows == two.labels.rows
    assert one.digest == two.digest


class Backwards:
    """What `os.scandir` returns, the last entry first."""

    def __init__(self, entries: Any) -> None:
        with entries:
            self.entries = iter(list(entries)[::-1])

    def __enter__(self) -> Iterator[Any]:
        return self.entries

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        return self.entries

    def __next__(self) -> Any:
        return next(self.entries)

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def moved_world(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the world elsewhere, whose files were created in the opposite order, at another time."""
    place = tmp_path_factory.mktemp("elsewhere") / "deeper"
    for path in sorted(small_world.rglob("*"), reverse=True):
        if path.is_file():
            (place / path.relative_to(small_world)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place / path.relative_to(small_world))
    return place


@pytest.mark.parametrize("name", TASK_NAMES)
def test_reading_twice_gives_the_same_in_the_same_order(name: str, small_world: Path) -> None:
    assert_same(read(name, small_world), read_again(name, small_world))


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_copy_elsewhere_in_another_order_is_the_same_data(
    name: str, small_world: Path, moved_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read(name, small_world)
    scandir, listdir = os.scandir, os.listdir
    monkeypatch.setattr(os, "scandir", lambda *path: Backwards(scandir(*path)))
    monkeypatch.setattr(os, "listdir", lambda *path: listdir(*path)[::-1])
    found = read_again(name, moved_world)
    monkeypatch.undo()
    assert_same(expected, found)
    assert all(moved_world in path.parents for path in found.pool.paths)


@pytest.mark.parametrize("name", TASK_NAMES)
def test_ids_hold_no_path(name: str, small_world: Path) -> None:
    data = read(name, small_world)
    texts = [*data.pool.ids, *(sample for split in splits(data).values() for sample in split.ids)]
    assert not any(text.startswith("/") or ".." in text or "\\" in text for text in texts)
    assert not any(str(small_world.name) in text.split("/") for text in texts)


@pytest.fixture(scope="module")
def littered_world(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the world where desktops and archives have left something in every folder."""
    place = tmp_path_factory.mktemp("littered") / "world"
    shutil.copytree(small_world, place, copy_function=os.link)
    for folder in [place, *(path for path in sorted(place.rglob("*")) if path.is_dir())]:
        first = next((path for path in sorted(folder.iterdir()) if path.is_file() and path.name[0] != "."), None)
        for stray in (*STRAYS, *((f"._{first.name}",) if first else ())):
            if not (folder / stray).exists():
                (folder / stray).write_bytes(b"\0\5\26\7 no picture")
        for stray in STRAY_FOLDERS:  # a network disk keeps thumbnails under the picture's own name
            (folder / stray).mkdir()
            (folder / stray / (first.name if first else "SYNOPHOTO_THUMB_M.jpg")).write_bytes(b"no picture")
    return place


@pytest.mark.parametrize("name", TASK_NAMES)
def test_stray_files_in_every_folder_change_nothing(name: str, small_world: Path, littered_world: Path) -> None:
    assert_same(read(name, small_world), read_again(name, littered_world))
