"""Fit: nothing is trained: a sample takes the class of most of its nearest training samples (stage 5).

The rule, to the last tie: similarity is the cosine, and of training samples as similar as 2^-24 the earlier one is
nearer; every neighbour has one vote; of classes with as many votes the first one wins, as in scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from virb.cards.protocol import Neighbours
from virb.core.errors import NumericsError
from virb.core.types import Features, Split
from virb.heads.fit.choice import Curves
from virb.heads.fit.image import Matrix
from virb.metrics import Metric

_ROWS, _COLUMNS = 512, 8192
"""Samples asked about and training samples compared at a time: 4 M similarities, whatever the sizes of the splits."""
_STEPS = 1 << 24
_PLACES = 1 << 32


@dataclass(frozen=True)
class NeighbourSetting:
    """One number of neighbours."""

    neighbours: int


@dataclass(frozen=True)
class FittedNeighbours:
    """The training samples themselves, and the number of neighbours chosen on validation."""

    settings: tuple[NeighbourSetting, ...]
    chosen: int
    validation: np.ndarray  # [G]; nan without validation
    curves: Curves
    samples: Matrix
    classes: int

    @property
    def setting(self) -> NeighbourSetting:
        """The chosen number."""
        return self.settings[self.chosen]


def fit_neighbours(
    features: Features,
    train: Split,
    val: Split,
    *,
    classes: int,
    training: Neighbours,
    metric: Metric,
    device: torch.device,
    advance: Callable[[int], None] = lambda count: None,
) -> FittedNeighbours:
    """Return the training samples with the number of neighbours that does best on validation."""
    samples, held = Matrix(features, train, device), Matrix(features, val, device)
    counts = tuple(sorted({min(count, len(samples)) for count in training.neighbours}))
    settings = tuple(NeighbourSetting(count) for count in counts)
    rows: list[list[np.ndarray]] = [[] for _ in counts]
    for inputs, targets in held.batches(_ROWS):
        nearest = nearest_targets(samples, inputs, counts[-1])
        for place, count in enumerate(counts):
            rows[place].append(metric.statistics(votes(nearest[:, :count], classes), targets).cpu().numpy())
    advance(1)
    scores = np.array([float(metric.value(metric.totals(np.concatenate(part)))) if part else np.nan for part in rows])
    order = scores if metric.direction == "higher" else -scores
    chosen = int(np.nanargmax(order)) if np.isfinite(order).any() else 0
    curves = Curves([0], [[]], [[]], [scores.tolist()])
    return FittedNeighbours(settings, chosen, scores, curves, samples, classes)


def predict_neighbours(fitted: FittedNeighbours, features: Features, split: Split) -> Iterator[torch.Tensor]:
    """Yield scores [n, 1, K], batch by batch in the split's order; the highest is the predicted class."""
    for inputs, _ in Matrix(features, split, fitted.samples.device).batches(_ROWS):
        nearest = nearest_targets(fitted.samples, inputs, fitted.setting.neighbours)
        yield votes(nearest, fitted.classes)[:, None]


@torch.inference_mode()
def nearest_targets(samples: Matrix, inputs: torch.Tensor, count: int) -> torch.Tensor:
    """Return the classes [n, count] of the nearest training samples, the nearest first.

    Similarity and place share one whole number, so that no two are alike and the order is the same on every device.
    """
    asked = _directions(inputs)
    best = torch.empty(len(inputs), 0, dtype=torch.int64, device=asked.device)
    for chosen in torch.split(torch.arange(len(samples)), _COLUMNS):
        similar = asked @ _directions(samples.rows(chosen)).T
        keys = similar.double().mul_(_STEPS).round_().long().mul_(_PLACES)
        keys += _PLACES - 1 - chosen.to(keys.device)
        joined = torch.cat([best, keys], 1)
        best = joined.topk(min(count, joined.shape[1]), 1).values
    places = _PLACES - 1 - best.remainder(_PLACES)
    return samples.targets[places.to(samples.targets.device)]


def votes(nearest: torch.Tensor, classes: int) -> torch.Tensor:
    """Return votes [n, K], of classes with as many the earlier one ahead by less than a vote."""
    counted = torch.zeros(len(nearest), classes, device=nearest.device)
    counted.scatter_add_(1, nearest, torch.ones_like(nearest, dtype=counted.dtype))
    return counted - torch.arange(classes, device=nearest.device) / (2 * classes)


def _directions(inputs: torch.Tensor) -> torch.Tensor:
    if not torch.isfinite(inputs).all():
        raise NumericsError(
            "there are features that are NaN or infinite",
            "finite features",
            "check the encoder's weights; 'virb cache clear' removes stored features",
        )
    return functional.normalize(inputs.float(), dim=1)
