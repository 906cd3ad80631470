"""CLEVR: a tiny copy of the owner's folder, made by hand, with its scenes out of order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from virb.core.errors import CardError, DataError, MissingData
from virb.core.types import Dataset
from virb.data import read_dataset

Scene = dict[str, Any]
Edit = Callable[[list[Scene]], object]


def objects_of(split: str, number: int) -> int:
    """Three to seven objects: eight, nine and ten never occur, and no count follows from the file's place."""
    return 3 + (number * 7 + len(split)) % 5


def scene(split: str, number: int, shift: int = 0) -> Scene:
    """One scene in the owner's form; `shift` lets image_index run another way than the file names."""
    count = objects_of(split, number)
    thing = {
        "shape": "cube",
        "size": "large",
        "material": "metal",
        "color": "red",
        "rotation": 12.5,
        "3d_coords": [0.1, -1.5, 0.7],
        "pixel_coords": [204, 91, 9.25],
    }
    return {
        "image_index": number + shift,
        "image_filename": f"CLEVR_{split}_{number:06d}.png",
        "split": split,
        "objects": [dict(thing) for _ in range(count)],
        "relationships": {},
        "directions": {},
    }


def scramble(scenes: list[Scene]) -> list[Scene]:
    return [scenes[place] for place in np.random.default_rng(5).permutation(len(scenes))]


def build(root: Path, train: int = 30, val: int = 8, top: str = "CLEVR_v1.0", edit: Edit | None = None) -> Path:
    """Write images and scrambled scene files; `edit` may spoil the train scenes before they are written."""
    folder = root / top
    (folder / "scenes").mkdir(parents=True)
    for split, count in (("train", train), ("val", val)):
        (folder / "images" / split).mkdir(parents=True)
        scenes = scramble([scene(split, number) for number in range(count)])
        for number in range(count):
            Image.new("RGBA", (6, 4)).save(folder / "images" / split / f"CLEVR_{split}_{number:06d}.png")
        if edit and split == "train":
            edit(scenes)
        write(folder, split, scenes)
    (folder / "images" / "test").mkdir()
    return folder


def write(folder: Path, split: str, scenes: object) -> None:
    content = {"info": {"split": split}, "scenes": scenes}
    (folder / "scenes" / f"CLEVR_{split}_scenes.json").write_text(json.dumps(content))


def read(root: Path) -> Dataset:
    return read_dataset("clevr", root, "count")


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(root)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


def name(split: str, number: int) -> str:
    return f"{split}/CLEVR_{split}_{number:06d}"


def by_name(scenes: list[Scene], number: int) -> Scene:
    return next(item for item in scenes if item["image_filename"] == f"CLEVR_train_{number:06d}.png")


