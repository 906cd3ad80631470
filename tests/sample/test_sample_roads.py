"""Streets and the three data sets made from them: KITTI flow, Cityscapes, nuScenes egomotion."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from virb.data.classes import CITYSCAPES, CITYSCAPES_CITIES, NUSCENES_ACTIONS
from virb.data.formats.png16 import kitti_flow_decode, read_gray16, read_png16
from virb.sample.engine.camera import Camera
from virb.sample.engine.fields import Dice
from virb.sample.engine.render import Rendering, render
from virb.sample.places.flow import forward_flow
from virb.sample.places.streets import SEEN, THINGS, Placed, StreetStyle, compose, frontage, look
from virb.sample.places.traffic import traffic
from virb.sample.sets import cityscapes, kitti, nuscenes
from virb.sample.things.vehicles import bicycle, bus, car, person, rider, truck

KITTI, CITIES, DRIVES = kitti.WRITERS["kitti_flow"], cityscapes.WRITERS["cityscapes"], nuscenes.WRITERS["nuscenes"]


def picture(content: bytes) -> NDArray[Any]:
    with Image.open(io.BytesIO(content)) as opened:
        return np.asarray(opened.convert("RGB"), np.float64)


@lru_cache(maxsize=16)
def street(number: int, here: float = 0.0) -> tuple[StreetStyle, list[Placed]]:
    dice = Dice("street", number)
    style = look(dice)
    return style, frontage(dice, style, -12.0, SEEN) + traffic(dice, style, here)


@lru_cache(maxsize=16)
def kitti_files(number: int) -> dict[str, bytes]:
    files = KITTI.make(0, ("training", None, number)).files
    return {f"{path.split('/')[1]}{path[-7:-4]}": content for path, content in files.items()}


def sampled(image: NDArray[Any], column: NDArray[Any], row: NDArray[Any]) -> NDArray[Any]:
    """Return colours between pixels, by the four around."""
    x, y = np.clip(column, 0, image.shape[1] - 1.001), np.clip(row, 0, image.shape[0] - 1.001)
    left, top = x.astype(int), y.astype(int)
    right, down = (x - left)[:, None], (y - top)[:, None]
    upper = image[top, left] * (1 - right) + image[top, left + 1] * right
    lower = image[top + 1, left] * (1 - right) + image[top + 1, left + 1] * right
    return np.asarray(upper * (1 - down) + lower * down)


def test_the_second_frame_carried_back_by_the_flow_is_the_first() -> None:
    carried, left = [], []
    for number in (3, 27, 64, 118, 145, 171):
        files = kitti_files(number)
        first, second = picture(files["image_2_10"]), picture(files["image_2_11"])
        flow = kitti_flow_decode(read_png16(files["flow_noc_10"]))
        rows, columns = np.nonzero(np.isfinite(flow[:, :, 0]))
        way = flow[rows, columns]
        carried.append(np.abs(sampled(second, columns + way[:, 0], rows + way[:, 1]) - first[rows, columns]).mean())
        left.append(np.abs(second - first)[rows, columns].mean())
    assert np.mean(carried) < 6.0
    assert np.mean(carried) < 0.4 * np.mean(left)


def test_what_moves_by_itself_is_carried_back_too() -> None:
    """The error on moving things alone, which the camera's motion does not explain."""
    errors, without = [], []
    for number in range(6):
        style, placed = street(number)
        placed = [replace(one, speed=1.2, swing=2.0) if one.speed > 0.3 else one for one in placed]
        camera = Camera((0.0, -style.lane, 1.6), 0.0, -1.0, 70.0, 200, 70)
        before, after = (compose(style, placed, 0.0, camera.focal, later=later) for later in (False, True))
        one, two = render(before.scene, camera), render(after.scene, camera)
        movers = {i: thing for i, thing in enumerate(before.placed) if thing is not None and thing.speed > 0.3}
        flow = forward_flow((one, two), (camera, camera), movers)
        rows, columns = np.nonzero(flow.visible & np.isin(one.instance, list(movers)))
        way = flow.flow[rows, columns]
        if len(rows) > 100 and np.abs(way).mean() > 0.3:
            true = one.rgb[rows, columns].astype(float)
            errors.append(np.abs(sampled(two.rgb.astype(float), columns + way[:, 0], rows + way[:, 1]) - true).mean())
            without.append(np.abs(two.rgb[rows, columns] - true).mean())
    assert len(errors) >= 3
    assert np.mean(errors) < 0.5 * np.mean(without)


