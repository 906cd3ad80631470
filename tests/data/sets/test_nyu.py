"""NYU: tiny copies of ViRB's archive and of the owner's HDF5 file, made by hand."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from virb.core.errors import CardError, DataError, MissingData
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.sets.nyu import read_depth, read_walkable

TRAIN, TEST = [f"{number}" for number in range(30, 10, -1)], ["5", "10", "9"]


def depth(stem: str) -> np.ndarray:
    values = np.full((6, 8), int(stem) / 8, np.float32)
    values[0, 0], values[0, 1], values[0, 2] = 0, -1, np.nan
    return values


def build(root: Path, top: str = "nyu", parts: Sequence[str] = ("depths", "walkable")) -> Path:
    folder = root / top
    for split, stems in (("train", TRAIN), ("test", TEST)):
        for part in ("images", *parts):
            (folder / split / part).mkdir(parents=True)
        for stem in stems:
            Image.new("RGB", (8, 6), (int(stem), 0, 0)).save(folder / split / "images" / f"{stem}.png")
            if "depths" in parts:
                Image.fromarray(depth(stem)).save(folder / split / "depths" / f"{stem}.tiff")
            if "walkable" in parts:
                floor = np.zeros((6, 8), np.uint8)
                floor[4:] = int(stem)
                Image.fromarray(floor).save(folder / split / "walkable" / f"{stem}.png")
    return folder


def read(root: Path, target: str) -> Dataset:
    return read_dataset("nyu", root, target)


def refused(root: Path, target: str) -> str:
    with pytest.raises(DataError) as caught:
        read(root, target)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


# ViRB's archive


@pytest.mark.parametrize("target", ["depth", "walkable"])
def test_a_seeded_tenth_of_train_is_validation_and_test_is_tested(tmp_path: Path, target: str) -> None:
    build(tmp_path)
    data = read(tmp_path, target)
    assert data.counts == {"train": 18, "val": 2, "test": 3}
    assert {*data.train.ids, *data.val.ids} == {f"train/{stem}" for stem in TRAIN}
    assert set(data.test.ids) == {"test/5", "test/10", "test/9"}
    assert read(tmp_path, target).val.ids == data.val.ids


def test_pictures_depths_and_floors_are_joined_by_their_stem(tmp_path: Path) -> None:
    folder = build(tmp_path)
    for target in ("depth", "walkable"):
        data = read(tmp_path, target)
        assert data.labels is not None
        for split in (data.train, data.val, data.test):
            for name, (frame,), row in zip(split.ids, split.index, split.targets, strict=True):
                part, stem = name.split("/")
                assert data.pool.paths[frame] == folder / part / "images" / f"{stem}.png"
                values = data.labels.read(int(row))
                truth = depth(stem)[5, 5] if target == "depth" else 1
                assert values[5, 5] == truth


def test_depth_is_float_and_unknown_where_it_is_no_distance(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path, "depth")
    assert data.labels is not None
    assert data.labels.kind == "values"
    values = data.labels.read(0)
    assert (values.dtype, values.shape) == (np.float32, (6, 8))
    assert np.isnan(values[0, :3]).all()
    assert np.isnan(values).sum() == 3
    assert any("metres" in note for note in data.notes)


def test_anything_but_black_is_walkable(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path, "walkable")
    assert data.labels is not None
    assert data.labels.kind == "classes"
    assert data.classes == ("not walkable", "walkable")
    values = data.labels.read(2)
    assert values.dtype == np.uint8
    assert (values == [[0] * 8] * 4 + [[1] * 8] * 2).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGB"])
def test_masks_of_every_usual_mode_are_read(tmp_path: Path, mode: str) -> None:
    picture = Image.new(mode, (3, 2))
    picture.putpixel((1, 1), (0, 9, 0) if mode == "RGB" else 1)
    picture.save(tmp_path / "1.png")
    assert read_walkable(tmp_path / "1.png", 0).tolist() == [[0, 0, 0], [0, 1, 0]]


def test_both_targets_share_their_pictures(tmp_path: Path) -> None:
    build(tmp_path)
    one, two = read(tmp_path, "depth"), read(tmp_path, "walkable")
    assert one.pool.fingerprint == two.pool.fingerprint
    assert one.digest != two.digest


@pytest.mark.parametrize(
    ("part", "target"), [("depths", "depth"), ("walkable", "walkable"), ("images", "walkable"), ("images", "depth")]
)
def test_a_missing_file_of_a_pair_is_an_error_that_names_it(tmp_path: Path, part: str, target: str) -> None:
    folder = build(tmp_path)
    (folder / "train" / part / f"22.{'tiff' if part == 'depths' else 'png'}").unlink()
    found = refused(tmp_path, target)
    assert "the first is 22" in found
    assert "1 of 20" in found


@pytest.mark.parametrize(("part", "target"), [("depths", "walkable"), ("walkable", "depth")])
def test_files_of_another_target_need_not_be_there(tmp_path: Path, part: str, target: str) -> None:
    build(tmp_path, parts=["depths" if part == "walkable" else "walkable"])
    assert read(tmp_path, target).counts["test"] == 3
    with pytest.raises(MissingData, match=part):
        read(tmp_path, "walkable" if part == "walkable" else "depth")


@pytest.mark.parametrize("top", ["nyu/nyu", "NYU", "nyu_depth_v2"])
def test_the_archive_is_found_with_and_without_a_folder_of_its_own(tmp_path: Path, top: str) -> None:
    build(tmp_path / "one")
    build(tmp_path / "two", top=top)
    assert read(tmp_path / "one", "walkable").digest == read(tmp_path / "two", "walkable").digest


def test_strays_are_left_alone_and_labels_travel_to_other_processes(tmp_path: Path) -> None:
    folder = build(tmp_path)
    before = read(tmp_path, "walkable")
    for name in ("._5.png", "5.txt", ".DS_Store"):
        (folder / "test" / "walkable" / name).write_bytes(b"stray")
        (folder / "test" / "images" / name).write_bytes(b"stray")
    assert read(tmp_path, "walkable").digest == before.digest
    assert pickle.loads(pickle.dumps(before.labels)).read(0).shape == (6, 8)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("kept", [0, 8, 40])
def test_labels_that_were_cut_short_are_an_error_that_names_the_file(tmp_path: Path, kept: int) -> None:
    build(tmp_path)
    for path, reader in (("depths/5.tiff", read_depth), ("walkable/5.png", read_walkable)):
        whole = tmp_path / "nyu" / "test" / path
        whole.write_bytes(whole.read_bytes()[:kept])
        with pytest.raises(DataError, match="5"):
            reader(whole, 0)


def test_depth_in_whole_numbers_is_refused_for_its_unit_is_another(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 2000, np.uint16)).save(tmp_path / "5.tiff")
    with pytest.raises(DataError, match="I;16"):
        read_depth(tmp_path / "5.tiff", 0)


def test_a_missing_data_set_names_all_three_files(tmp_path: Path) -> None:
    with pytest.raises(MissingData) as caught:
        read(tmp_path, "walkable")
    for name in ("nyu_depth_v2_labeled.mat", "splits.mat", "nyu.zip"):
        assert name in caught.value.remedy


def test_a_target_that_nyu_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(CardError, match="normals"):
        read(tmp_path, "normals")


# The owner's file

SCENES = ["kitchen_0001", "bookstore_0001a", "bookstore_0001b", "kitchen_0001", "cafe_0002", "office_0003", "cafe_0002"]
NUMBERS = {"train": [3, 5, 6, 7, 2], "test": [1, 4]}  # from one


def official(root: Path, scenes: Sequence[str] | None = SCENES, numbers: dict[str, list[int]] = NUMBERS) -> Path:
    """Write frames whose red tells the column, and whose depth grows downwards; axes in MATLAB's order."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install 'virb[nyu]'")
    folder = root / "nyu"
    folder.mkdir(parents=True)
    rows, columns = np.mgrid[:480, :640]
    with h5py.File(folder / "nyu_depth_v2_labeled.mat", "w", userblock_size=512) as file:
        images = file.create_dataset("images", (7, 3, 640, 480), np.uint8)
        depths = file.create_dataset("depths", (7, 640, 480), np.float32)
        for number in range(7):
            image = np.stack([columns // 4, rows // 4, np.full_like(rows, number)]).astype(np.uint8)
            images[number] = image.transpose(0, 2, 1)
            depths[number] = (number + rows / 48).astype(np.float32).T
        if scenes is not None:
            cells = file.create_dataset("scenes", (1, len(scenes)), h5py.ref_dtype)
            for place, scene in enumerate(scenes):
                codes = np.array([[ord(letter)] for letter in scene], np.uint16)
                cells[0, place] = file.create_dataset(f"#refs#/{place}", data=codes).ref
    indices = {f"{split}Ndxs": np.array(some, np.uint16)[:, None] for split, some in numbers.items()}
    savemat(folder / "splits.mat", indices)
    return folder


def test_the_official_frames_are_counted_from_one_and_carved_by_scene(tmp_path: Path) -> None:
    official(tmp_path)
    data = read(tmp_path, "depth")
    assert sorted(data.train.ids + data.val.ids) == ["0002", "0003", "0005", "0006", "0007"]
    assert data.test.ids == ("0001", "0004")
    scene = {f"{number + 1:04d}": SCENES[number].removesuffix("a").removesuffix("b") for number in range(7)}
    assert not {scene[name] for name in data.train.ids} & {scene[name] for name in data.val.ids}
    assert len({scene[name] for name in data.val.ids}) == 1
    assert len(set(data.test.groups.tolist())) == 1, "both frames show the same kitchen"
    assert "by scene" in data.rule


def test_pictures_and_depths_are_turned_upright(tmp_path: Path) -> None:
    official(tmp_path)
    data = read(tmp_path, "depth")
    assert data.pool.reader is not None
    assert data.labels is not None
    place = data.test.index[1, 0]
    picture = data.pool.reader(data.pool.paths[place], data.pool.rows[place])
    assert picture.size == (640, 480)
    assert [picture.getpixel(spot) for spot in ((0, 0), (639, 0), (0, 479))] == [(0, 0, 3), (159, 0, 3), (0, 119, 3)]
    values = data.labels.read(int(data.test.targets[1]))
    assert (values.shape, values.dtype) == ((480, 640), np.float32)
    assert (values[240, 41:601] == 8).all()


def test_depth_counts_inside_eigens_crop_and_below_ten_metres(tmp_path: Path) -> None:
    official(tmp_path)
    data = read(tmp_path, "depth")
    assert data.labels is not None
    known = ~np.isnan(data.labels.read(data.labels.ids.index("0001")))
    assert known.sum() == (471 - 45) * (601 - 41)
    assert known[45:471, 41:601].all()
    deep = data.labels.read(data.labels.ids.index("0007"))
    assert np.nanmax(deep) < 10
    assert np.isnan(deep[200:]).all()


def test_labels_and_pictures_travel_to_other_processes(tmp_path: Path) -> None:
    official(tmp_path)
    data = read(tmp_path, "depth")
    labels, pool = pickle.loads(pickle.dumps((data.labels, data.pool)))
    assert labels.read(0).shape == (480, 640)
    assert pool.reader(pool.paths[0], 0).size == (640, 480)


@pytest.mark.parametrize("scenes", [None, SCENES[:5]])
def test_without_scene_names_frames_are_carved_and_a_note_says_so(tmp_path: Path, scenes: list[str] | None) -> None:
    official(tmp_path, scenes)
    data = read(tmp_path, "depth")
    assert data.counts == {"train": 4, "val": 1, "test": 2}
    assert "by frame" in data.rule
    assert any("no scenes" in note for note in data.notes)


@pytest.mark.parametrize(
    "numbers",
    [{"train": [0, 2], "test": [1]}, {"train": [1, 2], "test": [8]}, {"train": [1, 2], "test": [2]}, {"train": [1]}],
)
def test_numbers_that_do_not_fit_are_an_error(tmp_path: Path, numbers: dict[str, list[int]]) -> None:
    official(tmp_path, numbers=numbers)
    assert "splits.mat" in refused(tmp_path, "depth")


def test_a_missing_list_of_splits_is_an_error_that_names_it(tmp_path: Path) -> None:
    (official(tmp_path) / "splits.mat").unlink()
    assert "splits.mat" in refused(tmp_path, "depth")


def test_a_download_that_was_cut_short_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = official(tmp_path) / "nyu_depth_v2_labeled.mat"
    path.write_bytes(path.read_bytes()[:4000])
    assert "nyu_depth_v2_labeled.mat" in refused(tmp_path, "depth")


def test_the_owners_file_is_preferred_for_depth_and_is_other_data(tmp_path: Path) -> None:
    build(tmp_path / "one")
    official(tmp_path / "two")
    build(tmp_path / "two", top="nyu/nyu")
    before, after = read(tmp_path / "one", "depth"), read(tmp_path / "two", "depth")
    assert after.counts["test"] == 2
    assert after.digest != before.digest
    assert read(tmp_path / "two", "walkable").digest == read(tmp_path / "one", "walkable").digest


def test_the_owners_file_alone_has_no_walkable_floor(tmp_path: Path) -> None:
    official(tmp_path)
    with pytest.raises(MissingData, match="walkable"):
        read(tmp_path, "walkable")


def test_without_h5py_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nyu").mkdir()
    (tmp_path / "nyu" / "nyu_depth_v2_labeled.mat").write_bytes(b"\x89HDF")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r"pip install 'virb\[nyu\]'"):
        read(tmp_path, "depth")


@pytest.mark.parametrize("harm", ["group", "numbers", "elsewhere", "linked", "piece", "names"])
def test_an_owners_file_of_other_parts_is_refused_in_words(tmp_path: Path, harm: str) -> None:
    h5py = pytest.importorskip("h5py")
    folder = official(tmp_path)
    path = folder / "nyu_depth_v2_labeled.mat"
    with h5py.File(path, "r+") as file:
        if harm == "names":
            del file["scenes"]
            file.create_dataset("scenes", (7,), "f4", data=[1e9] * 7)
        else:
            del file["images"]
        if harm == "group":
            file.create_group("images")
        elif harm == "numbers":
            file.create_dataset("images", (7, 3, 640, 480), "f2")
        elif harm == "elsewhere":
            (folder / "other").write_bytes(bytes(7 * 3 * 640 * 480))
            file.create_dataset("images", (7, 3, 640, 480), "u1", external=[("other", 0, h5py.h5f.UNLIMITED)])
        elif harm == "linked":
            with h5py.File(folder / "other.h5", "w") as other:
                other.create_dataset("images", (7, 3, 640, 480), "u1")
            file["images"] = h5py.ExternalLink("other.h5", "/images")
        elif harm == "piece":
            file.create_dataset(
                "images", (7, 3, 640, 480), "u1", maxshape=(None, 3, 640, 480), chunks=(1000, 3, 640, 480),
                compression="gzip",
            )  # fmt: skip
    if harm == "names":
        assert "by frame" in read(tmp_path, "depth").rule
    else:
        assert str(path) in refused(tmp_path, "depth")
