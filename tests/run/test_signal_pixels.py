"""Signal, pixel by pixel: a probe that does not move when the signal is destroyed measures nothing.

All eight pixel tasks of the sample world at its usual size, under the quick protocol with one seed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from virb.cards.encoder_names import encoder_cards
from virb.cards.select import select_tasks
from virb.core.types import Features, Taken
from virb.encode import cache as cache_module
from virb.metrics.stats import paired_difference
from virb.records.record import Record
from virb.run import harness
from virb.run.options import Asked, Options
from virb.run.tasks import Prepared, prepare

pytestmark = pytest.mark.slow

MARGINS = {
    "cityscapes": 0.008,
    "egohands": 0.03,
    "kitti_flow": 0.04,
    "nyu_depth": 0.04,
    "nyu_walkable": 0.02,
    "pets_seg": 0.02,
    "taskonomy_depth": 0.05,
    "thor_depth": 0.003,
}
"""By how much a trained encoder is better than a random one, at the least, in the unit of the metric."""
ENOUGH = 6


@pytest.fixture(scope="module")
def options(own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Options:
    """Return options on a whole sample world of the pixel tasks."""
    from virb.sample import ensure

    ensure(sorted({task.dataset for task in select_tasks("pixel").tasks}))
    out = tmp_path_factory.mktemp("pixels")
    return Asked(sample=True, seeds=1, out=out).options()


@pytest.fixture(scope="module")
def prepared(options: Options) -> dict[str, Prepared]:
    """Return the data of the tasks."""
    ready, missing = prepare(select_tasks("pixel"), options)
    assert not missing
    return {item.task.name: item for item in ready}


def run(options: Options, encoder: str, out: str) -> dict[str, Record]:
    report = harness.run(encoder_cards([encoder]), select_tasks("pixel"), replace(options, out=options.out / out))
    assert [(failure.task, str(failure.error)) for failure in report.failures] == []
    return {record.task.name: record for record in report.records}


@pytest.fixture(scope="module")
def random_records(options: Options) -> dict[str, Record]:
    """Return what random weights score."""
    return run(options, "random:resnet18", "random")


@dataclass(frozen=True)
class Mixed:
    """Maps of which each belongs to another picture."""

    maps: Taken
    order: np.ndarray

    def take(self, rows: np.ndarray) -> torch.Tensor:
        return self.maps.take(self.order[rows])


@pytest.fixture(scope="module")
def shuffled_records(options: Options, random_records: dict[str, Record]) -> dict[str, Record]:
    """Return what the same maps score when pictures have changed them among each other, all splits together."""
    original = cache_module.Cache.features

    def shuffled(self: cache_module.Cache, *arguments: object, **named: object) -> Features:
        features = original(self, *arguments, **named)  # type: ignore[arg-type]
        assert features.maps is not None
        order = np.random.default_rng(4).permutation(len(features.rows))
        return replace(features, maps=Mixed(features.maps, order))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache_module.Cache, "features", shuffled)
        return run(options, "random:resnet18", "shuffled")


@pytest.fixture(scope="module")
def trained_records(options: Options, prepared: dict[str, Prepared]) -> dict[str, Record]:
    """Train a multi-task encoder once, save it as a user would, and evaluate the file."""
    from training_pixels import train_encoder

    options.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    weights = train_encoder(list(prepared.values()), options.features().store)
    print(f"trained in {time.monotonic() - started:.0f} s")
    torch.save(weights, options.out / "trained_r18.pt")
    return run(options, str(options.out / "trained_r18.pt"), "trained")


def gain(record: Record, value: float, other: float) -> float:
    """Return how much better a value is than another, whichever way the metric goes."""
    return value - other if record.score.direction == "higher" else other - value


def test_the_margins_are_those_of_all_pixel_tasks(prepared: dict[str, Prepared]) -> None:
    assert set(MARGINS) == set(prepared)


@pytest.mark.parametrize("task", MARGINS)
def test_shuffled_maps_rise_no_higher_than_the_floors_interval(
    task: str, random_records: dict[str, Record], shuffled_records: dict[str, Record]
) -> None:
    record, random = shuffled_records[task], random_records[task]
    bound = record.floor.high if record.score.direction == "higher" else record.floor.low
    print(f"{task}: {record.score.value:.4f}, floor {record.floor}, random {random.score.value:.4f}")
    assert gain(record, record.score.value, bound) <= 0
    assert gain(record, random.score.value, record.score.value) > 0


def test_trained_maps_beat_random_ones_by_paired_margins(
    random_records: dict[str, Record], trained_records: dict[str, Record]
) -> None:
    held = []
    for task, margin in MARGINS.items():
        trained, random = trained_records[task], random_records[task]
        assert trained.keys.comparison == random.keys.comparison
        better, worse = (trained, random) if trained.score.direction == "higher" else (random, trained)
        difference = paired_difference((better.score.value, better.replicates), (worse.score.value, worse.replicates))
        print(f"{task}: {trained.score.value:.4f} against {random.score.value:.4f}, {difference}, margin {margin}")
        if difference.value > margin and difference.low > 0:
            held.append(task)
    assert len(held) >= ENOUGH, f"only on {held}"
