"""Contract (data): what the adapter of every task card makes of a small sample world, against what lies on disk."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from census import TASKS_TABLE, Key, Parts, frames_of, keys_of

from virb.cards.select import TASKS
from virb.cards.task import Task
from virb.core.types import SPLITS, Dataset, Split
from virb.data import read_dataset
from virb.data.images import read_image

TASK_NAMES = TASKS.names()
LABELLED = [name for name in TASK_NAMES if Task.read(TASKS.path(name)).level == "image"]
DIVIDED = [name for name, row in TASKS_TABLE.items() if row.carved not in ("25 and 5", "60, 20 and 20")]
"""Tasks whose owner says what is trained on and what is tested."""
GROUPED = [name for name, row in TASKS_TABLE.items() if row.group and row.carved in ("group", "owner")]
TOGETHER = (
    ("pets", "pets_seg"),
    ("clevr_count", "clevr_distance"),
    ("taskonomy_depth", "taskonomy_edges", "taskonomy_inpainting"),
)
"""Tasks whose splits are those of the first of them."""
ZOO = {"n02391049": 340, "n04507155": 879, "n04146614": 779, "n07747607": 950, "n02504458": 386, "n02129604": 292}
"""Places of some classes of ImageNet as everybody's models number them."""


@cache
def read(name: str, root: Path) -> Dataset:
    return read_again(name, root)


def read_again(name: str, root: Path) -> Dataset:
    task = Task.read(TASKS.path(name))
    return read_dataset(task.dataset, root, task.target)


@cache
def census(name: str, root: Path) -> Parts:
    return TASKS_TABLE[name].count(root)


def splits(data: Dataset) -> dict[str, Split]:
    return {"train": data.train, "val": data.val, "test": data.test}


def keys(name: str, root: Path) -> dict[str, list[Key]]:
    data = read(name, root)
    return {part: keys_of(name, data, split, root) for part, split in splits(data).items()}


def labels(name: str, root: Path) -> dict[Key, Any]:
    return {key: label for part in census(name, root).values() for key, label in part.items()}


def share_of(count: int, share: float) -> int:
    """Return how many are drawn of so many: one at least, never all."""
    return min(max(1, round(share * count)), count - 1)


def test_the_table_of_this_test_holds_every_task() -> None:
    assert set(TASKS_TABLE) == set(TASK_NAMES)


# What is read


@pytest.mark.parametrize("name", TASK_NAMES)
def test_the_sample_world_is_read_without_a_note(name: str, small_world: Path) -> None:
    data = read(name, small_world)
    assert data.notes == ()
    assert data.world
    assert data.rule
    assert (data.labels is None) == (name in LABELLED)


@pytest.mark.parametrize("name", TASK_NAMES)
def test_every_sample_that_the_owner_lists_is_read_once_and_none_beside(name: str, small_world: Path) -> None:
    found = [key for part in keys(name, small_world).values() for key in part]
    assert len(set(found)) == len(found)
    assert sorted(found) == sorted(labels(name, small_world))


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_split_is_empty_only_where_a_task_is_tested_alone(name: str, small_world: Path) -> None:
    alone = name == "imagenetv2"
    assert {part: len(split) > 0 for part, split in splits(read(name, small_world)).items()} == {
        "train": not alone,
        "val": not alone,
        "test": True,
    }
    assert (Task.read(TASKS.path(name)).head_of == "imagenet") == alone


@pytest.mark.parametrize("name", DIVIDED)
def test_what_is_tested_is_the_owners_part_and_validation_comes_out_of_train(name: str, small_world: Path) -> None:
    owner, found = census(name, small_world), keys(name, small_world)
    assert set(found["test"]) == set(owner["test"])
    if "val" in owner:
        assert set(found["val"]) == set(owner["val"])
        assert set(found["train"]) == set(owner["train"])
    else:
        assert {*found["train"], *found["val"]} == set(owner["train"])


@pytest.mark.parametrize("name", [name for name, row in TASKS_TABLE.items() if row.carved == "class"])
def test_the_stated_share_of_every_class_is_carved(name: str, small_world: Path) -> None:
    owner, found = census(name, small_world), keys(name, small_world)
    # The carve follows the class even where the target is a picture: outlines lie over the pictures of the breeds.
    classes = labels("pets" if name == "pets_seg" else name, small_world)
    whole, held = (Counter(classes[key] for key in some) for some in (owner["train"], found["val"]))
    assert held == {label: share_of(count, TASKS_TABLE[name].share) for label, count in whole.items()}


