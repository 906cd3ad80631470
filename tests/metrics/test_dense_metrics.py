"""Metrics of pixels against plain loops, scikit-learn and examples worked by hand, and against their promises."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score

from virb.cards import task as task_cards
from virb.core.errors import DataError
from virb.core.paths import card_folder
from virb.core.types import IGNORED
from virb.metrics import METRICS, PIXEL_METRICS, PUBLISHED_METRICS, MeanIoU, Metric, PixelRatio, metric_for
from virb.metrics.common import in_chunks
from virb.metrics.pixel import CENTRE, EIGEN_CROP
from virb.metrics.stats import bootstrap, weight_blocks

CLASSES = 5
ALL = PIXEL_METRICS | PUBLISHED_METRICS
CLASS_METRICS = ["iou", "miou", "hand_iou", "pixel_accuracy", "published_iou", "published_miou"]
FLOW_METRICS = ["epe", "fl_all"]

Pixels = tuple[np.ndarray, np.ndarray]
every = pytest.mark.parametrize("name", sorted(ALL))


def metric(name: str) -> Metric:
    """Return a metric for pictures of five classes."""
    return metric_for(name, "egohands", "hands", CLASSES)


def pixels(name: str, count: int = 7, height: int = 12, width: int = 10, seed: int = 0) -> Pixels:
    """Predictions that are right half of the time; a fifth of the target is void, and all of the fourth picture."""
    random = np.random.default_rng(seed)
    shape = (count, height, width)
    if name in CLASS_METRICS:
        target: np.ndarray = random.choice(CLASSES - 1, shape, p=[0.6, 0.2, 0.15, 0.05]).astype(
            np.uint8
        )  # the last is nowhere
        output = np.where(random.random(shape) < 0.5, target, random.integers(0, CLASSES - 1, shape)).astype(np.int64)
        void: float = IGNORED
    elif name in FLOW_METRICS:
        target = random.normal(scale=60, size=(count, 2, height, width)).astype(np.float32)
        output = target + random.normal(scale=3, size=target.shape).astype(np.float32)
        void = math.nan
    else:
        target = random.uniform(0.5, 9, shape).astype(np.float32)
        output = (target * np.exp(random.normal(scale=0.3, size=shape))).astype(np.float32)
        void = math.nan
    gone = random.random(shape) < 0.2
    gone[3:4] = True
    target[np.broadcast_to(gone[:, None], target.shape) if name in FLOW_METRICS else gone] = void
    return output, target


def rows(found: Metric, output: np.ndarray, target: np.ndarray) -> np.ndarray:
    return found.statistics(torch.from_numpy(output), torch.from_numpy(target)).numpy()


def value(found: Metric, output: np.ndarray, target: np.ndarray) -> float:
    return float(found.value(found.totals(rows(found, output, target))))


# --- references: one pixel after another ---------------------------------------------------------------------------


def pairs(output: np.ndarray, target: np.ndarray) -> Iterator[list[tuple[float, float]]]:
    """Yield each picture's (predicted, true) of pixels that have a target."""
    for picture, truth in zip(output, target, strict=True):
        void = (lambda true: true == IGNORED) if truth.dtype == np.uint8 else math.isnan
        listed = zip(picture.ravel().tolist(), truth.ravel().tolist(), strict=True)
        yield [(found, true) for found, true in listed if not void(true)]


def per_picture(score: Callable[[list[tuple[float, float]]], float]) -> Callable[[np.ndarray, np.ndarray], float]:
    def mean(output: np.ndarray, target: np.ndarray) -> float:
        return float(np.mean([score(picture) for picture in pairs(output, target) if picture]))

    return mean


def over_all(output: np.ndarray, target: np.ndarray) -> list[tuple[float, float]]:
    return [pair for picture in pairs(output, target) for pair in picture]


def overlap(listed: list[tuple[float, float]]) -> float:
    both = sum(1 for found, true in listed if found > 0 and true > 0)
    either = sum(1 for found, true in listed if found > 0 or true > 0)
    return both / either


