"""Hands over a table, and EgoHands made from them: outlines against masks, left against right."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from virb.data.classes import EGOHANDS, EGOHANDS_VIDEOS
from virb.data.formats.mat import read_mat
from virb.sample.engine.fields import Dice
from virb.sample.engine.outlines import largest_part, outline
from virb.sample.engine.render import Rendering
from virb.sample.places.hands import HANDS, frame, setting
from virb.sample.sets import egohands

WRITER = egohands.WRITERS["egohands"]
VIDEOS = [video for videos in EGOHANDS_VIDEOS.values() for video in videos]


def filled(corners: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.bool_]:
    canvas = Image.new("L", (shape[1], shape[0]))
    if len(corners) >= 3:
        ImageDraw.Draw(canvas).polygon([(x, y) for x, y in corners.tolist()], fill=1)
    return np.asarray(canvas) > 0


@lru_cache(maxsize=64)
def seen(number: int) -> Rendering:
    game, place, viewer, partner = VIDEOS[number % 48].split("_")
    return frame(setting(game, place, viewer, partner, Dice("video", number)), Dice("frame", number))


def test_an_outline_filled_again_is_the_mask() -> None:
    rows, columns = np.mgrid[:40, :50]
    disc = (rows - 20) ** 2 + (columns - 25) ** 2 < 200
    comb = (rows > 10) & (rows < 30) & ((rows > 24) | (columns % 6 < 3)) & (columns > 4) & (columns < 40)
    line = (rows == 7) & (columns > 3) & (columns < 30) | (columns == 12) & (rows >= 7) & (rows < 20)
    for mask in (disc, comb, line, np.ones((5, 6), np.bool_), disc & (rows != 19)):
        corners = outline(mask)
        assert (filled(corners, mask.shape) == largest_part(mask)).all()
        assert corners.dtype == np.float64


def test_the_largest_part_is_found_across_corners_and_the_rest_left_out() -> None:
    mask = np.zeros((12, 14), np.bool_)
    mask[1:3, 1:3] = mask[8:11, 8:12] = True
    for step in range(5):
        mask[7 - step, 7 + (step % 2)] = True  # a crooked line that touches the larger block by a corner
    part = largest_part(mask)
    assert part[8:11, 8:12].all()
    assert part[3:8].sum() == 5
    assert not part[1:3, 1:3].any()
    assert len(outline(np.zeros((4, 4), np.bool_))) == 0
    assert len(outline(np.eye(1, dtype=np.bool_))) < 3


def test_ones_own_hands_come_from_below_and_the_partners_from_above() -> None:
    heights: dict[str, list[float]] = {hand: [] for hand in HANDS}
    sides: dict[str, list[float]] = {hand: [] for hand in HANDS}
    for number in range(48):
        instance = seen(number).instance
        for code, hand in enumerate(HANDS, 1):
            rows, columns = np.nonzero(instance == code)
            if len(rows) > 20:
                heights[hand].append(rows.mean())
                sides[hand].append(columns.mean())
    middle = {hand: (np.mean(sides[hand]), np.mean(heights[hand])) for hand in HANDS}
    assert middle["myleft"][0] < 70 < 90 < middle["myright"][0]
    assert middle["yourright"][0] < 75 < 85 < middle["yourleft"][0]  # we face one another
    for side in ("left", "right"):
        assert middle[f"my{side}"][1] > middle[f"your{side}"][1] + 12
    spread = [np.std(sides[hand]) for hand in HANDS]
    assert min(spread) > 8  # the place alone does not tell all


def test_each_hand_is_missing_sometimes_and_large_enough_to_learn_from() -> None:
    sizes = np.array([[(seen(number).instance == code).sum() for code in range(1, 5)] for number in range(48)])
    absent = (sizes < 16).mean(axis=0)
    assert (absent > 0.04).all()
    assert (absent < 0.4).all()
    assert (np.median(sizes, axis=0) > 100).all()


def test_hands_are_the_colour_of_skin_and_people_differ() -> None:
    tones = {}
    for name in "BHST":
        person = setting("CARDS", "OFFICE", name, "B", Dice("any", name)).me
        again = setting("CHESS", "COURTYARD", name, "T", Dice("other", name)).me
        red, green, blue = person.skin.first
        assert red > green > blue
        assert person.skin.first == pytest.approx(again.skin.first, rel=0.16)  # in every video
        tones[name] = red - blue
    assert len({round(tone, 3) for tone in tones.values()}) == 4


@lru_cache(maxsize=16)
def made(video: str, number: int) -> tuple[str, bytes, dict[str, NDArray[Any]]]:
    one = WRITER.make(0, ("labelled", video, number))
    ((path, content),) = one.files.items()
    return path, content, one.record


def test_polygons_cover_the_hands_of_their_frame() -> None:
    """The picture is rendered once more; a frame that was thrown again has another, so the first tries count."""
    agreements = []
    for video in VIDEOS[:12]:
        path, _, polygons = made(video, 0)
        picture = frame(egohands._video(0, video), Dice(0, "egohands", path))
        masks = {hand: picture.instance == code for code, hand in enumerate(HANDS, 1)}
        if all((len(polygons[hand]) > 2) == (masks[hand].sum() >= 16) for hand in HANDS):
            for hand in HANDS:
                drawn = filled(polygons[hand], (90, 160))
                if drawn.any():
                    agreements.append((drawn & masks[hand]).sum() / (drawn | masks[hand]).sum())
    assert len(agreements) > 20
    assert np.mean([one > 0.9 for one in agreements]) > 0.85
    assert np.median(agreements) > 0.97


def test_skin_is_inside_the_polygons_and_not_around_them() -> None:
    """From the files alone: a hand's colours hang together, and change where its polygon ends."""
    apart = []
    for video in VIDEOS[:16]:
        _, content, polygons = made(video, 0)
        with Image.open(io.BytesIO(content)) as opened:
            picture = np.asarray(opened, np.float64)
        for hand in ("yourleft", "yourright"):
            inside = filled(polygons[hand], picture.shape[:2])
            if inside.sum() > 60:
                wide = filled(polygons[hand], picture.shape[:2])
                for axis in (0, 1):
                    wide = wide | np.roll(wide, 3, axis) | np.roll(wide, -3, axis)
                ring = wide & ~inside
                apart.append(np.abs(np.median(picture[inside], axis=0) - np.median(picture[ring], axis=0)).max())
    assert len(apart) > 12
    assert np.median(apart) > 20


