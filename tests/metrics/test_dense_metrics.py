"""Metrics of pixels: examples worked by hand, and what every one of them promises."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch
from pixel_metrics import ALL, CLASS_METRICS, every, metric, picture, pixels, rows, value

from virb.cards import task as task_cards
from virb.core.errors import DataError
from virb.core.types import IGNORED
from virb.metrics import METRICS, PIXEL_METRICS, MeanIoU
from virb.metrics.common import in_chunks

# --- examples worked by hand ---------------------------------------------------------------------------------------


def test_foreground_of_two_pictures_worked_by_hand() -> None:
    target = np.concatenate([picture([[1, 1], [0, 255]], np.uint8), picture([[0, 0], [0, 1]], np.uint8)])
    output = np.concatenate([picture([[1, 0], [1, 1]], np.int64), picture([[0, 0], [0, 1]], np.int64)])
    # first: 1 of 3, the void pixel aside; second: 1 of 1
    assert value(metric("iou"), output, target) == 2 / 4
    assert value(metric("published_iou"), output, target) == pytest.approx((1 / 3 + 1) / 2)
    assert value(metric("pixel_accuracy"), output, target) == 5 / 7
    # background: hits 0 + 3, of 2 + 3; foreground as above
    assert value(metric("miou"), output, target) == pytest.approx((3 / 5 + 2 / 4) / 2)


def test_classes_of_a_picture_of_three_by_three_worked_by_hand() -> None:
    target = picture([[0, 0, 1], [0, 2, 1], [255, 2, 2]], np.uint8)
    output = picture([[0, 1, 1], [0, 2, 2], [4, 2, 3]], np.int64)
    # 0: 2 of 3; 1: 1 of 3; 2: 2 of 4; 3 is said once and never true: 0 of 1; 4 is said on void only: nowhere
    assert value(metric("miou"), output, target) == pytest.approx((2 / 3 + 1 / 3 + 2 / 4 + 0) / 4)
    assert value(metric("published_miou"), output, target) == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert value(metric("hand_iou"), output, target) == 5 / 6
    assert value(metric("pixel_accuracy"), output, target) == 5 / 8
    bound = metric("miou")
    assert isinstance(bound, MeanIoU)
    shares = bound.per_class(bound.totals(rows(bound, output, target)))
    np.testing.assert_allclose(shares, [2 / 3, 1 / 3, 2 / 4, 0, np.nan])


def test_the_same_class_as_published_and_as_pooled_over_two_pictures_worked_by_hand() -> None:
    """A class that is not in a picture says nothing of it; the paper counted 1 for it, by the batch that it was in."""
    target = np.concatenate([picture([[1, 1], [0, 0]], np.uint8), picture([[2, 0], [0, 0]], np.uint8)])
    output = np.concatenate([picture([[1, 0], [0, 0]], np.int64), picture([[0, 0], [0, 0]], np.int64)])
    assert value(metric("published_miou"), output, target) == pytest.approx((1 / 2 + 0) / 2, abs=1e-8)
    assert value(metric("miou"), output, target) == pytest.approx((5 / 7 + 1 / 2 + 0) / 3)


def test_a_picture_rightly_said_to_be_empty_counts_one_as_published_and_nothing_when_pooled() -> None:
    empty, output = np.zeros((1, 2, 2), np.uint8), np.zeros((1, 2, 2), np.int64)
    assert value(metric("published_iou"), output, empty) == 1.0
    assert np.isnan(value(metric("iou"), output, empty))
    assert np.isnan(value(metric("published_miou"), output, empty))


def test_depth_of_two_pictures_worked_by_hand() -> None:
    target = np.concatenate([picture([[1, 2], [4, math.nan]]), picture([[math.nan, math.nan], [math.nan, 2]])])
    output = np.concatenate([picture([[2, 2], [2, 99]]), picture([[7, 7], [7, 2.4]])])
    # first: errors 1, 0, 2 of 1, 2, 4; ratios 2, 1, 2; logs ln 2, 0, -ln 2. second: error 0.4 of 2, ratio 1.2
    assert value(metric("pixel_mae"), output, target) == pytest.approx((3 / 3 + 0.4) / 2)
    assert value(metric("published_l1"), output, target) == pytest.approx((3 / 3 + 0.4) / 2)
    assert value(metric("rmse"), output, target) == pytest.approx((math.sqrt(5 / 3) + 0.4) / 2)
    assert value(metric("absrel"), output, target) == pytest.approx((1.5 / 3 + 0.2) / 2)
    assert value(metric("delta1"), output, target) == pytest.approx((1 / 3 + 1) / 2)
    assert value(metric("scale_invariant"), output, target) == pytest.approx((math.log(2) * math.sqrt(2 / 3) + 0) / 2)


def test_one_and_a_quarter_times_too_far_is_just_too_far() -> None:
    assert value(metric("delta1"), picture([[1.25, 1.2499, 1, 1]]), picture([[1, 1, 1.25, 1.2499]])) == 2 / 4


def test_a_wrong_scale_costs_the_scale_invariant_error_nothing() -> None:
    output, target = pixels("scale_invariant")
    scaled = (output * 1.7).astype(np.float32)
    found = metric("scale_invariant")
    assert value(found, scaled, target) == pytest.approx(value(found, output, target), rel=1e-5)
    assert value(metric("rmse"), scaled, target) > 1.2 * value(metric("rmse"), output, target)


def test_flow_of_five_pixels_worked_by_hand() -> None:
    target = np.array([[[[100, 0, 10, 0, math.nan]], [[0, 0, 0, 4, 5]]]], np.float32)
    output = np.array([[[[104, 3, 14, 0, 77]], [[0, 0, 0, 4, 77]]]], np.float32)
    # errors 4 (4 % of 100), 3 (no more than 3), 4 (40 %), 0; the last lacks one of its two numbers
    assert value(metric("epe"), output, target) == 11 / 4
    assert value(metric("fl_all"), output, target) == 1 / 4


# --- promises of every metric --------------------------------------------------------------------------------------


def test_metrics_have_the_names_of_task_cards_and_say_how_to_read_them() -> None:
    assert set(PIXEL_METRICS) == set(get_args(task_cards.PixelMetric))
    assert not set(ALL) & set(METRICS)
    higher = {"iou", "miou", "hand_iou", "pixel_accuracy", "delta1", "published_iou", "published_miou"}
    shares = higher | {"fl_all"}
    for name, found in ALL.items():
        assert found.name == name
        assert found.direction == ("higher" if name in higher else "lower")
        assert found.ceiling == (1.0 if name in higher else 0.0)
        assert (found.unit == "share") == (name in shares)


@every
def test_a_perfect_prediction_reaches_the_ceiling(name: str) -> None:
    _, target = pixels(name)
    output = target.astype(np.int64) if name in CLASS_METRICS else np.nan_to_num(target, nan=5.0)
    assert value(metric(name), output, target) == pytest.approx(metric(name).ceiling, abs=1e-12)


@every
def test_a_picture_without_a_target_has_a_row_of_zeros_that_counts_for_nothing(name: str) -> None:
    output, target = pixels(name)
    found = rows(metric(name), output, target)
    assert found.dtype == np.float64
    assert not found[3].any()
    assert all(row.any() for place, row in enumerate(found) if place != 3)
    kept = np.arange(len(target)) != 3
    assert value(metric(name), output[kept], target[kept]) == pytest.approx(value(metric(name), output, target))


def assert_same(name: str, found: np.ndarray, expected: np.ndarray) -> None:
    """To the bit, but for logarithms: some processors compute the last few of an array otherwise than the others."""
    np.testing.assert_allclose(found, expected, rtol=1e-13 if name == "scale_invariant" else 0)


@every
@pytest.mark.parametrize("batch", [1, 3, 5])
def test_nothing_depends_on_the_batch_size(name: str, batch: int) -> None:
    output, target = pixels(name, height=120, width=100)
    parts = [
        rows(metric(name), output[start : start + batch], target[start : start + batch]) for start in range(0, 7, batch)
    ]
    assert_same(name, np.concatenate(parts), rows(metric(name), output, target))


@every
def test_a_large_picture_alone_is_what_it_is_among_others(name: str) -> None:
    """Large enough that threads share its sum."""
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        output, target = pixels(name, count=3, height=240, width=320)
        together = rows(metric(name), output, target)
        alone = [rows(metric(name), output[[place]], target[[place]]) for place in range(3)]
    finally:
        torch.set_num_threads(threads)
    assert_same(name, np.concatenate(alone), together)


@every
def test_memory_is_bounded_by_taking_few_pictures_at_a_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    output, target = pixels(name)
    expected = rows(metric(name), output, target)
    monkeypatch.setattr("virb.metrics.common._PIXELS", 2 * target[0].size)
    np.testing.assert_array_equal(rows(metric(name), output, target), expected)
    monkeypatch.setattr("virb.metrics.common._PIXELS", 1)
    np.testing.assert_array_equal(rows(metric(name), output, target), expected)


def test_no_more_pictures_are_taken_at_a_time_than_their_size_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def note(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        taken.append(len(output))
        return target

    monkeypatch.setattr("virb.metrics.common._PIXELS", 50)
    assert in_chunks(note, torch.zeros(7, 4, 5), torch.ones(7, 4, 5)).shape == (7, 4, 5)
    assert taken == [2, 2, 2, 1]


@every
def test_nothing_depends_on_the_order_of_the_pictures(name: str) -> None:
    output, target = pixels(name)
    turned = np.random.default_rng(1).permutation(len(target))
    assert value(metric(name), output[turned], target[turned]) == pytest.approx(value(metric(name), output, target))


@every
def test_what_is_predicted_where_there_is_no_target_is_never_looked_at(name: str) -> None:
    output, target = pixels(name)
    other = output.copy()
    void = target == IGNORED if name in CLASS_METRICS else np.isnan(target)
    other[void] = 200 if name in CLASS_METRICS else math.nan
    np.testing.assert_array_equal(rows(metric(name), other, target), rows(metric(name), output, target))


@every
def test_a_prediction_that_is_no_number_never_passes_for_a_good_one(name: str) -> None:
    if name in CLASS_METRICS:
        return
    output, target = pixels(name)
    found = value(metric(name), np.full_like(output, math.nan), target)
    assert np.isnan(found) or found == {"delta1": 0.0, "fl_all": 1.0}[name]


@every
@pytest.mark.filterwarnings("error")
def test_no_pictures_are_no_number_and_no_warning(name: str) -> None:
    output, target = pixels(name)
    assert np.isnan(value(metric(name), output[:0], target[:0]))
    assert np.isnan(value(metric(name), output[3:4], target[3:4]))


def test_a_class_that_a_replicate_has_not_drawn_is_absent_from_its_mean() -> None:
    target = np.array([[[0, 0]], [[1, 1]], [[2, 2]]], np.uint8)
    output = np.array([[[0, 0]], [[1, 0]], [[0, 2]]], np.int64)
    found = metric("miou")
    weights = np.array([[3.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    values = found.value(found.totals(rows(found, output, target), weights))
    np.testing.assert_allclose(values, [1.0, (2 / 3 + 1 / 2) / 2, (0 + 1 / 2) / 2])


def test_classes_that_nobody_has_or_says_change_nothing() -> None:
    output, target = pixels("miou")
    narrow, wide = metric("miou"), PIXEL_METRICS["miou"]
    assert rows(wide, output, target).shape == (7, 3 * 255)
    assert value(wide, output, target) == value(narrow, output, target)


def test_more_pixels_than_a_float_can_count_are_counted() -> None:
    found = metric("pixel_accuracy")
    one = rows(found, np.zeros((1, 4097, 4097), np.int64), np.zeros((1, 4097, 4097), np.uint8))
    assert one.tolist() == [[4097.0**2, 4097.0**2]]  # 2 ** 24 + 8193, which is odd
    assert found.totals(np.repeat(one, 3, axis=0)).tolist() == [3 * 4097.0**2] * 2


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["miou", "published_miou"])
def test_a_class_that_does_not_exist_is_refused_by_its_number(name: str) -> None:
    fine = picture([[0, 1], [2, 255]], np.uint8)
    with pytest.raises(DataError, match="target has a pixel of class 7"):
        rows(metric(name), fine.astype(np.int64), picture([[0, 1], [7, 255]], np.uint8))
    for strange in (7, -1):
        with pytest.raises(DataError, match=f"prediction has a pixel of class {strange}"):
            rows(metric(name), picture([[0, strange], [0, 9]], np.int64), fine)


@pytest.mark.parametrize("name", CLASS_METRICS)
def test_scores_are_not_taken_for_classes(name: str) -> None:
    with pytest.raises(ValueError, match="integers"):
        rows(metric(name), np.zeros((1, 2, 2), np.float32), np.zeros((1, 2, 2), np.uint8))


@every
def test_predictions_of_another_shape_are_refused_rather_than_stretched(name: str) -> None:
    output, target = pixels(name)
    with pytest.raises(ValueError, match="do not lie on"):
        rows(metric(name), output[:1], target)