def mean_overlap(output: np.ndarray, target: np.ndarray) -> float:
    listed, shares = over_all(output, target), []
    for label in range(CLASSES):
        both = sum(1 for found, true in listed if found == label and true == label)
        either = sum(1 for found, true in listed if label in (found, true))
        if either:
            shares.append(both / either)
    return sum(shares) / len(shares)


def published_mean_overlap(listed: list[tuple[float, float]]) -> float:
    shares = []
    for label in sorted({true for _, true in listed} - {0}):
        both = sum(1 for found, true in listed if found == label and true == label)
        either = sum(1 for found, true in listed if label in (found, true))
        shares.append((both + 1e-8) / (either + 1e-8))
    return sum(shares) / len(shares)


def log_spread(listed: list[tuple[float, float]]) -> float:
    differences = [math.log(found) - math.log(true) for found, true in listed]
    square, mean = sum(d * d for d in differences) / len(listed), sum(differences) / len(listed)
    return math.sqrt(square - mean**2)


def flow_errors(output: np.ndarray, target: np.ndarray) -> list[tuple[float, float]]:
    """Return (length of the error, length of the flow) of every known pixel."""
    found = []
    for picture, truth in zip(output.astype(float), target.astype(float), strict=True):
        for y in range(truth.shape[1]):
            for x in range(truth.shape[2]):
                if not np.isnan(truth[:, y, x]).any():
                    u, v = picture[:, y, x] - truth[:, y, x]
                    found.append((math.hypot(u, v), math.hypot(*truth[:, y, x])))
    return found


REFERENCES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "iou": lambda output, target: overlap(over_all(output, target)),
    "hand_iou": lambda output, target: overlap(over_all(output, target)),
    "miou": mean_overlap,
    "pixel_accuracy": lambda output, target: float(np.mean([a == b for a, b in over_all(output, target)])),
    "pixel_mae": per_picture(lambda listed: sum(abs(a - b) for a, b in listed) / len(listed)),
    "rmse": per_picture(lambda listed: math.sqrt(sum((a - b) ** 2 for a, b in listed) / len(listed))),
    "absrel": per_picture(lambda listed: sum(abs(a - b) / b for a, b in listed) / len(listed)),
    "delta1": per_picture(lambda listed: sum(max(a / b, b / a) < 1.25 for a, b in listed) / len(listed)),
    "scale_invariant": per_picture(log_spread),
    "epe": lambda output, target: float(np.mean([error for error, _ in flow_errors(output, target)])),
    "fl_all": lambda output, target: float(
        np.mean([error > 3 and error / length > 0.05 for error, length in flow_errors(output, target)])
    ),
    "published_iou": per_picture(
        lambda listed: (
            (sum(a > 0 and b > 0 for a, b in listed) + 1e-8) / (sum(a > 0 or b > 0 for a, b in listed) + 1e-8)
        )
    ),
    "published_miou": per_picture(published_mean_overlap),
    "published_l1": per_picture(lambda listed: sum(abs(a - b) for a, b in listed) / len(listed)),
}


