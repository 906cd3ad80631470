"""What the pixel-wise adapters share: listings, pairs, label pictures, samples to splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from virb.core.errors import DataError
from virb.core.types import Pool
from virb.data.pixels import (
    Sample,
    assemble,
    carved,
    listing,
    read_pixels,
    refuse_incomplete,
    refuse_unpaired,
    subfolders,
)


def nothing(path: Path, row: int) -> np.ndarray:
    return np.zeros((1, 1), np.uint8)


def samples(*groups: str) -> list[Sample]:
    return [
        Sample(f"{group}-{place}", (f"{group}-{place}",), group, Path("label.png"), 10 + place)
        for place, group in enumerate(groups)
    ]


def pool_of(*parts: list[Sample]) -> Pool:
    names = tuple(sorted(sample.name for part in parts for sample in part))
    return Pool("things", names, tuple(Path(name) for name in names))


def test_a_listing_takes_what_matches_and_leaves_strays_hidden_files_and_folders(tmp_path: Path) -> None:
    for name in ("b_rgb.png", "a_rgb.png", "._a_rgb.png", "a_rgb.png.bak", "tmp"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "c_rgb.png").mkdir()
    (tmp_path / ".hidden").mkdir()
    assert list(listing(tmp_path, r"(.+)_rgb\.png").items()) == [("a", "a_rgb.png"), ("b", "b_rgb.png")]
    assert subfolders(tmp_path) == ["c_rgb.png"]


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert listing(tmp_path / "nowhere", "(.+)") == {}
    assert subfolders(tmp_path / "file") == []


def test_two_files_of_one_stem_are_an_error_that_names_both(tmp_path: Path) -> None:
    for name in ("a.tif", "a.tiff"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.tif and a\.tiff"):
        listing(tmp_path, r"(.+)\.tiff?")


def test_pairs_must_be_whole_on_both_sides() -> None:
    refuse_unpaired("things", ["a", "b"], {"b": 1, "a": 2}, "depth", "")
    with pytest.raises(DataError, match="2 of 3 pictures have no depth, the first is a"):
        refuse_unpaired("things", ["c", "b", "a"], ["b"], "depth", "")
    with pytest.raises(DataError, match="1 of 2 depth files have no picture, the first is c"):
        refuse_unpaired("things", ["a"], ["c", "a"], "depth", "")


def test_missing_parts_are_counted_and_the_first_five_named() -> None:
    refuse_incomplete("things", ["a", "b", "extra"], ["a", "b"], "cities", "")
    with pytest.raises(DataError, match=r"6 of 7 cities are missing: a, b, c, d, e, \.\.\."):
        refuse_incomplete("things", ["g"], list("abcdefg"), "cities", "")


def test_labels_of_all_splits_stand_in_one_list_and_targets_are_their_rows() -> None:
    train, val, test = samples("x", "x", "y"), samples("v"), samples("t", "u")
    pool = pool_of(train, val, test)
    data = assemble(pool, {"test": test, "train": train, "val": val}, "classes", nothing, rule="things 1")
    assert data.labels is not None
    assert [data.train.targets.tolist(), data.val.targets.tolist(), data.test.targets.tolist()] == [
        [0, 1, 2],
        [3],
        [4, 5],
    ]
    for split in (data.train, data.val, data.test):
        assert [data.labels.ids[row] for row in split.targets] == list(split.ids)
        assert [pool.ids[frame] for frame in split.index[:, 0]] == list(split.ids)
    assert data.labels.rows == (10, 11, 12, 10, 10, 11)
    assert data.train.groups[0] == data.train.groups[1] != data.train.groups[2]


def test_an_empty_split_is_an_error() -> None:
    train = samples("x")
    with pytest.raises(DataError, match="no sample in val"):
        assemble(pool_of(train), {"train": train, "val": [], "test": []}, "classes", nothing, rule="things 1")


def test_carving_takes_whole_groups() -> None:
    train, val = carved(samples(*"aabbccddeeffgghhiijj"), 0.1, "things")
    assert len(val) == 2
    assert len({sample.group for sample in val}) == 1
    assert not {sample.group for sample in val} & {sample.group for sample in train}


def test_a_label_picture_is_returned_as_it_is_stored(tmp_path: Path) -> None:
    stored = np.array([[0, 255], [7, 9]], np.uint8)
    Image.fromarray(stored).save(tmp_path / "label.png")
    assert (read_pixels(tmp_path / "label.png", ("L",), "labels") == stored).all()
    with pytest.raises(DataError, match="mode L"):
        read_pixels(tmp_path / "label.png", ("RGB",), "labels")
    with pytest.raises(DataError, match="absent"):
        read_pixels(tmp_path / "absent.png", ("L",), "labels")
