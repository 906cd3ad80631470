"""Contract (data): the shares that TASKS.md states, on lists long enough to tell a tenth from a fifth.

The sample world has a few pictures of every class. Here each of them gets many names, which costs no room on disk.
"""

from __future__ import annotations

import json
import os
import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from census import TASKS_TABLE, Key, keys_of
from worlds import copy_world

from virb.cards.select import TASKS
from virb.cards.task import Task
from virb.core.types import SPLITS, Dataset
from virb.data import read_dataset

TIMES = 50
"""Names for every picture of the small world."""


def twins(path: Path) -> list[Path]:
    """Give a file more names of its own form: a number grows by two digits, a word by two letters."""
    found = [path]
    for number in range(1, TIMES):
        ending = f"{number:02d}" if path.stem[-1].isdigit() else chr(97 + number // 26) + chr(97 + number % 26)
        place = path.with_name(f"{path.stem}{ending}{path.suffix}")
        os.link(path, place)
        found.append(place)
    return found


def grow_folders(place: Path, pattern: str) -> None:
    for path in sorted(place.glob(pattern)):
        twins(path)


def replace(path: Path, content: bytes) -> None:
    """Write a new file: the old one may have another name in the world that all tests share."""
    path.unlink()
    path.write_bytes(content)


def grow_lists(place: Path, name: str, picture: Callable[[str], str]) -> None:
    """Give every picture of a list more names, and list them."""
    longer = []
    for line in (place / name).read_text().splitlines():
        path = place / picture(line)
        longer += [line.replace(path.stem, twin.stem, 1) for twin in twins(path)]
    replace(place / name, "\n".join(longer).encode())


def grow_caltech(place: Path) -> None:
    for path in sorted(place.glob("*/image_*.jpg")):
        number = int(path.stem.rpartition("_")[2])
        for more in range(1, 12):
            os.link(path, path.with_name(f"image_{number + 100 * more:04d}.jpg"))


def grow_cifar(place: Path) -> None:
    with open(place / "train", "rb") as stream:
        content = pickle.load(stream, encoding="latin1")
    content["data"] = np.tile(content["data"], (TIMES, 1))
    content.update({key: content[key] * TIMES for key in content if key.endswith("labels") or key == "filenames"})
    replace(place / "train", pickle.dumps(content, protocol=2))


def grow_kinetics(place: Path) -> None:
    path = place / "annotations/train.json"
    listed = json.loads(path.read_text())
    clips: dict[str, list[Path]] = {clip: [] for clip in listed}
    for frame in (place / "train").glob("*/*.jpg"):  # one clip's name may begin another's
        clips[frame.stem.rpartition("_")[0]].append(frame)
    for clip, frames in clips.items():
        for number in range(TIMES):
            listed[f"{clip}{number:02d}"] = listed[clip]
            for frame in frames:
                os.link(frame, frame.with_name(f"{clip}{number:02d}_{frame.stem.rpartition('_')[2]}.jpg"))
    replace(path, json.dumps(listed).encode())


def grow_coco(place: Path) -> None:
    path = place / "annotations/panoptic_train2017.json"
    listed: dict[str, Any] = json.loads(path.read_text())
    for picture in list(listed["images"]):
        (entry,) = (one for one in listed["annotations"] if one["image_id"] == picture["id"])
        for number in range(1, TIMES):
            new = {"id": picture["id"] * 100 + number + 10**9}
            names = {ending: f"{new['id']:012d}.{ending}" for ending in ("jpg", "png")}
            os.link(place / "train2017" / picture["file_name"], place / "train2017" / names["jpg"])
            folder = place / "annotations/panoptic_train2017"
            os.link(folder / entry["file_name"], folder / names["png"])
            listed["images"].append({**picture, **new, "file_name": names["jpg"]})
            listed["annotations"].append({**entry, "image_id": new["id"], "file_name": names["png"]})
    replace(path, json.dumps(listed).encode())


GROWN: dict[str, tuple[str, Callable[[Path], None]]] = {
    "imagenet": ("imagenet", lambda place: grow_folders(place, "train/*/*.JPEG")),
    "pets": (
        "oxford-iiit-pet",
        lambda place: grow_lists(place, "annotations/trainval.txt", lambda line: f"images/{line.split()[0]}.jpg"),
    ),
    "caltech101": ("101_ObjectCategories", grow_caltech),
    "cifar100": ("cifar-100-python", grow_cifar),
    "sun397": ("SUN397", lambda place: grow_lists(place, "Training_01.txt", lambda line: line[1:])),
    "eurosat": ("2750", lambda place: grow_folders(place, "*/*.jpg")),
    "kinetics400": ("kinetics400", grow_kinetics),
    "nyu_walkable": ("nyu", lambda place: grow_folders(place, "train/*/*")),
    "coco_panoptic": ("coco", grow_coco),
}


@pytest.fixture(scope="module")
def grown(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a world of many names for few pictures."""
    root = tmp_path_factory.mktemp("grown") / "world"
    for top, grow in GROWN.values():
        grow(copy_world(small_world, top, root, os.link))
    return root


def read(name: str, root: Path) -> tuple[Dataset, dict[str, list[Key]], dict[Key, Any]]:
    """Return the data set, what stands in its splits, and the labels that the owner gives."""
    task = Task.read(TASKS.path(name))
    data = read_dataset(task.dataset, root, task.target)
    found = {part: keys_of(name, data, split, root) for part, split in zip(SPLITS, parts(data), strict=True)}
    counted = TASKS_TABLE[name].count(root)
    return data, found, {key: label for part in counted.values() for key, label in part.items()}


def parts(data: Dataset) -> tuple[Any, Any, Any]:
    return data.train, data.val, data.test


def shares(name: str, root: Path, of: tuple[str, ...]) -> dict[Any, list[float]]:
    """Return for every class what share of its samples in some splits stands in each of them."""
    _, found, labels = read(name, root)
    counts = {part: Counter(labels[key] for key in found[part]) for part in of}
    whole = sum((counts[part] for part in of), Counter())
    return {label: [counts[part][label] / count for part in of] for label, count in whole.items()}


@pytest.mark.parametrize("name", [name for name in GROWN if TASKS_TABLE[name].carved == "class"])
def test_the_stated_share_of_every_class_is_validation(name: str, grown: Path) -> None:
    stated = TASKS_TABLE[name].share
    found = shares(name, grown, ("train", "val"))
    assert len(found) >= 5
    for label, (_, held) in found.items():
        assert held == pytest.approx(stated, abs=0.006), label


@pytest.mark.parametrize("name", [name for name in GROWN if TASKS_TABLE[name].carved == "sample"])
def test_the_stated_share_of_all_samples_is_validation(name: str, grown: Path) -> None:
    data, found, labels = read(name, grown)
    assert sum(map(len, found.values())) == len(labels) > 500
    assert len(data.val) / (len(data.train) + len(data.val)) == pytest.approx(TASKS_TABLE[name].share, abs=0.002)


def test_eurosat_is_divided_60_20_and_20(grown: Path) -> None:
    for label, found in shares("eurosat", grown, SPLITS).items():
        assert found == pytest.approx([0.6, 0.2, 0.2], abs=0.006), label


def test_caltech_trains_on_25_of_every_class_and_validates_on_5(grown: Path) -> None:
    data, found, labels = read("caltech101", grown)
    counts = {part: Counter(labels[key] for key in found[part]) for part in SPLITS}
    assert set(counts["train"].values()) == {25}
    assert set(counts["val"].values()) == {5}
    assert set(counts["test"]) == set(counts["train"])
    assert sum(data.counts.values()) == len(labels)


@pytest.mark.parametrize("name", ["imagenet", "pets", "sun397", "cifar100", "kinetics400"])
def test_validation_is_drawn_and_not_the_first_or_the_last_of_a_class(name: str, grown: Path) -> None:
    data, found, labels = read(name, grown)
    train = sorted({*found["train"], *found["val"]})
    places = []
    for label in set(labels.values()):
        same = [key for key in train if labels[key] == label]
        places += [same.index(key) / (len(same) - 1) for key in same if key in set(found["val"])]
    assert 0.3 < np.mean(places) < 0.7
    assert np.std(places) > 0.15
    assert len(data.val) == len(places)
