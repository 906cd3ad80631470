"""Harness: every task of every kind through the whole pipeline, on a small sample world."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from worlds import copy_world

from virb.cards.encoder_names import encoder_cards
from virb.cards.select import all_tasks, protocol, select_tasks
from virb.core.types import Dataset
from virb.data.targets import load_targets
from virb.encode.features import Pass
from virb.records.record import Record, read_all
from virb.run import harness, truth
from virb.run.options import Asked, Options
from virb.run.tasks import prepare

EVERY = {task.name: task for task in all_tasks()}


@pytest.fixture(scope="module")
def light() -> Options:
    """Return options with the quick protocol cut short: two epochs, one seed."""
    rules = protocol("quick")
    assert rules.pixel is not None
    short = rules.model_copy(
        update={
            "image": rules.image.model_copy(update={"epochs": 2, "seeds": 1}),
            "pixel": rules.pixel.model_copy(update={"epochs": 2, "seeds": 1, "search_seeds": 1}),
        }
    )
    return replace(Asked(sample=True, workers=0).options(), protocol=short)


def run(options: Options, root: Path, out: Path, tasks: str, **changes: object) -> harness.Report:
    chosen = replace(options, root=root, out=out, **changes)
    return harness.run(encoder_cards(["baseline:pixels"]), select_tasks(tasks), chosen)


@pytest.fixture(scope="module")
def records(light: Options, small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """Return the records of all 25 tasks by their names."""
    out = tmp_path_factory.mktemp("all")
    report = run(light, small_world, out, "all,extra")
    assert [(failure.task, str(failure.error)) for failure in report.failures] == []
    assert report.skipped == []
    return {record.task.name: record for record in read_all(out)[0]}


def test_every_task_ends_in_a_record(records: dict[str, Record]) -> None:
    assert set(records) == set(EVERY)
    assert sum(not task.extra for task in EVERY.values()) == 20


@pytest.mark.parametrize("name", sorted(EVERY))
def test_a_record_is_complete_and_its_numbers_are_possible(records: dict[str, Record], name: str) -> None:
    record, task = records[name], EVERY[name]
    score = record.score
    assert score.metric == task.metric
    assert set(record.also) == set(task.also)
    assert score.low <= score.value <= score.high
    assert math.isfinite(record.floor.value)
    assert score.ceiling == (1.0 if score.direction == "higher" else 0.0)
    if score.unit == "share":
        assert 0 <= score.value <= 1
    assert record.curves.epochs
    assert len(record.replicates) == 1000
    assert (record.resolution is None) == (task.level == "image")
    if record.resolution is not None:  # targets as coarse as the finest map tell more than the constant does
        better = record.resolution - record.floor.value
        assert better > 0 if score.direction == "higher" else better < 0


def test_every_test_sample_of_every_task_has_its_row_of_statistics(
    records: dict[str, Record], light: Options, small_world: Path, tmp_path: Path
) -> None:
    ready, _ = prepare(select_tasks("all,extra"), replace(light, root=small_world))
    counts = {item.task.name: len(item.dataset.test) for item in ready}
    assert {name: record.data.counts["test"] for name, record in records.items()} == counts


def test_segmentation_has_a_breakdown_by_class(records: dict[str, Record]) -> None:
    found = records["egohands"].breakdown
    assert list(found) == ["background", "yourleft", "yourright", "myleft", "myright"]
    values = [value for value in found.values() if value is not None]
    assert records["egohands"].score.value == pytest.approx(np.mean(values), abs=1e-5)


def test_imagenetv2_is_scored_with_the_heads_of_imagenet(
    records: dict[str, Record], light: Options, small_world: Path, tmp_path: Path
) -> None:
    """Whether imagenet runs in the same command, ran before, or is not asked for: the same heads, the same number."""
    alone = run(light, small_world, tmp_path / "alone", "imagenetv2").records[0]
    run(light, small_world, tmp_path / "after", "imagenet")
    after = run(light, small_world, tmp_path / "after", "imagenet,imagenetv2")
    assert [record.task.name for record in after.resumed] == ["imagenet"]
    both = records["imagenetv2"]
    assert alone.score == both.score == after.records[0].score
    assert alone.setting == records["imagenet"].setting
    assert alone.data.counts == {"train": 0, "val": 0, "test": both.data.counts["test"]}
    assert alone.keys == both.keys


def test_a_pixel_task_resumes_and_its_maps_and_targets_are_read_from_the_cache(
    light: Options, small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(light, small_world, tmp_path, "pets_seg").records[0]
    assert [record.keys.resume for record in run(light, small_world, tmp_path, "pets_seg").resumed] == [
        first.keys.resume
    ]

    def broken(*arguments: object, **options: object) -> object:
        raise AssertionError("encoded again")

    monkeypatch.setattr(Pass, "chunks", broken)
    monkeypatch.setattr("virb.data.targets.read_target", broken)
    again = run(light, small_world, tmp_path, "pets_seg", force=True).records[0]
    assert again.score == first.score


def test_pets_and_their_outlines_share_one_encoder_pass(
    light: Options, small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    original = Pass.chunks

    def counted(one: Pass) -> object:
        passes.append(len(one.images))
        return original(one)

    monkeypatch.setattr(Pass, "chunks", counted)
    report = run(light, small_world, tmp_path, "pets,pets_seg", cache=tmp_path / "cache")
    assert len(report.records) == 2
    assert len(passes) == 1


def test_shuffled_maps_bring_a_pixel_task_down_to_its_floor(
    light: Options, small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With targets of other pictures nothing can be learnt but what the constant knows already."""
    honest = run(light, small_world, tmp_path / "honest", "nyu_walkable").records[0]

    def mixed(dataset: Dataset, *arguments: object) -> object:
        labels = dataset.labels
        assert labels is not None
        order = np.random.default_rng(0).permutation(len(labels))
        shuffled = replace(
            labels,
            paths=tuple(labels.paths[row] for row in order),
            rows=tuple(labels.rows[row] for row in order),
        )
        return load_targets(replace(dataset, labels=shuffled), *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(truth, "load_targets", mixed)
    shuffled = run(light, small_world, tmp_path / "shuffled", "nyu_walkable").records[0]
    assert shuffled.score.value < honest.score.value
    assert shuffled.score.value <= shuffled.floor.high


@pytest.mark.parametrize(("task", "file"), [("eurosat", "2750/Forest"), ("kitti_flow", "kitti_flow/training/image_2")])
def test_up_to_so_many_broken_pictures_are_left_out_and_recorded(
    light: Options, small_world: Path, tmp_path: Path, task: str, file: str
) -> None:
    top = Path(file).parts[0]
    copy_world(small_world, top, tmp_path / "world")
    victims = sorted((tmp_path / "world" / file).iterdir())[:2]
    for victim in victims:
        victim.write_bytes(victim.read_bytes()[:100])
    world = tmp_path / "world"
    refused = run(light, world, tmp_path / "none", task)
    assert str(victims[0]) in str(refused.failures[0].error)
    few = run(light, world, tmp_path / "few", task, skip_bad=1)
    assert "2 of" in str(few.failures[0].error)
    assert "--skip-bad" in str(few.failures[0].error)
    (record,) = run(light, world, tmp_path / "some", task, skip_bad=5).records
    assert len(record.data.skipped) == 2
    assert {name.rsplit("/", 1)[-1] for name in record.data.skipped} == {victim.stem for victim in victims}
    whole = run(light, small_world, tmp_path / "whole", task, skip_bad=5).records[0]
    lost = sum(whole.data.counts.values()) - sum(record.data.counts.values())
    assert lost == (2 if task == "eurosat" else 1)  # the two frames of one pair
    assert record.keys.comparison != whole.keys.comparison
