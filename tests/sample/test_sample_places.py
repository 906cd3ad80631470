"""Rooms, buildings, scenes and clips: layouts parsed from the files alone, targets checked against the geometry."""

import hashlib
import importlib
import io
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import correlate1d

from virb.data.classes import TASKONOMY_TINY
from virb.sample import ensure
from virb.sample.engine.camera import Camera
from virb.sample.engine.fields import Dice
from virb.sample.engine.render import Rendering, render
from virb.sample.engine.scene import Scene
from virb.sample.places.indoors import MOST_STEPS, room_of, steps_ahead, style
from virb.sample.places.motions import clip
from virb.sample.places.rooms import MARGIN, STEP, Pose, Room
from virb.sample.sets import WRITERS, kinetics, nyu, sun397, taskonomy, thor
from virb.sample.sets.sun_names import SUN397
from virb.sample.sets.writing import Item, Made

MINE = ("nyu", "thor_depth", "thor_num_steps", "taskonomy", "sun397", "kinetics400")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure(MINE, folder=tmp_path_factory.mktemp("places"), size=0.02, workers=1)


def pixels(path: Path) -> NDArray[np.float64]:
    with Image.open(path) as picture:
        return np.asarray(picture).astype(np.float64)


def one_of_each_split(name: str, index: int = 0) -> list[Item]:
    found: dict[str, Item] = {}
    for item in WRITERS[name].items(1.0):
        if item[2] == index:
            found.setdefault(item[0], item)
    return list(found.values())


def test_the_usual_size_holds_what_was_promised() -> None:
    counts = {name: Counter(item[0] for item in WRITERS[name].items(1.0)) for name in MINE}
    assert counts == {
        "nyu": {"train": 240, "test": 100},
        "thor_depth": {"train": 240, "test": 100},
        "thor_num_steps": {"train": 336, "val": 120},
        "taskonomy": {"train": 224, "val": 48, "test": 70},
        "sun397": {"Training": 260, "Testing": 160},
        "kinetics400": {"train": 132, "validate": 60},
    }


@pytest.mark.parametrize("name", MINE)
def test_an_item_is_the_same_whatever_was_made_before_it(name: str) -> None:
    items = one_of_each_split(name)
    forth = {item: WRITERS[name].make(5, item) for item in items}
    for module in (nyu, thor, taskonomy):
        module._room.cache_clear()
    back = {item: WRITERS[name].make(5, item) for item in reversed(items)}
    assert forth == back
    other = WRITERS[name].make(6, items[0])
    assert not set(other.files.values()) & set(forth[items[0]].files.values())


def digest_of_places() -> str:
    """Return a digest over one item of each data set."""
    state = hashlib.sha256()
    for name in MINE:
        for path, data in WRITERS[name].make(3, one_of_each_split(name)[0]).files.items():
            state.update(path.encode() + data)
    return state.hexdigest()


def test_places_are_the_same_to_the_byte_without_vector_units() -> None:
    dispatched = importlib.import_module("numpy._core._multiarray_umath").__cpu_dispatch__
    here = Path(__file__)
    script = f"import sys; sys.path.insert(0, {str(here.parent)!r}); import {here.stem}; "
    script += f"print({here.stem}.digest_of_places())"
    environment = {**os.environ, "PYTHONPATH": str(here.parents[2])}
    environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(dispatched)
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [digest_of_places()]


def test_nyu_frames_lie_as_virb_lays_them(places: Path) -> None:
    stems: dict[str, set[str]] = {}
    for split, count in (("train", 40), ("test", 20)):
        top = places / "nyu" / split
        listed = [{path.stem for path in (top / part).iterdir()} for part in ("images", "depths", "walkable")]
        assert listed[0] == listed[1] == listed[2]
        assert len(listed[0]) == count
        stems[split] = listed[0]
        stem = min(listed[0])
        with Image.open(top / "images" / f"{stem}.png") as picture, Image.open(top / f"depths/{stem}.tiff") as depth:
            assert (picture.mode, picture.size, depth.mode, depth.size) == ("RGB", (144, 108), "F", (144, 108))
        with Image.open(top / "walkable" / f"{stem}.png") as mask:
            assert mask.mode == "L"
            assert set(np.unique(np.asarray(mask))) <= {0, 255}
    assert not stems["train"] & stems["test"]