def test_flow_agrees_with_a_point_projected_by_hand() -> None:
    style, placed = street(11)
    still = [replace(one, speed=0.0, swing=0.0) for one in placed]
    cameras = (
        Camera((0.0, -style.lane, 1.6), 2.0, -1.0, 70.0, 120, 48),
        Camera((0.8, -style.lane + 0.05, 1.61), 3.5, -1.1, 70.0, 120, 48),
    )
    frames = tuple(render(compose(style, still, 0.0, 90.0).scene, camera) for camera in cameras)
    flow = forward_flow((frames[0], frames[1]), cameras, {})
    for row in range(2, 48, 5):
        for column in range(2, 120, 9):
            if flow.known[row, column]:
                x, y, depth = cameras[1].project(tuple(frames[0].point[row, column].tolist()))
                assert depth > 0
                assert flow.flow[row, column] == pytest.approx((x - column - 0.5, y - row - 0.5), abs=1e-3)
            else:
                assert frames[0].instance[row, column] == -1


def test_nothing_flows_where_nothing_moves() -> None:
    style, placed = street(5)
    camera = Camera((0.0, -style.lane, 1.6), 0.0, -1.0, 70.0, 100, 40)
    frame = render(compose(style, placed, 0.0, camera.focal).scene, camera)
    flow = forward_flow((frame, frame), (camera, camera), {})
    assert np.abs(flow.flow).max() < 2e-3
    assert (flow.visible == flow.known).all()


def test_what_comes_to_stand_behind_something_is_known_but_not_seen() -> None:
    """A wall of points, half of it hidden from the second camera: worked out from the two depths alone."""
    height, width = 20, 30
    camera = Camera((0.0, 0.0, 0.0), 0.0, 0.0, 60.0, width, height)
    rows, columns = np.mgrid[:height, :width] + 0.5
    across, up = (columns - width / 2) / camera.focal, (height / 2 - rows) / camera.focal
    wall = np.stack([np.full((height, width), 10.0), -10.0 * across, 10.0 * up], axis=2).astype(np.float32)
    depth = np.full((height, width), 10.0, np.float32)
    first = Rendering(np.zeros((height, width, 3), np.uint8), depth, np.zeros((height, width), np.int32), wall)
    nearer = depth.copy()
    nearer[:, :10] = 4.0
    flow = forward_flow((first, replace(first, depth=nearer)), (camera, camera), {})
    assert flow.known.all()
    assert not flow.visible[:, :10].any()
    assert flow.visible[:, 10:].all()


def test_measured_flow_is_dense_on_vehicles_and_sparse_elsewhere_and_never_in_the_sky() -> None:
    for number in (3, 64, 118):
        files = kitti_files(number)
        occ, noc = (kitti_flow_decode(read_png16(files[f"flow_{kind}_10"])) for kind in ("occ", "noc"))
        known, seen = np.isfinite(occ[:, :, 0]), np.isfinite(noc[:, :, 0])
        assert 0.25 < known.mean() < 0.65
        assert not (seen & ~known).any()
        assert (occ[seen] == noc[seen]).all()
        assert not known[:12].any() or known[:12].mean() < 0.1
        rows, columns = np.nonzero(known)
        gone = columns + occ[known][:, 0] + 0.5
        outside = (gone < 0) | (gone > occ.shape[1])
        assert not seen[rows[outside], columns[outside]].any()
        assert number == 118 or outside.any()


def test_kitti_lies_as_its_owner_lays_it() -> None:
    assert [number for _, _, number in KITTI.items(1.0)] == list(range(200))
    assert len(KITTI.items(2.0)) == 200
    assert {number for _, _, number in KITTI.items(0.02)} == {0, 1, 2, 140, 160}
    files = KITTI.make(0, ("training", None, 7)).files
    assert set(files) == {
        "training/image_2/000007_10.png",
        "training/image_2/000007_11.png",
        "training/flow_occ/000007_10.png",
        "training/flow_noc/000007_10.png",
    }
    sizes = {read_png16(kitti_files(number)["flow_occ_10"]).shape for number in (3, 27)}
    assert len(sizes) == 2
    for number in (3, 27):
        assert picture(kitti_files(number)["image_2_11"]).shape == read_png16(kitti_files(number)["flow_occ_10"]).shape


def test_each_run_of_ten_frames_has_a_street_of_its_own() -> None:
    facades = [kitti._drive(0, drive)[0].facades for drive in range(3)]
    assert len({materials[0].first for materials in facades}) == 3


@lru_cache(maxsize=64)
def city(split: str, name: str, number: int) -> tuple[NDArray[Any], ...]:
    files = CITIES.make(0, (split, name, number)).files
    return tuple(np.asarray(Image.open(io.BytesIO(content))) for content in files.values())


def some_cities() -> list[tuple[NDArray[Any], ...]]:
    chosen = [("train", name, 0) for name in CITYSCAPES_CITIES["train"][:14]] + [("val", "lindau", n) for n in range(4)]
    return [city(*one) for one in chosen]


