"""Metrics of pixels against plain loops and scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from pixel_metrics import CLASSES, every, metric, pixels, rows, value
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score

from virb.core.types import IGNORED
from virb.metrics.stats import bootstrap, weight_blocks


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


@every
def test_each_replicate_of_the_bootstrap_is_the_value_of_the_resampled_pictures(name: str) -> None:
    output, target = pixels(name, count=9)
    found, groups = metric(name), np.array([0, 0, 1, 2, 2, 3, 4, 5, 5])
    replicates = bootstrap([rows(found, output, target)], groups, "test", found.totals, found.value, 40)
    weights = np.concatenate(list(weight_blocks(groups, "test", 40)))
    for replicate, weight in zip(replicates, weights, strict=True):
        drawn = np.repeat(np.arange(9), weight.astype(int))
        assert replicate == pytest.approx(REFERENCES[name](output[drawn], target[drawn]), rel=1e-9)
