"""Bench: a dense head's epoch from disk runs as it is measured, and reading from disk changes no number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from virb.checks.bench.dense import World, compare, measure, rules, world
from virb.core.errors import DamagedEntry
from virb.core.store import StoredRows
from virb.core.types import Rows
from virb.encode.features import unpack_maps
from virb.heads.fit import PixelProbe
from virb.heads.fit.source import Source
from virb.metrics import metric_for

CPU = torch.device("cpu")


@pytest.fixture
def small(tmp_path: Path) -> World:
    return world(tmp_path, "resnet18", 32, 5)


def test_the_bench_prints_both_figures_and_their_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    compare("resnet18", 32, 4, 2, 1, "cpu")
    shown = capsys.readouterr().out
    assert "upshuffle on maps of resnet18 at 32 px, 4 samples" in shown
    assert "bare head, tensors in memory" in shown
    assert "ratio" in shown
    assert torch.get_num_threads() == threads


def test_every_epoch_but_the_first_is_measured_on_both_sides(small: World) -> None:
    ours, bare = measure(small, 2, 3, CPU)
    assert len(ours) == len(bare) == 3
    assert min(ours + bare) > 0


def test_maps_from_disk_are_those_in_memory(small: World) -> None:
    assert isinstance(small.features.maps, StoredRows)
    rows = np.array([3, 0, 4])
    wanted = unpack_maps(small.features.maps.take(rows), small.features.levels)
    found = Source(small.features, small.targets, CPU).maps(small.dataset.train, rows)
    for one, two in zip(found, wanted, strict=True):
        assert one.dtype == torch.float32
        assert torch.equal(one, two)


def test_pairs_from_disk_keep_their_order(small: World) -> None:
    source, train, rows = Source(small.features, small.targets, CPU), small.dataset.train, np.array([3, 0, 4])
    pairs = replace(train, index=np.concatenate([train.index, train.index[::-1]], axis=1))
    for one, two in zip(source.maps(pairs, rows), source.maps(train, rows), strict=True):
        assert torch.equal(one[:, 0], two)
        assert torch.equal(one[1, 1], two[2]), "the partner of the first is the last"


def test_levels_that_no_head_reads_are_not_read(small: World) -> None:
    train, rows = small.dataset.train, np.arange(4)
    every = Source(small.features, small.targets, CPU).maps(train, rows)
    some = Source(small.features, small.targets, CPU, read=(1, 3)).maps(train, rows)
    for place, (one, two) in enumerate(zip(some, every, strict=True)):
        assert one.shape == two.shape
        assert torch.equal(one, two) == (place in (1, 3))


def test_the_memory_of_a_spent_batch_is_used_again_where_it_fits(small: World) -> None:
    source, train = Source(small.features, small.targets, CPU), small.dataset.train
    spent = source.maps(train, np.array([0, 1]))
    places = [level.data_ptr() for level in spent]
    again = source.maps(train, np.array([2, 3]), spent)
    assert [level.data_ptr() for level in again] == places
    rest = source.maps(train, np.array([4]), again)
    fresh = source.maps(train, np.array([4]))
    assert all(torch.equal(one, two) for one, two in zip(rest, fresh, strict=True))


def test_heads_trained_from_disk_are_those_trained_from_memory(small: World) -> None:
    assert small.features.maps is not None
    inside = Rows(small.features.maps.take(np.arange(5)))
    states = []
    for features in (small.features, replace(small.features, maps=inside)):
        probe = PixelProbe(
            training=rules(batch=2, epochs=2),
            head="upshuffle",
            classes=2,
            metric=metric_for("iou", 2),
            name="bench",
            device=CPU,
            loss="binary",
            targets=small.targets,
            size=32,
        )
        fitted = probe.fit(features, small.dataset.train, small.dataset.val)
        states.append(fitted.heads[0].state())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_damaged_row_is_found_when_it_is_read(small: World) -> None:
    assert isinstance(small.features.maps, StoredRows)
    stored = small.features.maps
    damaged = StoredRows(stored.array.copy(), stored.sums, stored.place)
    damaged.array[2, 7] += 1
    source = Source(replace(small.features, maps=damaged), small.targets, CPU)
    source.maps(small.dataset.train, np.array([0, 1]))
    with pytest.raises(DamagedEntry, match="damaged"):
        source.maps(small.dataset.train, np.array([1, 2]))
