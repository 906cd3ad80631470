"""Contract (data): the labels of every pixel task lie pixel on pixel over their pictures, told from the pictures.

Where a class ends or depth jumps, a picture has an edge more often than elsewhere. Mirrored, moved, or swapped with
those of another sample, labels lose that; so does an adapter that pairs or scales wrongly.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from census import TASKS_TABLE
from PIL import Image
from scipy.ndimage import map_coordinates

from virb.cards.select import TASKS
from virb.cards.task import Task
from virb.core.types import IGNORED, Dataset
from virb.data import read_dataset
from virb.data.images import read_image

PIXEL = [name for name in TASKS.names() if Task.read(TASKS.path(name)).level == "pixel"]
KINDS = {name: row.kind for name, row in TASKS_TABLE.items() if row.kind}
CLASSES = [name for name, kind in KINDS.items() if kind == "classes"]
DEPTHS = ["nyu_depth", "thor_depth", "taskonomy_depth"]
VOID = {"pets_seg", "cityscapes", "coco_panoptic"}
"""Tasks some of whose pixels count nowhere."""
CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The owner's label ids of the 19 classes that are scored, in their order."""
PLAUSIBLE = {
    "kitti_flow": (1.0, 80.0),
    "nyu_depth": (0.2, 12.0),
    "taskonomy_depth": (0.2, 30.0),
    "thor_depth": (0.0, 1.0),
}
"""Between which values most of a task's are plausible: pixels, metres, a share."""


class Shown(NamedTuple):
    """A sample's picture, float [H,W], its label, and its frames in colour, uint8 [3,H,W]."""

    grey: np.ndarray
    label: np.ndarray
    frames: tuple[np.ndarray, ...]


@cache
def data_of(name: str, root: Path) -> Dataset:
    task = Task.read(TASKS.path(name))
    return read_dataset(task.dataset, root, task.target)


@cache
def shown(name: str, root: Path) -> list[Shown]:
    """Return every sample of a task."""
    data = data_of(name, root)
    assert data.labels is not None
    found = []
    for split in (data.train, data.val, data.test):
        for frames, row in zip(split.index, split.targets, strict=True):
            pictures = tuple(read_image(data.pool, int(frame)).numpy() for frame in frames)
            found.append(Shown(pictures[0].astype(float).mean(0), data.labels.read(int(row)), pictures))
    return found


def test_the_table_of_this_test_holds_every_pixel_task() -> None:
    assert set(KINDS) == set(PIXEL)


# Form


@pytest.mark.parametrize("name", PIXEL)
def test_every_sample_has_a_label_of_its_own(name: str, small_world: Path) -> None:
    data = data_of(name, small_world)
    assert data.labels is not None
    assert data.labels.kind == KINDS[name]
    rows = [row for split in (data.train, data.val, data.test) for row in split.targets.tolist()]
    assert sorted(rows) == list(range(len(data.labels)))
    places = list(zip(data.labels.paths, data.labels.rows, strict=True))
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("name", PIXEL)
def test_every_label_has_the_height_and_width_of_its_picture(name: str, small_world: Path) -> None:
    channels = {"flow": (2,), "classes": (), "values": (3,) if name == "taskonomy_inpainting" else ()}[KINDS[name]]
    for one in shown(name, small_world):
        assert one.label.shape == (*one.grey.shape, *channels)
        assert one.label.dtype == (np.uint8 if KINDS[name] == "classes" else np.float32)
        assert all(frame.shape[1:] == one.grey.shape for frame in one.frames)


@pytest.mark.parametrize("name", CLASSES)
def test_every_pixel_is_of_a_class_or_ignored(name: str, small_world: Path) -> None:
    count = len(data_of(name, small_world).classes)
    values = set().union(*(np.unique(one.label).tolist() for one in shown(name, small_world)))
    assert values <= {*range(count), IGNORED}
    assert (IGNORED in values) == (name in VOID)
    assert len(values - {IGNORED}) >= min(count, 12)
    for one in shown(name, small_world):
        assert (one.label != IGNORED).mean() > 0.4