def test_the_walkable_floor_is_one_level_plane_at_the_height_of_a_hand(places: Path) -> None:
    """A camera that is not rolled sees the inverse depth of a level floor fall in a straight line over the rows."""
    checked = 0
    for split in ("train", "test"):
        for path in sorted((places / "nyu" / split / "walkable").iterdir()):
            rows, columns = np.nonzero(pixels(path))
            if len(rows) < 400 or np.ptp(rows) < 15:
                continue
            inverse = 1.0 / pixels(path.parents[1] / "depths" / f"{path.stem}.tiff")[rows, columns]
            slope, middle = np.polyfit(rows + 0.5 - 54.0, inverse, 1)
            assert (
                np.abs(inverse - middle - slope * (rows + 0.5 - 54.0)).max() < 1.2e-2
            )  # a rug lies 12 mm above the floor
            heights = [math.cos(math.atan(middle / (slope * focal))) / (slope * focal) for focal in (99.1, 119.8)]
            assert min(heights) < 1.7
            assert max(heights) > 1.15
            checked += 1
    assert checked > 25


def test_no_walkable_pixel_lies_where_furniture_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = []
    for index in range(8):
        seen = rendered(monkeypatch, nyu, "nyu", ("train", index, 0))
        mask = np.asarray(Image.open(io_of(seen.made, "walkable"))) > 0
        place = nyu._room(0, "train", index)
        for x, y, up in seen.picture.point[mask][::50].tolist():
            assert abs(up) < 0.02
            assert not any(b.left < x < b.right and b.bottom < y < b.top for b in place.blocks)
        shares.append(mask.mean())
    assert 0.1 < np.mean(shares) < 0.5


class Seen:
    """What a writer made, and the rendering, camera and scene that it made it from."""

    def __init__(self) -> None:
        self.made = Made({})
        self.scene: Scene
        self.camera: Camera
        self.picture: Rendering


def rendered(monkeypatch: pytest.MonkeyPatch, module: object, name: str, item: Item) -> Seen:
    seen = Seen()

    def watch(scene: Scene, camera: Camera, dice: Dice | None = None) -> Rendering:
        seen.scene, seen.camera, seen.picture = scene, camera, render(scene, camera, dice)
        return seen.picture

    with monkeypatch.context() as patch:
        patch.setattr(module, "render", watch)
        seen.made = WRITERS[name].make(0, item)
    return seen


def io_of(made: Made, part: str) -> io.BytesIO:
    """Return the one file with this in its path, as an open file."""
    return io.BytesIO(next(data for path, data in made.files.items() if part in path))


def test_thor_depth_is_a_grey_jpeg_of_ten_metres(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = places / "thor_depth_prediction"
    for split, scenes in (("train", 20), ("test", 10)):
        found = sorted(str(path.relative_to(top)) for path in (top / split).rglob("*.jpg"))
        kinds = Counter(re.sub(r"FloorPlan\d+_physics/\d{4}_", "", path) for path in found)
        assert kinds == {f"{split}/rgb.jpg": scenes, f"{split}/depth.jpg": scenes}
    with Image.open(top / found[0]) as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "L", (112, 112))
    for scene in range(4):
        seen = rendered(monkeypatch, thor, "thor_depth", ("train", scene, 0))
        grey = np.asarray(Image.open(io_of(seen.made, "_depth"))).astype(float)
        error = np.abs(grey * 10.0 / 255.0 - seen.picture.depth)
        assert np.median(error) < 0.04
        assert error.mean() < 0.1


def free(place: Room, x: float, y: float) -> bool:
    """Return whether a disc of the agent's width fits here, by its distance to each wall and block."""
    gaps = [x, y, place.length - x, place.width - y]
    for block in place.blocks:
        nearest = (min(max(x, block.left), block.right), min(max(y, block.bottom), block.top))
        gaps.append(math.dist((x, y), nearest))
    return min(gaps) >= MARGIN


def test_the_way_is_free_for_as_many_steps_as_the_label_says_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for scene in range(24):
        seen = rendered(monkeypatch, thor, "thor_num_steps", ("train", scene, 1))
        steps, place = seen.made.record, thor._room(0, "thor_num_steps", "train", scene)
        x, y, _ = seen.camera.position
        yaw = math.radians(seen.camera.yaw)
        ways = np.arange(0.0, 6.0, 0.02)
        open_at = [free(place, x + way * math.cos(yaw), y + way * math.sin(yaw)) for way in ways.tolist()]
        reach = float(ways[open_at.index(False) - 1])
        assert steps * STEP - 0.03 <= reach < (steps + 1) * STEP + 0.13
        assert 0 <= steps <= MOST_STEPS


