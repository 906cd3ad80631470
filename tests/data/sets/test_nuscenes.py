"""nuScenes egomotion: the original benchmark's two lists and a few frames, made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from virb.core.errors import CardError, DataError
from virb.core.types import Dataset
from virb.data import read_dataset

Entry = dict[str, Any]
LABELS = ("forward", "forward", "left", "right")


def entry(drive: str, number: int, label: str) -> Entry:
    return {
        "img_a": f"samples/CAM_FRONT/{drive}__CAM_FRONT__{1533151603512404 + number * 500000}.jpg",
        "img_b": f"sweeps/CAM_FRONT/{drive}__CAM_FRONT__{1533151603512404 + number * 500000 + 250000}.jpg",
        "label": label,
    }


def entries(split: str) -> list[Entry]:
    drives = range(10) if split == "train" else range(10, 13)
    return [
        entry(f"n008-2018-08-{drive + 1:02d}-15-16-36-0400", number, LABELS[number])
        for drive in drives
        for number in range(4)
    ]


def build(root: Path, top: str = "nuScenes", **changed: list[Entry]) -> Path:
    folder = root / top
    for split in ("train", "test"):
        listed = changed.get(split, entries(split))
        for one in listed:
            for key in ("img_a", "img_b"):
                (folder / one[key]).parent.mkdir(parents=True, exist_ok=True)
                (folder / one[key]).touch()
        (folder / f"nuScenes_{split}.json").write_text(json.dumps(listed))
    return folder


def read(root: Path) -> Dataset:
    return read_dataset("nuscenes", root, "action")


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(root)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


def drive_of(name: str) -> str:
    return name.split("/")[2].split("__")[0]


def test_a_tenth_of_the_drives_is_validation_and_drives_stay_apart(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert data.counts == {"train": 36, "val": 4, "test": 12}
    assert not {drive_of(name) for name in data.train.ids} & {drive_of(name) for name in data.val.ids}
    for split in (data.train, data.val, data.test):
        drives = np.array([drive_of(name) for name in split.ids])
        assert ((drives[:, None] == drives) == (split.groups[:, None] == split.groups)).all()


def test_each_sample_shows_its_first_frame_and_then_its_second(tmp_path: Path) -> None:
    folder = build(tmp_path)
    data = read(tmp_path)
    assert data.test.index.shape == (12, 2)
    for row, one in enumerate(entries("test")):
        assert [data.pool.paths[place] for place in data.test.index[row]] == [
            folder / one["img_a"],
            folder / one["img_b"],
        ]
        assert data.classes[data.test.targets[row]] == one["label"]


def test_classes_are_fixed_even_where_one_is_absent(tmp_path: Path) -> None:
    build(tmp_path, train=[one for one in entries("train") if one["label"] != "left"])
    data = read(tmp_path)
    assert data.classes == ("forward", "left", "right")
    assert set(data.train.targets.tolist()) == {0, 2}


def test_capitals_in_labels_do_not_matter(tmp_path: Path) -> None:
    build(tmp_path / "one")
    build(tmp_path / "two", train=[{**one, "label": one["label"].upper()} for one in entries("train")])
    assert read(tmp_path / "one").digest == read(tmp_path / "two").digest


def test_other_labels_are_the_union_of_both_lists_and_are_noted(tmp_path: Path) -> None:
    test = [{**one, "label": "u-turn"} for one in entries("test")]
    train = [{**one, "label": f"turn_{one['label']}"} for one in entries("train")]
    build(tmp_path, train=train, test=test)
    data = read(tmp_path)
    assert data.classes == ("turn_forward", "turn_left", "turn_right", "u-turn")
    assert "turn_forward, turn_left, turn_right, u-turn" in data.notes[0]
    assert set(data.test.targets.tolist()) == {3}


def test_drives_in_both_lists_are_counted_in_a_note(tmp_path: Path) -> None:
    test = [entry("n008-2018-08-01-15-16-36-0400", 50, "left"), *entries("test")]
    build(tmp_path, test=test)
    assert any("1 of the 4 drives of test stand in train too" in note for note in read(tmp_path).notes)
    build(tmp_path / "apart")
    assert not any("drives" in note for note in read(tmp_path / "apart").notes)


def test_frames_whose_names_tell_no_drive_are_groups_of_their_own(tmp_path: Path) -> None:
    plain = [{"img_a": f"samples/{n}a.jpg", "img_b": f"samples/{n}b.jpg", "label": "left"} for n in range(20)]
    build(tmp_path, train=plain)
    data = read(tmp_path)
    assert data.counts["val"] == 2
    assert len(set(data.train.groups.tolist())) == 18


def test_one_frame_may_begin_two_pairs_and_is_one_picture(tmp_path: Path) -> None:
    first = entries("train")
    build(tmp_path, train=[*first, {**first[0], "img_b": first[1]["img_b"]}])
    data = read(tmp_path)
    assert data.counts["train"] + data.counts["val"] == 41
    assert len(data.pool) == 2 * (40 + 12)


def test_a_missing_sweep_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    lost = entries("test")[5]["img_b"]
    (folder / lost).unlink()
    found = refused(tmp_path)
    assert "1 of 104" in found
    assert lost in found


def test_a_pair_in_both_lists_or_twice_in_one_is_an_error(tmp_path: Path) -> None:
    build(tmp_path / "both", test=[*entries("test"), entries("train")[0]])
    assert "in train and in test" in refused(tmp_path / "both")
    build(tmp_path / "twice", test=[*entries("test"), entries("test")[0]])
    assert "12 of them different" in refused(tmp_path / "twice")


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "[1]", '[{"img_a": "a.jpg", "img_b": "b.jpg"}]',
                '[{"img_a": "a.jpg", "img_b": "b.jpg", "label": 2}]', '{"a": 1}', "[" * 100_000]
)  # fmt: skip
def test_a_broken_list_is_an_error_that_names_it(tmp_path: Path, content: str) -> None:
    folder = build(tmp_path)
    (folder / "nuScenes_test.json").write_text(content)
    assert "nuScenes_test.json" in refused(tmp_path)


def test_a_frame_outside_the_folder_is_refused(tmp_path: Path) -> None:
    build(tmp_path, test=[{"img_a": "../x.jpg", "img_b": "samples/y.jpg", "label": "left"}])
    assert "outside" in refused(tmp_path)


def test_a_target_that_nuscenes_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(CardError, match="did you mean 'action'"):
        read_dataset("nuscenes", tmp_path, "actions")
