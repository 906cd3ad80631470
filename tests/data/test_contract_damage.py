"""Contract (data): data that are half there are an error in three parts that says what is missing, for every task."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

import pytest
from census import LAYOUTS, TASKS_TABLE, Layout
from worlds import copy_world

from virb import sample
from virb.cards.select import TASKS
from virb.cards.task import Task
from virb.core.errors import DataError, MissingData
from virb.core.paths import is_stray
from virb.data import read_dataset
from virb.data.classes import SAMPLE_MARKER
from virb.data.common import DATASETS

TASK_NAMES = TASKS.names()
CARDS = {name: Task.read(TASKS.path(name)) for name in TASK_NAMES}


LABELS = {name: row.label for name, row in TASKS_TABLE.items() if row.label}


def layout_of(name: str) -> Layout:
    return LAYOUTS[CARDS[name].dataset]


FOLDERS_ONLY = [name for name in TASK_NAMES if layout_of(name).picture is None and name != "cifar100"]
"""All pictures of CIFAR lie in one file."""


def having(part: str) -> list[str]:
    return [name for name in TASK_NAMES if getattr(layout_of(name), part)]


def read(name: str, root: Path) -> str:
    """Return the digest of what is read."""
    return read_dataset(CARDS[name].dataset, root, CARDS[name].target).digest


def read_labels(name: str, root: Path) -> None:
    data = read_dataset(CARDS[name].dataset, root, CARDS[name].target)
    assert data.labels is not None
    for row in range(len(data.labels)):
        data.labels.read(row)


@cache
def untouched(name: str, root: Path) -> str:
    return read(name, root)


def copy_of(name: str, world: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Return a new data folder with this task's data alone, and their own folder in it. Never write into a file."""
    top = layout_of(name).top
    return tmp_path / "data", copy_world(world, top, tmp_path / "data", os.link)


def mark_of(place: Path) -> Path:
    """Return the mark of a copied data set, which for Taskonomy and others stands deeper than its top folder."""
    found = [*place.parent.glob(f".*{SAMPLE_MARKER}"), *place.rglob(f".*{SAMPLE_MARKER}")]
    assert len(found) == 1
    return found[0]


def one(place: Path, pattern: str) -> Path:
    found = sorted(path for path in place.glob(pattern) if path.name[0] != ".")
    assert found, f"nothing in {place} matches {pattern}"
    return found[-1]


def refused(name: str, root: Path, *, gap: bool = False) -> str:
    """Return what was found, after a look at the error's form."""
    with pytest.raises(DataError) as caught:
        read(name, root)
    error = caught.value
    assert (type(error) is MissingData) == gap, "only data that are not there at all may be skipped"
    assert error.found.strip()
    assert error.expected.strip()
    assert len(error.remedy) > 10
    assert str(error).count("\n") == 2
    return error.found


def test_the_tables_of_the_census_hold_every_task_and_every_data_set() -> None:
    assert set(LAYOUTS) == set(DATASETS.names()) == set(sample.DATASETS)
    assert set(TASKS_TABLE) == set(TASK_NAMES)


@pytest.mark.parametrize("name", having("picture"))
def test_a_picture_that_is_gone_is_an_error_that_names_or_counts_it(
    name: str, small_world: Path, tmp_path: Path
) -> None:
    root, place = copy_of(name, small_world, tmp_path)
    lost = one(place, layout_of(name).picture or "")
    lost.unlink()
    found = refused(name, root)
    stem = re.sub(r"(_leftImg8bit|_?rgb)$", "", lost.stem)
    assert stem in found or lost.parent.name in found
    assert stem in found or re.search(r"\d", found)


@pytest.mark.parametrize("name", FOLDERS_ONLY)
def test_where_no_list_names_pictures_one_that_is_gone_makes_other_data_of_it(
    name: str, small_world: Path, tmp_path: Path
) -> None:
    root, place = copy_of(name, small_world, tmp_path)
    if CARDS[name].dataset == "kinetics400":  # a clip has more frames than are looked at
        for path in place.glob("validate/*/*_0.jpg"):
            path.unlink()
    else:
        pictures = [path for path in place.rglob("*") if path.is_file() and not is_stray(path.name)]
        sorted(path for path in pictures if "edge" not in path.name and "depth" not in path.name)[-1].unlink()
    assert read(name, root) != untouched(name, small_world)


