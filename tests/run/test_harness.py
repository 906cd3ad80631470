"""Harness: whole runs on the sample world, and what a run must never do."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from worlds import copy_world

import virb
from virb.cards.encoder_names import encoder_cards
from virb.cards.select import select_tasks
from virb.core.errors import DataError, OutputError
from virb.core.progress import Silent
from virb.encode import cache as cache_module
from virb.encode.encoder import hash_weights
from virb.encode.load import load_encoder
from virb.records.record import Record, read_all
from virb.run import harness
from virb.run.encoder_run import EncoderRun
from virb.run.options import Asked, Options
from virb.run.plan import image_sets
from virb.run.report import Report
from virb.run.tasks import Prepared, prepare

TASKS = ("clevr_count", "dtd", "thor_egomotion")
THREE = ",".join(TASKS)


def options(out: Path, **changes: object) -> Options:
    return replace(Asked(sample=True, out=out).options(), **changes)


def run(out: Path, encoder: str = "baseline:pixels", tasks: str = THREE, **changes: object) -> harness.Report:
    return harness.run(encoder_cards([encoder]), select_tasks(tasks), options(out, **changes))


def content(out: Path) -> dict[str, object]:
    """Return every file of a results folder, records without what may differ between two runs."""
    found: dict[str, object] = {}
    for path in sorted((out / "records").rglob("*")):
        if path.suffix == ".json":
            found[str(path.relative_to(out))] = {
                key: value for key, value in json.loads(path.read_text()).items() if key not in ("created", "seconds")
            }
        elif path.is_file():
            found[str(path.relative_to(out))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_a_run_leaves_a_complete_record_for_every_task(sample_root: Path, tmp_path: Path) -> None:
    report = run(tmp_path)
    assert not report.failures
    assert not report.skipped
    records = {record.task.name: record for record in read_all(tmp_path)[0]}
    assert tuple(sorted(records)) == TASKS
    for record in records.values():
        assert record.data.source == "sample"
        assert record.protocol.name == "quick"
        assert record.view.size == 96
        assert len(record.seeds) == 3
        assert len(record.replicates) == 1000
        assert record.score.value == pytest.approx(np.mean(record.seeds))
        assert record.score.low <= record.score.value <= record.score.high
        assert record.floor.low <= record.floor.value <= record.floor.high
        assert record.setting in record.settings
        best = max(setting.validation or 0 for setting in record.settings)
        held = record.data.counts["val"]
        assert (record.setting.validation or 0) >= best - 1.2 * (best * (1 - best) / held) ** 0.5
        assert record.curves.epochs[-1] == 30
        assert set(record.seconds) == {"encode", "fit", "score"}
    assert records["clevr_count"].floor.value == pytest.approx(1 / 8, abs=0.02)
    assert set(records["clevr_count"].also) == {"mae"}
    assert list(records["thor_egomotion"].breakdown) == ["MoveAhead", "RotateLeft", "RotateRight", "LookUp", "LookDown"]


def test_every_test_sample_is_scored_exactly_once_and_the_score_is_theirs(sample_root: Path, tmp_path: Path) -> None:
    run(tmp_path)
    prepared, _ = prepare(select_tasks(THREE), options(tmp_path))
    for record in read_all(tmp_path)[0]:
        test = next(item.dataset.test for item in prepared if item.task.name == record.task.name)
        folder = tmp_path / "records" / f"{record.encoder.name}-{record.encoder.fingerprint[:8]}"
        with np.load(folder / record.samples.file, allow_pickle=False) as samples:
            assert samples["ids"].tolist() == list(test.ids)
            assert samples["targets"].tolist() == test.targets.tolist()
            hits = samples["predictions"] == samples["targets"]
        assert hits.shape == (3, len(test))
        assert record.score.value == pytest.approx(hits.mean(1).mean())
        assert record.seeds == pytest.approx(hits.mean(1).tolist())


def test_the_same_command_twice_gives_identical_records(sample_root: Path, tmp_path: Path) -> None:
    run(tmp_path / "one", "random:resnet18", "dtd,thor_egomotion", limit=40)
    options(tmp_path).features().store.clear()
    run(tmp_path / "two", "random:resnet18", "dtd,thor_egomotion", limit=40)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert len(content(tmp_path / "one")) == 4


def test_the_same_command_skips_what_is_done_and_force_redoes_it(sample_root: Path, tmp_path: Path) -> None:
    first = run(tmp_path, tasks="dtd")
    assert [len(first.records), len(first.resumed)] == [1, 0]
    again = run(tmp_path, tasks=THREE)
    assert [len(again.records), len(again.resumed)] == [2, 1]
    assert again.resumed == first.records
    assert len(run(tmp_path, force=True).records) == 3
    assert len(run(tmp_path, seeds=2).records) == 3, "another number of seeds is another number"
    assert len(run(tmp_path, "baseline:color").records) == 3


def test_a_record_whose_samples_are_gone_is_done_again(sample_root: Path, tmp_path: Path) -> None:
    run(tmp_path, tasks="dtd")
    next((tmp_path / "records").rglob("*.npz")).unlink()
    assert len(run(tmp_path, tasks="dtd").records) == 1


def test_saved_heads_reproduce_the_score(sample_root: Path, tmp_path: Path) -> None:
    (record,) = run(tmp_path, tasks="dtd", save_heads=True).records
    folder = next((tmp_path / "records").iterdir())
    assert record.heads is not None
    path = folder / record.heads.file
    heads = load_file(path)
    with safe_open(path, "pt") as opened:
        assert opened.metadata()["classes"].split("\n")[0] == "banded"
    (item,), _ = prepare(select_tasks("dtd"), options(tmp_path))
    encoder = load_encoder(encoder_cards(["baseline:pixels"])[0])
    (images,) = image_sets(encoder, [item], options(tmp_path))
    features = EncoderRun(encoder, options(tmp_path), Silent(), Report()).features(images)
    inputs = features.pooled[features.index(item.dataset.test)[:, 0]]
    shown = (inputs - heads["features.mean"]) / heads["features.std"]
    for seed, value in enumerate(record.seeds):
        found = (shown @ heads[f"seed{seed}.weight"].T + heads[f"seed{seed}.bias"]).argmax(1)
        assert (found.numpy() == item.dataset.test.targets).mean() == pytest.approx(value)


def test_the_encoder_is_the_same_after_a_run(sample_root: Path, tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 7, stride=4), nn.BatchNorm2d(8), nn.ReLU()).train()
    before = hash_weights(module)
    table = virb.evaluate(module, ["dtd"], sample=True, out=tmp_path, limit=60)
    assert table.status.tolist() == ["measured"]
    assert table.encoder.tolist() == ["Sequential"]
    assert hash_weights(module) == before


def test_a_task_that_fails_is_reported_and_the_others_go_on(
    sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = harness.probe_of

    def failing(run: EncoderRun, images: object, prepared: Prepared, truth: object) -> object:
        if prepared.task.name == "dtd":
            raise RuntimeError("something nobody thought of")
        return original(run, images, prepared, truth)  # type: ignore[arg-type]

    monkeypatch.setattr(harness, "probe_of", failing)
    report = run(tmp_path)
    assert [(failure.task, str(failure.error)) for failure in report.failures] == [
        ("dtd", "something nobody thought of")
    ]
    assert sorted(record.task.name for record in report.records) == ["clevr_count", "thor_egomotion"]
    monkeypatch.undo()
    again = run(tmp_path)
    assert [len(again.records), len(again.resumed), len(again.failures)] == [1, 2, 0]


def test_features_that_are_nan_fail_their_tasks_with_the_reason(sample_root: Path, tmp_path: Path) -> None:
    class Broken(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            dark = images.mean((1, 2, 3), keepdim=True) > 0.5
            return torch.where(dark, float("nan"), images)[:, :, ::16, ::16]

    report = harness.run([Broken()], select_tasks(THREE), options(tmp_path))
    assert report.failures
    assert all("NaN or infinity" in str(failure.error) for failure in report.failures)
    assert not list((options(tmp_path).cache / "features").glob(".*"))


def test_a_truncated_image_fails_its_task_with_the_files_name(sample_root: Path, tmp_path: Path) -> None:
    broken = next((copy_world(sample_root, "dtd", tmp_path / "data") / "images").rglob("*.jpg"))
    broken.write_bytes(broken.read_bytes()[:300])
    report = run(tmp_path, tasks="image", root=tmp_path / "data")
    assert [failure.task for failure in report.failures] == ["dtd"]
    assert isinstance(report.failures[0].error, DataError)
    assert broken.name in str(report.failures[0].error)
    assert {"clevr_count", "thor_egomotion"} <= {gap.task.name for gap in report.skipped}


def test_an_output_folder_that_cannot_be_written_is_found_before_the_work(
    sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results").write_text("a file")
    monkeypatch.setattr(harness, "load_encoder", lambda card: pytest.fail("work was begun"))
    with pytest.raises(OutputError, match="results"):
        run(tmp_path / "results")


def test_a_full_disk_keeps_what_is_finished(sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = harness.write
    written: list[Record] = []

    def full_after_one(record: Record, *rest: object) -> object:
        if written:
            raise OutputError("cannot write: No space left on device", "a folder with free space", "free some space")
        written.append(record)
        return original(record, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(harness, "write", full_after_one)
    with pytest.raises(OutputError, match="No space left"):
        run(tmp_path)
    assert read_all(tmp_path) == (written, [])


def test_published_protocol_joins_validation_to_train_and_chooses_nothing(sample_root: Path, tmp_path: Path) -> None:
    from virb.cards.select import protocol

    published = protocol("virb2021")
    (item,), _ = prepare(select_tasks("dtd"), options(tmp_path, protocol=published))
    assert len(item.dataset.val) == 0
    (plain,), _ = prepare(select_tasks("dtd"), options(tmp_path))
    assert len(item.dataset.train) == len(plain.dataset.train) + len(plain.dataset.val)
    assert item.dataset.digest != plain.dataset.digest
    assert (item.training.epochs, item.training.batch, item.training.learning_rates) == (500, 32, (1e-4,))
    (record,) = run(tmp_path, tasks="dtd", protocol=published, limit=50).records
    assert record.setting.validation is None
    assert record.curves.val_score[-1] is None


def test_a_sample_world_with_other_pixels_is_other_data(sample_root: Path, tmp_path: Path) -> None:
    copy_world(sample_root, "dtd", tmp_path / "world")
    same = run(tmp_path / "same", tasks="dtd", root=tmp_path / "world").records[0]
    assert same.keys == run(tmp_path / "first", tasks="dtd").records[0].keys
    marker = tmp_path / "world" / ".dtd.virb-sample.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "sha256": "another generator"}))
    other = run(tmp_path / "same", tasks="dtd", root=tmp_path / "world")
    assert len(other.records) == 1
    assert other.records[0].keys.comparison != same.keys.comparison


def test_an_encoder_that_cannot_be_loaded_does_not_stop_the_others(sample_root: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.pt").write_bytes(b"no weights")
    cards = encoder_cards([str(tmp_path / "broken.pt"), "baseline:color"])
    report = harness.run(cards, select_tasks("dtd"), options(tmp_path))
    assert [failure.encoder for failure in report.failures] == ["broken"]
    assert [record.encoder.name for record in report.records] == ["baseline-color"]


def test_a_limit_keeps_its_records_apart(sample_root: Path, tmp_path: Path) -> None:
    whole, part = run(tmp_path, tasks="dtd").records, run(tmp_path, tasks="dtd", limit=100).records
    assert part[0].data.counts["test"] == 100
    assert whole[0].keys.comparison != part[0].keys.comparison


def test_tables_come_back_from_the_python_interface(sample_root: Path, tmp_path: Path) -> None:
    table = virb.evaluate(["baseline:pixels", "baseline:color"], "clevr_count", sample=True, out=tmp_path)
    assert table.shape[0] == 2
    assert set(table.status) == {"measured"}
    listed = virb.load_results(tmp_path)
    assert sorted(listed.encoder) == ["baseline-color", "baseline-pixels"]
    pd.testing.assert_series_equal(listed.value.sort_values(), table.value.sort_values(), check_index=False)


# Signal: a probe that does not move when the signal is destroyed measures nothing.


@pytest.fixture(scope="session")
def random_records(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    out = tmp_path_factory.mktemp("random")
    return {record.task.name: record for record in run(out, "random:resnet18").records}


@pytest.mark.parametrize("task", TASKS)
def test_random_features_beat_the_floor(task: str, random_records: dict[str, Record]) -> None:
    record = random_records[task]
    assert record.score.low > record.floor.value


@pytest.mark.parametrize("task", TASKS)
def test_shuffled_features_rise_no_higher_than_the_floors_interval(
    task: str, random_records: dict[str, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = cache_module.Cache.features

    def shuffled(self: object, *arguments: object, **named: object) -> object:
        features = original(self, *arguments, **named)  # type: ignore[arg-type]
        order = torch.randperm(len(features.pooled), generator=torch.Generator().manual_seed(4))
        return replace(features, pooled=features.pooled[order])

    monkeypatch.setattr(cache_module.Cache, "features", shuffled)
    (record,) = run(tmp_path, "random:resnet18", task).records
    assert record.score.value <= record.floor.high
    assert record.score.value < random_records[task].score.value


@pytest.fixture(scope="session")
def trained_records(trained_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """Evaluate a file of trained weights."""
    return {record.task.name: record for record in run(tmp_path_factory.mktemp("own"), str(trained_file)).records}


MARGINS = {"clevr_count": 0.05, "dtd": 0.10, "thor_egomotion": 0.04}


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_trained_encoder_beats_a_random_one_by_a_paired_margin(
    task: str, random_records: dict[str, Record], trained_records: dict[str, Record]
) -> None:
    from virb.metrics.stats import paired_difference

    trained, random = trained_records[task], random_records[task]
    assert trained.keys.comparison == random.keys.comparison
    difference = paired_difference((trained.score.value, trained.replicates), (random.score.value, random.replicates))
    print(f"{task}: {trained.score.value:.3f} against {random.score.value:.3f}, {difference}")
    assert difference.value > MARGINS[task]


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_the_difference_of_the_two_is_above_zero_with_its_interval(
    task: str, random_records: dict[str, Record], trained_records: dict[str, Record]
) -> None:
    from virb.metrics.stats import paired_difference

    trained, random = trained_records[task], random_records[task]
    difference = paired_difference((trained.score.value, trained.replicates), (random.score.value, random.replicates))
    assert difference.low > 0