def test_numbers_of_steps_are_balanced_and_scenes_kept_apart(places: Path) -> None:
    top = places / "thor_num_steps"
    scenes: dict[str, set[str]] = {}
    for split, count in (("train", 24), ("val", 12)):
        lines = (top / f"{split}_labels.txt").read_text().splitlines()
        matches = [re.fullmatch(rf"({split}/(FloorPlan\d+_physics)/\d{{4}}) ([0-7])", line) for line in lines]
        assert len(matches) == count
        assert all((top / f"{match[1]}_rgb.jpg").is_file() for match in matches if match)
        assert len([match for match in matches if match]) == count
        scenes[split] = {match[2] for match in matches if match}
        numbers = Counter(match[3] for match in matches if match)
        assert max(numbers.values()) <= count / 8 + 2
        assert len(numbers) >= 7
    assert not scenes["train"] & scenes["val"]


def test_walking_one_step_leaves_one_step_less() -> None:
    place = room_of(style(Dice("walk")), Dice("walk"))
    starts = [Pose(x * 0.5, y * 0.5, 90.0 * turn, 0.0) for x in range(14) for y in range(14) for turn in range(4)]
    ways = [(start, steps_ahead(place, start)) for start in starts if place.free(start.x, start.y)]
    assert max(steps for _, steps in ways) >= 3
    for start, steps in ways:
        if steps:
            assert steps_ahead(place, start.ahead(STEP - 1e-6)) in (steps - 1, steps)


def test_buildings_lie_as_omnidata_lays_them_and_no_split_shares_one(places: Path) -> None:
    top = places / "taskonomy"
    tasks = {"rgb": ("RGB", 8), "depth_zbuffer": ("I;16", 16), "edge_texture": ("I;16", 16)}
    buildings = [*TASKONOMY_TINY["train"][:14], *TASKONOMY_TINY["val"][:4], *TASKONOMY_TINY["test"]]
    assert len(set(sum(TASKONOMY_TINY.values(), ()))) == 35
    for task, (mode, _) in tasks.items():
        folder = top / task / "taskonomy"
        assert sorted(path.name for path in folder.iterdir()) == sorted(buildings)
        for path in folder.rglob("*.png"):
            assert re.fullmatch(rf"point_\d+_view_\d+_domain_{task}\.png", path.name)
            with Image.open(path) as picture:
                assert (picture.mode, picture.size) == (mode, (128, 128))


