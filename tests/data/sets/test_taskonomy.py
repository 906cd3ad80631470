"""Taskonomy: the buildings of the tiny split with two views each, in all three layouts, made by hand."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from virb.core.errors import CardError, DataError, MissingData
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.classes import SAMPLE_MARKER
from virb.data.sets.taskonomy import read_colours, read_depth, read_edges

TRAIN = """
allensville beechwood benevolence coffeen cosmos forkland hanson hiteman klickitat lakeville leonardo lindenwood
marstons merom mifflinburg newfields onaga pinesdale pomaria ranchester shelbyville stockman tolstoy wainscott
woodbine""".split()
VAL = ["collierville", "corozal", "darden", "markleeville", "wiconisco"]
TEST = ["ihlen", "mcdade", "muleshoe", "noxapater", "uvalda"]
TASKS = ("rgb", "depth_zbuffer", "edge_texture")
TARGETS = ("depth_zbuffer", "edge_texture", "inpainting")
VIEWS = ((0, 1), (12, 0))
FILES = {"omnidata": "{task}/taskonomy/{name}", "tars": "{name}_{task}/{task}", "buildings": "{name}/{task}"}


def number_of(building: str, point: int) -> int:
    return sum(map(ord, building)) % 50 + point


def write(place: Path, task: str, building: str, name: str, number: int) -> None:
    place.mkdir(parents=True, exist_ok=True)
    if task == "rgb":
        Image.new("RGB", (4, 4), (number, 255, 0)).save(place / name)
    else:
        values = np.full((4, 4), 512 * number, np.uint16)
        values[0, 0], values[0, 1] = 65535, 0
        Image.fromarray(values).save(place / name)


def build(root: Path, layout: str = "omnidata", buildings: list[str] | None = None, top: str = "taskonomy") -> Path:
    folder = root / top
    for building in buildings or TRAIN + VAL + TEST:
        for task in TASKS:
            place = folder / FILES[layout].format(task=task, name=building)
            for point, view in VIEWS:
                name = f"point_{point}_view_{view}_domain_{task.replace('edge_texture', 'edgetexture')}.png"
                write(place, task, building, name, number_of(building, point))
    return folder


def build_virb(root: Path) -> Path:
    folder = root / "taskonomy"
    for split, buildings in (("train", TRAIN[:20]), ("test", TEST)):
        for building in buildings:
            for task, part in (("rgb", "rgb"), ("depth_zbuffer", "depth_zbuffer"), ("edge_texture", "edges")):
                place = folder / split / part / building
                write(place, task, building, f"point_3_view_0_domain_{task}.png", number_of(building, 3))
                write(place, task, building, "plain.png", number_of(building, 4))
    return folder


def read(root: Path, target: str = "depth_zbuffer") -> Dataset:
    return read_dataset("taskonomy", root, target)


def refused(root: Path, target: str = "depth_zbuffer") -> str:
    with pytest.raises(DataError) as caught:
        read(root, target)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


def buildings_of(ids: tuple[str, ...]) -> set[str]:
    return {name.split("/")[-2] for name in ids}


@pytest.mark.parametrize("layout", FILES)
def test_the_splits_are_the_official_buildings_in_every_layout_of_the_owner(tmp_path: Path, layout: str) -> None:
    build(tmp_path, layout)
    data = read(tmp_path)
    assert data.counts == {"train": 50, "val": 10, "test": 10}
    for split, buildings in ((data.train, TRAIN), (data.val, VAL), (data.test, TEST)):
        assert buildings_of(split.ids) == set(buildings)
    assert len(set(data.test.groups.tolist())) == 5


def test_omnidatas_folders_and_the_owners_archives_are_the_same_data(tmp_path: Path) -> None:
    digests = set()
    for layout in FILES:
        build(tmp_path / layout, layout)
        digests.add(read(tmp_path / layout).digest)
    assert len(digests) == 1


@pytest.mark.parametrize("layout", FILES)
@pytest.mark.parametrize("target", TARGETS)
def test_picture_and_target_are_joined_by_building_point_and_view(tmp_path: Path, layout: str, target: str) -> None:
    build(tmp_path, layout)
    data = read(tmp_path, target)
    assert data.labels is not None
    assert data.labels.kind == "values"
    for split in (data.train, data.val, data.test):
        for name, (frame,), row in zip(split.ids, split.index, split.targets, strict=True):
            building, view = name.split("/")
            assert data.pool.ids[frame] == name
            assert data.pool.paths[frame].name == f"{view}_domain_rgb.png"
            assert building in str(data.pool.paths[frame])
            number = number_of(building, int(view.split("_")[1]))
            expected = {"depth_zbuffer": number, "edge_texture": 512 * number / 65535, "inpainting": number / 255}
            assert np.isclose(data.labels.read(int(row))[3, 3].flat[0], expected[target])


def test_depth_is_in_metres_and_unknown_where_it_is_missing(tmp_path: Path) -> None:
    write(tmp_path, "depth_zbuffer", "x", "x.png", 7)
    values = read_depth(tmp_path / "x.png", 0)
    assert values.dtype == np.float32
    assert np.isnan(values[0, :2]).all()
    assert values[2:].tolist() == [[7.0] * 4] * 2


def test_depth_of_8_bits_is_refused_for_its_unit_is_another(tmp_path: Path) -> None:
    Image.new("L", (4, 4), 9).save(tmp_path / "x.png")
    with pytest.raises(DataError, match=r"x\.png"):
        read_depth(tmp_path / "x.png", 0)


@pytest.mark.parametrize(("mode", "largest"), [("I;16", 65535), ("L", 255)])
def test_edges_are_a_share_of_the_largest_value_in_16_bits_and_in_8(tmp_path: Path, mode: str, largest: int) -> None:
    Image.new(mode, (4, 4), largest).save(tmp_path / "x.png")
    values = read_edges(tmp_path / "x.png", 0)
    assert values.dtype == np.float32
    assert (values == 1).all()


def test_what_is_to_be_painted_is_the_picture_itself(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3), (255, 51, 0)).save(tmp_path / "x.png")
    values = read_colours(tmp_path / "x.png", 0)
    assert (values.shape, values.dtype) == ((3, 4, 3), np.float32)
    assert np.allclose(values[1, 2], (1, 0.2, 0))


def test_depth_and_edges_share_their_pictures_and_every_target_has_a_digest_of_its_own(tmp_path: Path) -> None:
    build(tmp_path)
    data = {target: read(tmp_path, target) for target in TARGETS}
    assert data["depth_zbuffer"].pool.fingerprint == data["edge_texture"].pool.fingerprint
    assert data["inpainting"].pool.fingerprint != data["edge_texture"].pool.fingerprint
    assert len({one.digest for one in data.values()}) == 3


def test_what_is_to_be_painted_is_hidden_from_the_encoder(tmp_path: Path) -> None:
    build(tmp_path)
    Image.new("RGB", (224, 224), (200, 10, 10)).save(tmp_path / "x.png")
    pool = read(tmp_path, "inpainting").pool
    assert pool.reader is not None
    shown = np.asarray(pool.reader(tmp_path / "x.png", 0))
    hidden = (shown == (124, 116, 104)).all(-1)
    assert hidden[64:160, 64:160].all()
    assert hidden.sum() == 96 * 96


def test_missing_buildings_are_an_error_that_counts_them(tmp_path: Path) -> None:
    build(tmp_path, buildings=TRAIN[2:] + VAL + TEST)
    found = refused(tmp_path, "inpainting")
    assert "2 of 35" in found
    assert "beechwood" in found


def test_a_building_without_any_picture_is_missing_too(tmp_path: Path) -> None:
    folder = build(tmp_path)
    for task in TASKS:
        shutil.rmtree(folder / task / "taskonomy" / "ihlen")
        (folder / task / "taskonomy" / "ihlen").mkdir()
    assert "ihlen" in refused(tmp_path)


def test_missing_targets_of_several_buildings_are_all_counted(tmp_path: Path) -> None:
    folder = build(tmp_path)
    shutil.rmtree(folder / "depth_zbuffer" / "taskonomy" / "uvalda")
    (folder / "depth_zbuffer" / "taskonomy" / "cosmos" / "point_0_view_1_domain_depth_zbuffer.png").unlink()
    found = refused(tmp_path)
    assert "3 of 70" in found
    assert "cosmos/point_0_view_1" in found


def test_a_target_without_picture_is_noted(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "rgb" / "taskonomy" / "uvalda" / "point_0_view_1_domain_rgb.png").unlink()
    data = read(tmp_path)
    assert data.counts["test"] == 9
    assert any("1 depth_zbuffer files have no picture" in note for note in data.notes)


def test_a_target_that_was_never_fetched_is_a_gap(tmp_path: Path) -> None:
    shutil.rmtree(build(tmp_path) / "edge_texture")
    assert read(tmp_path).counts["test"] == 10
    with pytest.raises(MissingData, match="edge_texture"):
        read(tmp_path, "edge_texture")


def test_buildings_outside_the_split_are_not_used_and_noted(tmp_path: Path) -> None:
    build(tmp_path / "one")
    build(tmp_path / "two", buildings=[*TRAIN, *VAL, *TEST, "ackermanville", "woodburn"])
    one, two = read(tmp_path / "one"), read(tmp_path / "two")
    assert one.digest == two.digest
    assert any("2 buildings outside" in note for note in two.notes)


def test_the_sample_world_may_have_fewer_buildings(tmp_path: Path) -> None:
    folder = build(tmp_path, buildings=[TRAIN[0], TRAIN[5], VAL[1], TEST[2]])
    (folder / SAMPLE_MARKER).write_text("{}")
    assert read(tmp_path).counts == {"train": 4, "val": 2, "test": 2}


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("place", ["", "splits_taskonomy"])
def test_the_owners_list_is_read_whatever_its_line_ends(tmp_path: Path, end: str, place: str) -> None:
    folder = build(tmp_path)
    rows = [f"{name},{int(name in TRAIN)},{int(name in VAL)},{int(name in TEST)}" for name in VAL + TRAIN + TEST]
    path = folder / place / "train_val_test_tiny.csv"
    before = read(tmp_path)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(end.join(["id,train,val,test", *rows]).encode())
    assert read(tmp_path).digest == before.digest
    assert read(tmp_path).notes == ()
    swapped = end.join(["id,train,val,test", *rows]).replace("ihlen,0,0,1", "ihlen,0,1,0")
    path.write_bytes(swapped.encode())
    assert read(tmp_path).counts == {"train": 50, "val": 12, "test": 8}
    assert any("differs" in note for note in read(tmp_path).notes)


@pytest.mark.parametrize(
    "table", ["name,train\rihlen,1", "id,train,val,test\rihlen,yes,0,0", "id,train,val,test\rihlen,1,1,0"]
)
def test_a_list_that_is_no_list_of_splits_is_an_error(tmp_path: Path, table: str) -> None:
    (build(tmp_path) / "train_val_test_tiny.csv").write_bytes(table.encode())
    assert "train_val_test_tiny.csv" in refused(tmp_path)


@pytest.mark.parametrize("target", TARGETS)
def test_virbs_folders_are_carved_by_building_and_are_other_data(tmp_path: Path, target: str) -> None:
    build_virb(tmp_path / "one")
    build(tmp_path / "two")
    data = read(tmp_path / "one", target)
    assert data.counts == {"train": 36, "val": 4, "test": 10}
    assert not buildings_of(data.train.ids) & buildings_of(data.val.ids)
    assert buildings_of(data.test.ids) == set(TEST)
    assert data.rule != read(tmp_path / "two", target).rule
    assert data.labels is not None
    for name, row in zip(data.test.ids, data.test.targets, strict=True):
        number = number_of(name.split("/")[1], 4 if name.endswith("plain") else 3)
        expected = {"depth_zbuffer": number, "edge_texture": 512 * number / 65535, "inpainting": number / 255}
        assert np.isclose(data.labels.read(int(row))[3, 3].flat[0], expected[target])


def test_virbs_folders_without_their_test_part_are_an_error(tmp_path: Path) -> None:
    shutil.rmtree(build_virb(tmp_path) / "test")
    assert "no sample in test" in refused(tmp_path)


def test_strays_are_left_alone_and_labels_travel_to_other_processes(tmp_path: Path) -> None:
    folder = build(tmp_path)
    before = read(tmp_path)
    for name in ("._point_0_view_1_domain_rgb.png", "thumbs.db", "point_0_view_1_domain_rgb.json"):
        (folder / "rgb" / "taskonomy" / "ihlen" / name).write_bytes(b"stray")
    assert read(tmp_path).digest == before.digest
    assert pickle.loads(pickle.dumps(before.labels)).read(0).shape == (4, 4)


@pytest.mark.parametrize("kept", [0, 30, 60])
def test_targets_that_were_cut_short_are_an_error_that_names_the_file(tmp_path: Path, kept: int) -> None:
    for reader in (read_depth, read_edges, read_colours):
        path = tmp_path / "x.png"
        Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20)).save(path)
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(DataError, match=r"x\.png"):
            reader(path, 0)


def test_a_missing_data_set_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingData) as caught:
        read(tmp_path)
    assert "omnitools.download" in caught.value.remedy


def test_a_target_that_taskonomy_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path, buildings=TEST)
    with pytest.raises(CardError, match="normals"):
        read(tmp_path, "normals")