@every
@pytest.mark.parametrize("seed", range(3))
def test_metrics_agree_with_a_loop_over_pixels(name: str, seed: int) -> None:
    output, target = pixels(name, seed=seed)
    assert value(metric(name), output, target) == pytest.approx(REFERENCES[name](output, target), rel=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_classes_agree_with_scikit_learn(seed: int) -> None:
    output, target = pixels("miou", seed=seed)
    kept = target != IGNORED
    found, true = output[kept], target[kept]
    assert value(metric("miou"), output, target) == pytest.approx(jaccard_score(true, found, average="macro"))
    assert value(metric("hand_iou"), output, target) == pytest.approx(jaccard_score(true > 0, found > 0))
    assert value(metric("pixel_accuracy"), output, target) == pytest.approx(accuracy_score(true, found))


def test_counts_are_those_of_the_confusion_matrix_picture_by_picture() -> None:
    output, target = pixels("miou")
    found = rows(metric("miou"), output, target)
    assert found.shape == (7, 3 * CLASSES)
    for row, picture, truth in zip(found, output, target, strict=True):
        kept = truth != IGNORED
        matrix = (
            confusion_matrix(truth[kept], picture[kept], labels=range(CLASSES))
            if kept.any()
            else np.zeros((CLASSES, CLASSES))
        )
        hits = matrix.diagonal()
        np.testing.assert_array_equal(row, np.concatenate([hits, matrix.sum(0) - hits, matrix.sum(1) - hits]))


# --- examples worked by hand ---------------------------------------------------------------------------------------


def picture(rows_of_pixels: list[list[float]], kind: type = np.float32) -> np.ndarray:
    return np.array([rows_of_pixels], dtype=kind)


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


@every
def test_each_replicate_of_the_bootstrap_is_the_value_of_the_resampled_pictures(name: str) -> None:
    output, target = pixels(name, count=9)
    found, groups = metric(name), np.array([0, 0, 1, 2, 2, 3, 4, 5, 5])
    replicates = bootstrap([rows(found, output, target)], groups, "test", found.totals, found.value, 40)
    weights = np.concatenate(list(weight_blocks(groups, "test", 40)))
    for replicate, weight in zip(replicates, weights, strict=True):
        drawn = np.repeat(np.arange(9), weight.astype(int))
        assert replicate == pytest.approx(REFERENCES[name](output[drawn], target[drawn]), rel=1e-9)


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


# --- data sets -----------------------------------------------------------------------------------------------------


def depth_metric(name: str, dataset: str = "nyu", target: str = "depth") -> PixelRatio:
    found = metric_for(name, dataset, target)
    assert isinstance(found, PixelRatio)
    return found


def test_nyu_depth_is_scored_inside_the_crop_and_within_ten_metres() -> None:
    random = np.random.default_rng(0)
    target = random.uniform(-0.5, 11, (2, 480, 640)).astype(np.float32)
    output = random.uniform(-1, 15, target.shape).astype(np.float32)
    expected = []
    for picture, truth in zip(output.astype(float), target.astype(float), strict=True):
        inside = np.zeros(truth.shape, bool)
        inside[45:471, 41:601] = True
        inside &= (truth > 1e-3) & (truth < 10)
        found, true = np.clip(picture[inside], 1e-3, 10), truth[inside]
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
    assert depth_metric("rmse", "nyu_depth") == depth_metric("rmse")


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
    found = metric_for("pixel_mae", "taskonomy", "inpainting")
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
    ("task", "expected"),
    [
        ("nyu_depth", ("share", (1e-3, 10.0), EIGEN_CROP)),
        ("taskonomy_depth", ("share", (1e-3, 128.0), None)),
        ("taskonomy_inpainting", ("colour", None, CENTRE)),
        ("thor_depth", ("value", None, None)),
    ],
)
def test_task_cards_are_measured_by_the_rules_of_their_data_sets(task: str, expected: tuple[object, ...]) -> None:
    card = task_cards.Task.read(card_folder("tasks") / f"{task}.yaml")
    found = metric_for(card.metric, card.dataset, card.target)
    assert isinstance(found, PixelRatio)
    assert (found.unit, found.limits, found.window) == expected


def test_other_data_sets_take_every_value_as_it_is() -> None:
    assert metric_for("rmse", "thor_depth", "depth") == PIXEL_METRICS["rmse"]
    assert metric_for("iou", "nyu", "walkable") == PIXEL_METRICS["iou"]
    assert metric_for("published_l1", "nyu", "depth") == PUBLISHED_METRICS["published_l1"]
    assert metric_for("top1", "dtd", "texture", 47) == METRICS["top1"]
    assert value(metric_for("pixel_mae", "thor_depth", "depth"), picture([[-1, 0]]), picture([[0, 0]])) == 0.5


@pytest.mark.parametrize("dataset", ["cityscapes", "coco_panoptic"])
def test_where_class_0_is_no_background_it_is_not_skipped_as_published(dataset: str) -> None:
    target, output = picture([[0, 0], [1, 1]], np.uint8), picture([[0, 1], [1, 1]], np.int64)
    streets = metric_for("published_miou", dataset, "semantic", 19)
    hands = metric_for("published_miou", "egohands", "hands", 5)
    assert value(streets, output, target) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert value(hands, output, target) == pytest.approx(2 / 3)


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
