"""DTD: a tiny copy of the owner's folder, made by hand, read by the real adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from PIL import Image

from virb.core.errors import CardError, DataError, MissingData
from virb.core.types import Dataset
from virb.data import read_dataset

Lists = Mapping[str, Sequence[str]]

LISTS: Lists = {
    "train": ("zigzagged/zigzagged_0004.jpg", "banded/banded_0002.jpg", "polka-dotted/polka-dotted_0011.jpg"),
    "val": ("polka-dotted/polka-dotted_0001.jpg", "banded/banded_0120.jpg"),
    "test": (
        "banded/banded_0005.jpg",
        "zigzagged/zigzagged_0001.jpg",
        "banded/banded_0001.jpg",
        "woven/woven_0003.jpg",
    ),
}
INDEX = {"banded": 0, "polka-dotted": 30, "woven": 44, "zigzagged": 46}  # counted by hand in the owner's 47 folders


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (5, 4), (10, 200, 30)).save(path)


def build(root: Path, lists: Lists = LISTS, top: str = "dtd") -> Path:
    """Write images and the lists of partition 1, as the owner's archive unpacks."""
    folder = root / top
    for line in {line for lines in lists.values() for line in lines}:
        picture(folder / "images" / line)
    (folder / "labels").mkdir(parents=True)
    for name, lines in lists.items():
        (folder / "labels" / f"{name}1.txt").write_text("".join(f"{line}\n" for line in lines))
    return folder


def read(root: Path) -> Dataset:
    return read_dataset("dtd", root, "texture")