@pytest.mark.parametrize("name", [name for name in PIXEL if KINDS[name] != "classes"])
def test_numbers_are_finite_or_unknown_and_plausible(name: str, small_world: Path) -> None:
    low, high = PLAUSIBLE.get(name, (0.0, 1.0))
    for one in shown(name, small_world):
        assert not np.isinf(one.label).any()
        known = one.label[np.isfinite(one.label)]
        assert len(known) > 0.1 * one.label.size
        if KINDS[name] == "flow":
            assert np.array_equal(np.isnan(one.label[..., 0]), np.isnan(one.label[..., 1]))
            assert np.abs(known).max() <= high
        else:
            assert low <= known.min()
            assert known.max() <= high
            assert known.std() > 0.001 * high


# Values, decoded here from the owner's files


def stored(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture)


def by_code(path: Path, codes: dict[int, int]) -> np.ndarray:
    table = np.array([codes.get(number, IGNORED) for number in range(256)], np.uint8)
    return table[stored(path)]


def coco_classes(path: Path) -> np.ndarray:
    listed = json.loads((path.parents[1] / f"{path.parent.name}.json").read_text())
    numbers = sorted(category["id"] for category in listed["categories"])
    (entry,) = (one for one in listed["annotations"] if one["file_name"] == path.name)
    red, green, blue = stored(path).astype(int).transpose(2, 0, 1)
    found = np.full(red.shape, IGNORED, np.uint8)
    for segment in entry["segments_info"]:
        if not segment["iscrowd"]:
            found[red + 256 * green + 65536 * blue == segment["id"]] = numbers.index(segment["category_id"])
    return found


def metres(path: Path) -> np.ndarray:
    values = stored(path)
    return np.where(values == 65535, np.nan, values / 512)


DECODED: dict[str, Callable[[Path], np.ndarray]] = {
    "pets_seg": lambda path: by_code(path, {1: 1, 2: 0}),
    "cityscapes": lambda path: by_code(path, dict(zip(CITYSCAPES_IDS, range(19), strict=True))),
    "coco_panoptic": coco_classes,
    "nyu_walkable": lambda path: stored(path) > 0,
    "nyu_depth": stored,
    "thor_depth": lambda path: stored(path) / 255,
    "taskonomy_depth": metres,
    "taskonomy_edges": lambda path: stored(path) / 65535,
    "taskonomy_inpainting": lambda path: stored(path) / 255,
}


@pytest.mark.parametrize("name", sorted(DECODED))
def test_labels_say_what_the_owners_files_say(name: str, small_world: Path) -> None:
    labels = data_of(name, small_world).labels
    assert labels is not None
    for row in range(0, len(labels), 2):
        expected = DECODED[name](labels.paths[row])
        assert np.allclose(labels.read(row), expected, atol=1e-5, equal_nan=True), labels.ids[row]


# Alignment


def edges(grey: np.ndarray) -> np.ndarray:
    """Return how much a picture changes at every pixel but those of its border."""
    across, down = grey[1:-1, 2:] - grey[1:-1, :-2], grey[2:, 1:-1] - grey[:-2, 1:-1]
    return np.hypot(across, down)


def borders(label: np.ndarray) -> np.ndarray:
    """Return where a label changes: from class to class, or in depth by a seventh and more."""
    steps = ((label[1:-1, 2:], label[1:-1, :-2]), (label[2:, 1:-1], label[:-2, 1:-1]))
    if label.dtype == np.uint8:
        return np.any([one != two for one, two in steps], axis=0)
    logs = [(np.log(np.maximum(one, 0.01)), np.log(np.maximum(two, 0.01))) for one, two in steps]
    return np.any([np.abs(one - two) > 0.15 for one, two in logs], axis=0)  # comparing with NaN is false


def outline(label: np.ndarray) -> np.ndarray:
    """Return the strip between animal and background, in whose middle the animal ends."""
    return np.asarray(label[1:-1, 1:-1] == IGNORED)


def agreement(name: str, grey: np.ndarray, label: np.ndarray) -> float:
    """Return how much stronger a picture's edges are on the borders of a label than elsewhere; NaN without any."""
    strength, places = edges(grey), (outline if name == "pets_seg" else borders)(label)
    return float(strength[places].mean() / (strength.mean() + 1e-6)) if places.sum() >= 5 else np.nan


