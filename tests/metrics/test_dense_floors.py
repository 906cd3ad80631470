"""The constant map of pixel tasks, and what a coarse map could tell, against loops and examples worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from virb.core.errors import DataError
from virb.core.types import IGNORED
from virb.metrics import PIXEL_METRICS, PUBLISHED_METRICS, PositionFloor, best_rarity, coarsened, metric_for

CLASSES = 4


def labels(count: int = 11, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    found = random.integers(0, CLASSES, (count, 6, 5)).astype(np.uint8)
    found[random.random(found.shape) < 0.3] = IGNORED
    found[:, 0, 0] = IGNORED
    return torch.from_numpy(found)


def depths(shape: tuple[int, ...] = (11, 6, 5), seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    found = random.uniform(1, 9, shape).astype(np.float32)
    found[random.random(shape) < 0.3] = math.nan
    found[..., 0, 0] = math.nan
    return torch.from_numpy(found)


def classes_floor(*batches: torch.Tensor) -> torch.Tensor:
    floor = PositionFloor("classes", CLASSES)
    for batch in batches:
        floor.add(batch)
    return floor.output()


def values_floor(*batches: torch.Tensor) -> torch.Tensor:
    floor = PositionFloor("values")
    for batch in batches:
        floor.add(batch)
    return floor.output()


def majority(found: list[int]) -> int:
    counts = [found.count(label) for label in range(CLASSES)]
    return counts.index(max(counts))


def test_each_position_says_its_most_frequent_class() -> None:
    target = labels().numpy()
    known = [label for label in target.ravel().tolist() if label != IGNORED]
    expected = np.zeros((6, 5), np.int64)
    for y in range(6):
        for x in range(5):
            here = [label for label in target[:, y, x].tolist() if label != IGNORED]
            expected[y, x] = majority(here or known)
    found = classes_floor(labels())
    assert found.dtype == torch.int64
    np.testing.assert_array_equal(found.numpy(), expected)


def test_each_position_says_its_mean() -> None:
    target = depths().numpy().astype(float)
    known = np.isfinite(target)
    expected = np.where(known, target, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    expected[0, 0] = target[known].mean()
    np.testing.assert_allclose(values_floor(depths()).numpy(), expected, rtol=1e-6)
    assert values_floor(depths()).dtype == torch.float32


def test_flow_and_colours_have_a_mean_for_each_of_their_channels() -> None:
    target = depths((7, 2, 6, 5))
    floor = PositionFloor("flow")
    floor.add(target)
    found = floor.output()
    assert found.shape == (2, 6, 5)
    for channel in range(2):
        np.testing.assert_allclose(found[channel].numpy(), values_floor(target[:, channel]).numpy())


@pytest.mark.parametrize("batch", [1, 3, 4])
def test_it_does_not_matter_in_which_batches_targets_come(batch: int) -> None:
    torch.testing.assert_close(classes_floor(*torch.split(labels(), batch)), classes_floor(labels()), rtol=0, atol=0)
    torch.testing.assert_close(values_floor(*torch.split(depths(), batch)), values_floor(depths()))


def test_of_classes_that_are_equally_frequent_the_first_is_taken() -> None:
    target = torch.tensor([[[3, 2]], [[1, 3]], [[1, 2]], [[3, 3]]], dtype=torch.uint8)
    assert classes_floor(target).tolist() == [[1, 2]]


def test_the_constant_is_at_least_as_good_on_train_as_any_single_class() -> None:
    target = labels(40).long()
    metric = PIXEL_METRICS["pixel_accuracy"]

    def accuracy(output: torch.Tensor) -> float:
        rows = metric.statistics(output.expand(40, 6, 5), labels(40))
        return float(metric.value(metric.totals(rows.numpy())))

    floor = accuracy(classes_floor(labels(40)))
    assert floor > max(accuracy(torch.full_like(target[0], label)) for label in range(CLASSES))


def test_the_mean_is_the_best_constant_by_square_error_on_train() -> None:
    target = depths()[:, 1:]
    best = values_floor(target)
    error = ((target - best) ** 2).nanmean()
    for step in (0.01, -0.01):
        assert ((target - (best + step)) ** 2).nanmean() > error


def test_pictures_of_another_size_take_the_nearest_position() -> None:
    floor = PositionFloor("classes", CLASSES)
    floor.add(torch.tensor([[[0, 1], [2, 3]]], dtype=torch.uint8))
    assert floor.output(4, 2).tolist() == [[0, 1], [0, 1], [2, 3], [2, 3]]
    assert floor.output(2, 5).tolist() == [[0, 0, 0, 1, 1], [2, 2, 2, 3, 3]]
    assert floor.output(1, 1).tolist() == [[0]]


@pytest.mark.parametrize("name", sorted(PIXEL_METRICS | PUBLISHED_METRICS))
def test_every_metric_can_score_its_constant(name: str) -> None:
    metric = metric_for(name, CLASSES)
    kind = getattr(metric, "kind", "classes")
    target = {"classes": labels(), "values": depths(), "flow": depths((11, 2, 6, 5))}[kind]
    output = torch.from_numpy(metric.constant(target.numpy(), CLASSES))
    assert output.shape == target.shape[1:]
    value = float(metric.value(metric.totals(metric.statistics(output.expand(target.shape), target).numpy())))
    assert 0 < value < (1 if metric.unit == "share" else 9)


def test_targets_of_two_sizes_have_no_common_positions() -> None:
    floor = PositionFloor("values")
    floor.add(depths())
    with pytest.raises(DataError, match="one size"):
        floor.add(depths((2, 6, 6)))


def test_training_data_that_are_all_void_have_no_constant() -> None:
    with pytest.raises(DataError, match="void"):
        classes_floor(torch.full((2, 3, 3), IGNORED, dtype=torch.uint8))
    with pytest.raises(DataError, match="void"):
        values_floor(torch.full((2, 3, 3), math.nan))


def test_a_class_that_does_not_exist_has_no_frequency() -> None:
    with pytest.raises(DataError, match="class 4"):
        classes_floor(torch.full((1, 2, 2), CLASSES, dtype=torch.uint8))


# --- what a coarse map could tell ----------------------------------------------------------------------------------


def test_a_coarse_map_of_classes_worked_by_hand() -> None:
    target = torch.tensor([[[0, 1, 2, 2], [1, 1, 255, 3], [255, 255, 3, 0], [255, 255, 0, 3]]], dtype=torch.uint8)
    found = coarsened(target, 2, 2)
    assert found.dtype == torch.uint8
    assert found[0, :2].tolist() == [[1, 1, 2, 2]] * 2
    assert found[0, 2:, 2:].tolist() == [[0, 0]] * 2  # two of each: the first
    metric = PIXEL_METRICS["pixel_accuracy"]
    assert float(metric.value(metric.totals(metric.statistics(found, target).numpy()))) == (3 + 2 + 2) / (4 + 3 + 4)


def test_a_coarse_map_of_values_worked_by_hand() -> None:
    target = torch.tensor([[[1.0, 3.0, math.nan], [5.0, math.nan, math.nan]]])
    found = coarsened(target, 1, 3)
    assert found[0].tolist() == [[3.0, 3.0, 0.0], [3.0, 3.0, 0.0]]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 5), (3, 2)])
def test_coarse_maps_agree_with_a_loop_over_cells(size: tuple[int, int]) -> None:
    shapes, values = labels(5), depths((5, 2, 6, 5))
    told, means = coarsened(shapes, *size), coarsened(values, *size)
    cell = {(y, x): (y * size[0] // 6, x * size[1] // 5) for y in range(6) for x in range(5)}
    for (y, x), place in cell.items():
        others = [position for position, other in cell.items() if other == place]
        for sample in range(5):
            known = [int(shapes[sample, a, b]) for a, b in others if shapes[sample, a, b] != IGNORED]
            assert not known or int(told[sample, y, x]) == majority(known)
            for channel in range(2):
                here = [float(values[sample, channel, a, b]) for a, b in others]
                finite = [value for value in here if not math.isnan(value)]
                assert float(means[sample, channel, y, x]) == pytest.approx(np.mean(finite) if finite else 0.0)


def test_a_map_as_fine_as_the_picture_or_finer_loses_nothing() -> None:
    for size in ((6, 5), (12, 9)):
        target = labels()
        kept = target != IGNORED
        assert torch.equal(coarsened(target, *size)[kept], target[kept])
        values = depths()
        known = values.isfinite()
        assert torch.equal(coarsened(values, *size)[known], values[known])


def test_pooling_few_pictures_at_a_time_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = coarsened(labels(), 2, 2)
    monkeypatch.setattr("virb.metrics.floor._CELLS", 1)
    assert torch.equal(coarsened(labels(), 2, 2), expected)


def masks() -> torch.Tensor:
    """Return masks whose things are a minority at every position: at four of ten in the left half, one in the right."""
    found = torch.zeros(10, 4, 6, dtype=torch.uint8)
    found[:4, :, :3] = 1
    found[4:5, :, 3:] = 1
    return found


def test_for_an_overlap_the_constant_map_says_what_is_rare_where_it_is_likeliest() -> None:
    """By hand: all of the left half overlaps 48 of 12 * 10 + 12; both halves 60 of 240; nothing 0."""
    floor, metric = PositionFloor("classes", 2), metric_for("iou", 2)
    floor.add(masks())
    rarity = best_rarity(floor, metric, masks().split(3))  # type: ignore[no-untyped-call]
    constant = floor.output(rarity=rarity)
    assert not floor.output().any()
    assert constant.tolist() == [[1, 1, 1, 0, 0, 0]] * 4
    rows = metric.statistics(constant.expand(10, 4, 6), masks()).numpy()
    assert float(metric.value(metric.totals(rows))) == pytest.approx(48 / 132)


def test_for_the_share_of_right_pixels_the_most_frequent_class_is_best() -> None:
    floor = PositionFloor("classes", CLASSES)
    floor.add(labels())
    assert best_rarity(floor, metric_for("pixel_accuracy", CLASSES), [labels()]) == 0.0


def test_no_power_is_better_than_the_chosen_one() -> None:
    common = torch.from_numpy(np.random.default_rng(3).random((20, 6, 5)) < 0.4)
    wanted = labels(20).where(~common, 0)  # so that one class is the most frequent almost everywhere
    floor, metric = PositionFloor("classes", CLASSES), metric_for("miou", CLASSES)
    floor.add(wanted)
    values = []
    for rarity in (best_rarity(floor, metric, [wanted]), *np.linspace(0, 1, 11)):
        output = floor.output(rarity=float(rarity)).expand(20, 6, 5)
        values.append(float(metric.value(metric.totals(metric.statistics(output, wanted).numpy()))))
    assert values[0] == max(values) > values[1]