@pytest.mark.parametrize("name", [name for name, row in TASKS_TABLE.items() if row.carved == "group"])
def test_the_stated_share_of_groups_is_carved_whole(name: str, small_world: Path) -> None:
    row, found = TASKS_TABLE[name], keys(name, small_world)
    assert row.group is not None
    train, held = ({row.group(key) for key in found[part]} for part in ("train", "val"))
    assert not train & held
    assert len(held) == share_of(len(train | held), row.share)


@pytest.mark.parametrize("name", [name for name, row in TASKS_TABLE.items() if row.carved == "sample"])
def test_the_stated_share_of_samples_is_carved(name: str, small_world: Path) -> None:
    counts = read(name, small_world).counts
    assert counts["val"] == share_of(counts["train"] + counts["val"], TASKS_TABLE[name].share)


@pytest.mark.parametrize("name", [name for name, row in TASKS_TABLE.items() if row.carved == "last"])
def test_the_last_tenth_of_train_is_carved(name: str, small_world: Path) -> None:
    ordered = list(census(name, small_world)["train"])
    held = keys(name, small_world)["val"]
    assert abs(len(held) - 0.1 * len(ordered)) < 1
    assert set(held) == set(ordered[-len(held) :])


def per_class(name: str, root: Path) -> dict[str, Counter[Any]]:
    known = labels(name, root)
    return {part: Counter(known[key] for key in some) for part, some in keys(name, root).items()}


def test_caltech_gives_as_many_of_every_class_to_train_and_to_validation_and_the_rest_to_test(
    small_world: Path,
) -> None:
    counts = per_class("caltech101", small_world)
    ((train,), (held,)) = (set(counts[part].values()) for part in ("train", "val"))
    assert train > held >= 1
    assert set(counts["train"]) == set(counts["val"]) == set(counts["test"])
    assert "BACKGROUND_Google" not in read("caltech101", small_world).classes


def test_eurosat_is_divided_60_20_and_20_class_by_class(small_world: Path) -> None:
    counts = per_class("eurosat", small_world)
    for label, whole in Counter(labels("eurosat", small_world).values()).items():
        shares = [counts[part][label] / whole for part in SPLITS]
        assert np.allclose(shares, (0.6, 0.2, 0.2), atol=1 / whole)


# Classes


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_task_has_the_stated_number_of_classes(name: str, small_world: Path) -> None:
    data, stated = read(name, small_world), TASKS_TABLE[name].classes
    if stated < 0:
        stated = 1 + max(int(label) for label in labels(name, small_world).values())
    assert len(data.classes) == len(set(data.classes)) == stated


@pytest.mark.parametrize("name", LABELLED)
def test_every_sample_has_the_label_that_the_owner_gave_it(name: str, small_world: Path) -> None:
    data, known, found = read(name, small_world), labels(name, small_world), keys(name, small_world)
    for part, split in splits(data).items():
        for key, target in zip(found[part], split.targets.tolist(), strict=True):
            assert known[key] in (target, data.classes[target]), key
            assert 0 <= target < len(data.classes)


@pytest.mark.parametrize("name", LABELLED)
def test_every_class_of_the_sample_is_trained_and_tested(name: str, small_world: Path) -> None:
    data = read(name, small_world)
    tested = set(data.test.targets.tolist())
    assert len(tested) > 1
    if len(data.train):
        assert set(data.train.targets.tolist()) == tested
        assert set(data.val.targets.tolist()) <= tested


def test_classes_of_imagenet_stand_where_everybody_has_them(small_world: Path) -> None:
    classes = read("imagenet", small_world).classes
    assert list(classes) == sorted(classes)
    assert (classes[0], classes[999]) == ("n01440764", "n15075141")
    assert {name: classes.index(name) for name in ZOO} == ZOO


def test_imagenetv2_asks_for_the_classes_that_imagenet_trains(small_world: Path) -> None:
    base, other = read("imagenet", small_world), read("imagenetv2", small_world)
    assert other.classes == base.classes
    assert set(other.test.targets.tolist()) <= set(base.train.targets.tolist())


def test_actions_of_thor_are_numbered_as_the_original_numbers_them(small_world: Path) -> None:
    classes = read("thor_egomotion", small_world).classes
    assert classes == ("MoveAhead", "RotateLeft", "RotateRight", "LookUp", "LookDown")