def agreements(name: str, root: Path, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return np.array([agreement(name, one.grey, change(one.label)) for one in shown(name, root)])


def moved(right: int, down: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda label: np.roll(label, (down, right), (0, 1))


@pytest.mark.parametrize("name", [*CLASSES, *DEPTHS])
@pytest.mark.parametrize(
    "change",
    [np.fliplr, np.flipud, moved(7, 0), moved(0, 7)],
    ids=["mirrored", "upside down", "moved right", "moved down"],
)
def test_pictures_have_edges_where_their_labels_have_borders_and_not_where_changed_labels_do(
    name: str, change: Callable[[np.ndarray], np.ndarray], small_world: Path
) -> None:
    true, other = agreements(name, small_world, lambda label: label), agreements(name, small_world, change)
    assert np.isfinite(true).mean() > 0.8
    assert np.nanmean(true) > 1.7
    assert np.nanmean(true) > 1.25 * np.nanmean(other)
    both = np.isfinite(true) & np.isfinite(other)
    assert (true > other)[both].mean() > 0.8


@pytest.mark.parametrize("name", [*CLASSES, *DEPTHS])
@pytest.mark.parametrize("step", [(2, 0), (-2, 0), (0, 2), (0, -2)])
def test_labels_lie_where_they_are_and_not_two_pixels_beside(
    name: str, step: tuple[int, int], small_world: Path
) -> None:
    true, other = agreements(name, small_world, lambda label: label), agreements(name, small_world, moved(*step))
    assert np.nanmean(true) > 1.05 * np.nanmean(other)


@pytest.mark.parametrize("name", [*CLASSES, *DEPTHS])
def test_a_label_fits_its_own_picture_better_than_another_of_its_size(name: str, small_world: Path) -> None:
    samples = shown(name, small_world)
    true, other = [], []
    for place, one in enumerate(samples):
        others = [two.label for two in samples[place + 1 :] + samples[:place] if two.label.shape == one.label.shape]
        if others:
            true.append(agreement(name, one.grey, one.label))
            other.append(agreement(name, one.grey, others[0]))
    assert len(true) > 0.5 * len(samples)
    assert np.nanmean(true) > 1.2 * np.nanmean(other)


@pytest.mark.parametrize("name", DEPTHS)
def test_what_stands_at_the_bottom_of_a_picture_of_a_room_is_near(name: str, small_world: Path) -> None:
    """Depth and not its inverse: a picture looks down on a floor more often than up to a ceiling."""
    ratios = []
    for one in shown(name, small_world):
        height = len(one.label)
        ratios.append(np.nanmedian(one.label[-height // 6 :]) / np.nanmedian(one.label[height // 4 : height // 2]))
    assert np.mean(np.array(ratios) < 1) > 0.7
    assert np.exp(np.mean(np.log(ratios))) < 0.87


@pytest.mark.parametrize(
    ("name", "above", "below"),
    [
        ("cityscapes", "sky", "road"),
        ("cityscapes", "building", "sidewalk"),
        ("nyu_walkable", "not walkable", "walkable"),
        ("egohands", "yourleft", "myleft"),
        ("egohands", "yourright", "myright"),
    ],
)
def test_classes_are_what_they_are_called(name: str, above: str, below: str, small_world: Path) -> None:
    """Sky stands over roads, and the partner's hands over the viewer's."""
    classes = data_of(name, small_world).classes
    first, second = classes.index(above), classes.index(below)
    over = []
    for one in shown(name, small_world):
        places = [np.nonzero(one.label == number)[0] for number in (first, second)]
        if min(map(len, places)) > 20:
            over.append(places[0].mean() < places[1].mean())
    assert len(over) >= 5
    assert np.mean(over) > 0.8


def test_the_viewers_hands_are_on_their_own_sides_and_the_partners_on_the_other(small_world: Path) -> None:
    classes = data_of("egohands", small_world).classes
    for left, right in (("myleft", "myright"), ("yourright", "yourleft")):
        numbers = classes.index(left), classes.index(right)
        apart = []
        for one in shown("egohands", small_world):
            places = [np.nonzero(one.label == number)[1] for number in numbers]
            if min(map(len, places)) > 20:
                apart.append(places[0].mean() < places[1].mean())
        assert np.mean(apart) > 0.75, (left, right)


def test_the_animal_is_in_the_middle_and_stands_out_from_what_is_around_it(small_world: Path) -> None:
    classes = data_of("pets_seg", small_world).classes
    assert classes[1] == "animal"
    central, distance, chance = [], [], []
    for one in shown("pets_seg", small_world):
        height, width = one.label.shape
        middle = one.label[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
        central.append((middle == 1).sum() > (middle == 0).sum())
        for label, found in ((one.label, distance), (np.roll(one.label, (height // 2, width // 2), (0, 1)), chance)):
            inside, outside = (one.frames[0][:, label == number].mean(1) for number in (1, 0))
            found.append(np.linalg.norm(inside - outside))
    assert np.mean(central) > 0.8
    assert np.mean(distance) > 1.3 * np.mean(chance)


def correlations(root: Path, change: Callable[[np.ndarray], np.ndarray]) -> float:
    found = []
    for one in shown("taskonomy_edges", root):
        label = change(one.label)[1:-1, 1:-1]
        found.append(np.corrcoef(edges(one.grey).ravel(), label.ravel())[0, 1])
    return float(np.mean(found))


def test_edges_are_strong_where_the_picture_changes(small_world: Path) -> None:
    true = correlations(small_world, lambda label: label)
    assert true > 0.4
    for change in (np.fliplr, np.flipud, moved(2, 0), moved(0, 2), moved(-2, 0), moved(0, -2)):
        assert true > 0.05 + correlations(small_world, change)


def test_what_is_to_be_painted_is_the_picture_and_its_middle_is_hidden_from_the_encoder(small_world: Path) -> None:
    for one in shown("taskonomy_inpainting", small_world):
        seen = one.frames[0].transpose(1, 2, 0) / 255
        hidden = np.abs(seen - one.label).max(axis=2) > 0.5 / 255
        rows, columns = (np.nonzero(hidden.any(axis=axis))[0] for axis in (1, 0))
        for places, length in ((rows, hidden.shape[0]), (columns, hidden.shape[1])):
            assert places[0] == pytest.approx(length * 64 / 224, abs=2)
            assert places[-1] + 1 == pytest.approx(length * 160 / 224, abs=2)
        box = seen[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert np.ptp(box.reshape(-1, 3), axis=0).max() == 0, "something of the middle can be seen"
        assert one.label[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].std() > 0


def mismatch(one: Shown, flow: np.ndarray) -> float:
    """Return by how much the second frame, looked up where flow points, differs from the first."""
    rows, columns = np.nonzero(np.isfinite(flow[..., 0]))
    places = [rows + flow[rows, columns, 1], columns + flow[rows, columns, 0]]
    second = one.frames[1].astype(float).mean(0)
    inside = (places[0] >= 0) & (places[0] <= len(second) - 1) & (places[1] >= 0) & (places[1] <= len(second[0]) - 1)
    found = map_coordinates(second, [place[inside] for place in places], order=1)
    return float(np.abs(found - one.grey[rows[inside], columns[inside]]).mean())


@pytest.mark.parametrize(
    "change",
    [
        np.zeros_like,
        np.negative,
        lambda flow: np.fliplr(flow) * (-1, 1),
        lambda flow: flow[..., ::-1],
        lambda flow: flow * (-1, 1),
        lambda flow: flow * (1, -1),
        lambda flow: flow * 0.5,
        lambda flow: flow * 2,
    ],
    ids=["none", "backwards", "mirrored", "u and v swapped", "u turned", "v turned", "half", "double"],
)
def test_flow_leads_from_a_point_to_the_same_point_a_frame_later(
    change: Callable[[np.ndarray], np.ndarray], small_world: Path
) -> None:
    samples = [one for one in shown("kitti_flow", small_world) if np.nanmean(np.abs(one.label)) > 0.5]
    assert len(samples) > 15
    true = [mismatch(one, one.label) for one in samples]
    other = [mismatch(one, np.where(np.isfinite(one.label), change(one.label), np.nan)) for one in samples]
    assert 1.2 * np.mean(true) < np.mean(other)
    assert np.mean(np.array(true) < np.array(other)) > 0.75


def test_flow_is_that_of_its_own_pair(small_world: Path) -> None:
    samples = shown("kitti_flow", small_world)
    true, other = [], []
    for one, two in zip(samples, samples[1:] + samples[:1], strict=True):
        height, width = (min(sizes) for sizes in zip(one.grey.shape, two.grey.shape, strict=True))
        flow = np.full_like(one.label, np.nan)
        flow[:height, :width] = two.label[:height, :width]
        true.append(mismatch(one, one.label))
        other.append(mismatch(one, flow))
    assert 1.3 * np.mean(true) < np.mean(other)
