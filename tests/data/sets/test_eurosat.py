"""EuroSAT: a tiny copy of both archives, made by hand, with the published lists and without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from virb.core.errors import CardError, DataError
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.classes import EUROSAT

LISTS = {"train": range(1, 7), "val": range(7, 9), "test": range(9, 11)}


def build(root: Path, top: str = "eurosat/2750", count: int = 10, ending: str = ".jpg") -> Path:
    folder = root / top
    for name in EUROSAT:
        (folder / name).mkdir(parents=True)
        for number in range(1, count + 1):
            (folder / name / f"{name}_{number}{ending}").touch()
    (folder / "River" / "._River_1.jpg").touch()
    (folder / "River" / "River_1.jpg.aux.xml").touch()
    return folder


def write_lists(place: Path, ending: str = ".jpg") -> None:
    for split, numbers in LISTS.items():
        lines = [f"{name}_{number}{ending}" for number in numbers for name in reversed(EUROSAT)]
        (place / f"eurosat-{split}.txt").write_text("".join(f"{line}\n" for line in lines))


def read(root: Path) -> Dataset:
    return read_dataset("eurosat", root, "cover")


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(root)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


@pytest.mark.parametrize("ending", [".jpg", ".tif"])
@pytest.mark.parametrize("beside", [False, True])
def test_published_lists_in_or_beside_the_folder_make_the_split(tmp_path: Path, beside: bool, ending: str) -> None:
    folder = build(tmp_path)
    write_lists(folder.parent if beside else folder, ending)
    data = read(tmp_path)
    assert data.counts == {"train": 60, "val": 20, "test": 20}
    assert data.test.ids[:2] == ("SeaLake/SeaLake_9", "River/River_9")
    assert data.test.targets[:2].tolist() == [9, 8]
    assert "lists" in data.rule


def test_without_lists_every_class_is_drawn_60_20_20(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert [np.bincount(split.targets).tolist() for split in (data.train, data.val, data.test)] == [
        [6] * 10, [2] * 10, [2] * 10,
    ]  # fmt: skip
    assert len({*data.train.ids, *data.val.ids, *data.test.ids}) == 100


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("ending", [".png", ".jpeg", ".JPG"])
def test_a_copy_with_another_ending_is_the_same_data(tmp_path: Path, ending: str, listed: bool) -> None:
    for root, here in ((tmp_path / "one", ending), (tmp_path / "two", ".jpg")):
        folder = build(root, ending=here)
        if listed:
            write_lists(folder)
    data = read(tmp_path / "one")
    assert data.digest == read(tmp_path / "two").digest
    assert {path.suffix for path in data.pool.paths} == {ending}


@pytest.mark.parametrize("listed", [True, False])
def test_one_picture_with_two_endings_is_an_error(tmp_path: Path, listed: bool) -> None:
    folder = build(tmp_path)
    if listed:
        write_lists(folder)
    (folder / "River" / "River_1.png").touch()
    assert "River/River_1" in refused(tmp_path)


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_pictures_for_three_splits_are_an_error(tmp_path: Path, count: int) -> None:
    build(tmp_path, count=count)
    assert "no class holds two" in refused(tmp_path)


def test_the_two_splits_never_share_a_digest(tmp_path: Path) -> None:
    build(tmp_path / "drawn")
    write_lists(build(tmp_path / "listed"))
    drawn, listed = read(tmp_path / "drawn"), read(tmp_path / "listed")
    assert drawn.rule != listed.rule
    assert drawn.digest != listed.digest


@pytest.mark.parametrize("top", ["2750", "EuroSAT_RGB", "eurosat/EuroSAT_RGB", "EuroSAT"])
def test_both_archives_are_the_same_data(tmp_path: Path, top: str) -> None:
    folder = build(tmp_path / "one", top=top)
    build(tmp_path / "two")
    data = read(tmp_path / "one")
    assert data.digest == read(tmp_path / "two").digest
    assert all(path.is_relative_to(folder) for path in data.pool.paths)


def test_one_list_without_the_others_is_an_error_that_names_the_missing_one(tmp_path: Path) -> None:
    folder = build(tmp_path)
    write_lists(folder)
    (folder / "eurosat-val.txt").unlink()
    assert "eurosat-val.txt" in refused(tmp_path)


def test_a_listed_picture_that_is_missing_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    write_lists(folder)
    (folder / "Forest" / "Forest_3.jpg").unlink()
    found = refused(tmp_path)
    assert "1 of 100" in found
    assert "Forest/Forest_3.jpg" in found


def test_a_missing_class_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "Pasture").rename(folder / "Pastures")
    assert "Pasture" in refused(tmp_path)


@pytest.mark.parametrize("line", ["Desert_1.jpg", "AnnualCrop", "../AnnualCrop_1.jpg/x"])
def test_a_line_of_no_class_is_an_error_that_quotes_it(tmp_path: Path, line: str) -> None:
    folder = build(tmp_path)
    write_lists(folder)
    (folder / "eurosat-test.txt").write_text(f"{line}\n")
    assert "unknown label" in refused(tmp_path)


def test_a_picture_in_two_lists_is_an_error(tmp_path: Path) -> None:
    folder = build(tmp_path)
    write_lists(folder)
    (folder / "eurosat-test.txt").write_text("River_1.jpg\n")
    assert "River_1" in refused(tmp_path)


def test_counts_are_noted_on_real_data_only(tmp_path: Path) -> None:
    folder = build(tmp_path)
    assert "usually 27,000" in read(tmp_path).notes[0]
    (folder / ".virb-sample.json").write_text("{}")
    assert read(tmp_path).notes == ()


def test_a_target_that_eurosat_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(CardError, match="did you mean 'cover'"):
        read_dataset("eurosat", tmp_path, "covers")
