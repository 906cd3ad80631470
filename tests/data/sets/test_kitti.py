"""KITTI flow: a tiny copy of the owner's training part, its 16-bit pictures encoded here."""

from __future__ import annotations

import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from virb.core.errors import CardError, DataError, MissingData
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.classes import SAMPLE_MARKER
from virb.data.sets.kitti import read_flow


def png16(stored: np.ndarray) -> bytes:
    """Encode [H,W,3] without a filter, as the facts of the format say."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = stored.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in stored)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def stored(number: int) -> np.ndarray:
    """Every pixel moves `number` / 64 pixels to the right and one up; the first is not known."""
    array = np.empty((3, 5, 3), np.uint16)
    array[:, :, 0], array[:, :, 1], array[:, :, 2] = 2**15 + number, 2**15 - 64, 1
    array[0, 0] = 0
    return array


def build(root: Path, numbers: range | list[int] = range(200), top: str = "kitti_flow", sample: bool = False) -> Path:
    training = root / top / "training"
    for part in ("image_2", "flow_occ", "flow_noc", "image_3"):
        (training / part).mkdir(parents=True)
    for number in numbers:
        for frame in (10, 11):
            Image.new("RGB", (5, 3), (number, frame, 0)).save(training / "image_2" / f"{number:06d}_{frame}.png")
        (training / "flow_occ" / f"{number:06d}_10.png").write_bytes(png16(stored(number)))
    if sample:
        (root / top / SAMPLE_MARKER).write_text("{}")
    return training


def read(root: Path) -> Dataset:
    return read_dataset("kitti_flow", root, "flow")


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(root)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


def test_the_200_pairs_are_divided_by_their_numbers(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert data.counts == {"train": 140, "val": 20, "test": 40}
    assert (data.train.ids[0], data.train.ids[-1]) == ("000000", "000139")
    assert (data.val.ids[0], data.test.ids[0], data.test.ids[-1]) == ("000140", "000160", "000199")
    assert len(set(data.test.groups.tolist())) == 40


def test_frame_10_comes_before_frame_11_and_the_flow_is_that_of_the_pair(tmp_path: Path) -> None:
    training = build(tmp_path)
    data = read(tmp_path)
    assert data.labels is not None
    assert data.labels.kind == "flow"
    for split in (data.train, data.val, data.test):
        for name, frames, row in zip(split.ids, split.index, split.targets, strict=True):
            expected = [training / "image_2" / f"{name}_{frame}.png" for frame in (10, 11)]
            assert [data.pool.paths[place] for place in frames] == expected
            assert data.labels.ids[row] == name
            assert data.labels.paths[row] == training / "flow_occ" / f"{name}_10.png"


def test_flow_is_read_in_pixels_and_unknown_where_the_third_channel_says_so(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert data.labels is not None
    flow = data.labels.read(int(data.test.targets[5]))
    assert (flow.shape, flow.dtype) == ((3, 5, 2), np.float32)
    assert np.isnan(flow[0, 0]).all()
    assert np.isnan(flow).sum() == 2
    assert (flow[1:, :, 0] == 165 / 64).all()
    assert (flow[1:, :, 1] == -1).all()


def test_pictures_may_differ_in_size(tmp_path: Path) -> None:
    training = build(tmp_path)
    wide = np.ones((4, 9, 3), np.uint16)
    (training / "flow_occ" / "000170_10.png").write_bytes(png16(wide))
    data = read(tmp_path)
    assert data.labels is not None
    assert data.labels.read(data.labels.ids.index("000170")).shape == (4, 9, 2)


def test_labels_can_be_handed_to_another_process(tmp_path: Path) -> None:
    build(tmp_path)
    labels = pickle.loads(pickle.dumps(read(tmp_path).labels))
    assert labels.read(3).shape == (3, 5, 2)


def test_strays_beside_the_pictures_are_left_alone(tmp_path: Path) -> None:
    training = build(tmp_path)
    before = read(tmp_path)
    for name in ("._000000_10.png", "Thumbs.db", "000000_10.txt"):
        (training / "flow_occ" / name).write_bytes(b"stray")
    (training / "image_2" / "000300_10.png").write_bytes(b"stray")
    assert read(tmp_path).digest == before.digest


@pytest.mark.parametrize("top", ["kitti_flow", "KittiFlow", "kitti", "data_scene_flow"])
def test_the_usual_folders_are_all_found_and_give_one_digest(tmp_path: Path, top: str) -> None:
    build(tmp_path / "one")
    build(tmp_path / "two", top=top)
    assert read(tmp_path / "one").digest == read(tmp_path / "two").digest


def test_a_missing_data_set_says_where_to_register_and_what_to_unpack(tmp_path: Path) -> None:
    with pytest.raises(MissingData) as caught:
        read(tmp_path)
    assert "data_scene_flow.zip" in caught.value.remedy
    assert "register" in caught.value.remedy


def test_a_part_of_the_pairs_is_an_error_that_counts_the_rest(tmp_path: Path) -> None:
    build(tmp_path, range(190))
    assert "10 of 200" in refused(tmp_path)


def test_a_missing_second_frame_is_an_error_that_names_it(tmp_path: Path) -> None:
    training = build(tmp_path)
    (training / "image_2" / "000144_11.png").unlink()
    found = refused(tmp_path)
    assert "1 of 400" in found
    assert "000144_11.png" in found


def test_the_sample_world_may_hold_fewer_pairs(tmp_path: Path) -> None:
    build(tmp_path, [0, 7, 150, 199], sample=True)
    assert read(tmp_path).counts == {"train": 2, "val": 1, "test": 1}


def test_a_sample_without_any_pair_to_test_on_is_refused(tmp_path: Path) -> None:
    build(tmp_path, [0, 7, 150], sample=True)
    assert "no sample in test" in refused(tmp_path)


def test_a_pair_with_an_unknown_number_is_an_error(tmp_path: Path) -> None:
    build(tmp_path, range(201))
    assert "000200_10.png" in refused(tmp_path)


@pytest.mark.parametrize("kept", [0, 20, 60])
def test_a_flow_file_that_was_cut_short_is_an_error_that_names_it(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "000001_10.png"
    path.write_bytes(png16(stored(1))[:kept])
    with pytest.raises(DataError, match="000001_10"):
        read_flow(path, 0)


def test_the_coloured_picture_of_the_flow_is_not_taken_for_flow(tmp_path: Path) -> None:
    path = tmp_path / "000001_10.png"
    Image.new("RGB", (5, 3), (1, 2, 3)).save(path)
    with pytest.raises(DataError, match="8 bits"):
        read_flow(path, 0)


def test_a_third_channel_that_is_neither_0_nor_1_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "000001_10.png"
    path.write_bytes(png16(np.full((2, 2, 3), 700, np.uint16)))
    with pytest.raises(DataError, match="700"):
        read_flow(path, 0)


def test_a_target_that_kitti_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(CardError, match="disparity"):
        read_dataset("kitti_flow", tmp_path, "disparity")
