"""Protocol virb2021: its targets, and what it refuses."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from published import card

from virb.cards.select import TASKS, Selection, protocol, select_tasks
from virb.cards.task import Task
from virb.core.errors import CardError, Unsuited
from virb.data import read_dataset
from virb.run import virb2021 as published
from virb.run.options import Asked
from virb.run.tasks import prepare

# Targets


def test_the_paper_looks_for_all_that_is_not_the_animal(small_world: Path) -> None:
    task = card("pets_seg")
    plain = read_dataset("pets", small_world, "trimap")
    recast = published.as_published(plain, task)
    assert plain.labels is not None
    assert recast.labels is not None
    reader = pickle.loads(pickle.dumps(recast.labels.reader))
    path = plain.labels.paths[0]
    codes = np.array(Image.open(path))
    assert set(np.unique(codes)) >= {1, 2, 3}
    assert np.array_equal(reader(path, 0), (codes != 1).astype(np.uint8)), "border and background are one"
    assert reader(path, 0).dtype == np.uint8
    assert recast.classes == ("animal", "background and border")
    assert recast.digest != plain.digest, "other targets are other data"


def test_depth_of_thor_is_on_the_papers_scale(small_world: Path) -> None:
    plain = read_dataset("thor_depth", small_world, "depth")
    recast = published.as_published(plain, card("thor_depth"))
    assert plain.labels is not None
    assert recast.labels is not None
    before, after = plain.labels.read(0), recast.labels.read(0)
    assert after.dtype == np.float32
    assert np.allclose(after, (before - 0.5) / 0.25, atol=1e-6)
    assert -2 <= after.min() < after.max() <= 2


@pytest.mark.parametrize("name", ["nyu_depth", "nyu_walkable", "egohands", "cityscapes"])
def test_other_targets_are_what_they_are_elsewhere(name: str, small_world: Path) -> None:
    task = card(name)
    plain = read_dataset(task.dataset, small_world, task.target)
    assert published.as_published(plain, task) is plain


def test_depth_over_its_maximum_leaves_missing_pixels_out() -> None:
    metres = np.array([[2.0, 4.0], [8.0, np.nan]], np.float32)
    assert published.relative_depth(metres) == pytest.approx(np.array([[0, 0.25], [0.75, np.nan]]), nan_ok=True)
    far = np.array([[5.0, 100.0]], np.float32)
    assert published.relative_depth(far)[0] == pytest.approx([0, 1 - 5 / (10000 / 512)])
    assert np.isnan(published.relative_depth(np.full((2, 2), np.nan, np.float32))).all()


# What is refused


def test_a_task_that_the_paper_trained_on_crops_of_unknown_size_is_refused_by_name() -> None:
    with pytest.raises(CardError, match=r"trains egohands on crops, and its card does not say of which size"):
        protocol("virb2021").training(card("egohands"))


@pytest.mark.parametrize("name", ["kitti_flow", "taskonomy_depth", "coco_panoptic"])
def test_a_task_without_comparable_numbers_is_refused_by_name(name: str) -> None:
    with pytest.raises(Unsuited, match=f"no comparable published numbers for task {name}"):
        protocol("virb2021").training(Task.read(TASKS.path(name)))


def test_a_group_leaves_out_what_the_paper_did_not_measure_and_a_named_task_fails(small_world: Path) -> None:
    options = Asked(data=small_world, protocol="virb2021").options()
    _, left = prepare(select_tasks("pixel-structural"), options)
    assert [(gap.task.name, gap.failed) for gap in left] == [("kitti_flow", False), ("taskonomy_depth", False)]
    _, left = prepare(select_tasks("pixel-structural,kitti_flow"), options)
    assert [(gap.task.name, gap.failed) for gap in left] == [("kitti_flow", True), ("taskonomy_depth", False)]


def test_only_published_training_changes_pictures() -> None:
    rules = protocol("standard")
    assert rules.pixel is not None
    changed = rules.pixel.model_dump() | {"augment": True}
    with pytest.raises(ValueError, match="augment: true goes with head: published"):
        type(rules).model_validate(rules.model_dump() | {"pixel": changed})


def test_a_card_under_another_protocol_keeps_its_own_head_target_and_metrics(small_world: Path) -> None:
    task = Task.read(TASKS.path("pets_seg"))
    given = replace(Asked(sample=True).options(), root=small_world)
    (item,), _ = prepare(Selection((task,), frozenset()), given)
    assert item.metrics == ("iou", "pixel_accuracy")
    assert item.dataset.classes == ("background", "animal")
