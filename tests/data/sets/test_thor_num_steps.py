"""THOR steps ahead: a tiny copy of the original benchmark's archive, made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from virb.core.errors import CardError, DataError
from virb.core.types import Dataset
from virb.data import read_dataset

SCENES = {"train": [f"FloorPlan{number}" for number in range(1, 21)], "val": ["FloorPlan301", "FloorPlan302"]}


def labels_of(split: str) -> dict[str, str]:
    """Numbers 0 to 3 in train and one of 6 in val: 4 and 5 occur nowhere."""
    prefixes = [f"{split}/{scene}/{number}" for scene in SCENES[split] for number in range(3)]
    labels = {prefix: str(place * 7 % 4) for place, prefix in enumerate(prefixes)}
    return labels if split == "train" else {**labels, prefixes[-1]: "6"}


def build(root: Path, top: str = "thor_num_steps", train: dict[str, str] | None = None) -> Path:
    folder = root / top
    for split in SCENES:
        labels = train if train and split == "train" else labels_of(split)
        for prefix in labels:
            (folder / prefix).parent.mkdir(parents=True, exist_ok=True)
            (folder / f"{prefix}_rgb.jpg").touch()
        content = "".join(f"{prefix} {label} \r\n" for prefix, label in sorted(labels.items(), reverse=True))
        (folder / f"{split}_labels.txt").write_text(content + "\n")
    return folder


def read(root: Path) -> Dataset:
    return read_dataset("thor_num_steps", root, "steps")


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(root)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


def test_classes_run_from_zero_to_the_largest_number_of_both_lists(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert data.classes == ("0", "1", "2", "3", "4", "5", "6")
    for split, of in ((data.train, "train"), (data.val, "train"), (data.test, "val")):
        assert split.targets.tolist() == [int(labels_of(of)[name]) for name in split.ids]


def test_a_tenth_of_the_scenes_is_validation_and_scenes_stay_apart(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    scenes = [{name.rpartition("/")[0] for name in split.ids} for split in (data.train, data.val, data.test)]
    assert [len(some) for some in scenes] == [18, 2, 2]
    assert not scenes[0] & scenes[1]
    for split in (data.train, data.val, data.test):
        names = np.array([name.rpartition("/")[0] for name in split.ids])
        assert ((names[:, None] == names) == (split.groups[:, None] == split.groups)).all()


def test_each_sample_shows_the_picture_of_its_own_line(tmp_path: Path) -> None:
    folder = build(tmp_path)
    data = read(tmp_path)
    assert data.test.index.shape == (6, 1)
    for row, place in enumerate(data.test.index[:, 0]):
        assert data.pool.paths[place] == folder / f"{data.test.ids[row]}_rgb.jpg"


@pytest.mark.parametrize("label", ["-1", "2.0", "MoveAhead", "201", "²", "99999999999999999999"])
def test_a_label_that_is_no_number_of_steps_is_an_error_that_names_the_picture(tmp_path: Path, label: str) -> None:
    build(tmp_path, train={**labels_of("train"), "train/FloorPlan7/1": label})
    found = refused(tmp_path)
    assert f"'{label}'" in found
    assert "train/FloorPlan7/1" in found


def test_a_missing_picture_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "val/FloorPlan301/2_rgb.jpg").unlink()
    assert "val/FloorPlan301/2_rgb.jpg" in refused(tmp_path)


def test_a_missing_list_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "val_labels.txt").unlink()
    assert "val_labels.txt" in refused(tmp_path)


def test_a_top_folder_within_the_folder_is_found(tmp_path: Path) -> None:
    build(tmp_path / "one", top="thor_num_steps/thor_num_steps")
    build(tmp_path / "two")
    assert read(tmp_path / "one").digest == read(tmp_path / "two").digest


def test_a_target_that_there_is_not_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(CardError, match="did you mean 'steps'"):
        read_dataset("thor_num_steps", tmp_path, "step")