def test_validation_is_the_last_tenth_of_train_and_val_is_tested(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert data.train.ids == tuple(name("train", number) for number in range(27))
    assert data.val.ids == tuple(name("train", number) for number in range(27, 30))
    assert data.test.ids == tuple(name("val", number) for number in range(8))


def test_the_last_tenth_goes_by_image_index_and_not_by_name_or_place(tmp_path: Path) -> None:
    def turn_round(scenes: list[Scene]) -> None:
        for item in scenes:
            item["image_index"] = 1000 - item["image_index"]

    build(tmp_path, edit=turn_round)
    data = read(tmp_path)
    assert set(data.val.ids) == {name("train", number) for number in (0, 1, 2)}
    assert data.train.ids == tuple(name("train", number) for number in range(29, 2, -1))


def test_image_index_is_a_number_and_not_a_text(tmp_path: Path) -> None:
    build(tmp_path, train=110)
    assert read(tmp_path).val.ids == tuple(name("train", number) for number in range(99, 110))


def test_labels_join_their_images_by_file_name_whatever_the_order_of_the_scenes(tmp_path: Path) -> None:
    folder = build(tmp_path)
    places = [
        item["image_index"] for item in json.loads((folder / "scenes/CLEVR_train_scenes.json").read_text())["scenes"]
    ]
    assert places != sorted(places), "the fixture must be out of order to show anything"
    data = read(tmp_path)
    for split in (data.train, data.val, data.test):
        for place, sample in enumerate(split.ids):
            part, number = sample.split("/")[0], int(sample[-6:])
            assert data.classes[split.targets[place]] == str(objects_of(part, number))
            assert data.pool.paths[split.index[place, 0]] == folder / "images" / part / f"CLEVR_{part}_{number:06d}.png"


def test_order_of_the_scene_file_does_not_reach_the_digest(tmp_path: Path) -> None:
    build(tmp_path / "one")
    build(tmp_path / "two", edit=lambda scenes: scenes.reverse())
    assert read(tmp_path / "one").digest == read(tmp_path / "two").digest


def test_three_objects_are_class_zero_of_eight_even_where_counts_are_absent(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert data.classes == ("3", "4", "5", "6", "7", "8", "9", "10")
    assert set(data.train.targets.tolist()) == {0, 1, 2, 3, 4}
    first = data.train.ids.index(name("train", 0))
    assert data.train.targets[first] == objects_of("train", 0) - 3


def test_ten_objects_are_the_last_class(tmp_path: Path) -> None:
    build(tmp_path, edit=lambda scenes: by_name(scenes, 4).update(objects=[{}] * 10))
    assert read(tmp_path).train.targets[4] == 7


@pytest.mark.parametrize("count", [0, 2, 11])
def test_a_count_outside_three_to_ten_is_an_error_that_names_the_image(tmp_path: Path, count: int) -> None:
    build(tmp_path, edit=lambda scenes: by_name(scenes, 4).update(objects=[{}] * count))
    found = refused(tmp_path)
    assert f"'{count}'" in found
    assert "CLEVR_train_000004.png" in found


def test_every_scene_is_a_group_of_its_own(tmp_path: Path) -> None:
    build(tmp_path)
    assert len(set(read(tmp_path).test.groups.tolist())) == 8


@pytest.mark.parametrize("top", ["CLEVR_v1.0", "clevr/CLEVR_v1.0", "CLEVR"])
def test_the_folders_of_owner_torchvision_and_virb2021_are_found(tmp_path: Path, top: str) -> None:
    build(tmp_path, top=top)
    assert read(tmp_path).counts == {"train": 27, "val": 3, "test": 8}


def test_a_missing_data_set_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingData) as caught:
        read(tmp_path)
    assert "CLEVR_v1.0.zip" in caught.value.remedy


def test_a_missing_image_is_an_error_that_counts_it_and_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "images" / "val" / "CLEVR_val_000003.png").unlink()
    found = refused(tmp_path)
    assert "1 of 38" in found
    assert "val/CLEVR_val_000003.png" in found


def test_images_of_the_other_split_do_not_stand_in_for_missing_ones(tmp_path: Path) -> None:
    folder = build(tmp_path)
    for path in (folder / "images" / "val").iterdir():
        path.rename(folder / "images" / "train" / path.name)
    assert "8 of 38" in refused(tmp_path)


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_missing_scene_file_is_an_error_that_names_it(tmp_path: Path, split: str) -> None:
    folder = build(tmp_path)
    (folder / "scenes" / f"CLEVR_{split}_scenes.json").unlink()
    assert f"CLEVR_{split}_scenes.json" in refused(tmp_path)


