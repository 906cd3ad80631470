"""COCO panoptic: a tiny copy of the owner's json and label pictures, made by hand."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from virb.core.errors import CardError, DataError, MissingData
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.classes import COCO_PANOPTIC

TRAIN, VAL = [9, 25, 30, 34, 36, 42, 49, 61, 64, 71], [139, 285]
NUMBERS = {"train2017": TRAIN, "val2017": VAL}
Segment = tuple[int, int, int]  # id, category, crowd

SEGMENTS: list[Segment] = [(70_000, 1, 0), (300, 90, 0), (5, 200, 0), (6, 1, 1), (16_777_215, 92, 0)]
EXPECTED = [0, 79, 132, 255, 80]  # counted by hand: 80 things come before 53 stuffs


def colours(ids: np.ndarray) -> Image.Image:
    return Image.fromarray(np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8))


def labels_of(number: int) -> np.ndarray:
    """Rows of segments, one after another, then one that is not labelled."""
    shift = 0 if number == TRAIN[0] else number
    ids = [number_ + shift if number_ < 16_000_000 else number_ for number_, _, _ in SEGMENTS]
    return np.repeat(np.array([*ids, 0], np.int64)[:, None], 7, axis=1)


def entry(number: int) -> dict[str, Any]:
    rows = labels_of(number)[:, 0]
    segments = [
        {"id": int(rows[place]), "category_id": category, "iscrowd": crowd, "bbox": [0, 0, 1, 1], "area": 1}
        for place, (_, category, crowd) in enumerate(SEGMENTS)
    ]
    return {"image_id": number, "file_name": f"{number:012d}.png", "segments_info": segments[::-1]}


def content(part: str) -> dict[str, Any]:
    return {
        "images": [{"id": number, "file_name": f"{number:012d}.jpg"} for number in NUMBERS[part]],
        "annotations": [entry(number) for number in reversed(NUMBERS[part])],
        "categories": [{"id": number, "name": name, "isthing": int(thing)} for number, name, thing in COCO_PANOPTIC],
    }


def build(root: Path, top: str = "coco", labels: str = "annotations/", pictures: str = "") -> Path:
    folder = root / top
    (folder / "annotations").mkdir(parents=True)
    for part, numbers in NUMBERS.items():
        (folder / "annotations" / f"panoptic_{part}.json").write_text(json.dumps(content(part)))
        (folder / f"{labels}panoptic_{part}").mkdir(parents=True)
        (folder / f"{pictures}{part}").mkdir(parents=True)
        for number in numbers:
            Image.new("RGB", (7, 6)).save(folder / f"{pictures}{part}" / f"{number:012d}.jpg")
            colours(labels_of(number)).save(folder / f"{labels}panoptic_{part}" / f"{number:012d}.png")
    return folder


def rewrite(folder: Path, part: str, change: dict[str, Any]) -> None:
    (folder / "annotations" / f"panoptic_{part}.json").write_text(json.dumps({**content(part), **change}))


def read(root: Path) -> Dataset:
    return read_dataset("coco_panoptic", root, "semantic")


def refused(root: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        read(root)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value


def test_a_share_of_train_is_validation_and_val_is_tested(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert data.counts == {"train": 9, "val": 1, "test": 2}
    assert {*data.train.ids, *data.val.ids} == {f"train2017/{number:012d}" for number in TRAIN}
    assert data.test.ids == ("val2017/000000000139", "val2017/000000000285")
    assert "10 (usually 118,287)" in data.notes[0]


def test_segments_become_classes_by_their_category_and_crowds_are_ignored(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert data.labels is not None
    assert data.labels.kind == "classes"
    for row in range(len(data.labels)):
        classes = data.labels.read(row)
        assert (classes.shape, classes.dtype) == ((6, 7), np.uint8)
        assert classes[:, 3].tolist() == [*EXPECTED, 255]


def test_the_133_classes_are_numbered_by_category_without_gaps(tmp_path: Path) -> None:
    build(tmp_path)
    classes = read(tmp_path).classes
    assert len(classes) == 133
    assert [classes[place] for place in (0, 79, 80, 132)] == ["person", "toothbrush", "banner", "rug-merged"]


def test_picture_and_labels_are_joined_by_what_the_json_says(tmp_path: Path) -> None:
    folder = build(tmp_path)
    data = read(tmp_path)
    assert data.labels is not None
    for split in (data.train, data.val, data.test):
        for name, (frame,), row in zip(split.ids, split.index, split.targets, strict=True):
            part, stem = name.split("/")
            assert data.pool.paths[frame] == folder / part / f"{stem}.jpg"
            assert data.labels.paths[row] == folder / "annotations" / f"panoptic_{part}" / f"{stem}.png"


@pytest.mark.parametrize(("labels", "pictures"), [("", ""), ("annotations/", "images/"), ("", "images/")])
def test_all_places_of_labels_and_pictures_are_found_and_give_one_digest(
    tmp_path: Path, labels: str, pictures: str
) -> None:
    build(tmp_path / "one")
    build(tmp_path / "two", labels=labels, pictures=pictures)
    assert read(tmp_path / "one").digest == read(tmp_path / "two").digest


def test_another_category_of_one_segment_is_another_digest(tmp_path: Path) -> None:
    folder = build(tmp_path)
    before = read(tmp_path).digest
    changed = [entry(number) for number in VAL]
    changed[0]["segments_info"][0]["category_id"] = 3
    rewrite(folder, "val2017", {"annotations": changed})
    assert read(tmp_path).digest != before


def test_labels_are_small_when_they_are_handed_to_another_process(tmp_path: Path) -> None:
    build(tmp_path)
    labels = read(tmp_path).labels
    assert labels is not None
    assert len(pickle.dumps(labels.reader)) < 2000
    assert pickle.loads(pickle.dumps(labels)).read(4).max() == 255


def test_a_segment_that_the_json_does_not_list_is_an_error_that_names_file_and_id(tmp_path: Path) -> None:
    folder = build(tmp_path)
    path = folder / "annotations" / "panoptic_val2017" / f"{VAL[0]:012d}.png"
    colours(np.full((6, 7), 123_456)).save(path)
    data = read(tmp_path)
    assert data.labels is not None
    with pytest.raises(DataError, match=r"000000000139.*123456"):
        data.labels.read(data.labels.ids.index("val2017/000000000139"))


def test_a_picture_without_any_segment_is_ignored_as_a_whole(tmp_path: Path) -> None:
    folder = build(tmp_path)
    rewrite(folder, "val2017", {"annotations": [entry(VAL[0]), {**entry(VAL[1]), "segments_info": []}]})
    colours(np.zeros((6, 7), np.int64)).save(folder / "annotations" / "panoptic_val2017" / f"{VAL[1]:012d}.png")
    data = read(tmp_path)
    assert data.labels is not None
    assert (data.labels.read(len(data.labels) - 1) == 255).all()


def test_grey_label_pictures_are_not_taken_for_ids(tmp_path: Path) -> None:
    folder = build(tmp_path)
    Image.new("L", (7, 6), 5).save(folder / "annotations" / "panoptic_val2017" / f"{VAL[0]:012d}.png")
    data = read(tmp_path)
    assert data.labels is not None
    with pytest.raises(DataError, match="mode L"):
        data.labels.read(data.labels.ids.index("val2017/000000000139"))


def test_labels_that_were_cut_short_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    folder = build(tmp_path)
    path = folder / "annotations" / "panoptic_val2017" / f"{VAL[0]:012d}.png"
    path.write_bytes(path.read_bytes()[:50])
    data = read(tmp_path)
    assert data.labels is not None
    with pytest.raises(DataError, match="000000000139"):
        data.labels.read(data.labels.ids.index("val2017/000000000139"))


def test_an_unknown_category_is_an_error_and_never_a_new_class(tmp_path: Path) -> None:
    folder = build(tmp_path)
    known = content("val2017")["categories"]
    rewrite(folder, "val2017", {"categories": [*known, {"id": 201, "name": "unicorn", "isthing": 1}]})
    assert "unknown category 201" in refused(tmp_path).found


@pytest.mark.parametrize(
    "change",
    [
        {"annotations": [{**entry(VAL[0]), "file_name": "../x.png"}]},
        {"annotations": [{**entry(VAL[0]), "image_id": 1}]},
        {"annotations": [{**entry(VAL[0]), "segments_info": [{"id": 0, "category_id": 1}]}]},
        {"annotations": [{**entry(VAL[0]), "segments_info": [{"id": 3, "category_id": 12}]}]},
        {"annotations": [entry(VAL[0]), entry(VAL[0])]},
        {"annotations": "none"},
        {"categories": None},
        {"images": [{"file_name": "x.jpg"}]},
    ],
    ids=["path", "no image", "id 0", "gap", "twice", "text", "no categories", "no id"],
)
def test_a_json_that_makes_no_sense_is_an_error_that_names_it(tmp_path: Path, change: dict[str, Any]) -> None:
    rewrite(build(tmp_path), "val2017", change)
    assert "panoptic_val2017.json" in refused(tmp_path).found


def test_a_json_that_was_cut_short_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = build(tmp_path) / "annotations" / "panoptic_val2017.json"
    path.write_bytes(path.read_bytes()[:1000])
    assert "panoptic_val2017.json" in refused(tmp_path).found


def test_missing_label_pictures_are_an_error_that_counts_them(tmp_path: Path) -> None:
    folder = build(tmp_path)
    for number in TRAIN[:3]:
        (folder / "annotations" / "panoptic_train2017" / f"{number:012d}.png").unlink()
    found = refused(tmp_path).found
    assert "3 of 10" in found
    assert f"{TRAIN[0]:012d}.png" in found


def test_missing_pictures_are_an_error_that_counts_them(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "val2017" / f"{VAL[1]:012d}.jpg").unlink()
    assert f"1 of 12 listed images are missing from {folder}, the first is val2017/{VAL[1]:012d}" in str(
        refused(tmp_path)
    )


def test_the_nested_archive_that_nobody_unpacked_is_pointed_at(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "annotations" / "panoptic_val2017").rename(tmp_path / "elsewhere")
    (folder / "annotations" / "panoptic_val2017.zip").write_bytes(b"PK")
    assert "panoptic_val2017.zip" in refused(tmp_path).remedy


def test_a_missing_data_set_names_its_archives(tmp_path: Path) -> None:
    with pytest.raises(MissingData) as caught:
        read(tmp_path)
    assert "panoptic_annotations_trainval2017.zip" in caught.value.remedy


def test_a_target_that_coco_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(CardError, match="instances"):
        read_dataset("coco_panoptic", tmp_path, "instances")
