"""Tiles through the harness: what is measured is the whole picture, whatever heads are shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiling import owner

from virb.cards.encoder_names import encoder_card
from virb.cards.select import TASKS, Selection, protocol, select_tasks
from virb.core.progress import Silent
from virb.core.target import ANYWHERE
from virb.core.types import Split
from virb.data.facts import metric_of
from virb.data.targets import load_targets
from virb.data.tiles import cut
from virb.encode.load import load_encoder
from virb.heads.fit import pixels
from virb.heads.fit.source import Source
from virb.records.record import Record, read_record
from virb.run import harness
from virb.run.cost import estimate
from virb.run.encoder_run import EncoderRun
from virb.run.options import Asked, Options
from virb.run.plan import image_sets
from virb.run.probes import probe_of
from virb.run.report import Report
from virb.run.show import show
from virb.run.tasks import Prepared, prepare
from virb.run.truth import read_truth
from virb.sample import ensure

CPU = torch.device("cpu")
TILED = ["cityscapes", "egohands", "kitti_flow"]
SHAPES = [(96, 96), (97, 200), (128, 256), (61, 204), (30, 40), (375, 1242), (150, 95), (1024, 2048)]


# Through the harness


def options(world: Path, name: str = "standard", size: int = 64, **pixel_part: Any) -> Options:
    """Return options with a small copy of a protocol."""
    rules = protocol(name)
    assert rules.pixel is not None
    short = {"epochs": 1, "batch": 4, **({} if name == "virb2021" else {"learning_rates": (1e-3,), "seeds": 1})}
    rules = rules.model_copy(update={"size": size, "pixel": rules.pixel.model_copy(update={**short, **pixel_part})})
    return replace(Asked(sample=True, workers=0).options(), protocol=rules, root=world, limit=8)


def published(name: str, **numbers: int) -> Selection:
    """Return a task whose published numbers are small."""
    (task,) = select_tasks(name).tasks
    assert task.published is not None
    short = task.model_copy(update={"published": task.published.model_copy(update=numbers)})
    return Selection((short,), frozenset({name}))


def run(task: str, given: Options, encoder: str = "random:resnet18") -> Record:
    report = harness.run([encoder_card(encoder)], select_tasks(task), given)
    assert [str(failure.error) for failure in report.failures] == []
    return report.records[0]


@pytest.fixture(scope="module")
def records(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    given = replace(options(small_world, head="dense_linear"), out=tmp_path_factory.mktemp("tiled"))
    return {name: run(name, given) for name in TILED}


@pytest.mark.parametrize("name", TILED)
def test_a_large_picture_keeps_one_row_and_its_record_says_that_it_was_cut(
    name: str, records: dict[str, Record], small_world: Path
) -> None:
    record = records[name]
    (item,) = prepare(select_tasks(name), options(small_world))[0]
    assert record.view.geometry == "tiles"
    assert record.view.size == 64
    assert record.keys.data == item.dataset.digest, "the data are those of whole pictures, however they are cut"
    assert record.data.counts == item.dataset.counts
    assert record.data.test_digest == item.dataset.test.digest
    assert len(item.shown.test) > len(item.dataset.test)
    assert record.resolution is not None


@pytest.mark.parametrize("name", TILED)
def test_the_floor_of_a_tiled_task_is_the_best_constant_of_whole_pictures(
    name: str, records: dict[str, Record], small_world: Path, tmp_path: Path
) -> None:
    given = options(small_world)
    (item,) = prepare(select_tasks(name), given)[0]
    data = item.dataset
    assert data.labels is not None
    targets = load_targets(data, 64, replace(given, cache=tmp_path).features().store).take(data.train.targets).numpy()
    metric = metric_of(item.task, item.metrics[0], len(data.classes))
    constant, rows = metric.constant(targets, len(data.classes)), []
    for row in data.test.targets:
        wanted = np.moveaxis(found, 2, 0) if (found := data.labels.read(int(row))).ndim == 3 else found
        height, width = wanted.shape[-2:]
        large = constant[..., np.arange(height) * 64 // height, :][..., np.arange(width) * 64 // width]
        rows.append(metric.statistics(torch.from_numpy(large.copy())[None], torch.from_numpy(wanted.copy())[None]))
    value = float(metric.value(metric.totals(torch.cat(rows).numpy())))
    assert records[name].floor.value == pytest.approx(value, abs=1e-6)


def trained(name: str, given: Options) -> tuple[Prepared, Any, Any, Any]:
    """Return a task, its features, its targets and its heads, by the harness's own steps."""
    (item,) = prepare(select_tasks(name), given)[0]
    encoder = load_encoder(encoder_card("random:resnet18"))
    (images,) = image_sets(encoder, [item], given)
    run = EncoderRun(encoder, given, Silent(), Report())
    features, truth = run.features(images), read_truth(item, given, Silent())
    fitted = probe_of(run, images, item, truth).fit(features, *truth.learnable(Silent()), lambda count: None)
    return item, features, truth, fitted


