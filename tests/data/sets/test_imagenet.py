"""ImageNet and ImageNetV2: tiny copies made by hand; where real data must be whole, the counts are made small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from virb.core.errors import CardError, DataError, MissingData
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.common import class_list
from virb.data.formats.mat import write_mat
from virb.data.sets import imagenet

WNIDS = class_list("imagenet_wnids")
USED = (0, 1, 10, 100, 999)
TRAIN, VAL = 10, 2


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five classes stand for a thousand, and few pictures for a million."""
    monkeypatch.setattr(imagenet, "_TRAIN", len(USED) * TRAIN)
    monkeypatch.setattr(imagenet, "_VAL", len(USED) * VAL)
    monkeypatch.setattr(imagenet, "_V2", len(USED) * 2)


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"picture")


def val_name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}"


def build(root: Path, top: str = "imagenet", sample: bool = True, flat: bool = False) -> Path:
    """Write class folders of train and val; the numbers in val run across the classes, as the owner's do."""
    folder = root / top
    for place, row in enumerate(USED):
        for number in range(TRAIN):
            touch(folder / "train" / WNIDS[row] / f"{WNIDS[row]}_{number * 3}.JPEG")
        for number in range(VAL):
            name = f"{val_name(number * len(USED) + place + 1)}.JPEG"
            touch(folder / "val" / ("" if flat else WNIDS[row]) / name)
    if sample:
        (folder / ".virb-sample.json").write_text("{}")
    return folder


