"""Metrics against scikit-learn, against examples worked by hand, and against their own promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    mean_absolute_error,
    recall_score,
    top_k_accuracy_score,
)

from virb.metrics import METRICS, Metric, class_accuracies

CLASSES = 9


def scores(count: int = 300, classes: int = CLASSES, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Outputs that know the target half of the time, and targets of which the last class is rare."""
    random = np.random.default_rng(seed)
    shares = np.linspace(2, 1, classes)
    targets = random.choice(classes, count, p=shares / shares.sum())
    targets[:classes] = np.arange(classes)
    outputs = random.normal(size=(count, classes)) + 1.5 * np.eye(classes)[targets]
    return outputs, targets


def rows(metric: Metric, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return metric.statistics(torch.from_numpy(outputs), torch.from_numpy(targets)).numpy()


def value(metric: Metric, outputs: np.ndarray, targets: np.ndarray) -> float:
    return float(metric.value(metric.totals(rows(metric, outputs, targets))))


def reference(name: str, outputs: np.ndarray, targets: np.ndarray) -> float:
    labels, predicted = np.arange(outputs.shape[1]), outputs.argmax(1)
    if name == "top5":
        return float(top_k_accuracy_score(targets, outputs, k=5, labels=labels))
    compute = {"top1": accuracy_score, "mae": mean_absolute_error, "mean_per_class": balanced_accuracy_score}[name]
    return float(compute(targets, predicted))


every = pytest.mark.parametrize("name", sorted(METRICS))


def test_a_metric_answers_to_its_own_name_and_says_how_to_read_it() -> None:
    assert set(METRICS) == {"top1", "top5", "mae", "mean_per_class"}
    for name, metric in METRICS.items():
        assert metric.name == name
        lower = name == "mae"
        assert (metric.direction, metric.ceiling) == (("lower", 0.0) if lower else ("higher", 1.0))
        assert metric.unit == ("classes" if lower else "share")


@every
@pytest.mark.parametrize("seed", range(5))
def test_metrics_agree_with_scikit_learn(name: str, seed: int) -> None:
    outputs, targets = scores(seed=seed)
    assert value(METRICS[name], outputs, targets) == pytest.approx(reference(name, outputs, targets), abs=1e-12)


def test_mean_per_class_is_the_macro_average_of_recall() -> None:
    outputs, targets = scores()
    expected = recall_score(targets, outputs.argmax(1), average="macro")
    assert value(METRICS["mean_per_class"], outputs, targets) == pytest.approx(expected, abs=1e-12)


def test_four_samples_worked_by_hand() -> None:
    outputs = np.array(
        [
            [0.9, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0],  # class 0, said 0: right
            [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3],  # class 4, said 0: wrong by 4, fifth best
            [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3],  # class 6, said 0: wrong by 6, seventh best
            [0.1, 0.2, 0.9, 0.0, 0.0, 0.0, 0.0],  # class 0, said 2: wrong by 2, third best
        ]
    )
    targets = np.array([0, 4, 6, 0])
    found = {name: value(metric, outputs, targets) for name, metric in METRICS.items()}
    # mean per class: class 0 has one of two, classes 4 and 6 none, the other four do not occur: (1/2 + 0 + 0) / 3
    assert found == pytest.approx({"top1": 1 / 4, "top5": 3 / 4, "mae": 12 / 4, "mean_per_class": 1 / 6})


def test_statistics_are_one_row_per_sample_in_the_order_of_the_samples() -> None:
    outputs, targets = scores(40)
    for metric in METRICS.values():
        found = rows(metric, outputs, targets)
        assert found.ndim == 2
        assert len(found) == 40
        alone = [rows(metric, outputs[place : place + 1], targets[place : place + 1]) for place in range(40)]
        np.testing.assert_array_equal(found, np.concatenate(alone))


@every
@pytest.mark.parametrize("batch", [1, 7, 64, 299])
def test_nothing_depends_on_the_batch_size(name: str, batch: int) -> None:
    outputs, targets = scores()
    metric = METRICS[name]
    parts = [
        rows(metric, outputs[start : start + batch], targets[start : start + batch])
        for start in range(0, len(targets), batch)
    ]
    assert float(metric.value(metric.totals(np.concatenate(parts)))) == value(metric, outputs, targets)


@every
def test_nothing_depends_on_the_order_of_the_samples(name: str) -> None:
    outputs, targets = scores()
    turned = np.random.default_rng(1).permutation(len(targets))
    assert value(METRICS[name], outputs[turned], targets[turned]) == pytest.approx(
        value(METRICS[name], outputs, targets), abs=1e-12
    )


@every
def test_totals_of_two_halves_add_up_to_the_whole(name: str) -> None:
    """For mean per class, each half must hold the highest class: totals are as long as it is high."""
    outputs, targets = scores()
    targets[0] = targets[-1] = CLASSES - 1
    found = rows(METRICS[name], outputs, targets)
    halves = METRICS[name].totals(found[:120]) + METRICS[name].totals(found[120:])
    np.testing.assert_allclose(halves, METRICS[name].totals(found))


@every
def test_a_weight_of_two_is_the_sample_counted_twice_and_zero_is_not_at_all(name: str) -> None:
    outputs, targets = scores(50)
    found = rows(METRICS[name], outputs, targets)
    weights = np.random.default_rng(2).integers(0, 4, 50)
    weights[:3] = 0, 1, 2
    repeated = np.repeat(found, weights, axis=0)
    expected = METRICS[name].value(METRICS[name].totals(repeated))
    weighted = METRICS[name].totals(found, weights.astype(float))
    assert float(METRICS[name].value(weighted)) == pytest.approx(float(expected), abs=1e-12)


@every
def test_many_rows_of_weights_are_as_many_values_each_as_if_alone(name: str) -> None:
    outputs, targets = scores(50)
    found = rows(METRICS[name], outputs, targets)
    weights = np.random.default_rng(3).integers(0, 3, (6, 50)).astype(float)
    together = METRICS[name].value(METRICS[name].totals(found, weights))
    alone = [float(METRICS[name].value(METRICS[name].totals(found, row))) for row in weights]
    assert together.shape == (6,)
    np.testing.assert_allclose(together, alone, atol=1e-12)


@every
def test_weights_of_one_are_no_weights(name: str) -> None:
    found = rows(METRICS[name], *scores(50))
    np.testing.assert_allclose(METRICS[name].totals(found, np.ones(50)), METRICS[name].totals(found))


@every
def test_a_sample_that_could_not_be_scored_keeps_a_row_of_zeros_that_counts_for_nothing(name: str) -> None:
    """Design, section 10: it keeps its row with zero statistics, so that rows and ids stay together."""
    outputs, targets = scores(50)
    found = rows(METRICS[name], outputs, targets)
    lost = np.concatenate([found, np.zeros((10, found.shape[1]))])
    assert float(METRICS[name].value(METRICS[name].totals(lost))) == pytest.approx(
        value(METRICS[name], outputs, targets)
    )


def test_an_absent_class_neither_raises_nor_lowers_the_mean() -> None:
    outputs, targets = scores(200, 4)
    wide = np.concatenate([outputs, np.full((200, 3), -100.0)], axis=1)  # three classes nobody has or says
    metric = METRICS["mean_per_class"]
    assert value(metric, wide, targets) == pytest.approx(value(metric, outputs, targets), abs=1e-12)
    gap = np.where(targets == 1, 2, targets)  # class 1 has no sample, but stands between others
    assert value(metric, outputs, gap) == pytest.approx(
        np.mean([(outputs[gap == label].argmax(1) == label).mean() for label in (0, 2, 3)])
    )


def test_saying_an_absent_class_is_a_miss() -> None:
    outputs = np.eye(3)[[2, 2, 0, 1]]
    targets = np.array([0, 1, 0, 1])  # class 2 is said twice and never true
    assert value(METRICS["mean_per_class"], outputs, targets) == 0.5


def test_a_class_weighted_to_nothing_is_absent_from_that_replicate() -> None:
    metric = METRICS["mean_per_class"]
    found = rows(metric, np.eye(2)[[0, 0, 1]], np.array([0, 1, 1]))
    weights = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    assert metric.value(metric.totals(found, weights)).tolist() == [1.0, 0.5, 0.5]


def test_all_of_few_classes_are_among_the_best_five() -> None:
    outputs, targets = scores(30, 3)
    assert value(METRICS["top5"], outputs, targets) == 1.0


@every
@pytest.mark.filterwarnings("error")
def test_nothing_to_score_is_no_number_and_no_warning(name: str) -> None:
    found = rows(METRICS[name], np.zeros((0, 4)), np.zeros(0, np.int64))
    assert np.isnan(METRICS[name].value(METRICS[name].totals(found)))


@every
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [8, 13, 60])
def test_the_constant_is_the_best_one_on_train(name: str, seed: int, count: int) -> None:
    """Against every ranking of classes that a constant can be: each class first, and for top 5 each set of five."""
    random = np.random.default_rng(seed)
    classes = 7
    targets = random.choice(classes, count, p=random.dirichlet(np.ones(classes)))
    metric = METRICS[name]

    def constant(output: np.ndarray) -> float:
        return value(metric, np.tile(output, (count, 1)), targets)

    if name == "top5":
        candidates = [np.ones(classes) - np.eye(classes)[a] - np.eye(classes)[b] for a in range(7) for b in range(a)]
    else:
        candidates = list(np.eye(classes))
    best = (max if metric.direction == "higher" else min)(constant(output) for output in candidates)
    found = metric.constant(targets, classes)
    assert found.shape == (classes,)
    assert constant(found) == pytest.approx(best, abs=1e-12)


def test_a_constant_never_names_a_class_by_the_test_set_alone() -> None:
    """Fitted on train: the floor of a test set with another majority stays low."""
    train, test = np.array([0, 0, 0, 1]), np.array([1, 1, 1, 0])
    for name in ("top1", "mean_per_class"):
        output = METRICS[name].constant(train, 3)
        assert value(METRICS[name], np.tile(output, (4, 1)), test) == {"top1": 0.25, "mean_per_class": 0.5}[name]


def test_class_accuracies_agree_with_scikit_learn_and_say_nothing_of_absent_classes() -> None:
    outputs, targets = scores(200, 5)
    found = class_accuracies(targets, outputs.argmax(1), 7)
    np.testing.assert_allclose(found[:5], recall_score(targets, outputs.argmax(1), average=None))
    assert np.isnan(found[5:]).all()


def test_class_accuracies_of_several_seeds_are_their_mean() -> None:
    targets = scores(200, 5)[1]
    predictions = np.random.default_rng(0).integers(0, 5, (3, 200))
    alone = [class_accuracies(targets, row, 5) for row in predictions]
    np.testing.assert_allclose(class_accuracies(targets, predictions, 5), np.mean(alone, axis=0))