@pytest.mark.parametrize("name", TILED)
def test_statistics_are_those_of_pictures_predicted_pixel_by_pixel(name: str, small_world: Path) -> None:
    """Tile by tile through encoder and head, each pixel looked up on its own, the labels read from their files."""
    given = options(small_world, size=48, head="dense_linear")
    item, features, truth, fitted = trained(name, given)
    data, shown = item.dataset, item.shown
    assert item.pieces is not None
    assert data.labels is not None
    metric = metric_of(item.task, item.metrics[0], len(data.classes))
    source = Source(features, truth.targets, CPU)
    ours = [metric.statistics(predictions[0], wanted) for predictions, wanted in fitted.answers(features, item.tested)]
    assert len(ours) == len(data.test)
    for row in range(2):
        target = data.labels.read(int(data.test.targets[row]))
        height, width = target.shape[:2]
        answers = {}
        for place, tile in enumerate(shown.test.ids):
            sample, _, box = tile.partition("#")
            if sample == data.test.ids[row]:
                left, top, _ = map(int, box.split(","))
                with torch.inference_mode():
                    maps = source.maps(shown.test, np.array([place]))
                    answers[top, left] = fitted.answer.predict(fitted.heads[0].outputs(maps, (48, 48))[0])[0]
        tops, lefts = (sorted({key[place] for key in answers}) for place in (0, 1))
        assert len(lefts) > 1
        predicted = torch.zeros(target.shape if target.ndim == 2 else (2, height, width))
        for y in range(height):
            for x in range(width):
                top, left = tops[owner(y, tops, 48)], lefts[owner(x, lefts, 48)]
                predicted[..., y, x] = answers[top, left][..., y - top, x - left]
        wanted = torch.from_numpy(target if target.ndim == 2 else np.moveaxis(target, 2, 0).copy())
        whole = predicted.long() if target.ndim == 2 else predicted
        torch.testing.assert_close(ours[row], metric.statistics(whole[None], wanted[None]))


