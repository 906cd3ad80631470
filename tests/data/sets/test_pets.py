"""Oxford-IIIT Pet: a tiny copy of the owner's folder, made by hand, with the stray files that real copies hold."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from virb.core.errors import CardError, DataError
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.classes import PETS
from virb.data.sets.pets import read_trimap

PER_BREED = 10


def trimap(number: int) -> np.ndarray:
    """Codes 0 to 3, in another place for each picture."""
    codes = np.full((6, 8), 2, np.uint8)
    codes[1:4, 1 : 3 + number % 4] = 1
    codes[0, :] = 3
    codes[5, 7] = 0
    return codes


def build(root: Path, top: str = "oxford-iiit-pet", per_breed: int = PER_BREED) -> Path:
    """Write pictures, lists and outlines as both archives unpack: pictures are PNG and RGBA here and there."""
    folder = root / top
    for part in ("images", "annotations/trimaps", "annotations/xmls"):
        (folder / part).mkdir(parents=True)
    lists: dict[str, list[str]] = {"trainval": [], "test": []}
    for number, breed in enumerate(PETS):
        for place in range(per_breed + 2):
            name = f"{breed}_{place + 1}"
            mode, kind = [("RGB", "jpeg"), ("RGB", "png"), ("RGBA", "png"), ("L", "gif")][place % 4]
            Image.new(mode, (8, 6), 90).save(folder / "images" / f"{name}.jpg", kind)
            Image.fromarray(trimap(place)).save(folder / "annotations" / "trimaps" / f"{name}.png")
            split = "trainval" if place < per_breed else "test"
            lists[split].append(f"{name} {number + 1} {1 if breed[0].isupper() else 2} 1")
    for split, lines in lists.items():
        (folder / "annotations" / f"{split}.txt").write_text("".join(f"{line}\n" for line in lines))
    (folder / "annotations" / "list.txt").write_text("#Image CLASS-ID SPECIES BREED ID\n")
    (folder / "images" / "Abyssinian_101.mat").write_bytes(b"mat")
    (folder / "images" / "Bengal_999.jpg").write_bytes(b"in no list")
    (folder / "annotations" / "trimaps" / "._Abyssinian_1.png").write_bytes(b"fork")
    return folder


def read(root: Path, target: str = "breed") -> Dataset:
    return read_dataset("pets", root, target)


def refused(root: Path, target: str = "breed") -> str:
    with pytest.raises(DataError) as caught:
        read(root, target)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


def test_there_are_37_breeds_and_the_twelve_cats_have_capitals() -> None:
    assert len(PETS) == len(set(PETS)) == 37
    assert [name.lower() for name in PETS] == sorted(name.lower() for name in PETS)
    assert sum(name[0].isupper() for name in PETS) == 12


def test_a_tenth_of_every_breed_of_trainval_is_validation_and_test_is_the_owners(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert data.counts == {"train": 37 * 9, "val": 37, "test": 37 * 2}
    assert np.bincount(data.val.targets).tolist() == [1] * 37
    assert data.test.ids[:2] == ("Abyssinian_11", "Abyssinian_12")
    assert not set(data.train.ids) & set(data.val.ids)


def test_the_breed_is_the_name_up_to_its_last_underscore(tmp_path: Path) -> None:
    folder = build(tmp_path)
    data = read(tmp_path)
    for split in (data.train, data.val, data.test):
        for row, name in enumerate(split.ids):
            assert data.classes[split.targets[row]] == name.rpartition("_")[0]
            assert data.pool.paths[split.index[row, 0]] == folder / "images" / f"{name}.jpg"


def test_both_targets_show_the_same_pictures_in_the_same_splits(tmp_path: Path) -> None:
    build(tmp_path)
    breed, outline = read(tmp_path), read(tmp_path, "trimap")
    assert breed.pool == outline.pool
    for split in ("train", "val", "test"):
        assert getattr(breed, split).ids == getattr(outline, split).ids
    assert breed.digest != outline.digest


def test_each_picture_has_its_own_outline(tmp_path: Path) -> None:
    folder = build(tmp_path)
    data = read(tmp_path, "trimap")
    assert data.classes == ("background", "animal")
    assert data.labels is not None
    for split in (data.train, data.val, data.test):
        for row, name in enumerate(split.ids):
            assert data.labels.paths[split.targets[row]] == folder / "annotations" / "trimaps" / f"{name}.png"
    label = data.labels.read(int(data.test.targets[0]))
    assert label.dtype == np.uint8
    assert np.array_equal(label, np.array([255, 1, 0, 255])[trimap(10)])
    assert pickle.loads(pickle.dumps(data.labels)) == data.labels


def test_the_animal_is_one_around_it_zero_and_border_and_zeros_count_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    Image.fromarray(np.array([[0, 1], [2, 3]], np.uint8)).save(path)
    assert read_trimap(path, 0).tolist() == [[255, 1], [0, 255]]
    palette = Image.fromarray(np.array([[1, 2]], np.uint8), "P")
    palette.putpalette([0, 0, 0, 9, 9, 9, 200, 200, 200])
    palette.save(path)
    assert read_trimap(path, 0).tolist() == [[1, 0]], "a palette's numbers are the codes, not its colours"


@pytest.mark.parametrize("values", [np.array([[1, 4]], np.uint8), np.zeros((2, 2, 3), np.uint8)])
def test_a_trimap_with_other_codes_is_an_error_that_names_it(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "Bengal_1.png"
    Image.fromarray(values).save(path)
    with pytest.raises(DataError, match=r"Bengal_1\.png"):
        read_trimap(path, 0)


def test_a_trimap_that_is_no_picture_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "Bengal_1.png"
    path.write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"Bengal_1\.png"):
        read_trimap(path, 0)


def test_a_missing_trimap_matters_to_the_outline_only(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "annotations" / "trimaps" / "beagle_3.png").unlink()
    assert "beagle_3.png" in refused(tmp_path, "trimap")
    assert len(read(tmp_path).pool) == 37 * 12


def test_a_missing_picture_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "images" / "pug_4.jpg").unlink()
    found = refused(tmp_path)
    assert "1 of 444" in found
    assert "pug_4.jpg" in found


def test_an_unknown_breed_is_an_error_that_names_line_and_file(tmp_path: Path) -> None:
    folder = build(tmp_path)
    path = folder / "annotations" / "test.txt"
    path.write_text(path.read_text() + "poodle_7 38 2 26\n")
    found = refused(tmp_path)
    assert "'poodle'" in found
    assert "test.txt" in found


def test_a_list_cut_short_is_half_present_data(tmp_path: Path) -> None:
    folder = build(tmp_path)
    path = folder / "annotations" / "trainval.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-PER_BREED]))
    assert "yorkshire_terrier" in refused(tmp_path)
    (folder / ".virb-sample.json").write_text("{}")
    assert 36 in read(tmp_path).test.targets, "the sample world holds some of the breeds only"


def test_a_picture_in_both_lists_is_an_error(tmp_path: Path) -> None:
    folder = build(tmp_path)
    path = folder / "annotations" / "trainval.txt"
    path.write_text(path.read_text() + "pug_11 26 2 9\n")
    assert "in trainval and in test" in refused(tmp_path)


def test_a_picture_that_is_listed_twice_is_an_error(tmp_path: Path) -> None:
    folder = build(tmp_path)
    path = folder / "annotations" / "test.txt"
    path.write_text(path.read_text() + "pug_11 26 2 9\n")
    assert "pug_11 twice" in refused(tmp_path)


def test_headers_blank_lines_and_old_line_ends_do_no_harm(tmp_path: Path) -> None:
    folder = build(tmp_path)
    before = read(tmp_path).digest
    path = folder / "annotations" / "trainval.txt"
    path.write_bytes(b"#Image CLASS-ID\r\r" + path.read_bytes().replace(b"\n", b"\r"))
    assert read(tmp_path).digest == before


@pytest.mark.parametrize("top", ["oxford-iiit-pet", "pets", "pets/oxford-iiit-pet"])
def test_the_usual_folders_are_found_and_leave_no_trace_in_the_digest(tmp_path: Path, top: str) -> None:
    build(tmp_path / "one", top=top)
    build(tmp_path / "two")
    assert read(tmp_path / "one", "trimap").digest == read(tmp_path / "two", "trimap").digest


def test_counts_are_noted_on_real_data_and_not_in_the_sample(tmp_path: Path) -> None:
    folder = build(tmp_path)
    assert "test 74 (usually 3,669)" in read(tmp_path).notes[0]
    (folder / ".virb-sample.json").write_text("{}")
    assert read(tmp_path).notes == ()


def test_a_target_that_pets_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(CardError, match="did you mean 'breed'"):
        read(tmp_path, "breeds")
