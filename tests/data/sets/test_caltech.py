"""Caltech-101: a tiny copy of the owner's folders, made by hand, with the stray files that they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from virb.core.errors import CardError, DataError
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.classes import CALTECH101
from virb.data.sets import caltech


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caltech, "_WHOLE", 101 * 32)


def size_of(row: int) -> int:
    """The smallest real class has 31 pictures, airplanes 800."""
    return 31 + row % 4


def build(root: Path, top: str = "caltech-101/101_ObjectCategories", sizes: dict[str, int] | None = None) -> Path:
    folder = root / top
    for row, name in enumerate(CALTECH101):
        (folder / name).mkdir(parents=True)
        for number in range(size_of(row) if sizes is None else sizes.get(name, 0)):
            (folder / name / f"image_{number + 1:04d}.jpg").touch()
    (folder / "BACKGROUND_Google").mkdir()
    (folder / "BACKGROUND_Google" / "image_0001.jpg").touch()
    (folder / "BACKGROUND_Google" / "tmp").touch()
    (folder / "accordion" / "tmp").touch()
    (folder / "accordion" / "._image_0001.jpg").touch()
    return folder


def read(root: Path) -> Dataset:
    return read_dataset("caltech101", root, "object")


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(root)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


def test_there_are_101_classes_sorted_with_capitals_first_and_no_background() -> None:
    assert len(CALTECH101) == 101
    assert list(CALTECH101) == sorted(set(CALTECH101))
    assert CALTECH101[:5] == ("Faces", "Faces_easy", "Leopards", "Motorbikes", "accordion")
    assert "BACKGROUND_Google" not in CALTECH101


def test_25_and_5_of_every_class_are_drawn_without_repeats_and_all_others_are_tested(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert np.bincount(data.train.targets).tolist() == [25] * 101
    assert np.bincount(data.val.targets).tolist() == [5] * 101
    assert np.bincount(data.test.targets).tolist() == [size_of(row) - 30 for row in range(101)]
    assert len({*data.train.ids, *data.val.ids, *data.test.ids}) == len(data.pool)


def test_a_sample_is_of_the_class_of_its_folder(tmp_path: Path) -> None:
    folder = build(tmp_path)
    data = read(tmp_path)
    for split in (data.train, data.val, data.test):
        for row, place in enumerate(split.index[:, 0]):
            assert data.pool.paths[place].parent == folder / data.classes[split.targets[row]]


def test_the_draw_is_by_name_and_not_by_the_first_numbers(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    numbers = {name[-4:] for name in data.test.ids}
    assert len(numbers) > 20, "the last pictures of each class are not what is tested"


@pytest.mark.parametrize("top", ["caltech101/101_ObjectCategories", "101_ObjectCategories", "caltech-101", "caltech"])
def test_the_usual_folders_are_found_and_leave_no_trace_in_the_digest(tmp_path: Path, top: str) -> None:
    build(tmp_path / "one", top=top)
    build(tmp_path / "two")
    assert read(tmp_path / "one").digest == read(tmp_path / "two").digest


def test_a_missing_class_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "yin_yang").rename(folder / "yinyang")
    found = refused(tmp_path)
    assert "1 of 101" in found
    assert "yin_yang" in found


def test_a_class_too_small_to_test_is_an_error_that_names_it(tmp_path: Path) -> None:
    build(tmp_path, sizes={**dict.fromkeys(CALTECH101, 33), "wrench": 30})
    found = refused(tmp_path)
    assert "wrench" in found
    assert "30 images" in found


def test_a_copy_cut_short_is_half_present_data(tmp_path: Path) -> None:
    build(tmp_path, sizes=dict.fromkeys(CALTECH101, 31))
    assert "3,131 of 3,232" in refused(tmp_path)


def test_the_sample_world_may_hold_a_few_classes_of_a_few_pictures(tmp_path: Path) -> None:
    folder = build(tmp_path, sizes={"ant": 12, "yin_yang": 14})
    (folder / ".virb-sample.json").write_text("{}")
    data = read(tmp_path)
    assert data.counts == {"train": 12, "val": 2, "test": 12}
    assert set(data.test.targets) == {CALTECH101.index("ant"), 100}


def test_counts_are_noted(tmp_path: Path) -> None:
    build(tmp_path)
    assert "usually 8,677" in read(tmp_path).notes[0]


def test_a_target_that_caltech_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(CardError, match="did you mean 'object'"):
        read_dataset("caltech101", tmp_path, "objects")
