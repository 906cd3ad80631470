"""SUN397: a tiny copy of the owner's folders and of its first partition, made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from virb.core.errors import CardError, DataError
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.sets import sun

CLASSES = ("abbey", "church/indoor", "church/outdoor", "zoo")
"""Alphabetical, and two of them of two levels."""
TRAIN, TEST = 10, 4


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sun, "_CLASSES", len(CLASSES))
    monkeypatch.setattr(sun, "_LISTED", len(CLASSES) * TEST)


def lines(first: int, count: int) -> list[str]:
    return [
        f"/{name[0]}/{name}/sun_{place:02d}{letter}.jpg"
        for place, name in enumerate(CLASSES)
        for letter in "abcdefghijklmnopqrst"[first : first + count]
    ]


def build(root: Path, top: str = "SUN397", partitions: str = ".") -> Path:
    folder = root / top
    for line in lines(0, TRAIN + TEST + 3):
        path = folder / line[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    # The owner's file, here out of order.
    (folder / "ClassName.txt").write_text("".join(f"/{name[0]}/{name}\n" for name in CLASSES[::-1]))
    place = folder / partitions
    place.mkdir(exist_ok=True)
    write(place, "Training", lines(0, TRAIN))
    write(place, "Testing", lines(TRAIN, TEST))
    return folder


def write(place: Path, split: str, content: list[str], number: int = 1) -> None:
    (place / f"{split}_{number:02d}.txt").write_text("".join(f"{line}\n" for line in content))


def read(root: Path) -> Dataset:
    return read_dataset("sun397", root, "scene")


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(root)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


def test_a_tenth_of_every_class_of_the_training_list_is_validation(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert data.counts == {"train": 36, "val": 4, "test": 16}
    assert np.bincount(data.val.targets).tolist() == [1] * 4
    assert data.test.ids == tuple(line[1:-4] for line in lines(TRAIN, TEST))


def test_a_class_may_have_two_levels_and_its_number_follows_the_sorted_file(tmp_path: Path) -> None:
    folder = build(tmp_path)
    data = read(tmp_path)
    assert data.classes == CLASSES
    for split in (data.train, data.val, data.test):
        for row, place in enumerate(split.index[:, 0]):
            letter_and_class = data.pool.paths[place].parent.relative_to(folder).as_posix()
            assert letter_and_class.partition("/")[2] == CLASSES[split.targets[row]]


def test_pictures_of_no_list_and_other_partitions_are_left_alone(tmp_path: Path) -> None:
    folder = build(tmp_path)
    before = read(tmp_path).digest
    write(folder, "Training", ["/a/abbey/none.jpg"], number=2)
    write(folder, "Training", ["/a/abbey/none.jpg"], number=10)
    assert read(tmp_path).digest == before
    assert len(read(tmp_path).pool) == len(CLASSES) * (TRAIN + TEST)


@pytest.mark.parametrize("place", ["Partitions", "..", "../Partitions"])
def test_the_partition_is_found_where_its_archive_may_have_been_unpacked(tmp_path: Path, place: str) -> None:
    build(tmp_path / "one", partitions=place)
    build(tmp_path / "two")
    assert read(tmp_path / "one").digest == read(tmp_path / "two").digest


def test_a_missing_partition_is_an_error_that_says_where_it_belongs(tmp_path: Path) -> None:
    folder = build(tmp_path)
    for path in folder.glob("T*_01.txt"):
        path.unlink()
    assert "Training_01.txt" in refused(tmp_path)


def test_one_list_without_the_other_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "Testing_01.txt").unlink()
    assert "Testing_01.txt" in refused(tmp_path)


def test_an_unknown_class_is_an_error_that_names_line_and_file(tmp_path: Path) -> None:
    folder = build(tmp_path)
    write(folder, "Testing", ["/c/church/sun_1.jpg"])
    found = refused(tmp_path)
    assert "'church'" in found
    assert "Testing_01.txt" in found


def test_another_number_of_classes_is_an_error_on_real_data_only(tmp_path: Path) -> None:
    folder = build(tmp_path)
    path = folder / "ClassName.txt"
    path.write_text(path.read_text() + "/y/yard\n")
    assert "5 classes" in refused(tmp_path)
    (folder / ".virb-sample.json").write_text("{}")
    assert len(read(tmp_path).classes) == 5


def test_a_class_listed_twice_is_an_error(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "ClassName.txt").write_text("/a/abbey\n/a/abbey\n/z/zoo\n/c/church/outdoor\n")
    assert "3 of them different" in refused(tmp_path)


def test_a_missing_picture_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "c/church/outdoor/sun_02c.jpg").unlink()
    found = refused(tmp_path)
    assert "1 of 56" in found
    assert "c/church/outdoor/sun_02c.jpg" in found


def test_lists_cut_short_are_half_present_data(tmp_path: Path) -> None:
    folder = build(tmp_path)
    write(folder, "Testing", lines(TRAIN, TEST)[:9])
    assert "9 of 16" in refused(tmp_path)


def test_a_picture_that_is_both_trained_on_and_tested_is_an_error(tmp_path: Path) -> None:
    folder = build(tmp_path)
    write(folder, "Testing", [*lines(TRAIN, TEST), lines(0, 1)[0]])
    assert "in training and in testing" in refused(tmp_path)


def test_a_target_that_sun_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(CardError, match="did you mean 'scene'"):
        read_dataset("sun397", tmp_path, "scenes")