def test_an_epoch_takes_one_crop_of_every_sample_and_the_next_epoch_the_next(
    small_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[np.ndarray] = []
    original = pixels._PixelRun._epoch

    def epoch(self: pixels._PixelRun, source: Source, *rest: Any) -> torch.Tensor:
        rows: list[np.ndarray] = []
        maps = Source.maps

        def noted(one: Source, split: Split, some: np.ndarray, *given: Any) -> list[torch.Tensor]:
            rows.append(some)
            return maps(one, split, some, *given)

        with monkeypatch.context() as patch:
            patch.setattr(Source, "maps", noted)
            loss = original(self, source, *rest)
        taken.append(np.concatenate(rows))
        return loss

    monkeypatch.setattr(pixels._PixelRun, "_epoch", epoch)
    item, *_ = trained("cityscapes", options(small_world, epochs=6, head="dense_linear"))
    count = len(item.dataset.train)
    assert [set(rows % 4) for rows in taken] == [{0}, {1}, {2}, {3}, {0}, {1}]
    assert all(sorted(rows // 4) == list(range(count)) for rows in taken)
    assert not np.array_equal(taken[0] // 4, taken[1] // 4), "in another order"


def test_maps_of_pieces_that_the_cache_cannot_hold_end_where_the_others_end(small_world: Path, tmp_path: Path) -> None:
    given = options(small_world, head="dense_linear")
    kept = run("kitti_flow", replace(given, out=tmp_path / "one", cache=tmp_path / "a"))
    made = run("kitti_flow", replace(given, out=tmp_path / "two", cache=tmp_path / "b", cache_limit=1 << 20))
    assert not list((tmp_path / "b").rglob("maps.f16"))
    assert (kept.score, kept.keys) == (made.score, made.keys)


def test_only_one_picture_is_put_together_at_a_time(small_world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory of the evaluation is that of one batch of tiles and one picture, however many tiles there are."""
    sizes: list[int] = []
    outputs = pixels.answered
    monkeypatch.setattr(
        pixels, "answered", lambda head, maps, size: (sizes.append(len(maps[-1])), outputs(head, maps, size))[1]
    )
    item, features, _, fitted = trained("cityscapes", options(small_world, size=32, head="dense_linear"))
    sizes.clear()
    found = fitted.answers(features, item.tested)
    next(found)
    assert item.pieces is not None
    tiles_each = len(item.pieces.test.tiles[0])
    assert max(sizes) == 16 < tiles_each
    assert sum(sizes) < tiles_each + 16


def test_show_draws_whole_pictures_of_different_sizes(small_world: Path, tmp_path: Path) -> None:
    given = replace(options(small_world, head="dense_linear"), out=tmp_path)
    path = show(encoder_card("baseline:pixels"), select_tasks("kitti_flow"), given, 5)
    with Image.open(path) as picture:
        assert picture.width > 5 * 200
    record = read_record(path.with_suffix(".json"))
    assert record.picture is not None


def test_a_crop_of_egohands_holds_a_hand_where_the_paper_found_one(small_world: Path) -> None:
    (item,) = prepare(published("egohands", crop=48, epochs=2), options(small_world, "virb2021"))[0]
    train = item.shown.train
    assert item.shown.labels is not None
    hands = [bool(np.isin(item.shown.labels.read(int(row)), [1, 2, 3, 4]).any()) for row in train.targets]
    anywhere = cut(item.dataset, 48, 0.25, 4, ANYWHERE).dataset
    assert anywhere.labels is not None
    lucky = [bool(np.isin(anywhere.labels.read(int(row)), [1, 2, 3, 4]).any()) for row in anywhere.train.targets]
    assert np.mean(lucky) < 0.9 < np.mean(hands)


def test_the_plan_counts_tiles_and_every_pass_of_a_streamed_picture(small_world: Path, tmp_path: Path) -> None:
    given = replace(options(small_world, epochs=3, head="dense_linear"), cache=tmp_path / "cache")
    encoder = load_encoder(encoder_card("random:resnet18"))
    (item,) = prepare(select_tasks("cityscapes"), given)[0]
    shown = item.shown
    (images,) = image_sets(encoder, [item], given)
    assert (
        estimate(EncoderRun(encoder, given, Silent(), Report()), images).images
        == len(shown.pool)
        > len(shown.val) + len(shown.test)
    )
    (streamed,) = image_sets(encoder, [item], replace(given, cache_limit=1 << 20))
    assert streamed.streaming is not None
    cost = estimate(EncoderRun(encoder, replace(given, cache_limit=1 << 20), Silent(), Report()), streamed)
    assert cost.images == 3 * len(item.dataset.train) + 3 * len(shown.val) + len(shown.test)
    assert cost.bytes == 0


def test_the_cost_of_the_papers_deeplab_is_told(small_world: Path) -> None:
    given = replace(options(small_world, "virb2021", size=32), limit=2)
    (item,) = prepare(published("egohands", crop=32, batch=2), given)[0]
    encoder = load_encoder(encoder_card("random:resnet18"))
    (images,) = image_sets(encoder, [item], given)
    cost = estimate(EncoderRun(encoder, given, Silent(), Report()), images)
    assert cost.images == 25 * 2 + len(item.shown.test)
    assert cost.fit_seconds > 0


@pytest.mark.parametrize("name", TASKS.names())
def test_only_three_tasks_are_cut_and_only_where_the_protocol_says_so(name: str) -> None:
    task = select_tasks(name).tasks[0]
    assert (task.geometry == "tiles") == (name in TILED)
    assert protocol("quick").tiles is None
    assert protocol("standard").tiles is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "epochs"),
    [
        ("cityscapes", 12),
        ("kitti_flow", 20),
    ],
)
def test_the_score_of_whole_pictures_put_together_beats_the_best_constant(
    name: str, epochs: int, tmp_path: Path
) -> None:
    """An untrained ResNet-18 on the sample world, under `standard` with few epochs at 96 pixels.

    The constant knows where in the whole picture a pixel lies, which no tile tells: so it is not beaten by default,
    and on EgoHands not at all: whose hand it is shows in where it comes from.
    """
    world = ensure([select_tasks(name).tasks[0].dataset])
    given = options(world, size=96, head="dense_linear", epochs=epochs, batch=16, learning_rates=(1e-2,))
    record = run(name, replace(given, out=tmp_path, limit=None))
    if record.score.direction == "higher":
        assert record.score.low > record.floor.value
    else:
        assert record.score.high < record.floor.value