def stems(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(line.removesuffix(".jpg") for line in lines)


def refused(root: Path) -> str:
    """Return the message of the DataError; a data set that is there in part must not pass for a missing one."""
    with pytest.raises(DataError) as caught:
        read(root)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


def test_splits_are_exactly_the_owners_lists_in_their_order(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert {name: getattr(data, name).ids for name in LISTS} == {name: stems(lines) for name, lines in LISTS.items()}
    assert data.counts == {"train": 3, "val": 2, "test": 4}


def test_a_class_keeps_its_number_when_most_classes_are_absent(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert len(data.classes) == 47
    for name, lines in LISTS.items():
        assert getattr(data, name).targets.tolist() == [INDEX[line.split("/")[0]] for line in lines]
    assert [data.classes[target] for target in data.test.targets] == ["banded", "zigzagged", "banded", "woven"]


def test_each_sample_points_at_its_own_image(tmp_path: Path) -> None:
    folder = build(tmp_path)
    data = read(tmp_path)
    assert len(data.pool) == 9
    for name, lines in LISTS.items():
        index = getattr(data, name).index
        assert index.shape == (len(lines), 1)
        assert [data.pool.paths[row] for row in index[:, 0]] == [folder / "images" / line for line in lines]
        assert [data.pool.ids[row] for row in index[:, 0]] == list(stems(lines))


def test_every_photo_is_a_group_of_its_own(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert len(set(data.test.groups.tolist())) == 4


def test_other_partitions_and_images_that_no_list_names_are_left_alone(tmp_path: Path) -> None:
    folder = build(tmp_path)
    before = read(tmp_path)
    picture(folder / "images" / "grid" / "grid_0001.jpg")
    picture(folder / "images" / "banded" / "._banded_0002.jpg")
    (folder / "labels" / "train2.txt").write_text("grid/grid_0001.jpg\n")
    (folder / "labels" / "train10.txt").write_text("grid/grid_0001.jpg\n")
    (folder / "labels" / "labels_joint_anno.txt").write_text("banded/banded_0002.jpg banded grid\n")
    assert read(tmp_path).digest == before.digest
    assert read(tmp_path).pool.ids == before.pool.ids


def test_blank_lines_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    folder = build(tmp_path)
    before = read(tmp_path).digest
    path = folder / "labels" / "train1.txt"
    path.write_bytes(b"\r\n" + path.read_bytes().replace(b"\n", b" \r\n") + b"\r\n")
    assert read(tmp_path).digest == before


@pytest.mark.parametrize("top", ["dtd", "dtd/dtd", "dtd-r1.0.1/dtd"])
def test_the_owners_and_torchvisions_folders_are_both_found(tmp_path: Path, top: str) -> None:
    build(tmp_path, top=top)
    assert read(tmp_path).counts["train"] == 3


def test_a_missing_data_set_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingData) as caught:
        read(tmp_path)
    assert "dtd-r1.0.1.tar.gz" in caught.value.remedy
    assert str(tmp_path) in caught.value.found
    with pytest.raises(MissingData, match="not a folder"):
        read(tmp_path / "nowhere")


def test_a_missing_image_is_an_error_that_counts_it_and_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "images" / "woven" / "woven_0003.jpg").unlink()
    found = refused(tmp_path)
    assert "1 of 9" in found
    assert "woven/woven_0003.jpg" in found


def test_missing_images_of_several_classes_are_all_counted(tmp_path: Path) -> None:
    folder = build(tmp_path)
    for line in LISTS["train"]:
        (folder / "images" / line).unlink()
    (folder / "images" / "polka-dotted" / "polka-dotted_0001.jpg").unlink()
    (folder / "images" / "polka-dotted").rmdir()
    found = refused(tmp_path)
    assert "4 of 9" in found
    assert "banded/banded_0002.jpg" in found, "the first in order"


def test_a_missing_list_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "labels" / "val1.txt").unlink()
    assert "val1.txt" in refused(tmp_path)


def test_images_without_any_labels_are_half_a_data_set(tmp_path: Path) -> None:
    picture(tmp_path / "dtd" / "images" / "banded" / "banded_0001.jpg")
    assert "labels/train1.txt" in refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe\x00banded"])
def test_an_empty_or_unreadable_list_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    folder = build(tmp_path)
    (folder / "labels" / "test1.txt").write_bytes(content)
    assert "test1.txt" in refused(tmp_path)


def test_an_unknown_class_is_an_error_and_never_a_new_class(tmp_path: Path) -> None:
    build(tmp_path, {**LISTS, "val": ("tartan/tartan_0001.jpg",)})
    found = refused(tmp_path)
    assert "'tartan'" in found
    assert "tartan/tartan_0001.jpg" in found


@pytest.mark.parametrize("name", ["../x.jpg", "banded/../../x.jpg"])
def test_a_list_that_leads_out_of_the_image_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder = build(tmp_path)
    picture(folder / "images" / name)
    (folder / "labels" / "train1.txt").write_text(f"{LISTS['train'][0]}\n{name}\n")
    assert "outside" in refused(tmp_path)


def test_a_list_with_an_absolute_path_is_refused(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "labels" / "train1.txt").write_text(f"{folder / 'images' / 'banded' / 'banded_0001.jpg'}\n")
    assert "outside" in refused(tmp_path)


def test_an_image_that_is_both_trained_on_and_tested_is_an_error(tmp_path: Path) -> None:
    build(tmp_path, {**LISTS, "test": (*LISTS["test"], LISTS["train"][1])})
    assert LISTS["train"][1].removesuffix(".jpg") in refused(tmp_path)


def test_an_image_that_one_list_names_twice_is_an_error(tmp_path: Path) -> None:
    build(tmp_path, {**LISTS, "test": (*LISTS["test"], LISTS["test"][0])})
    assert LISTS["test"][0].removesuffix(".jpg") in refused(tmp_path)


def test_an_unusual_count_is_a_note_and_no_more(tmp_path: Path) -> None:
    build(tmp_path)
    (note,) = read(tmp_path).notes
    assert "train 3 (usually 1,880)" in note
    assert "test 4" in note


def test_the_same_data_in_two_folders_have_one_digest_and_no_path_in_it(tmp_path: Path) -> None:
    build(tmp_path / "here")
    build(tmp_path / "there" / "deep", top="dtd/dtd")
    here, there = read(tmp_path / "here"), read(tmp_path / "there" / "deep")
    assert here.digest == there.digest
    assert here.pool.ids == there.pool.ids
    assert not any(part in name for name in here.pool.ids + here.test.ids for part in (tmp_path.name, "images", ".jpg"))


def relabel(lists: Lists) -> Lists:
    return {**lists, "test": ("woven/woven_0005.jpg", *lists["test"][1:])}


def move(lists: Lists) -> Lists:
    return {**lists, "train": lists["train"][:2], "val": (*lists["val"], lists["train"][2])}


@pytest.mark.parametrize("change", [relabel, move])
def test_another_label_or_another_split_is_another_digest(tmp_path: Path, change: Callable[[Lists], Lists]) -> None:
    build(tmp_path / "one")
    build(tmp_path / "two", change(LISTS))
    assert read(tmp_path / "one").digest != read(tmp_path / "two").digest


def test_a_target_that_dtd_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(CardError, match="textures"):
        read_dataset("dtd", tmp_path, "textures")
