"""Facts of targets: which part is measured, between which values, in which unit, as the data set's card says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pixel_metrics import picture, value

from virb.cards.select import task
from virb.core.target import Window
from virb.data.facts import facts_of, metric_of
from virb.metrics import METRICS, PIXEL_METRICS, PUBLISHED_METRICS, PixelRatio, metric_for

EIGEN_CROP = Window(45, 471, 41, 601, 480, 640)
CENTRE = Window(64, 160, 64, 160, 224, 224)


def depth_metric(name: str, dataset: str = "nyu", target: str = "depth") -> PixelRatio:
    found = metric_for(name, 0, facts_of(dataset, target))
    assert isinstance(found, PixelRatio)
    return found


def test_nyu_depth_is_scored_inside_the_crop_and_within_ten_metres() -> None:
    random = np.random.default_rng(0)
    target = random.uniform(-0.5, 11, (2, 480, 640)).astype(np.float32)
    output = random.uniform(-1, 15, target.shape).astype(np.float32)
    expected = []
    for one, truth in zip(output.astype(float), target.astype(float), strict=True):
        inside = np.zeros(truth.shape, bool)
        inside[45:471, 41:601] = True
        inside &= (truth > 1e-3) & (truth < 10)
        found, true = np.clip(one[inside], 1e-3, 10), truth[inside]
        ratio = np.maximum(found / true, true / found)
        expected.append(
            [
                (ratio < 1.25).mean(),
                (np.abs(found - true) / true).mean(),
                np.sqrt(((found - true) ** 2).mean()),
                np.std(np.log(found) - np.log(true)),
            ]
        )
    names = ["delta1", "absrel", "rmse", "scale_invariant"]
    assert [value(depth_metric(name), output, target) for name in names] == pytest.approx(np.mean(expected, axis=0))
    assert depth_metric("rmse").unit == "m"
    assert depth_metric("absrel").unit == "ratio"


def test_depth_at_a_limit_is_outside() -> None:
    found = replace(depth_metric("rmse"), window=None, limits=(1.0, 10.0))
    assert value(found, picture([[2, 4, 2]]), picture([[1, 3, 10]])) == 1.0
    assert np.isnan(value(found, picture([[2, 2]]), picture([[1, 10]])))


@pytest.mark.parametrize("size", [(480, 640), (240, 320), (224, 224), (96, 96)])
def test_the_crop_scales_with_the_picture(size: tuple[int, int]) -> None:
    """A pixel is inside where its middle is."""
    height, width = size
    down, across = (np.arange(height) + 0.5) / height * 480, (np.arange(width) + 0.5) / width * 640
    inside = ((down >= 45) & (down < 471))[:, None] & ((across >= 41) & (across < 601))
    numbers = torch.arange(height * width).view(height, width)
    assert EIGEN_CROP.cut(numbers).flatten().tolist() == np.flatnonzero(inside).tolist()
    assert EIGEN_CROP.cut(numbers.expand(3, 2, height, width)).shape[:2] == (3, 2)


def test_inpainting_is_scored_in_its_blank_square_only() -> None:
    found = metric_for("pixel_mae", 0, facts_of("taskonomy", "inpainting"))
    target, output = np.zeros((1, 3, 224, 224), np.float32), np.ones((1, 3, 224, 224), np.float32)
    output[:, :, 64:160, 64:160] = 0.25
    assert value(found, output, target) == 0.25
    assert CENTRE.cut(torch.zeros(112, 112)).shape == (48, 48)
    assert value(PIXEL_METRICS["pixel_mae"], output, target) > 0.8


def test_taskonomy_depth_has_no_crop_and_its_own_limits() -> None:
    found = depth_metric("rmse", "taskonomy", "depth_zbuffer")
    assert (found.window, found.limits, found.unit) == (None, (1e-3, 128.0), "m")
    assert value(found, picture([[20, 500]]), picture([[22, 126]])) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nyu_depth", ("share", (1e-3, 10.0), EIGEN_CROP)),
        ("taskonomy_depth", ("share", (1e-3, 128.0), None)),
        ("taskonomy_inpainting", ("colour", None, CENTRE)),
        ("thor_depth", ("value", None, None)),
    ],
)
def test_task_cards_are_measured_by_the_rules_of_their_data_sets(name: str, expected: tuple[object, ...]) -> None:
    card = task(name)
    found = metric_of(card, card.metric, 0)
    assert isinstance(found, PixelRatio)
    assert (found.unit, found.limits, found.window) == expected


def test_other_data_sets_take_every_value_as_it_is() -> None:
    assert metric_for("rmse", 0, facts_of("thor_depth", "depth")) == PIXEL_METRICS["rmse"]
    assert metric_for("iou", 0, facts_of("nyu", "walkable")) == PIXEL_METRICS["iou"]
    assert metric_for("published_l1", 0, facts_of("nyu", "depth")) == PUBLISHED_METRICS["published_l1"]
    assert metric_for("top1", 47, facts_of("dtd", "texture")) == METRICS["top1"]
    assert (
        value(metric_for("pixel_mae", 0, facts_of("thor_depth", "depth")), picture([[-1, 0]]), picture([[0, 0]])) == 0.5
    )


@pytest.mark.parametrize("dataset", ["cityscapes", "coco_panoptic"])
def test_where_class_0_is_no_background_it_is_not_skipped_as_published(dataset: str) -> None:
    target, output = picture([[0, 0], [1, 1]], np.uint8), picture([[0, 1], [1, 1]], np.int64)
    streets = metric_for("published_miou", 19, facts_of(dataset, "semantic"))
    hands = metric_for("published_miou", 5, facts_of("egohands", "hands"))
    assert value(streets, output, target) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert value(hands, output, target) == pytest.approx(2 / 3)