def test_the_nineteen_classes_of_cityscapes_are_in_the_order_of_its_train_ids(small_world: Path) -> None:
    names = (
        "road sidewalk building wall fence pole traffic_light traffic_sign vegetation terrain sky person rider car "
        "truck bus train motorcycle bicycle"
    )
    found = [name.replace(" ", "_") for name in read("cityscapes", small_world).classes]
    assert found == names.split()


# Form


@pytest.mark.parametrize("name", TASK_NAMES)
def test_pool_and_splits_have_the_form_that_stages_count_on(name: str, small_world: Path) -> None:
    data, frames = read(name, small_world), Task.read(TASKS.path(name)).frames
    assert len(set(data.pool.ids)) == len(data.pool.ids) == len(data.pool.paths)
    assert np.array_equal(data.rows, np.arange(len(data.pool))), "a pool holds what samples need and nothing else"
    for split in splits(data).values():
        assert split.index.shape == (len(split), frames)
        assert len(split.targets) == len(split.groups) == len(set(split.ids)) == len(split)
        assert {split.index.dtype, split.targets.dtype, split.groups.dtype} == {np.dtype(np.int64)}


@pytest.mark.parametrize("name", TASK_NAMES)
def test_every_picture_of_a_pool_can_be_opened(name: str, small_world: Path) -> None:
    pool = read(name, small_world).pool
    for row in range(0, len(pool), 3):
        picture = read_image(pool, row)
        assert picture.shape[0] == 3
        assert min(picture.shape[1:]) >= 32
        assert picture.float().std() > 2, f"{pool.ids[row]} shows nothing"


def test_frames_of_a_clip_come_in_order_and_evenly_from_all_of_it(small_world: Path) -> None:
    data = read("kinetics400", small_world)
    for split in splits(data).values():
        for row in range(len(split)):
            frames = frames_of(data, split, row, small_world)
            chosen = [int(frame.rpartition("_")[2].removesuffix(".jpg")) for frame in frames]
            (clip,) = {frame.rpartition("_")[0] for frame in frames}
            there = sorted(
                int(path.stem.rpartition("_")[2])
                for path in (small_world / clip).parent.glob("*.jpg")
                if path.stem.rpartition("_")[0] == Path(clip).name
            )
            places = [there.index(number) for number in chosen]
            ideal = [(2 * part + 1) / 12 * len(there) - 0.5 for part in range(6)]
            assert np.abs(np.subtract(places, ideal)).max() <= 0.5
            assert len(set(places)) == 6


# Keeping apart


@pytest.mark.parametrize("name", TASK_NAMES)
def test_no_sample_and_no_picture_stands_in_two_splits(name: str, small_world: Path) -> None:
    parts = splits(read(name, small_world)).values()
    samples = [sample for split in parts for sample in split.ids]
    pictures = [row for split in parts for row in set(split.index.ravel().tolist())]
    assert len(set(samples)) == len(samples)
    assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize("name", GROUPED)
def test_scenes_videos_drives_and_buildings_stay_apart(name: str, small_world: Path) -> None:
    group, found = TASKS_TABLE[name].group, keys(name, small_world)
    assert group is not None
    train, held, tested = ({group(key) for key in found[part]} for part in SPLITS)
    assert not train & held
    assert not tested & (train | held)


@pytest.mark.parametrize("name", TASK_NAMES)
def test_samples_share_a_group_if_they_come_from_one_scene_and_else_not(name: str, small_world: Path) -> None:
    group, data, found = TASKS_TABLE[name].group, read(name, small_world), keys(name, small_world)
    for part, split in splits(data).items():
        names = [group(key) if group else key for key in found[part]]
        pairs = set(zip(names, split.groups.tolist(), strict=True))
        assert len(pairs) == len(set(names)) == len(set(split.groups.tolist()))


@pytest.mark.parametrize("names", TOGETHER, ids=lambda names: names[0])
def test_tasks_over_the_same_pictures_have_the_same_splits(names: tuple[str, ...], small_world: Path) -> None:
    first, *others = (read(name, small_world) for name in names)
    for other in others:
        assert other.pool.ids == first.pool.ids
        assert other.digest != first.digest
        for part in SPLITS:
            one, two = splits(first)[part], splits(other)[part]
            assert one.ids == two.ids
            assert np.array_equal(one.index, two.index)


def test_every_task_has_a_digest_of_its_own(small_world: Path) -> None:
    assert len({read(name, small_world).digest for name in TASK_NAMES}) == len(TASK_NAMES)
