"""Targets: resized by the nearest pixel, checked against their pictures, kept packed."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from virb.core.errors import DataError
from virb.core.store import Store
from virb.core.types import IGNORED, Dataset, LabelKind, Labels, Pool, Split
from virb.data.targets import Targets, load_targets, resize_target

COUNT, HEIGHT, WIDTH = 6, 12, 18


def from_array(path: Path, row: int, arrays: dict[int, np.ndarray]) -> np.ndarray:
    return arrays[row]


def dataset(folder: Path, kind: LabelKind, arrays: list[np.ndarray], classes: tuple[str, ...] = ()) -> Dataset:
    """Return six pictures with their targets; the rows of labels run against the pictures' order."""
    paths = []
    for number in range(COUNT):
        paths.append(folder / f"{number}.png")
        if not paths[-1].exists():
            Image.new("RGB", (WIDTH, HEIGHT), (number, 0, 0)).save(paths[-1])
            os.utime(paths[-1], (1, 1))
    ids = tuple(map(str, range(COUNT)))
    pool = Pool("test", ids, tuple(paths))
    labels = Labels(
        kind, ids, tuple(reversed(paths)), tuple(range(COUNT)), partial(from_array, arrays=dict(enumerate(arrays)))
    )
    whole = Split(ids, np.arange(COUNT)[:, None], np.arange(COUNT)[::-1].copy(), np.arange(COUNT))
    parts = [whole.take(np.array(rows)) for rows in ([0, 1, 2], [3], [4, 5])]
    return Dataset(pool, *parts, classes, "test 1", labels=labels)


def classes_of(seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    found = random.integers(0, 4, (COUNT, HEIGHT, WIDTH)).astype(np.uint8)
    found[found == 3] = IGNORED
    return list(found)


def load(data: Dataset, folder: Path, size: int = 6, workers: int = 0) -> Targets:
    return load_targets(data, size, Store(folder / "cache", 1 << 30), workers)


def test_the_middle_pixel_of_each_cell_is_taken_and_nothing_is_mixed() -> None:
    found = np.arange(12 * 18, dtype=np.float32).reshape(12, 18)
    small = resize_target(found, "values", 6)
    # Cells are 2 high and 3 wide: of two rows the second, of three columns the middle one.
    assert small.tolist() == found[1::2, 1::3].tolist()
    assert set(np.unique(resize_target(classes_of()[0], "classes", 5))) <= {0, 1, 2, IGNORED}
    assert resize_target(found, "values", 24).shape == (24, 24)
    assert set(resize_target(found, "values", 24).ravel()) <= set(found.ravel())


def test_missing_depth_stays_missing_and_flow_keeps_its_unit() -> None:
    depth = np.full((4, 4), np.nan, np.float32)
    depth[:2] = 3.0
    small = resize_target(depth, "values", 2)
    assert small[0].tolist() == [3.0, 3.0]
    assert np.isnan(small[1]).all()
    flow = np.zeros((8, 8, 2), np.float32)
    flow[..., 0], flow[..., 1] = 7.5, -2.0
    small = resize_target(flow, "flow", 4)
    assert small.shape == (2, 4, 4)
    assert (small[0] == 7.5).all()
    assert (small[1] == -2.0).all()


def test_a_target_that_is_a_picture_is_averaged() -> None:
    picture = np.zeros((4, 4, 3), np.float32)
    picture[::2] = 1.0
    small = resize_target(picture, "values", 1)
    assert small.shape == (3, 1, 1)
    assert np.allclose(small, 0.5, atol=0.01)


@pytest.mark.parametrize("workers", [0, 2])
def test_targets_are_handed_out_by_label_row(tmp_path: Path, workers: int) -> None:
    arrays = classes_of()
    data = dataset(tmp_path, "classes", arrays, ("a", "b", "c"))
    targets = load(data, tmp_path, workers=workers)
    rows = np.array([4, 0, 5])
    found = targets.take(rows)
    assert found.dtype == torch.uint8
    for row, one in zip(rows, found, strict=True):
        assert one.tolist() == arrays[row][1::2, 1::3].tolist()


def test_targets_are_read_once(tmp_path: Path) -> None:
    data = dataset(tmp_path, "values", [array.astype(np.float32) for array in classes_of()])
    first = load(data, tmp_path).take(np.arange(COUNT))
    assert data.labels is not None

    def broken(path: Path, row: int) -> np.ndarray:
        if row:
            raise AssertionError("read again")
        return np.zeros((HEIGHT, WIDTH), np.float32)

    labels = Labels("values", data.labels.ids, data.labels.paths, data.labels.rows, broken)
    again = Dataset(data.pool, data.train, data.val, data.test, data.classes, data.rule, labels=labels)
    assert torch.equal(load(again, tmp_path).take(np.arange(COUNT)), first)


def test_another_size_and_a_replaced_file_are_other_targets(tmp_path: Path) -> None:
    data = dataset(tmp_path, "classes", classes_of(), ("a", "b", "c"))
    load(data, tmp_path)
    assert load(data, tmp_path, size=3).take(np.arange(2)).shape == (2, 3, 3)
    os.utime(tmp_path / "2.png", (99, 99))
    changed = dataset(tmp_path, "classes", classes_of(1), ("a", "b", "c"))
    assert load(changed, tmp_path).take(np.array([0])).tolist() == [classes_of(1)[0][1::2, 1::3].tolist()]


def test_label_maps_replaced_while_they_are_prepared_are_told_and_never_kept(tmp_path: Path) -> None:
    data = dataset(tmp_path, "classes", classes_of(), ("a", "b", "c"))
    store = Store(tmp_path, 1 << 30)
    with pytest.raises(DataError, match=r"2\.png changed while it was read"):
        load_targets(data, 6, store, advance=lambda count: os.utime(tmp_path / "2.png", (99, 99)))
    assert store.entries() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_a_target_of_another_size_than_its_picture_is_named(tmp_path: Path, workers: int) -> None:
    arrays = classes_of()
    arrays[3] = arrays[3][:, :-1]
    with pytest.raises(DataError, match="17 x 12") as caught:
        load(dataset(tmp_path, "classes", arrays, ("a", "b", "c")), tmp_path, workers=workers)
    assert "18 x 12" in caught.value.found
    assert str(tmp_path / "2.png") in caught.value.found  # the fourth label from the other end


def test_a_class_that_does_not_exist_is_named(tmp_path: Path) -> None:
    arrays = classes_of()
    arrays[1][0, 0] = 9
    with pytest.raises(DataError, match="the class 9"):
        load(dataset(tmp_path, "classes", arrays, ("a", "b", "c")), tmp_path)