def test_cityscapes_lies_as_its_owner_lays_it(tmp_path: Path) -> None:
    assert Counter(split for split, _, _ in CITIES.items(1.0)) == {"train": 108, "val": 36}
    assert {(split, name) for split, name, _ in CITIES.items(0.02)} == {
        (split, name) for split, names in CITYSCAPES_CITIES.items() for name in names
    }
    files = CITIES.make(0, ("val", "munster", 3)).files
    stem = "munster_000003_000019"
    assert list(files) == [
        f"leftImg8bit/val/munster/{stem}_leftImg8bit.png",
        f"gtFine/val/munster/{stem}_gtFine_labelIds.png",
        f"gtFine/val/munster/{stem}_gtFine_instanceIds.png",
    ]
    modes = [Image.open(io.BytesIO(content)).mode for content in files.values()]
    assert modes[:2] == ["RGB", "L"]
    path = tmp_path / "instanceIds.png"
    path.write_bytes(list(files.values())[2])
    assert read_gray16(path).max() > 24000


def test_instances_and_labels_agree() -> None:
    things = {number for number, name in CITYSCAPES if name in THINGS}
    for _, labels, instances in some_cities():
        assert labels.dtype == np.uint8
        assert labels.max() <= 33
        high = instances >= 1000
        assert (np.where(high, instances // 1000, instances) == labels).all()
        assert (high == np.isin(labels, list(things))).all()


def test_every_class_but_two_is_in_some_pictures_and_all_is_where_it_belongs() -> None:
    shares: Counter[int] = Counter()
    pictures = some_cities()
    for rgb, labels, _ in pictures:
        assert rgb.shape == (128, 256, 3)
        shares.update(number for number in np.unique(labels).tolist() if (labels == number).sum() > 12)
        road, sky = np.nonzero(labels == 7)[0], np.nonzero(labels == 23)[0]
        assert road.mean() > 64 > sky.mean()
        assert (labels[0] == 3).all()
        assert (labels[:, -1] == 3).all()
    names = {number: name for number, name in CITYSCAPES if name not in ("train", "motorcycle")}
    assert not {name for number, name in names.items() if not shares[number]}
    assert shares[1] < len(pictures)  # the bonnet of the car is not always in the picture


def test_sky_is_what_is_bright_and_smooth_at_the_top() -> None:
    """Labels and colours come from one rendering: within a label of one thing, colours vary less than over all."""
    for rgb, labels, _ in some_cities()[:6]:
        sky = rgb[1:-1, 1:-1][labels[1:-1, 1:-1] == 23].astype(float)
        assert sky.mean() > rgb.mean() + 25
        assert sky.std(axis=0).mean() < 0.7 * rgb.reshape(-1, 3).std(axis=0).mean()


@lru_cache(maxsize=128)
def pair(item: tuple[str, int, int]) -> tuple[NDArray[Any], NDArray[Any], str]:
    made = DRIVES.make(0, item)
    one, two = (picture(content) for content in made.files.values())
    return one, two, made.record["label"]


def test_nuscenes_lists_lie_as_virb_lays_them() -> None:
    assert Counter(split for split, _, _ in DRIVES.items(1.0)) == {"train": 200, "test": 90}
    logs: dict[str, set[str]] = {}
    for split in ("train", "test"):
        items = [item for item in DRIVES.items(0.02) if item[0] == split][:3]
        made = [(item, DRIVES.make(0, item)) for item in items]
        listed = json.loads(DRIVES.lists([(item, one.record) for item, one in made])[f"nuScenes_{split}.json"])
        assert [list(record) for record in listed] == [["img_a", "img_b", "label"]] * 3
        for record, (_, one) in zip(listed, made, strict=True):
            assert {record["img_a"], record["img_b"]} == set(one.files)
            assert record["label"] in NUSCENES_ACTIONS
            assert picture(one.files[record["img_a"]]).shape == (72, 128, 3)
    for split, drive, number in DRIVES.items(1.0):
        first, second = nuscenes._names((split, drive, number))
        form = (
            r"(samples|sweeps)/CAM_FRONT/(n\d{3}-(\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d[+-]\d{4}))__CAM_FRONT__(\d{16})\.jpg"
        )
        matches = [re.fullmatch(form, name) for name in (first, second)]
        assert matches[0] is not None
        assert matches[1] is not None
        assert (matches[0][1], matches[1][1]) == ("samples", "sweeps")
        assert matches[0][2] == matches[1][2]
        assert 490_000 < int(matches[1][4]) - int(matches[0][4]) < 510_000
        began = datetime.strptime(matches[0][3], "%Y-%m-%d-%H-%M-%S%z").timestamp()
        assert 0 <= int(matches[0][4]) / 1e6 - began < 300
        logs.setdefault(split, set()).add(matches[0][2])
    assert (len(logs["train"]), len(logs["test"])) == (20, 9)
    assert not logs["train"] & logs["test"]


def test_cars_mostly_drive_on_and_turn_as_often_left_as_right() -> None:
    for split in ("train", "test"):
        labels = Counter(pair(item)[2] for item in DRIVES.items(0.05) if item[0] == split)
        total = sum(labels.values())
        assert abs(labels["forward"] - 0.6 * total) <= 2
        assert abs(labels["left"] - labels["right"]) <= 1


def test_turning_left_moves_the_picture_to_the_right() -> None:
    """By correlating shifted pictures alone, their exposure aside."""
    right = total = 0
    for item in DRIVES.items(0.05):
        one, two, action = pair(item)
        if action != "forward":
            scores = {shift: correlation(one, two, shift) for shift in (*range(-64, -9), *range(10, 65))}
            right += (max(scores, key=lambda shift: scores[shift]) > 0) == (action == "left")
            total += 1
    assert total >= 10
    assert right / total >= 0.85


def correlation(one: NDArray[Any], two: NDArray[Any], shift: int) -> float:
    a, b = (one[:, :-shift], two[:, shift:]) if shift > 0 else (one[:, -shift:], two[:, :shift])
    return float(np.corrcoef(a.mean(axis=2).ravel(), b.mean(axis=2).ravel())[0, 1])


def test_the_first_frame_does_not_tell_where_the_car_turns() -> None:
    yaws = {}
    for action in NUSCENES_ACTIONS:
        cameras = [nuscenes._cameras(Dice(action, n), street(0)[0], 0.0, action) for n in range(200)]
        yaws[action] = np.array([[one.yaw, two.yaw] for one, two in cameras])
        assert np.abs(yaws[action][:, 0]).max() <= 20
        assert abs(yaws[action][:, 0].mean()) < 4
    turned = {action: yaw[:, 1] - yaw[:, 0] for action, yaw in yaws.items()}
    assert turned["left"].min() > 11.9 > 0.9 > np.abs(turned["forward"]).max()
    assert turned["right"].max() < -11.9


def test_vehicles_and_people_stand_on_the_ground_within_their_size() -> None:
    for maker in (car, truck, bus, bicycle, person, rider):
        for number in range(5):
            model = maker(Dice("model", number))
            solids = tuple(model.placed((0.0, 0.0, 0.0), 0.0, 1))
            scene = replace(compose(street(0)[0], [], 0.0, 200.0).scene, primitives=solids)
            front, side = (
                points(render(scene, Camera(place, yaw, 0.0, 60.0, 400, 200)))
                for place, yaw in (((-20.0, 0.0, 0.05), 0.0), ((0.0, -20.0, 0.05), 90.0))
            )
            assert -0.02 < side[:, 2].min() < (0.4 if model.label == "rider" else 0.12), model.label
            assert np.abs(side[:, 0]).max() < model.length / 2 + 0.35, model.label
            assert np.abs(front[:, 1]).max() < model.width / 2 + 0.1, model.label


def points(seen: Rendering) -> NDArray[Any]:
    return np.asarray(seen.point[np.isfinite(seen.depth)])


def test_knowing_the_lowest_height_changes_no_shadow() -> None:
    for number in range(4):
        style, placed = street(number)
        scene = compose(style, placed, 0.0, 200.0).scene
        camera = Camera((0.0, -style.lane, 1.5), 10.0, -6.0, 70.0, 96, 64)
        assert (render(scene, camera).rgb == render(replace(scene, lowest=None), camera).rgb).all()


ITEMS = {
    "kitti_flow": (KITTI, ("training", None, 164)),
    "cityscapes": (CITIES, ("train", "ulm", 2)),
    "nuscenes": (DRIVES, ("test", 4, 1)),
}


def files_of(name: str, seed: int = 0) -> dict[str, bytes]:
    writer, item = ITEMS[name]
    return writer.make(seed, item).files


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_depends_on_its_seed_and_name_alone(name: str) -> None:
    writer, item = ITEMS[name]
    before = files_of(name)
    for other in writer.items(0.02)[:2]:
        writer.make(0, other)
    assert files_of(name) == before
    assert not set(files_of(name, seed=1).values()) & set(before.values())
    assert item in writer.items(1.0)


def test_roads_are_the_same_to_the_byte_without_vector_units() -> None:
    from numpy._core._multiarray_umath import __cpu_dispatch__  # type: ignore[import-not-found]

    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import pickle, test_sample_roads as roads\n"
        "sys.stdout.buffer.write(pickle.dumps([roads.files_of(name) for name in roads.ITEMS]))"
    )
    disabled = {"NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__)}
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **disabled}, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    assert pickle.loads(done.stdout) == [files_of(name) for name in ITEMS]