def devkit(folder: Path) -> None:
    """Write the owner's devkit: classes are numbered in another order, and inner nodes of the tree come after."""
    place = folder / "ILSVRC2012_devkit_t12" / "data"
    place.mkdir(parents=True)
    numbers = {row: number for number, row in enumerate(reversed(USED), start=1)}
    synsets = [{"ILSVRC2012_ID": float(number), "WNID": WNIDS[row]} for row, number in numbers.items()]
    (place / "meta.mat").write_bytes(write_mat({"synsets": [*synsets, {"ILSVRC2012_ID": 1001.0, "WNID": "n00001740"}]}))
    truth = [numbers[USED[number % len(USED)]] for number in range(len(USED) * VAL)]
    (place / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{number}\n" for number in truth))


def read(root: Path, name: str = "imagenet") -> Dataset:
    return read_dataset(name, root, "class")


def refused(root: Path, name: str = "imagenet") -> str:
    with pytest.raises(DataError) as caught:
        read(root, name)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


def test_there_are_a_thousand_classes_in_the_order_of_their_wnids() -> None:
    assert len(set(WNIDS)) == 1000
    assert list(WNIDS) == sorted(WNIDS)
    assert (WNIDS[0], WNIDS[999]) == ("n01440764", "n15075141")


def test_a_class_is_the_place_of_its_wnid_however_many_classes_are_there(tmp_path: Path) -> None:
    folder = build(tmp_path)
    data = read(tmp_path)
    assert set(data.train.targets) == set(data.val.targets) == set(data.test.targets) == set(USED)
    for split in (data.train, data.val, data.test):
        for row, path in enumerate(data.pool.paths[place] for place in split.index[:, 0]):
            assert path.parent.name == WNIDS[split.targets[row]]
            assert path.is_relative_to(folder)


def test_validation_is_carved_from_every_class_and_val_is_tested(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert data.counts == {"train": len(USED) * (TRAIN - 1), "val": len(USED), "test": len(USED) * VAL}
    assert all(name.startswith("train/") for name in data.train.ids + data.val.ids)
    assert set(data.test.ids) == {f"val/{val_name(number)}" for number in range(1, len(USED) * VAL + 1)}


def test_a_flat_val_with_the_devkit_is_the_same_data_as_val_in_folders(tmp_path: Path) -> None:
    build(tmp_path / "folders")
    devkit(build(tmp_path / "flat", flat=True))
    one, two = read(tmp_path / "folders"), read(tmp_path / "flat")
    labels = dict(zip(one.test.ids, one.test.targets.tolist(), strict=True))
    assert labels == dict(zip(two.test.ids, two.test.targets.tolist(), strict=True))
    assert one.pool.ids == two.pool.ids


def test_a_flat_val_without_the_devkit_says_what_to_do(tmp_path: Path) -> None:
    build(tmp_path, flat=True)
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert "no class folder" in caught.value.found
    assert "valprep.sh" in caught.value.remedy
    assert "ILSVRC2012_devkit_t12" in caught.value.remedy


def test_a_flat_val_that_misses_a_picture_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path, flat=True)
    devkit(folder)
    (folder / "val" / f"{val_name(3)}.JPEG").unlink()
    assert val_name(3) in refused(tmp_path)


@pytest.mark.parametrize("content", ["1\n1001\n", "1\n7777\n", "", "one\n"])
def test_a_ground_truth_of_unknown_classes_is_an_error(tmp_path: Path, content: str) -> None:
    folder = build(tmp_path, flat=True)
    devkit(folder)
    (folder / "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt").write_text(content)
    assert "ILSVRC2012_" in refused(tmp_path)


def test_a_devkit_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    folder = build(tmp_path, flat=True)
    devkit(folder)
    (folder / "ILSVRC2012_devkit_t12/data/meta.mat").write_bytes(b"<html>")
    assert "meta.mat" in refused(tmp_path)


@pytest.mark.parametrize("split", ["train", "val"])
def test_real_data_without_some_class_folder_are_half_there(tmp_path: Path, split: str) -> None:
    folder = build(tmp_path, sample=False)
    if split == "val":
        for wnid in WNIDS:
            touch(folder / "train" / wnid / f"{wnid}_1.JPEG")
    found = refused(tmp_path)
    assert "995 of 1,000" in found
    assert str(folder / split) in found
    assert WNIDS[2] in found, "the first that is missing"


def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the five classes be all there are."""
    monkeypatch.setattr(imagenet, "class_list", lambda _: tuple(WNIDS[row] for row in USED))


def test_real_data_that_are_whole_are_read_and_counts_are_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole(monkeypatch)
    build(tmp_path, sample=False)
    (note,) = read(tmp_path).notes
    assert "train and val 50 (usually 1,281,167)" in note


@pytest.mark.parametrize(("split", "kept"), [("train", 3), ("val", 1)])
def test_classes_of_a_few_pictures_are_half_present_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str, kept: int
) -> None:
    whole(monkeypatch)
    folder = build(tmp_path, sample=False)
    for path in (folder / split).iterdir():
        for picture in sorted(path.iterdir())[kept:]:
            picture.unlink()
    assert f"{kept * len(USED)} of" in refused(tmp_path)


def test_an_empty_class_folder_is_as_good_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole(monkeypatch)
    folder = build(tmp_path, sample=False)
    for picture in (folder / "train" / WNIDS[10]).iterdir():
        picture.unlink()
    assert WNIDS[10] in refused(tmp_path)


def test_an_unknown_class_folder_is_an_error_and_other_things_are_no_matter(tmp_path: Path) -> None:
    folder = build(tmp_path)
    before = read(tmp_path).digest
    touch(folder / "train" / "n01440764.tar")
    touch(folder / "train" / "n01440764" / "._n01440764_0.JPEG")
    touch(folder / "train" / "n01440764" / "list.txt")
    touch(folder / "val" / "valprep.sh")
    (folder / "train" / "@eaDir").mkdir()
    assert read(tmp_path).digest == before
    touch(folder / "train" / "n02119789x" / "a.JPEG")
    assert read(tmp_path).digest == before
    touch(folder / "train" / "n99999999" / "n99999999_1.JPEG")
    assert "n99999999" in refused(tmp_path)


def test_a_picture_in_two_class_folders_is_an_error(tmp_path: Path) -> None:
    folder = build(tmp_path)
    touch(folder / "val" / WNIDS[10] / f"{val_name(1)}.JPEG")
    assert val_name(1) in refused(tmp_path)


def test_train_without_val_is_half_present_data(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "val").rename(folder / "validation")
    assert str(folder / "val") in refused(tmp_path)


def test_missing_imagenet_is_answered_with_numbered_steps(tmp_path: Path) -> None:
    with pytest.raises(MissingData) as caught:
        read(tmp_path)
    for step in ("1. register", "2. download", "3. unpack", "ILSVRC2012_img_val.tar", "imagenet/val"):
        assert step in caught.value.remedy


V2 = "imagenetv2-matched-frequency-format-val"


def build_v2(root: Path, name_of: Callable[[int], str], top: str = V2) -> Path:
    folder = root / top
    for row in USED:
        for number in range(2):
            touch(folder / name_of(row) / f"{number}.jpeg")
    (folder / ".virb-sample.json").write_text("{}")
    return folder


def wnid(row: int) -> str:
    return WNIDS[row]


@pytest.mark.parametrize("name_of", [str, wnid])
def test_v2_folders_are_numbers_or_wnids_and_never_places_in_a_sorted_list(
    tmp_path: Path, name_of: Callable[[int], str]
) -> None:
    build_v2(tmp_path, name_of)
    data = read(tmp_path, "imagenetv2")
    assert data.test.targets.tolist() == [row for row in USED for _ in range(2)]
    for row, place in enumerate(data.test.index[:, 0]):
        assert data.pool.paths[place].parent.name == name_of(int(data.test.targets[row]))


def test_v2_is_the_same_data_under_both_kinds_of_names(tmp_path: Path) -> None:
    build_v2(tmp_path / "numbers", str)
    build_v2(tmp_path / "wnids", wnid, top="imagenet-matched-frequency-format-val")
    assert read(tmp_path / "numbers", "imagenetv2").digest == read(tmp_path / "wnids", "imagenetv2").digest


def test_v2_is_only_tested_and_has_the_classes_of_imagenet(tmp_path: Path) -> None:
    build_v2(tmp_path, str)
    data = read(tmp_path, "imagenetv2")
    assert data.counts == {"train": 0, "val": 0, "test": 10}
    for split in (data.train, data.val):
        assert split.index.shape == (0, 1)
        assert split.targets.shape == split.groups.shape == (0,)
    assert data.classes == WNIDS
    assert np.array_equal(data.rows, np.arange(10))


@pytest.mark.parametrize("name", ["1000", "007"])
def test_a_v2_folder_that_is_no_class_is_an_error(tmp_path: Path, name: str) -> None:
    folder = build_v2(tmp_path, str)
    touch(folder / name / "0.jpeg")
    assert f"'{name}'" in refused(tmp_path, "imagenetv2")


def test_real_v2_data_without_some_class_are_half_there(tmp_path: Path) -> None:
    folder = build_v2(tmp_path, str)
    (folder / ".virb-sample.json").unlink()
    found = refused(tmp_path, "imagenetv2")
    assert "995 of 1,000" in found
    assert found.endswith("the first is 2")


@pytest.mark.parametrize("top", ["imagenetv2-b-33-format-val", "imagenetv2-threshold0.7-format-val"])
def test_the_other_variants_of_v2_are_other_data_sets(tmp_path: Path, top: str) -> None:
    build_v2(tmp_path, str, top=top)
    with pytest.raises(MissingData):
        read(tmp_path, "imagenetv2")


@pytest.mark.parametrize("name", ["imagenet", "imagenetv2"])
def test_a_target_that_there_is_not_is_refused(tmp_path: Path, name: str) -> None:
    build(tmp_path)
    build_v2(tmp_path, str)
    with pytest.raises(CardError, match="did you mean 'class'"):
        read_dataset(name, tmp_path, "classes")
