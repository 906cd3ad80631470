"""EgoHands: all 48 videos with a few frames each, their polygons in MATLAB files written by scipy."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from virb.core.errors import CardError, DataError, MissingData
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.classes import SAMPLE_MARKER
from virb.data.sets.egohands import read_hands

VAL = ["CARDS_LIVINGROOM_S_H", "CHESS_COURTYARD_H_S", "JENGA_COURTYARD_T_S", "PUZZLE_OFFICE_S_T"]
TEST = """CARDS_COURTYARD_B_T CARDS_OFFICE_S_B CHESS_COURTYARD_B_T CHESS_LIVINGROOM_T_H JENGA_LIVINGROOM_S_T
JENGA_OFFICE_H_T PUZZLE_COURTYARD_H_T PUZZLE_LIVINGROOM_T_B""".split()
TRAIN = """
CARDS_COURTYARD_H_S CARDS_COURTYARD_S_H CARDS_COURTYARD_T_B CARDS_LIVINGROOM_B_T CARDS_LIVINGROOM_H_S
CARDS_LIVINGROOM_T_B CARDS_OFFICE_B_S CARDS_OFFICE_H_T CARDS_OFFICE_T_H CHESS_COURTYARD_S_H CHESS_COURTYARD_T_B
CHESS_LIVINGROOM_B_S CHESS_LIVINGROOM_H_T CHESS_LIVINGROOM_S_B CHESS_OFFICE_B_S CHESS_OFFICE_H_T CHESS_OFFICE_S_B
CHESS_OFFICE_T_H JENGA_COURTYARD_B_H JENGA_COURTYARD_H_B JENGA_COURTYARD_S_T JENGA_LIVINGROOM_B_H
JENGA_LIVINGROOM_H_B JENGA_LIVINGROOM_T_S JENGA_OFFICE_B_S JENGA_OFFICE_S_B JENGA_OFFICE_T_H PUZZLE_COURTYARD_B_S
PUZZLE_COURTYARD_S_B PUZZLE_COURTYARD_T_H PUZZLE_LIVINGROOM_B_T PUZZLE_LIVINGROOM_H_S PUZZLE_LIVINGROOM_S_H
PUZZLE_OFFICE_B_H PUZZLE_OFFICE_H_B PUZZLE_OFFICE_T_S
""".split()
VIDEOS = {"train": TRAIN, "val": VAL, "test": TEST}
WIDTH, HEIGHT = 40, 24
HANDS = ("myleft", "myright", "yourleft", "yourright")
EMPTY = np.zeros((0, 0))
Record = dict[str, Any]


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def record(**hands: Any) -> Record:
    return {hand: hands.get(hand, EMPTY) for hand in HANDS}


def write(folder: Path, video: str, records: Sequence[Record], frames: Sequence[str] = ()) -> Path:
    """Write a video; frames are as many as records unless they are named."""
    place = folder / "_LABELLED_SAMPLES" / video
    place.mkdir(parents=True, exist_ok=True)
    for frame in frames or [f"frame_{11 + 80 * number:04d}.jpg" for number in range(len(records))]:
        Image.new("RGB", (WIDTH, HEIGHT)).save(place / frame)
    struct = np.empty((1, len(records)), [(hand, object) for hand in HANDS])
    for number, one in enumerate(records):
        for hand in HANDS:
            struct[hand][0, number] = one[hand]
    savemat(place / "polygons.mat", {"polygons": struct})
    return place


def build(root: Path, top: str = "egohands", count: int = 2) -> Path:
    folder = root / top
    for video in sorted(TRAIN + VAL + TEST):
        write(folder, video, [record(myleft=box(2, 2, 8, 8)) for _ in range(count)])
    (folder / "metadata.mat").write_bytes(b"unread")
    (folder / "getFramePath.m").write_text("function")
    return folder


def read(root: Path) -> Dataset:
    return read_dataset("egohands", root, "hands")


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(root)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


def hands_of(tmp_path: Path, *records: Record, row: int = 0) -> np.ndarray:
    return read_hands(write(tmp_path, "CARDS_OFFICE_H_T", records) / "polygons.mat", row)


def test_videos_are_divided_36_4_8_by_name(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    for split, videos in VIDEOS.items():
        assert {name.split("/")[0] for name in getattr(data, split).ids} == set(videos)
    assert data.counts == {"train": 72, "val": 8, "test": 16}
    assert len(set(data.test.groups.tolist())) == 8


def test_the_classes_stand_in_the_order_of_the_original(tmp_path: Path) -> None:
    build(tmp_path)
    assert read(tmp_path).classes == ("background", "yourleft", "yourright", "myleft", "myright")
    records = record(yourleft=box(1, 1, 5, 5), yourright=box(11, 1, 15, 5), myleft=box(21, 1, 25, 5))
    classes = hands_of(tmp_path / "one", {**records, "myright": box(31, 1, 35, 5)})
    assert (classes.shape, classes.dtype) == ((HEIGHT, WIDTH), np.uint8)
    assert [int(classes[3, column]) for column in (3, 13, 23, 33, 8)] == [1, 2, 3, 4, 0]


def test_x_runs_to_the_right_and_the_hand_is_filled_to_its_outline(tmp_path: Path) -> None:
    classes = hands_of(tmp_path, record(myright=box(30, 2, 36, 4)))
    assert (classes[2:5, 30:37] == 4).all()
    assert (classes > 0).sum() == 3 * 7


def test_the_viewers_own_hands_lie_over_the_partners(tmp_path: Path) -> None:
    over = record(myleft=box(0, 0, 9, 9), myright=box(6, 6, 15, 15), yourright=box(3, 3, 20, 20))
    classes = hands_of(tmp_path, over)
    assert [int(classes[place, place]) for place in (4, 7, 12, 18)] == [3, 4, 4, 2]


def test_records_follow_the_order_of_frame_names(tmp_path: Path) -> None:
    records = [record(), record(yourleft=box(1, 1, 5, 5)), record(yourright=box(1, 1, 5, 5))]
    folder = build(tmp_path)
    write(folder, TEST[0], records, ["frame_0900.jpg", "frame_0011.jpg", "frame_1200.jpg"])
    for frame in ("frame_0091.jpg",):
        (folder / "_LABELLED_SAMPLES" / TEST[0] / frame).unlink()
    data = read(tmp_path)
    assert data.labels is not None
    found = {
        name: set(np.unique(data.labels.read(int(row))))
        for name, row in zip(data.test.ids, data.test.targets, strict=True)
        if name.startswith(TEST[0])
    }
    assert found == {
        f"{TEST[0]}/frame_0011": {0},
        f"{TEST[0]}/frame_0900": {0, 1},
        f"{TEST[0]}/frame_1200": {0, 2},
    }


def test_every_sample_has_its_own_picture_and_record(tmp_path: Path) -> None:
    folder = build(tmp_path) / "_LABELLED_SAMPLES"
    data = read(tmp_path)
    assert data.labels is not None
    for name, (frame,), row in zip(data.val.ids, data.val.index, data.val.targets, strict=True):
        assert data.pool.paths[frame] == folder / f"{name}.jpg"
        assert data.labels.paths[row] == folder / name.split("/")[0] / "polygons.mat"
        assert data.labels.rows[row] == (0 if name.endswith("0011") else 1)


def test_a_video_of_a_single_frame_is_read_too(tmp_path: Path) -> None:
    build(tmp_path, count=1)
    data = read(tmp_path)
    assert data.labels is not None
    assert (data.labels.read(0) == 3).sum() == 49


@pytest.mark.parametrize(
    "nothing",
    [
        EMPTY,
        np.zeros((1, 0)),
        np.full((1, 1), np.nan),
        np.full((4, 2), np.nan),
        np.array([[1.0, 1.0], [9.0, 9.0]]),
        np.array([[1.0, 1.0], [9.0, 9.0], [np.nan, 4.0], [np.inf, 2.0]]),
    ],
    ids=["empty", "no columns", "one NaN", "all NaN", "two points", "two finite points"],
)
def test_a_hand_without_three_points_is_not_in_the_picture(tmp_path: Path, nothing: np.ndarray) -> None:
    classes = hands_of(tmp_path, record(myleft=nothing, yourright=box(11, 1, 15, 5)))
    assert set(np.unique(classes)) == {0, 2}


def test_points_outside_the_picture_and_unknown_ones_among_many_do_no_harm(tmp_path: Path) -> None:
    corners = np.array([[-5.5, -3.0], [9.2, -3.0], [np.nan, np.nan], [9.2, 9.7], [-5.5, 9.7]])
    classes = hands_of(tmp_path, record(myleft=corners))
    assert (classes[:9, :9] == 3).all()
    assert (classes[:, 12:] == 0).all()


def test_a_polygon_of_three_columns_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"polygons\.mat.*\(4, 3\)"):
        hands_of(tmp_path, record(myleft=np.ones((4, 3))))


def test_records_and_frames_must_be_equally_many(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "_LABELLED_SAMPLES" / "JENGA_OFFICE_B_S" / "frame_0091.jpg").unlink()
    found = refused(tmp_path)
    assert "2 records" in found
    assert "1 frames" in found
    assert "JENGA_OFFICE_B_S" in found


def test_a_missing_video_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "_LABELLED_SAMPLES" / "CHESS_OFFICE_T_H").rename(tmp_path / "elsewhere")
    found = refused(tmp_path)
    assert "1 of 48" in found
    assert "CHESS_OFFICE_T_H" in found


def test_a_video_that_is_none_of_the_48_is_an_error(tmp_path: Path) -> None:
    write(build(tmp_path), "CARDS_KITCHEN_B_T", [record()])
    assert "CARDS_KITCHEN_B_T" in refused(tmp_path)


def test_the_sample_world_may_have_fewer_videos(tmp_path: Path) -> None:
    folder = tmp_path / "egohands"
    for videos in VIDEOS.values():
        write(folder, videos[0], [record()])
    (folder / SAMPLE_MARKER).write_text("{}")
    assert read(tmp_path).counts == {"train": 1, "val": 1, "test": 1}


def test_missing_polygons_are_an_error_that_names_the_video(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "_LABELLED_SAMPLES" / TEST[3] / "polygons.mat").unlink()
    assert f"{TEST[3]}/polygons.mat" in refused(tmp_path)


@pytest.mark.parametrize("kept", [0, 100, 400])
def test_polygons_that_were_cut_short_are_an_error_that_names_the_file(tmp_path: Path, kept: int) -> None:
    path = build(tmp_path) / "_LABELLED_SAMPLES" / TEST[3] / "polygons.mat"
    path.write_bytes(path.read_bytes()[:kept])
    assert f"{TEST[3]}/polygons.mat" in refused(tmp_path)


def test_a_file_without_the_four_hands_is_an_error(tmp_path: Path) -> None:
    path = build(tmp_path) / "_LABELLED_SAMPLES" / TEST[3] / "polygons.mat"
    savemat(path, {"polygons": {"left": np.ones((3, 2))}})
    assert "four hands" in refused(tmp_path)


def test_a_frame_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    place = write(tmp_path, "CARDS_OFFICE_H_T", [record()])
    (place / "frame_0011.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="frame_0011"):
        read_hands(place / "polygons.mat", 0)


def test_a_file_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    assert hands_of(tmp_path, record(myleft=box(1, 1, 5, 5))).max() == 3
    assert hands_of(tmp_path, record(yourleft=box(1, 1, 5, 5))).max() == 1


def test_strays_are_left_alone_and_labels_travel_to_other_processes(tmp_path: Path) -> None:
    folder = build(tmp_path)
    before = read(tmp_path)
    for name in ("._frame_0011.jpg", "frame_0011.png", "Thumbs.db"):
        (folder / "_LABELLED_SAMPLES" / TEST[0] / name).write_bytes(b"stray")
    assert read(tmp_path).digest == before.digest
    assert pickle.loads(pickle.dumps(before.labels)).read(0).shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize("top", ["egohands_data", "egohands/egohands_data"])
def test_the_usual_folders_are_found_and_give_one_digest(tmp_path: Path, top: str) -> None:
    build(tmp_path / "one", count=1)
    build(tmp_path / "two", top=top, count=1)
    assert read(tmp_path / "one").digest == read(tmp_path / "two").digest


def test_a_missing_data_set_says_where_a_copy_is(tmp_path: Path) -> None:
    with pytest.raises(MissingData) as caught:
        read(tmp_path)
    assert "web.archive.org" in caught.value.remedy


def test_a_target_that_egohands_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path, count=1)
    with pytest.raises(CardError, match="activity"):
        read_dataset("egohands", tmp_path, "activity")
