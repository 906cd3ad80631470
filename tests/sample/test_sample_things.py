"""Objects, pets, land cover, everyday scenes: the labels say what the pictures show, checked from the files."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import virb
from virb.data.classes import CALTECH101, CIFAR100, COCO_PANOPTIC, EUROSAT, PETS
from virb.sample import ensure
from virb.sample.engine.camera import Camera
from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Material
from virb.sample.engine.models import Framing, framed
from virb.sample.engine.render import render
from virb.sample.engine.scene import Lamp, Scene
from virb.sample.engine.shapes import Primitive
from virb.sample.places.stages import sized
from virb.sample.places.things import THINGS
from virb.sample.sets import WRITERS

NAMES = ("pets", "imagenet", "imagenetv2", "eurosat", "cifar100", "caltech101", "coco_panoptic")
REPOSITORY = Path(__file__).parents[2]
WHITE = Material((1.0, 1.0, 1.0))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure(NAMES, folder=tmp_path_factory.mktemp("things"), size=0.07, workers=1)


def picture(path: Path, mode: str = "RGB") -> NDArray[np.int64]:
    with Image.open(path) as opened:
        return np.asarray(opened.convert(mode)).astype(np.int64)


def contrast(pixels: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[float, int]:
    """Return the summed steps in colour between neighbours that differ in label, and how many there are."""
    total, count = 0.0, 0
    for axis in (0, 1):
        step = np.abs(np.diff(pixels, axis=axis)).sum(axis=2)
        edge = np.diff(labels, axis=axis) != 0
        total, count = total + float(step[edge].sum()), count + int(edge.sum())
    return total, count


def sharpness(pairs: list[tuple[NDArray[np.int64], NDArray[np.int64]]], shift: int) -> float:
    """Return the mean contrast across the outlines of label maps moved sideways by `shift` pixels."""
    found = [contrast(pixels[:, : pixels.shape[1] - shift], labels[:, shift:]) for pixels, labels in pairs]
    return sum(one[0] for one in found) / sum(one[1] for one in found)


def cone_distance(start: NDArray[np.float64], way: NDArray[np.float64], half: tuple[float, float, float]) -> float:
    """Return where a ray enters an upright cone at the origin, by small steps."""
    steps = np.arange(0.0, 8.0, 0.002)
    x, y, z = (start[axis] + steps * way[axis] for axis in range(3))
    radius = (1.0 - z / half[2]) / 2.0
    within = ((x / half[0]) ** 2 + (y / half[1]) ** 2 <= radius**2) & (np.abs(z) <= half[2])
    return float(steps[np.argmax(within)]) if within.any() else math.inf


@pytest.mark.parametrize("pitch", [-40.0, 0.0, 35.0])
def test_a_cone_is_where_small_steps_along_the_ray_find_it(pitch: float) -> None:
    half = (0.8, 0.5, 1.0)
    rise = math.radians(pitch)
    camera = Camera((-4.0 * math.cos(rise), 0.0, -4.0 * math.sin(rise)), 0.0, pitch, 40.0, 24, 24)
    scene = Scene((Primitive("cone", (0.0, 0.0, 0.0), half, WHITE),), Lamp((-5.0, 2.0, 5.0)))
    depth = render(scene, camera).depth
    rows, columns = np.mgrid[:24, :24].astype(np.float32) + np.float32(0.5)
    ways = np.stack(camera.directions(columns, rows), axis=-1)
    slow = np.array([[cone_distance(np.array(camera.position), way, half) for way in line] for line in ways])
    both = np.isfinite(slow) & np.isfinite(depth)
    assert both.sum() > 60
    assert (np.isfinite(slow) != np.isfinite(depth)).sum() <= 4  # rays that all but graze it
    assert depth[both] == pytest.approx(slow[both], abs=0.006)


def test_the_faces_of_a_cone_turn_the_right_way() -> None:
    """Lit from one side, that side is bright, the other dark; from above the mantle is lit, from below the base."""
    cone = Primitive("cone", (0.0, 0.0, 0.0), (0.8, 0.8, 1.0), WHITE)
    for lamp, brighter in (((-3.0, 9.0, 0.0), "left"), ((-3.0, -9.0, 0.0), "right")):
        seen = render(Scene((cone,), Lamp(lamp), 0.05), Camera((-4.0, 0.0, 0.0), 0.0, 0.0, 40.0, 32, 32))
        lit = seen.rgb[24].astype(int).sum(axis=1) * (seen.instance[24] == 0)
        left, right = lit[:16].sum(), lit[16:].sum()
        assert (left > 1.3 * right) if brighter == "left" else (right > 1.3 * left)
    under = Camera((-2.0, 0.0, -4.0), 0.0, 63.0, 40.0, 32, 32)
    low, high = (render(Scene((cone,), Lamp((0.0, 0.0, z)), 0.05), under).rgb.mean() for z in (-9.0, 9.0))
    assert low > 1.1 * high


def test_a_framed_thing_fills_the_picture_as_asked() -> None:
    for number, name in enumerate(("chair", "bus", "lighthouse", "teapot")):
        solids = sized(THINGS[name].make(Dice("framed", number)), 37.0 * number)
        camera = framed(solids, Framing(5.0, -20.0, 40.0, fill=0.8), 120, 90)
        places = []
        for one in solids:
            model = Scene((one,), Lamp((0.0, 0.0, 9.0))).shapes.corners
            places += [camera.project(point) for point in zip(*(part[0].tolist() for part in model), strict=True)]
        across = max(abs(column - 60) / 60 for column, _, _ in places)
        along = max(abs(row - 45) / 45 for _, row, _ in places)
        assert max(across, along) == pytest.approx(0.8, abs=0.03)


def test_pets_lie_as_their_owner_lays_them(root: Path) -> None:
    top = root / "oxford-iiit-pet"
    lists = {
        name: (top / "annotations" / f"{name}.txt").read_text().splitlines() for name in ("trainval", "test", "list")
    }
    assert [line[0] for line in lists["list"][:7]] == ["#"] * 6 + ["A"]
    entries = {name: [line.split() for line in lines if line[0] != "#"] for name, lines in lists.items()}
    ids = {name: [entry[0] for entry in some] for name, some in entries.items()}
    assert sorted(ids["trainval"] + ids["test"]) == sorted(ids["list"])
    assert len(set(ids["list"])) == len(ids["list"])
    assert sorted(path.stem for path in (top / "images").iterdir()) == sorted(ids["list"])
    assert sorted(path.stem for path in (top / "annotations" / "trimaps").iterdir()) == sorted(ids["list"])
    for name, number, species, kin in entries["list"]:
        breed = name.rpartition("_")[0]
        assert PETS[int(number) - 1] == breed
        assert int(species) == (1 if breed[0].isupper() else 2)
        assert [other for other in PETS if other[0].isupper() == breed[0].isupper()][int(kin) - 1] == breed
    assert set(Counter(entry[1] for entry in entries["trainval"]).values()) == {2}


def test_a_trimap_has_a_thin_border_all_around_the_pet(root: Path) -> None:
    for path in (root / "oxford-iiit-pet" / "annotations" / "trimaps").iterdir():
        codes = picture(path, "L")
        pet, around, border = (codes == code for code in (1, 2, 3))
        assert (pet | around | border).all()
        assert not (ndimage.binary_dilation(pet, np.ones((3, 3))) & around).any()
        assert pet.sum() > 0.02 * codes.size
        depth = ndimage.distance_transform_cdt(border, "chessboard")[border]
        assert (depth <= 2).mean() > 0.85  # borders of two legs may run together


def test_outlines_of_pets_lie_on_edges_of_the_picture(root: Path) -> None:
    top = root / "oxford-iiit-pet"
    pairs = []
    for path in sorted((top / "images").iterdir()):
        codes = picture(top / "annotations" / "trimaps" / f"{path.stem}.png", "L")
        grown = ndimage.binary_dilation(codes == 1, np.ones((3, 3)))  # the border lies one pixel inside the outline
        pairs.append((picture(path), grown.astype(np.int64)))
    assert sharpness(pairs, 0) > 1.8 * sharpness(pairs, 5)


def test_pictures_of_imagenet_lie_in_folders_of_the_owners_classes(root: Path) -> None:
    wnids = (Path(virb.__file__).parent / "data" / "lists" / "imagenet_wnids.txt").read_text().split()
    numbers = []
    for split, pattern in (("train", r"{}_\d+\.JPEG"), ("val", r"ILSVRC2012_val_\d{{8}}\.JPEG")):
        folders = sorted((root / "imagenet" / split).iterdir())
        assert len(folders) == 20
        for folder in folders:
            assert folder.name in wnids
            names = [path.name for path in folder.iterdir()]
            assert all(re.fullmatch(pattern.format(folder.name), name) for name in names)
            numbers += names if split == "val" else []
    assert len(set(numbers)) == len(numbers)
    second = {path.name for path in (root / "imagenetv2-matched-frequency-format-val").iterdir() if path.is_dir()}
    assert second == {str(wnids.index(folder.name)) for folder in folders}


def test_the_pickles_of_cifar_are_those_of_python_2(root: Path) -> None:
    top = root / "cifar-100-python"
    content = {name: (top / name).read_bytes() for name in ("train", "test", "meta")}
    text = {name: pickle.loads(data, encoding="latin1") for name, data in content.items()}
    raw = pickle.loads(content["train"], encoding="bytes")
    assert set(raw) == {b"filenames", b"batch_label", b"fine_labels", b"coarse_labels", b"data"}
    assert text["meta"]["fine_label_names"] == list(CIFAR100)
    assert len(text["meta"]["coarse_label_names"]) == 20
    assert b"numpy._core" not in content["train"]
    for split, count in (("train", 2), ("test", 1)):
        entries = text[split]
        assert entries["data"].shape == (20 * count, 3072)
        assert entries["data"].dtype == np.uint8
        assert set(Counter(entries["fine_labels"]).values()) == {count}
        assert len(entries["filenames"]) == len(entries["coarse_labels"]) == 20 * count
        for name, fine in zip(entries["filenames"], entries["fine_labels"], strict=True):
            assert name.startswith(CIFAR100[fine])
        coarse = dict(zip(entries["fine_labels"], entries["coarse_labels"], strict=True))
        trees = {coarse[CIFAR100.index(name)] for name in ("oak_tree", "pine_tree")}
        assert [text["meta"]["coarse_label_names"][number] for number in trees] == ["trees"]


def test_rows_of_cifar_are_planes_of_red_green_and_blue(root: Path) -> None:
    entries = pickle.loads((root / "cifar-100-python" / "train").read_bytes(), encoding="latin1")
    flower = entries["data"][entries["fine_labels"].index(CIFAR100.index("sunflower"))].reshape(3, 32, 32).astype(int)
    yellow = (flower[0] > flower[2] + 60) & (flower[1] > flower[2] + 40)
    assert 15 < yellow.sum() < 500
    rows = np.flatnonzero(yellow.any(axis=1))
    assert rows.max() - rows.min() < 28  # petals hang together: the picture is not torn into stripes


def test_classes_of_caltech_are_uneven_and_the_background_holds_a_stray_file(root: Path) -> None:
    top = root / "101_ObjectCategories"
    folders = {path.name: sorted(inner.name for inner in path.iterdir()) for path in top.iterdir() if path.is_dir()}
    background = folders.pop("BACKGROUND_Google")
    assert "tmp" in background
    assert set(folders) < set(CALTECH101)
    for names in folders.values():
        assert names == [f"image_{number + 1:04d}.jpg" for number in range(len(names))]
    usual = Counter(item[1] for item in WRITERS["caltech101"].items(1.0))
    del usual["BACKGROUND_Google"]
    assert len(usual) == 12
    assert min(usual.values()) > 30
    assert len(set(usual.values())) > 3


def test_land_cover_lies_in_ten_folders_of_small_pictures(root: Path) -> None:
    top = root / "2750"
    assert {path.name for path in top.iterdir() if path.is_dir()} == set(EUROSAT)
    for path in top.rglob("*.jpg"):
        assert re.fullmatch(rf"{path.parent.name}_\d+", path.stem)
        assert picture(path).shape == (64, 64, 3)


def segments(top: Path, split: str) -> list[tuple[NDArray[np.int64], NDArray[np.int64], list[dict[str, object]]]]:
    """Return picture, segment ids and entries of each annotation."""
    content = json.loads((top / "annotations" / f"panoptic_{split}2017.json").read_text())
    images = {image["id"]: image for image in content["images"]}
    found = []
    for entry in content["annotations"]:
        image = images[entry["image_id"]]
        planes = picture(top / "annotations" / f"panoptic_{split}2017" / entry["file_name"])
        ids = planes[..., 0] + 256 * planes[..., 1] + 65536 * planes[..., 2]
        assert ids.shape == (image["height"], image["width"])
        found.append((picture(top / f"{split}2017" / image["file_name"]), ids, entry["segments_info"]))
    return found


def test_segments_of_coco_are_as_listed(root: Path) -> None:
    categories = {number: thing for number, _, thing in COCO_PANOPTIC}
    for split in ("train", "val"):
        content = json.loads((root / "coco" / "annotations" / f"panoptic_{split}2017.json").read_text())
        assert [(one["id"], one["name"], bool(one["isthing"])) for one in content["categories"]] == list(COCO_PANOPTIC)
        for pixels, ids, entries in segments(root / "coco", split):
            assert pixels.shape[:2] == ids.shape
            assert {entry["id"] for entry in entries} == set(np.unique(ids).tolist()) - {0}
            stuff = [entry["category_id"] for entry in entries if not categories[entry["category_id"]]]  # type: ignore[index]
            assert len(set(stuff)) == len(stuff), "all of one stuff is one segment"
            for entry in entries:
                rows, columns = np.nonzero(ids == entry["id"])
                left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
                assert entry["bbox"] == [left, top, right - left, bottom - top]
                assert entry["area"] == len(rows)
                assert entry["iscrowd"] in ((0, 1) if categories[entry["category_id"]] else (0,))  # type: ignore[index]


def test_outlines_of_segments_lie_on_edges_of_the_picture(root: Path) -> None:
    pairs = [(pixels, ids) for split in ("train", "val") for pixels, ids, _ in segments(root / "coco", split)]
    assert sharpness(pairs, 0) > 1.7 * sharpness(pairs, 5)


def test_the_usual_size_holds_what_was_promised() -> None:
    counts = {name: Counter(item[0] for item in WRITERS[name].items(1.0)) for name in NAMES}
    assert counts["pets"] == {"trainval": 12 * 24, "test": 12 * 12}
    assert counts["imagenet"] == {"train": 20 * 16, "val": 20 * 8}
    assert counts["imagenetv2"] == {"test": 20 * 10}
    assert counts["eurosat"] == {"all": 10 * 45}
    assert counts["cifar100"] == {"train": 20 * 30, "test": 20 * 10}
    assert counts["coco_panoptic"] == {"train": 200, "val": 60}


def digests() -> dict[str, str]:
    """Return a digest of a few items of each data set, the last first."""
    found = {}
    for name in NAMES:
        state = hashlib.sha256()
        for item in WRITERS[name].items(0.02)[:: -max(1, len(WRITERS[name].items(0.02)) // 4)]:
            made = WRITERS[name].make(3, item)
            state.update(b"".join(made.files[path] for path in sorted(made.files)))
            state.update(repr(made.record).encode())
        found[name] = state.hexdigest()
    return found


def test_items_are_the_same_to_the_byte_in_another_process_without_vector_units() -> None:
    from numpy._core._multiarray_umath import __cpu_dispatch__

    script = "import sys; sys.path.insert(0, sys.argv[1]); from test_sample_things import digests; print(digests())"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__)}
    command = [sys.executable, "-c", script, str(Path(__file__).parent)]
    process = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == repr(digests())


@pytest.mark.parametrize("name", NAMES)
def test_each_seed_makes_other_pictures_and_a_larger_world_the_same_ones(name: str) -> None:
    writer = WRITERS[name]
    few, many = writer.items(0.07), writer.items(0.6)
    assert set(few) < set(many)
    assert len(set(many)) == len(many)
    first, second = (writer.make(seed, few[0]) for seed in (0, 1))
    assert set(first.files) == set(second.files)
    assert (first.files, first.record) != (second.files, second.record)
