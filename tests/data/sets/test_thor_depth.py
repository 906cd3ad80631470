"""THOR depth: a tiny copy of the original benchmark's archive, made by hand."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from virb.core.errors import CardError, DataError, MissingData
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.sets.thor_depth import read_depth

SCENES = {"train": [f"FloorPlan{number}" for number in range(1, 21)], "test": ["FloorPlan301", "FloorPlan302"]}
FRAMES = ("0_", "7_", "10_")


def grey_of(scene: str, frame: str) -> int:
    return (int(scene.removeprefix("FloorPlan")) * 5 + int(frame[:-1])) % 200


def build(root: Path, top: str = "thor_depth_prediction") -> Path:
    folder = root / top
    for split, scenes in SCENES.items():
        for scene in scenes:
            place = folder / split / scene
            place.mkdir(parents=True)
            for frame in FRAMES:
                Image.new("RGB", (8, 8), "red").save(place / f"{frame}rgb.jpg")
                Image.new("L", (8, 8), grey_of(scene, frame)).save(place / f"{frame}depth.jpg", quality=100)
    return folder


def read(root: Path) -> Dataset:
    return read_dataset("thor_depth", root, "depth")


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(root)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


def scenes_of(ids: tuple[str, ...]) -> set[str]:
    return {name.split("/")[1] for name in ids}


def test_validation_is_a_tenth_of_the_scenes_and_test_is_tested(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert data.counts == {"train": 54, "val": 6, "test": 6}
    assert not scenes_of(data.train.ids) & scenes_of(data.val.ids)
    assert scenes_of(data.test.ids) == set(SCENES["test"])
    assert len(set(data.test.groups.tolist())) == 2


def test_picture_and_depth_are_joined_by_their_stem(tmp_path: Path) -> None:
    folder = build(tmp_path)
    data = read(tmp_path)
    assert data.labels is not None
    assert data.labels.kind == "values"
    for split in (data.train, data.val, data.test):
        for name, (frame,), row in zip(split.ids, split.index, split.targets, strict=True):
            assert data.pool.paths[frame] == folder / f"{name}.jpg"
            _, scene, stem = name.split("/")
            values = data.labels.read(int(row))
            assert np.allclose(values, grey_of(scene, stem.removesuffix("rgb")) / 255, atol=0.01)


def test_depth_is_float_between_0_and_1(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255] * 8] * 16, np.uint8)).save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(tmp_path / "0_depth.jpg")
    values = read_depth(tmp_path / "0_depth.jpg", 0)
    assert values.dtype == np.float32
    assert np.unique(values).tolist() == [0, 1]


def test_grey_that_was_saved_in_three_channels_is_read_alike(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (51, 51, 51)).save(tmp_path / "0_depth.jpg", quality=100)
    assert np.allclose(read_depth(tmp_path / "0_depth.jpg", 0), 0.2, atol=0.01)


@pytest.mark.parametrize(("lost", "message"), [("7_depth.jpg", "have no depth"), ("7_rgb.jpg", "no picture")])
def test_half_a_pair_is_an_error_that_names_it(tmp_path: Path, lost: str, message: str) -> None:
    folder = build(tmp_path)
    (folder / "train" / "FloorPlan4" / lost).unlink()
    found = refused(tmp_path)
    assert message in found
    assert "train/FloorPlan4" in found


def test_an_archive_without_its_test_part_is_an_error(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "test").rename(tmp_path / "elsewhere")
    assert "test holds no pictures" in refused(tmp_path)


@pytest.mark.parametrize("kept", [0, 20, 200])
def test_depth_that_was_cut_short_is_an_error_that_names_the_file(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "0_depth.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match="0_depth"):
        read_depth(path, 0)


def test_strays_are_left_alone_and_labels_travel_to_other_processes(tmp_path: Path) -> None:
    folder = build(tmp_path)
    before = read(tmp_path)
    for name in ("._0_rgb.jpg", "0_rgb.json", "0_segmentation.jpg"):
        (folder / "train" / "FloorPlan1" / name).write_bytes(b"stray")
    (folder / "train" / "list.txt").write_text("stray")
    assert read(tmp_path).digest == before.digest
    assert pickle.loads(pickle.dumps(before.labels)).read(0).shape == (8, 8)


@pytest.mark.parametrize("top", ["thor_depth", "thor_depth_prediction/thor_depth_prediction"])
def test_the_archive_is_found_wherever_it_unpacked_and_gives_one_digest(tmp_path: Path, top: str) -> None:
    build(tmp_path / "one")
    build(tmp_path / "two", top=top)
    assert read(tmp_path / "one").digest == read(tmp_path / "two").digest


def test_a_missing_data_set_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingData) as caught:
        read(tmp_path)
    assert "thor_depth.zip" in caught.value.remedy


def test_a_target_that_the_archive_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(CardError, match="steps"):
        read_dataset("thor_depth", tmp_path, "steps")