def test_egohands_lies_as_its_owner_lays_it(tmp_path: Path) -> None:
    items = WRITER.items(1.0)
    assert len(items) == 240
    assert set(Counter(video for _, video, _ in items).values()) == {5}
    assert {video for _, video, _ in WRITER.items(0.02)} == set(VIDEOS)
    assert len(VIDEOS) == 48
    video = "CARDS_COURTYARD_B_T"
    pairs = [(("labelled", video, number), made(video, number)) for number in (2, 0, 1)]
    assert [path for _, (path, _, _) in pairs] == [
        f"_LABELLED_SAMPLES/{video}/frame_{number:04d}.jpg" for number in (205, 11, 108)
    ]
    lists = WRITER.lists([(item, record) for item, (_, _, record) in pairs])
    assert set(lists) == {f"_LABELLED_SAMPLES/{video}/polygons.mat"}
    path = tmp_path / "polygons.mat"
    path.write_bytes(*lists.values())
    records = read_mat(path)["polygons"]
    assert [list(record) for record in records] == [["myleft", "myright", "yourleft", "yourright"]] * 3
    assert set(EGOHANDS[1:]) == set(HANDS)
    ordered = [made(video, number)[2] for number in range(3)]  # the k-th record is the k-th frame by name
    for record, expected in zip(records, ordered, strict=True):
        for hand in HANDS:
            assert record[hand].shape == expected[hand].shape
            assert (record[hand] == expected[hand]).all()
            assert record[hand].size == 0 or (record[hand].shape[1] == 2 and len(record[hand]) >= 3)
    with Image.open(io.BytesIO(pairs[0][1][1])) as opened:
        assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", (160, 90))


def test_a_video_keeps_its_table_and_people_and_another_has_others() -> None:
    one, same, other = (egohands._video(*key) for key in ((0, VIDEOS[0]), (0, VIDEOS[0]), (0, VIDEOS[1])))
    assert one == same
    assert one.solids != other.solids
    first, second = made(VIDEOS[0], 0), made(VIDEOS[0], 1)
    assert first[1] != second[1]


def bytes_of_some() -> list[Any]:
    ones = [WRITER.make(0, ("labelled", video, 1)) for video in (VIDEOS[3], VIDEOS[20], VIDEOS[45])]
    return [(one.files, {hand: corners.tolist() for hand, corners in one.record.items()}) for one in ones]


def test_frames_depend_on_seed_and_name_alone_and_on_no_vector_unit() -> None:
    from numpy._core._multiarray_umath import __cpu_dispatch__  # type: ignore[import-not-found]

    before = bytes_of_some()
    WRITER.make(0, ("labelled", VIDEOS[7], 0))
    assert bytes_of_some() == before
    assert WRITER.make(1, ("labelled", VIDEOS[3], 1)).files != before[0][0]
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import pickle, test_sample_hands as hands\n"
        "sys.stdout.buffer.write(pickle.dumps(hands.bytes_of_some()))"
    )
    disabled = {"NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__)}
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **disabled}, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    assert pickle.loads(done.stdout) == before
