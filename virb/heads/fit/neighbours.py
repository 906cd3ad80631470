"""Fit: nothing is trained: a sample takes the class of most of its nearest training samples (stage 5).

The rule, to the last tie: similarity is the cosine, and of training samples as similar as 2^-24 the earlier one is
nearer; every neighbour has one vote; of classes with as many votes the first one wins, as in scikit-learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from virb.cards.protocol import Neighbours
from virb.core.errors import NumericsError
from virb.core.types import Features, Predicted, Split
from virb.heads.fit.choice import Choice, Curves, NeighbourSetting
from virb.heads.fit.probe import Advance, Tested, Work
from virb.heads.fit.stack import Matrix
from virb.metrics import Metric

_ROWS, _COLUMNS = 512, 8192
"""Samples asked about and training samples compared at a time: 4 M similarities, whatever the sizes of the splits."""
_STEPS = 1 << 24
_PLACES = 1 << 32


@dataclass(frozen=True)
class FittedNeighbours:
    """The training samples themselves, and how many of them are asked."""

    choice: Choice
    neighbours: int
    samples: Matrix
    classes: int

    def answers(self, features: Features, test: Tested) -> Iterator[Predicted]:
        """Yield scores [n, K] and targets, batch by batch; the highest score is the predicted class."""
        for inputs, targets in Matrix(features, test.split, self.samples.device).batches(_ROWS):
            yield [votes(nearest_targets(self.samples, inputs, self.neighbours), self.classes)], targets

    def tensors(self) -> dict[str, torch.Tensor]:
        """Nothing was trained: these would be the training samples."""
        return {}


@dataclass(frozen=True)
class NeighbourProbe:
    """Nothing is trained; the number of neighbours that does best on validation is asked."""

    training: Neighbours
    classes: int
    metric: Metric
    device: torch.device

    @property
    def work(self) -> Work:
        """One choice."""
        return Work("neighbours of", 1, "choice")

    def fit(
        self, features: Features, train: Split, val: Tested, advance: Advance = lambda count: None
    ) -> FittedNeighbours:
        """Return the training samples with the number of neighbours that does best on validation."""
        samples, held = Matrix(features, train, self.device), Matrix(features, val.split, self.device)
        counts = tuple(sorted({min(count, len(samples)) for count in self.training.neighbours}))
        scores = self._scores(samples, held, counts)
        advance(1)
        order = scores if self.metric.direction == "higher" else -scores
        chosen = int(np.nanargmax(order)) if np.isfinite(order).any() else 0
        settings = tuple(NeighbourSetting(count) for count in counts)
        choice = Choice(settings, chosen, scores, Curves([0], [[]], [[]], [scores.tolist()]))
        return FittedNeighbours(choice, counts[chosen], samples, self.classes)

    def _scores(self, samples: Matrix, held: Matrix, counts: tuple[int, ...]) -> np.ndarray:
        """Return the validation score of each number; nan without validation."""
        rows: list[list[np.ndarray]] = [[] for _ in counts]
        for inputs, targets in held.batches(_ROWS):
            nearest = nearest_targets(samples, inputs, counts[-1])
            for place, count in enumerate(counts):
                statistics = self.metric.statistics(votes(nearest[:, :count], self.classes), targets)
                rows[place].append(statistics.cpu().numpy())
        joined = [np.concatenate(part) if part else None for part in rows]
        return np.array([np.nan if one is None else self.metric.value(self.metric.totals(one)) for one in joined])


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