def test_depth_is_in_512ths_of_a_metre_and_windows_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    missing, in_windows = [], 0
    for index in range(8):
        seen = rendered(monkeypatch, taskonomy, "taskonomy", ("test", "ihlen", index))
        stored = np.asarray(Image.open(io_of(seen.made, "depth_zbuffer")))
        valid = stored != 65535
        assert stored.dtype == np.uint16
        assert np.abs(stored[valid] / 512.0 - seen.picture.depth[valid]).max() < 0.5 / 512 + 1e-4
        assert stored[valid].max() < 12 * 512
        place = taskonomy._room(0, "ihlen", index // 2 % 2)
        window = np.isin(seen.picture.instance, [i for i, name in enumerate(place.names) if name == "window"])
        assert not (valid & window).any()
        in_windows += int(window.sum())
        missing.append(1.0 - valid.mean())
    assert in_windows > 0
    assert 0.001 < np.mean(missing) < 0.25


def test_edges_are_sobel_of_the_softened_brightness(places: Path) -> None:
    for building in ("allensville", "uvalda"):
        name = f"taskonomy/{building}/point_0_view_0_domain_"
        rgb = pixels(places / "taskonomy/rgb" / f"{name}rgb.png")
        found = pixels(places / "taskonomy/edge_texture" / f"{name}edge_texture.png")
        grey = rgb @ np.array([77, 150, 29]) / 256
        soft = correlate1d(correlate1d(grey, [0.25, 0.5, 0.25], 0), [0.25, 0.5, 0.25], 1)
        steps = [correlate1d(correlate1d(soft, [-1, 0, 1], axis), [1, 2, 1], 1 - axis) for axis in (0, 1)]
        expected = 45 * np.hypot(*steps)
        inner = (slice(3, -3), slice(3, -3))
        assert np.abs(found - expected)[inner].max() < 45 * 6
        assert np.corrcoef(found[inner].ravel(), expected[inner].ravel())[0, 1] > 0.999
        assert found.max() > 6000


def test_rooms_of_one_building_share_floor_and_walls_and_no_plan() -> None:
    look = style(Dice("look"))
    one, other = (room_of(look, Dice("plan", number)) for number in range(2))
    assert one.scene.primitives[0].material == other.scene.primitives[0].material == look.floor
    assert (one.length, one.width) != (other.length, other.width)


def test_sun_lists_all_397_classes_and_a_partition_of_the_pictures(places: Path) -> None:
    top = places / "SUN397"
    classes = (top / "ClassName.txt").read_text().splitlines()
    assert len(classes) == len(set(classes)) == 397
    assert classes == sorted(classes)
    assert all(name[:3] == f"/{name[3]}/" for name in classes)
    assert classes == [f"/{name[0]}/{name}" for name in SUN397]
    lists = {split: (top / f"{split}_01.txt").read_text().splitlines() for split in ("Training", "Testing")}
    listed = lists["Training"] + lists["Testing"]
    assert len(set(listed)) == len(listed) == 20
    assert {f"/{path.relative_to(top)}" for path in top.rglob("*.jpg")} == set(listed)
    for lines in lists.values():
        assert all(re.fullmatch(r"/[a-z]/[a-z_/]+/sun_[a-z]{16}\.jpg", line) for line in lines)
        numbers = Counter(line.rsplit("/", 1)[0] for line in lines)
        assert set(numbers) <= set(classes)
        assert list(numbers.values()) == [1] * 10


def test_some_of_the_scenes_are_grey_or_png_as_some_of_the_owners_are() -> None:
    kinds = {}
    for index in (0, 5, 9):
        (data,) = WRITERS["sun397"].make(0, ("Training", "beach", index)).files.values()
        with Image.open(io_of(Made({"x": data}), "x")) as picture:
            kinds[index] = (picture.format, picture.mode)
    assert kinds == {0: ("JPEG", "RGB"), 5: ("JPEG", "L"), 9: ("PNG", "RGB")}


@pytest.mark.parametrize("name", sun397.MAKERS)
def test_every_scene_is_seen_and_no_two_are_alike(name: str) -> None:
    pictures = []
    for number in range(3):
        shot = sun397.MAKERS[name](Dice("scene", name, number))
        picture = render(shot.scene, shot.camera)
        assert len(np.unique(picture.rgb.reshape(-1, 3), axis=0)) > 300
        assert 20 < picture.rgb.mean() < 235
        pictures.append(picture.rgb.mean((0, 1)))
    assert np.std(pictures, axis=0).max() > 3


def test_clips_lie_as_virb_lays_their_frames(places: Path) -> None:
    top = places / "kinetics400"
    for split, count in (("train", 6), ("validate", 6)):
        listed = json.loads((top / "annotations" / f"{split}.json").read_text())
        assert len(listed) == count
        assert sorted(clip["annotations"]["label"] for clip in listed.values()) == sorted(kinetics.ACTIONS)
        frames = {str(path.relative_to(top / split)) for path in (top / split).rglob("*.jpg")}
        assert frames == {f"{name[:2]}/{name}_{4 * k}.jpg" for name in listed for k in range(9)}
        for name, entry in listed.items():
            assert re.fullmatch(r"[A-Za-z0-9_-]{9}|[A-Za-z0-9_-]{11}", name)
            assert set(entry) == {"annotations", "duration", "subset", "url"}
            assert entry["annotations"]["segment"][1] == entry["annotations"]["segment"][0] + 10.0
            assert entry["url"].endswith(f"={name}")
        assert any(other.startswith(f"{name}_") for name in listed for other in listed)


def test_names_of_clips_are_their_own_at_any_size() -> None:
    items = WRITERS["kinetics400"].items(2.0)
    names = [kinetics._id(0, item) for item in items]
    assert len(set(names)) == len(names)
    assert len([name for name in names if set(name) & set("-_")]) > 20


@pytest.mark.parametrize("label", kinetics.ACTIONS)
def test_somebody_moves_and_the_place_stays(label: str) -> None:
    for number in range(3):
        made = clip(Dice("clip", label, number), kinetics.ACTIONS[label])
        moments = [np.array([one.centre for one in made.motion(time)]) for time in np.linspace(0, 1, 9).tolist()]
        assert np.ptp(moments, axis=0).max() > 0.5
        assert min(float(places[:, 2].min()) for places in moments) > 0.0
        first, later = (made.frame(time, Dice("noise")).astype(int) for time in (0.0, 0.375))
        changed = np.abs(first - later).max(2) > 40
        assert 0.002 < changed.mean() < 0.6


def test_what_is_thrown_flies_from_one_to_the_other_and_what_is_walked_comes_along() -> None:
    for number in range(4):
        egg = clip(Dice("egg", number), kinetics.ACTIONS["passing American football (in game)"]).motion
        way = [egg(time)[-1].centre for time in (0.0, 0.5, 1.0)]
        assert abs(way[2][1] - way[0][1]) > 2.0
        assert way[1][2] > max(way[0][2], way[2][2])
        walk = clip(Dice("walk", number), kinetics.ACTIONS["walking the dog"]).motion
        heads = [walk(time)[1].centre[1] for time in np.linspace(0, 1, 5).tolist()]
        assert (np.diff(heads) > 0).all() or (np.diff(heads) < 0).all()