@pytest.mark.parametrize("name", having("listing"))
def test_a_list_that_was_cut_short_within_a_line_is_an_error(name: str, small_world: Path, tmp_path: Path) -> None:
    root, place = copy_of(name, small_world, tmp_path)
    listing = one(place, layout_of(name).listing or "")
    content = listing.read_bytes()
    if listing.suffix == ".txt":
        whole, _, last = content.rstrip().rpartition(b"\n")
        content = whole + b"\n" + last[: len(last) // 3]
    else:
        content = content[: len(content) // 2]
    listing.unlink()
    listing.write_bytes(content)
    refused(name, root)


@pytest.mark.parametrize("name", having("listing"))
def test_an_empty_list_is_an_error_that_names_it(name: str, small_world: Path, tmp_path: Path) -> None:
    root, place = copy_of(name, small_world, tmp_path)
    listing = one(place, layout_of(name).listing or "")
    listing.unlink()
    listing.write_bytes(b"")
    assert listing.name in refused(name, root)


@pytest.mark.parametrize("name", having("listing"))
def test_a_list_of_zeros_after_a_crash_is_an_error(name: str, small_world: Path, tmp_path: Path) -> None:
    root, place = copy_of(name, small_world, tmp_path)
    listing = one(place, layout_of(name).listing or "")
    size = listing.stat().st_size
    listing.unlink()
    listing.write_bytes(b"\0" * size)
    refused(name, root)


@pytest.mark.parametrize("name", sorted(LABELS))
def test_a_label_that_is_gone_is_an_error_that_names_or_counts_it(name: str, small_world: Path, tmp_path: Path) -> None:
    root, place = copy_of(name, small_world, tmp_path)
    lost = one(place, LABELS[name])
    lost.unlink()
    found = refused(name, root)
    assert re.search(r"\d", found)


@pytest.mark.parametrize("name", sorted(LABELS))
@pytest.mark.parametrize("content", [b"", b"<html>403 Forbidden</html>", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_a_label_that_is_no_label_is_an_error_that_names_the_file(
    name: str, content: bytes, small_world: Path, tmp_path: Path
) -> None:
    root, place = copy_of(name, small_world, tmp_path)
    broken = one(place, LABELS[name])
    broken.unlink()
    broken.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_labels(name, root)
    assert broken.name in caught.value.found
    assert caught.value.expected
    assert caught.value.remedy


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_folder_of_another_name_is_missing_data_with_the_way_to_get_them(
    name: str, small_world: Path, tmp_path: Path
) -> None:
    root, place = copy_of(name, small_world, tmp_path)
    place.rename(place.with_name("elsewhere"))
    refused(name, root, gap=True)


@pytest.mark.parametrize("name", having("inner"))
def test_a_part_of_another_name_is_half_present_data(name: str, small_world: Path, tmp_path: Path) -> None:
    root, place = copy_of(name, small_world, tmp_path)
    inner = one(place, layout_of(name).inner)
    inner.rename(inner.with_name("Umbenannt"))
    refused(name, root)


@pytest.mark.parametrize("name", having("proof"))
def test_a_folder_without_its_lists_is_half_present_data_and_not_a_gap(
    name: str, small_world: Path, tmp_path: Path
) -> None:
    root, place = copy_of(name, small_world, tmp_path)
    for path in list(place.glob(layout_of(name).proof)):
        path.rename(path.with_name(f"old {path.name}"))
    refused(name, root)


def said(name: str, root: Path) -> tuple[str, ...]:
    """Return what a reader is told of data that are read, or refused."""
    try:
        data = read_dataset(CARDS[name].dataset, root, CARDS[name].target)
    except MissingData:
        return ()
    except DataError as error:
        return (error.found,)
    return data.notes


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_small_world_without_its_mark_is_refused_or_noted_with_counts(
    name: str, small_world: Path, tmp_path: Path
) -> None:
    """Nobody may take the sample for the owner's data."""
    root, place = copy_of(name, small_world, tmp_path)
    mark_of(place).unlink()
    assert any(re.search(r"\d", sentence) for sentence in said(name, root))


@pytest.mark.parametrize("name", TASK_NAMES)
def test_the_sample_world_is_other_data_than_the_same_files_of_an_owner(
    name: str, small_world: Path, tmp_path: Path
) -> None:
    root, place = copy_of(name, small_world, tmp_path)
    mark_of(place).write_text(re.sub(r'"sha256": "\w+"', '"sha256": "0"', mark_of(place).read_text()))
    assert read(name, root) != untouched(name, small_world)


def test_the_world_that_all_tests_share_was_not_harmed(small_world: Path) -> None:
    for name in TASK_NAMES:
        assert read(name, small_world) == untouched(name, small_world)
