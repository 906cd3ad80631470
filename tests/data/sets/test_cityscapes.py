"""Cityscapes: one picture or two of every city, laid out as the owner's two archives unpack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from virb.core.errors import CardError, DataError, MissingData
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.classes import SAMPLE_MARKER
from virb.data.sets.cityscapes import read_classes

CITIES = {
    "train": """aachen bochum bremen cologne darmstadt dusseldorf erfurt hamburg hanover jena krefeld monchengladbach
    strasbourg stuttgart tubingen ulm weimar zurich""".split(),
    "val": ["frankfurt", "lindau", "munster"],
}
NAMES = (
    "road,sidewalk,building,wall,fence,pole,traffic light,traffic sign,vegetation,terrain,sky,person,rider,car,truck,"
    "bus,train,motorcycle,bicycle"
).split(",")
TRAIN_IDS = dict(
    pair.split("->")
    for pair in """7->0 8->1 11->2 12->3 13->4 17->5 19->6 20->7 21->8 22->9 23->10 24->11 25->12 26->13 27->14
    28->15 31->16 32->17 33->18""".split()
)


def label_of(stem: str) -> int:
    """A label id that tells one stem from another."""
    return sum(map(ord, stem)) % 34


def write(root: Path, split: str, stem: str) -> None:
    """Write a picture and its labels, and in one city everything else that the owner ships."""
    city = stem.split("_")[0]
    pictures, labels = root / "leftImg8bit" / split / city, root / "gtFine" / split / city
    for folder in (pictures, labels):
        folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 3), (90, 90, 90)).save(pictures / f"{stem}_leftImg8bit.png")
    Image.new("L", (6, 3), label_of(stem)).save(labels / f"{stem}_gtFine_labelIds.png")
    if city != "ulm":
        return
    Image.new("I;16", (6, 3)).save(labels / f"{stem}_gtFine_instanceIds.png")
    Image.new("RGBA", (6, 3)).save(labels / f"{stem}_gtFine_color.png")
    (labels / f"{stem}_gtFine_polygons.json").write_text("{}")


def stems(city: str) -> list[str]:
    return [f"{city}_{sequence:06d}_000019" for sequence in (11, 2)]


def build(root: Path, top: str = "cityscapes") -> Path:
    folder = root / top
    for split, cities in CITIES.items():
        for city in reversed(cities):
            for stem in stems(city):
                write(folder, split, stem)
    write(folder, "test", "berlin_000000_000019")
    return folder


def read(root: Path) -> Dataset:
    return read_dataset("cityscapes", root, "semantic")


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(root)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


def cities_of(ids: tuple[str, ...]) -> set[str]:
    return {name.split("/")[1] for name in ids}


def test_validation_is_two_cities_of_train_and_the_owners_val_is_tested(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert cities_of(data.val.ids) == {"monchengladbach", "zurich"}
    assert cities_of(data.train.ids) == set(CITIES["train"]) - {"monchengladbach", "zurich"}
    assert cities_of(data.test.ids) == set(CITIES["val"])
    assert data.counts == {"train": 32, "val": 4, "test": 6}


def test_every_picture_has_the_labels_of_its_own_stem(tmp_path: Path) -> None:
    folder = build(tmp_path)
    data = read(tmp_path)
    assert data.labels is not None
    for split in (data.train, data.val, data.test):
        for name, (frame,), row in zip(split.ids, split.index, split.targets, strict=True):
            part, city, stem = name.split("/")
            assert data.pool.paths[frame] == folder / "leftImg8bit" / part / city / f"{stem}_leftImg8bit.png"
            assert data.labels.paths[row] == folder / "gtFine" / part / city / f"{stem}_gtFine_labelIds.png"
            truth = TRAIN_IDS.get(str(label_of(stem)), "255")
            assert (data.labels.read(int(row)) == int(truth)).all()


def test_pictures_of_one_city_are_one_group(tmp_path: Path) -> None:
    build(tmp_path)
    groups = read(tmp_path).test.groups.tolist()
    assert len(set(groups)) == 3
    assert all(groups.count(group) == 2 for group in groups)


def test_all_34_label_ids_become_the_19_classes_or_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "x_gtFine_labelIds.png"
    Image.fromarray(np.arange(34, dtype=np.uint8).reshape(2, 17)).save(path)
    classes = read_classes(path, 0)
    assert classes.dtype == np.uint8
    assert classes.ravel().tolist() == [int(TRAIN_IDS.get(str(number), "255")) for number in range(34)]


def test_the_classes_are_the_owners_19_in_their_order(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert list(data.classes) == NAMES
    assert data.labels is not None
    assert data.labels.kind == "classes"


@pytest.mark.parametrize("wrong", [34, 254, 255])
def test_an_unknown_label_id_is_an_error_that_names_file_and_id(tmp_path: Path, wrong: int) -> None:
    path = tmp_path / "x_gtFine_labelIds.png"
    Image.new("L", (4, 4), wrong).save(path)
    with pytest.raises(DataError, match=f"x_gtFine_labelIds.*{wrong}"):
        read_classes(path, 0)


def test_the_coloured_labels_are_not_taken_for_label_ids(tmp_path: Path) -> None:
    path = tmp_path / "x_gtFine_labelIds.png"
    Image.new("RGBA", (4, 4)).save(path)
    with pytest.raises(DataError, match="RGBA"):
        read_classes(path, 0)


def test_labels_that_were_cut_short_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x_gtFine_labelIds.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 34, (40, 40), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match="x_gtFine_labelIds"):
        read_classes(path, 0)


def test_a_city_that_is_missing_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    for part in ("leftImg8bit", "gtFine"):
        (folder / part / "train" / "ulm").rename(tmp_path / f"ulm-{part}")
    found = refused(tmp_path)
    assert "1 of 18" in found
    assert "ulm" in found


def test_the_sample_world_may_have_fewer_cities_but_not_fewer_held_ones(tmp_path: Path) -> None:
    folder = tmp_path / "cityscapes"
    for split, city in (("train", "ulm"), ("train", "zurich"), ("val", "lindau")):
        write(folder, split, stems(city)[0])
    (folder / SAMPLE_MARKER).write_text("{}")
    assert "monchengladbach" in refused(tmp_path)
    write(folder, "train", stems("monchengladbach")[0])
    assert read(tmp_path).counts == {"train": 1, "val": 2, "test": 1}


def test_a_city_that_is_none_of_the_owners_is_an_error(tmp_path: Path) -> None:
    write(build(tmp_path), "train", "berlin_000000_000019")
    assert "berlin" in refused(tmp_path)


@pytest.mark.parametrize(
    ("part", "ending", "message"),
    [("gtFine", "gtFine_labelIds", "pictures have no labelIds"), ("leftImg8bit", "leftImg8bit", "no picture")],
)
def test_half_a_pair_is_an_error_that_counts_and_names_it(tmp_path: Path, part: str, ending: str, message: str) -> None:
    folder = build(tmp_path)
    (folder / part / "val" / "munster" / f"munster_000002_000019_{ending}.png").unlink()
    found = refused(tmp_path)
    assert message in found
    assert "munster_000002_000019" in found


def test_pictures_without_the_archive_of_labels_are_half_a_data_set(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "gtFine").rename(tmp_path / "elsewhere")
    assert "have no labelIds" in refused(tmp_path)


def test_strays_and_hidden_twins_are_left_alone(tmp_path: Path) -> None:
    folder = build(tmp_path)
    before = read(tmp_path).digest
    for name in ("._ulm_000002_000019_leftImg8bit.png", "Thumbs.db", "ulm_000002_000019_disparity.png"):
        (folder / "leftImg8bit" / "train" / "ulm" / name).write_bytes(b"stray")
    (folder / "leftImg8bit" / "train" / ".cache").mkdir()
    (folder / "leftImg8bit" / "README").write_text("hello")
    assert read(tmp_path).digest == before


def test_counts_are_noted_and_the_digest_knows_no_path(tmp_path: Path) -> None:
    build(tmp_path / "one")
    build(tmp_path / "two", top="Cityscapes")
    one, two = read(tmp_path / "one"), read(tmp_path / "two")
    assert one.digest == two.digest
    assert "36 (usually 2,975)" in one.notes[0]
    assert not any(part in name for name in one.pool.ids for part in (tmp_path.name, ".png"))


def test_a_missing_data_set_says_where_to_register_and_what_to_unpack(tmp_path: Path) -> None:
    with pytest.raises(MissingData) as caught:
        read(tmp_path)
    assert "leftImg8bit_trainvaltest.zip" in caught.value.remedy
    assert "gtFine_trainvaltest.zip" in caught.value.remedy


def test_a_target_that_cityscapes_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(CardError, match="instance"):
        read_dataset("cityscapes", tmp_path, "instance")
