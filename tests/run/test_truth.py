"""Truth: samples without one pixel that counts are left out of training, counted, and weigh nothing in the test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from virb.cards.encoder_names import encoder_card
from virb.cards.select import protocol, select_tasks
from virb.core.progress import Silent
from virb.core.types import IGNORED, Dataset
from virb.data.targets import any_known
from virb.run import harness, tasks
from virb.run.options import Asked, Options

BLANK = {"train": (1, 4), "test": (0,)}


class Blanked:
    """A reader of labels of which some rows say nothing."""

    def __init__(self, read: Any, rows: set[tuple[Path, int]]) -> None:
        self.read, self.rows = read, rows

    def __call__(self, path: Path, row: int) -> np.ndarray:
        found: np.ndarray = self.read(path, row)
        if (path, row) in self.rows:
            found = np.full_like(found, IGNORED if found.dtype == np.uint8 else np.nan)
        return found


def blanked(dataset: Dataset, samples: dict[str, tuple[int, ...]]) -> Dataset:
    labels = dataset.labels
    assert labels is not None
    rows = [int(getattr(dataset, split).targets[row]) for split, some in samples.items() for row in some]
    places = {(labels.paths[row], labels.rows[row]) for row in rows}
    return replace(dataset, labels=replace(labels, reader=Blanked(labels.reader, places)), world=f"blank {places}")


class Heard(Silent):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def options(world: Path, out: Path, name: str) -> Options:
    rules = protocol(name)
    assert rules.pixel is not None
    changes = {
        "epochs": 2,
        "batch": 4,
        "head": "dense_linear",
        "learning_rates": (1e-2,),
        "seeds": 1,
        "search_seeds": 1,
    }
    rules = rules.model_copy(update={"size": 48, "pixel": rules.pixel.model_copy(update=changes)})
    plain = Asked(sample=True, out=out, workers=0).options()
    return replace(plain, protocol=rules, root=world, limit=8, cache=out / "cache")


@pytest.mark.parametrize(
    ("task", "name"),
    [("kitti_flow", "quick"), ("kitti_flow", "standard"), ("nyu_depth", "quick"), ("pets_seg", "quick")],
)
def test_a_sample_of_which_nothing_is_known_is_left_out_of_training_and_counted(
    task: str, name: str, small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, progress = options(small_world, tmp_path, name), Heard()
    original = tasks.read_dataset

    def read(*arguments: Any) -> Dataset:
        return original(*arguments).limited(8)

    def with_blanks(*arguments: Any) -> Dataset:
        return blanked(read(*arguments), BLANK)

    def without(*arguments: Any) -> Dataset:
        found = with_blanks(*arguments)
        return replace(found, train=found.train.take(np.array([0, 2, 3, 5, 6, 7])))

    records = []
    for number, reader in enumerate((with_blanks, without)):
        monkeypatch.setattr(tasks, "read_dataset", reader)
        report = harness.run(
            [encoder_card("baseline:pixels")], select_tasks(task), replace(given, out=tmp_path / str(number)), progress
        )
        assert [str(failure.error) for failure in report.failures] == []
        records += report.records
    one, other = records
    assert one.data.blank == {"train": 2, "test": 1}
    assert other.data.blank == {"test": 1}
    assert one.data.counts["train"] == 8
    said = [line for line in progress.lines if "no pixel with a target" in line]
    assert len(said) == 1
    assert "2 of 8 training samples" in said[0]
    assert (one.score.value, one.floor.value) == (other.score.value, other.floor.value), "as if they were not there"
    folder = next((tmp_path / "0" / "records").iterdir())
    with np.load(folder / one.samples.file) as samples:
        rows = samples[f"statistics.{one.score.metric}"][0]
    assert len(rows) == one.data.counts["test"], "in the test it keeps its row"
    assert not rows[0].any()
    assert rows[1:].any(1).all()


@pytest.mark.parametrize("name", ["quick", "standard"])
def test_targets_that_are_all_void_are_an_error_that_names_a_file(
    name: str, small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = tasks.read_dataset
    monkeypatch.setattr(
        tasks,
        "read_dataset",
        lambda *given: blanked(found := original(*given), {"train": tuple(range(len(found.train)))}),
    )
    report = harness.run(
        [encoder_card("baseline:pixels")], select_tasks("cityscapes"), options(small_world, tmp_path, name)
    )
    (failure,) = report.failures
    assert "no training picture of cityscapes has a pixel with a target" in str(failure.error)
    assert "_gtFine_labelIds.png" in str(failure.error)


def test_a_pixel_of_flow_is_known_where_both_of_its_numbers_are() -> None:
    flow = torch.full((2, 2, 3, 3), torch.nan)
    flow[0, 0, 1, 1] = flow[0, 1, 2, 2] = 1.0
    flow[1, :, 0, 0] = 0.0
    assert any_known(flow).tolist() == [False, True]
    classes = torch.full((2, 3, 3), IGNORED, dtype=torch.uint8)
    classes[1, 0, 0] = 0
    assert any_known(classes).tolist() == [False, True]
