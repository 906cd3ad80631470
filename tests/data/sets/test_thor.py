"""THOR egomotion: a tiny copy of the original benchmark's archive, made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from virb.core.errors import CardError, DataError, MissingData
from virb.core.types import Dataset, Split
from virb.data import read_dataset

ACTIONS = ("MoveAhead", "RotateLeft", "RotateRight", "LookUp", "LookDown")
SCENES = {"train": [f"FloorPlan{number}" for number in range(1, 21)], "val": ["FloorPlan301", "FloorPlan302"]}
PAIRS = 3

Labels = dict[str, str]


def labels_of(split: str) -> Labels:
    """Prefix to action; LookDown never occurs, and the action does not follow from the place."""
    prefixes = [f"{split}/{scene}/{pair}" for scene in SCENES[split] for pair in range(PAIRS)]
    return {prefix: ACTIONS[(place * 7 + 3) % 4] for place, prefix in enumerate(prefixes)}


def scrambled(labels: Labels) -> Labels:
    prefixes = list(labels)
    return {prefixes[place]: labels[prefixes[place]] for place in np.random.default_rng(11).permutation(len(prefixes))}


def build(root: Path, train: Labels | None = None, top: str = "thor_action_prediction") -> Path:
    folder = root / top
    content = {"train": scrambled(train or labels_of("train")), "val": scrambled(labels_of("val"))}
    for split, labels in content.items():
        for prefix in labels:
            path = folder / f"{prefix}_rgb_a.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4), "red").save(path)
            Image.new("RGB", (4, 4), "blue").save(folder / f"{prefix}_rgb_b.jpg")
        lines = [f"{prefix} {action}\n" for prefix, action in labels.items()]
        (folder / f"{split}_labels.txt").write_text("".join(lines))
    return folder


def read(root: Path) -> Dataset:
    return read_dataset("thor_egomotion", root, "action")


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(root)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


def scenes(split: Split) -> set[str]:
    return {prefix.rsplit("/", 1)[0] for prefix in split.ids}


def append(folder: Path, line: str, split: str = "train") -> None:
    path = folder / f"{split}_labels.txt"
    path.write_text(path.read_text() + line)


def test_the_owners_val_is_tested_and_every_pair_of_train_is_used_once(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert set(data.test.ids) == set(labels_of("val"))
    assert sorted(data.train.ids + data.val.ids) == sorted(labels_of("train"))
    assert len(data.test) == len(labels_of("val"))


def test_validation_is_a_tenth_of_the_scenes_and_holds_them_whole(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert len(scenes(data.val)) == 2
    assert len(data.val) == 2 * PAIRS
    assert not scenes(data.val) & scenes(data.train)
    assert not scenes(data.test) & (scenes(data.train) | scenes(data.val))


def test_the_same_scenes_are_carved_on_every_call_and_from_any_order_of_lines(tmp_path: Path) -> None:
    folder = build(tmp_path)
    first = scenes(read(tmp_path).val)
    assert scenes(read(tmp_path).val) == first
    path = folder / "train_labels.txt"
    path.write_text("".join(sorted(path.read_text().splitlines(keepends=True), reverse=True)))
    assert scenes(read(tmp_path).val) == first


def test_actions_join_their_pairs_by_name_and_keep_the_original_indices(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert data.classes == ACTIONS
    truth = labels_of("train") | labels_of("val")
    for split in (data.train, data.val, data.test):
        assert [ACTIONS[target] for target in split.targets] == [truth[prefix] for prefix in split.ids]


def test_an_action_keeps_its_number_when_others_are_absent(tmp_path: Path) -> None:
    build(tmp_path, {prefix: "LookDown" if "1/" in prefix else "LookUp" for prefix in labels_of("train")})
    assert set(read(tmp_path).train.targets.tolist()) == {3, 4}


def test_frame_a_comes_before_frame_b(tmp_path: Path) -> None:
    folder = build(tmp_path)
    data = read(tmp_path)
    for split in (data.train, data.val, data.test):
        assert split.index.shape == (len(split), 2)
        for prefix, frames in zip(split.ids, split.index, strict=True):
            assert [data.pool.paths[row] for row in frames] == [folder / f"{prefix}_rgb_{frame}.jpg" for frame in "ab"]


def test_pairs_of_one_scene_are_one_group(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    for split in (data.train, data.val, data.test):
        found = {(prefix.rsplit("/", 1)[0], int(group)) for prefix, group in zip(split.ids, split.groups, strict=True)}
        assert len(found) == len(scenes(split)) == len(set(split.groups.tolist()))


@pytest.mark.parametrize("top", ["thor_action_prediction", "thor_egomotion/thor_action_prediction", "thor_egomotion"])
def test_the_archive_is_found_under_each_folder_it_may_make(tmp_path: Path, top: str) -> None:
    build(tmp_path, top=top)
    assert sum(read(tmp_path).counts.values()) == 22 * PAIRS


def test_a_missing_data_set_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingData) as caught:
        read(tmp_path)
    assert "thor_egomotion.zip" in caught.value.remedy


@pytest.mark.parametrize("frame", ["a", "b"])
def test_a_missing_frame_is_an_error_that_counts_it_and_names_it(tmp_path: Path, frame: str) -> None:
    folder = build(tmp_path)
    (folder / f"train/FloorPlan7/1_rgb_{frame}.jpg").unlink()
    found = refused(tmp_path)
    assert f"1 of {22 * PAIRS * 2}" in found
    assert f"train/FloorPlan7/1_rgb_{frame}.jpg" in found


def test_a_whole_scene_that_is_missing_is_counted(tmp_path: Path) -> None:
    folder = build(tmp_path)
    for path in (folder / "val/FloorPlan301").iterdir():
        path.unlink()
    (folder / "val/FloorPlan301").rmdir()
    assert f"{PAIRS * 2} of" in refused(tmp_path)


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_missing_label_file_is_an_error_that_names_it(tmp_path: Path, split: str) -> None:
    folder = build(tmp_path)
    (folder / f"{split}_labels.txt").unlink()
    assert f"{split}_labels.txt" in refused(tmp_path)


def test_an_empty_label_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "val_labels.txt").write_text("\n")
    assert "val_labels.txt" in refused(tmp_path)


@pytest.mark.parametrize("action", ["MoveBack", "moveahead", "0"])
def test_an_unknown_action_is_an_error_and_never_a_new_class(tmp_path: Path, action: str) -> None:
    folder = build(tmp_path)
    path = folder / "train_labels.txt"
    lines = path.read_text().splitlines()
    lines[4] = f"{lines[4].split()[0]} {action}"
    path.write_text("\n".join(lines))
    found = refused(tmp_path)
    assert f"'{action}'" in found
    assert lines[4].split()[0] in found


def test_a_line_without_an_action_is_an_error_that_shows_it(tmp_path: Path) -> None:
    append(build(tmp_path), "train/FloorPlan1/0_more\n")
    assert "train/FloorPlan1/0_more" in refused(tmp_path)


@pytest.mark.parametrize("blanks", [" ", "  "])
def test_a_pair_that_is_labelled_twice_is_an_error_whatever_the_blanks(tmp_path: Path, blanks: str) -> None:
    truth = labels_of("train")["train/FloorPlan1/0"]
    other = next(action for action in ACTIONS if action != truth)
    append(build(tmp_path), f"train/FloorPlan1/0{blanks}{other}\n")
    assert "train/FloorPlan1/0" in refused(tmp_path)


def test_a_pair_that_is_both_trained_on_and_tested_is_an_error(tmp_path: Path) -> None:
    append(build(tmp_path), "train/FloorPlan1/0 MoveAhead\n", split="val")
    assert "train/FloorPlan1/0" in refused(tmp_path)


@pytest.mark.parametrize("prefix", ["../x", "train/../../x", "/x"])
def test_a_label_that_leads_out_of_the_folder_is_refused(tmp_path: Path, prefix: str) -> None:
    append(build(tmp_path), f"{prefix} MoveAhead\n")
    assert "outside" in refused(tmp_path)


def test_one_scene_alone_cannot_be_carved(tmp_path: Path) -> None:
    build(tmp_path, {f"train/FloorPlan1/{pair}": ACTIONS[pair] for pair in range(4)})
    assert "1 group" in refused(tmp_path)


def test_two_scenes_leave_one_to_train_on(tmp_path: Path) -> None:
    build(tmp_path, {f"train/FloorPlan{number}/0": "LookUp" for number in (1, 2)})
    assert read(tmp_path).counts == {"train": 1, "val": 1, "test": 2 * PAIRS}


def test_an_unusual_count_is_a_note_and_no_more(tmp_path: Path) -> None:
    build(tmp_path)
    (note,) = read(tmp_path).notes
    assert "60 (usually 60,000)" in note


def test_the_same_data_in_two_folders_have_one_digest_and_no_path_in_it(tmp_path: Path) -> None:
    build(tmp_path / "here")
    build(tmp_path / "there", top="thor_egomotion")
    here, there = read(tmp_path / "here"), read(tmp_path / "there")
    assert here.digest == there.digest
    assert here.pool.ids == there.pool.ids
    assert not any(part in name for name in here.pool.ids for part in (tmp_path.name, "thor", ".jpg"))


def test_one_label_changed_is_another_digest(tmp_path: Path) -> None:
    truth = labels_of("train")
    build(tmp_path / "one")
    changed = "train/FloorPlan9/2"
    build(tmp_path / "two", {**truth, changed: next(action for action in ACTIONS if action != truth[changed])})
    assert read(tmp_path / "one").digest != read(tmp_path / "two").digest


def test_a_target_that_the_archive_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(CardError, match="actions"):
        read_dataset("thor_egomotion", tmp_path, "actions")