def test_images_without_any_scene_file_are_half_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "CLEVR_v1.0" / "images" / "train").mkdir(parents=True)
    assert "CLEVR_train_scenes.json" in refused(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"info": {}, "scenes": [{"image_index": 0, "image_fil',
        b'{"info": {}}',
        b"[]",
        b'{"scenes": 7}',
        b'{"scenes": [{"image_index": 0, "objects": []}]}',
        b'{"scenes": [{"image_index": "first", "image_filename": "CLEVR_train_000000.png", "objects": []}]}',
        b'{"scenes": []}',
        b"\xff\xfe\x00\x01",
        b"[" * 100_000,
    ],
    ids=["empty", "cut", "no-scenes", "list", "number", "no-file", "no-index", "none", "binary", "deep"],
)
def test_a_broken_scene_file_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    folder = build(tmp_path)
    (folder / "scenes" / "CLEVR_train_scenes.json").write_bytes(content)
    assert "CLEVR_train_scenes.json" in refused(tmp_path)


def test_an_image_with_two_scenes_is_an_error(tmp_path: Path) -> None:
    build(tmp_path, edit=lambda scenes: scenes.append({**by_name(scenes, 2), "image_index": 77}))
    assert "twice" in refused(tmp_path)


def test_objects_that_are_no_list_are_an_error_and_not_counted(tmp_path: Path) -> None:
    # "sphere" has six letters, and len() would make six objects of them.
    build(tmp_path, edit=lambda scenes: by_name(scenes, 2).update(objects="sphere"))
    assert "CLEVR_train_scenes.json" in refused(tmp_path)


@pytest.mark.parametrize("file", ["../x.png", "../../x.png", "../val/CLEVR_val_000000.png"])
def test_a_scene_that_leads_out_of_its_folder_is_refused(tmp_path: Path, file: str) -> None:
    folder = build(tmp_path, edit=lambda scenes: by_name(scenes, 2).update(image_filename=file))
    target = (folder / "images" / "train" / file).resolve()
    Image.new("RGB", (4, 4)).save(target)
    assert "outside" in refused(tmp_path)


def test_an_unusual_count_is_a_note_and_no_more(tmp_path: Path) -> None:
    build(tmp_path)
    (note,) = read(tmp_path).notes
    assert "train 27 (usually 63,000)" in note
    assert "val 3 (usually 7,000)" in note
    assert "test 8 (usually 15,000)" in note


def test_the_same_data_in_two_folders_have_one_digest_and_no_path_in_it(tmp_path: Path) -> None:
    build(tmp_path / "here")
    build(tmp_path / "there", top="clevr/CLEVR_v1.0")
    here, there = read(tmp_path / "here"), read(tmp_path / "there")
    assert here.digest == there.digest
    assert here.pool.ids == there.pool.ids
    assert not any(part in sample for sample in here.pool.ids for part in (tmp_path.name, "images", ".png"))


def test_one_label_changed_is_another_digest(tmp_path: Path) -> None:
    build(tmp_path / "one")
    build(tmp_path / "two", edit=lambda scenes: by_name(scenes, 29)["objects"].append({}))
    one, two = read(tmp_path / "one"), read(tmp_path / "two")
    assert one.digest != two.digest
    assert one.val.digest != two.val.digest
    assert one.test.digest == two.test.digest


def test_a_target_that_clevr_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(CardError, match="counts"):
        read_dataset("clevr", tmp_path, "counts")


def nearest(scenes: list[Scene], depths: dict[int, list[float]]) -> None:
    for number, values in depths.items():
        by_name(scenes, number)["objects"] = [{"pixel_coords": [1, 2, depth]} for depth in values]


def test_distance_is_the_bin_of_the_nearest_object_and_an_edge_belongs_to_the_nearer_bin(tmp_path: Path) -> None:
    depths = {
        0: [12.0, 7.9, 30.0], 1: [8.0], 2: [8.0001, 9.9], 3: [8.5], 4: [9.0, 8.51], 5: [9.01], 6: [9.5],
        7: [9.6, 10.0], 8: [10.0001], 9: [99.0, 100.0],
    }  # fmt: skip
    build(tmp_path, edit=lambda scenes: nearest(scenes, depths))
    data = read_dataset("clevr", tmp_path, "distance")
    assert data.classes == ("0 to 8", "8 to 8.5", "8.5 to 9", "9 to 9.5", "9.5 to 10", "10 to 100")
    assert data.train.targets[:10].tolist() == [0, 0, 1, 1, 2, 3, 3, 4, 5, 5]
    assert set(data.test.targets.tolist()) == {3}, "9.25, as everywhere else in this folder"


def test_distance_and_count_share_pictures_and_splits_and_nothing_else(tmp_path: Path) -> None:
    build(tmp_path)
    count, distance = read(tmp_path), read_dataset("clevr", tmp_path, "distance")
    assert count.pool == distance.pool
    assert [count.train.ids, count.val.ids, count.test.ids] == [
        distance.train.ids, distance.val.ids, distance.test.ids,
    ]  # fmt: skip
    assert count.digest != distance.digest


@pytest.mark.parametrize("depths", [[0.0], [-3.0, 9.0], [100.5], [], [float("nan")]])
def test_a_depth_outside_every_bin_is_an_error_that_names_the_image(tmp_path: Path, depths: list[float]) -> None:
    build(tmp_path, edit=lambda scenes: nearest(scenes, {4: depths}))
    with pytest.raises(DataError, match=r"CLEVR_train_000004\.png"):
        read_dataset("clevr", tmp_path, "distance")


@pytest.mark.parametrize("thing", [{}, {"pixel_coords": [1, 2]}, {"pixel_coords": None}])
def test_an_object_without_a_depth_is_an_error_that_names_the_file(tmp_path: Path, thing: Scene) -> None:
    build(tmp_path, edit=lambda scenes: by_name(scenes, 4).update(objects=[thing]))
    with pytest.raises(DataError, match=r"CLEVR_train_scenes\.json"):
        read_dataset("clevr", tmp_path, "distance")
