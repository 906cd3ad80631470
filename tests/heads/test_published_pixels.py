"""Protocol virb2021 on pixels: its loop against a plain restatement, its targets, its metrics, what it refuses."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from published import BATCH, SIZE, card, options
from torch import nn
from torch.nn import functional

from virb.cards.encoder_names import encoder_cards
from virb.cards.select import TASKS, Selection, protocol
from virb.cards.task import Task
from virb.core.digest import seed_of
from virb.core.types import IGNORED, Dataset, Features, Level, Rows, Split
from virb.data.targets import Targets
from virb.encode import stream
from virb.encode.load import load_encoder
from virb.heads.dense import PUBLISHED_DENSE, Inputs
from virb.heads.fit import PixelProbe, answer, pixels
from virb.heads.fit.source import Source
from virb.metrics import metric_for
from virb.records.record import Record
from virb.run import harness
from virb.run import virb2021 as published
from virb.run.encoder_run import EncoderRun
from virb.run.options import Options
from virb.run.plan import image_sets
from virb.run.report import Report
from virb.run.tasks import prepare

CPU = torch.device("cpu")
UPSHUFFLE = ["nyu_depth", "nyu_walkable", "pets_seg", "thor_depth"]


def run(given: Options, encoder: str, task: Task) -> Record:
    report = harness.run(encoder_cards([encoder]), Selection((task,), frozenset({task.name})), given)
    assert [str(failure.error) for failure in report.failures] == []
    (record,) = report.records
    return record


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return where the loss of every training step is written."""
    found: list[float] = []
    original = pixels._PixelRun._step

    def step(self: pixels._PixelRun, *given: Any) -> torch.Tensor:
        loss = original(self, *given)
        found.append(float(loss))
        return loss

    monkeypatch.setattr(pixels._PixelRun, "_step", step)
    return found


# The loop


class PlainHead(nn.Module):
    """Five steps: convolution 3x3 to four times the channels, pixel shuffle, LeakyReLU, plus the next map."""

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        widths = [*channels[::-1], 1]
        self.steps = nn.ModuleList(nn.Conv2d(a, 4 * b, 3, padding=1) for a, b in itertools.pairwise(widths))

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        current = maps[-1]
        for step, following in zip(self.steps, [*maps[-2::-1], None], strict=True):
            current = functional.pixel_shuffle(step(current), 2)
            if following is not None:
                current = functional.leaky_relu(current)
                current = functional.interpolate(current, following.shape[2:], mode="bilinear") + following
        return current


@torch.no_grad()
def plain_maps(model: Any, pictures: torch.Tensor) -> list[torch.Tensor]:
    """Before the max-pool, and after each of the four stages."""
    maps = [model.act1(model.bn1(model.conv1(pictures)))]
    current = model.maxpool(maps[0])
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        current = stage(current)
        maps.append(current)
    return maps


def plain_pictures(paths: list[Path]) -> torch.Tensor:
    mean, std = (torch.tensor(part)[:, None, None] for part in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    shown = []
    for path in paths:
        picture = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None]
        small = functional.interpolate(picture, (SIZE, SIZE), mode="bilinear", antialias=True)[0]
        shown.append((small.float() / 255 - mean) / std)
    return torch.stack(shown)


def plain_masks(paths: list[Path]) -> torch.Tensor:
    files = [path.parent.parent / "walkable" / path.name for path in paths]
    masks = [np.array(Image.open(file).resize((SIZE, SIZE), Image.Resampling.NEAREST)) for file in files]
    return torch.stack([torch.from_numpy((mask != 0).astype(np.float32))[None] for mask in masks])


def plain_loop(arch: str, batches: list[list[Path]]) -> list[float]:
    """Adam at 1e-4, binary cross entropy, nothing else: the encoder frozen and in eval mode, in full precision."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = timm.create_model(arch, num_classes=0)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d) and not layer.weight.any():
            nn.init.ones_(layer.weight)
    model.eval()
    channels = [64, *(stage[-1](torch.zeros(1, *shape)).shape[1] for stage, shape in _ends(model))]
    head = PlainHead(channels)
    levels = tuple(Level(count, SIZE // step, SIZE // step) for count, step in zip(channels, STEPS, strict=True))
    generator = torch.Generator().manual_seed(seed_of("head/nyu_walkable/0"))
    start = PUBLISHED_DENSE["published_upshuffle"](1, Inputs(levels, (SIZE, SIZE)), 1, generator, CPU, None)
    with torch.no_grad():
        for ours, theirs in zip(start.parameters_of(0), head.parameters(), strict=True):
            theirs.copy_(ours)
    del start
    optimiser, losses = torch.optim.Adam(head.parameters(), lr=1e-4), []
    for paths in batches:
        optimiser.zero_grad()
        output = head(plain_maps(model, plain_pictures(paths)))
        loss = functional.binary_cross_entropy_with_logits(output, plain_masks(paths))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    return losses


STEPS = (2, 4, 8, 16, 32)


def _ends(model: Any) -> list[tuple[Any, tuple[int, int, int]]]:
    """Return each stage with a shape that its last block takes: as many channels as it gives."""
    stages = (model.layer1, model.layer2, model.layer3, model.layer4)
    return [(stage, (stage[-1].conv1.in_channels, 4, 4)) for stage in stages]


@pytest.mark.parametrize("arch", ["resnet18", pytest.param("resnet50", marks=pytest.mark.slow)])
def test_the_losses_of_five_steps_are_those_of_a_plain_loop(
    arch: str, small_world: Path, tmp_path: Path, losses: list[float]
) -> None:
    given = options(small_world, tmp_path)
    record = run(given, f"random:{arch}", card("nyu_walkable"))
    assert record.protocol.name == "virb2021"
    assert record.setting.learning_rate == 1e-4
    (item,), _ = prepare(Selection((card("nyu_walkable"),), frozenset()), given)
    train = item.dataset.train
    order = np.random.default_rng(seed_of("order/nyu_walkable")).permutation(len(train))
    drawn = [[item.dataset.pool.paths[train.index[row, 0]] for row in rows] for rows in order.reshape(5, BATCH)]
    assert losses == pytest.approx(plain_loop(arch, drawn), abs=1e-4)
    assert len(set(losses)) == 5


def test_colours_are_changed_anew_in_every_epoch_and_the_same_in_the_next_run(
    small_world: Path, tmp_path: Path, losses: list[float]
) -> None:
    task = card("nyu_walkable")
    assert task.published is not None
    twice = task.model_copy(update={"published": task.published.model_copy(update={"epochs": 2})})
    found = []
    for name, augment in (("plain", False), ("one", True), ("other", True)):
        losses.clear()
        record = run(options(small_world, tmp_path / name, augment, limit=4), "random:resnet18", twice)
        found.append((list(losses), record.score, record.train_loss))
    plain, one, other = found
    assert one == other
    assert len(one[0]) == 4
    assert all(abs(a - b) > 1e-6 for a, b in zip(plain[0], one[0], strict=True))


def test_test_pictures_keep_their_colours(
    small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, losses: list[float]
) -> None:
    changed: list[torch.Tensor] = []
    original = stream.jittered
    monkeypatch.setattr(stream, "jittered", lambda *given: (changed.append(given[0]), original(*given))[1])
    run(options(small_world, tmp_path, augment=True, limit=4), "random:resnet18", card("nyu_walkable"))
    assert len(changed) == 4, "one epoch of four training pictures, and none of the test"
    assert len(losses) == 2


@pytest.mark.parametrize("name", UPSHUFFLE)
def test_a_task_ends_in_one_published_number_and_a_floor_of_the_same_kind(
    name: str, small_world: Path, tmp_path: Path
) -> None:
    record = run(options(small_world, tmp_path, augment=True, limit=4), "random:resnet18", card(name))
    metric = "published_l1" if name.endswith("depth") else "published_iou"
    assert (record.score.metric, record.floor.metric) == (metric, metric)
    assert record.also == {}
    assert len(record.seeds) == len(record.settings) == 1
    assert record.setting.validation is None
    assert not record.setting.standardise
    assert record.data.counts["val"] == 0
    assert record.frozen == "fully"


def test_pictures_of_two_tasks_give_pooled_features_to_one_and_streamed_maps_to_the_other(
    small_world: Path, tmp_path: Path
) -> None:
    selection = Selection((card("pets"), card("pets_seg")), frozenset())
    given = options(small_world, tmp_path, augment=True, limit=40, cache=tmp_path / "cache")
    report = harness.run(encoder_cards(["random:resnet18"]), selection, given)
    assert not report.failures
    assert [record.task.name for record in report.records] == ["pets", "pets_seg"]
    assert len(list((tmp_path / "cache").rglob("pooled.f32"))) == 1
    assert not list((tmp_path / "cache").rglob("maps.f16"))


# What the paper trained beside the head


@pytest.mark.parametrize("name", ["egohands", "cityscapes"])
def test_deeplab_trains_a_copy_of_the_last_stage_on_crops_and_the_record_says_so(
    name: str, small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: list[torch.Tensor] = []
    monkeypatch.setattr(stream, "jittered", lambda *given: changed.append(given[0]))
    task = card(name)
    assert task.published is not None
    task = task.model_copy(update={"published": task.published.model_copy(update={"crop": 48, "epochs": 2})})
    given = options(small_world, tmp_path, augment=True, limit=4, save_heads=True, cache=tmp_path / "cache")
    record = run(given, "random:resnet18", task)
    assert record.score.metric == "published_miou"
    assert record.frozen == "all but a copy of layer4"
    assert (record.view.geometry, record.view.size) == ("tiles", 48)
    assert record.data.counts == {"train": 4, "val": 0, "test": 4 if name == "egohands" else 3}
    assert not changed, "the paper changed colours of pictures that it squashed, and of no others"
    assert not list(given.cache.rglob("maps.f16"))
    report = harness.run(encoder_cards(["baseline:pixels"]), Selection((task,), frozenset()), given)
    assert "ResNet" in str(report.failures[0].error)


def test_every_epoch_of_the_paper_sees_another_crop(small_world: Path, tmp_path: Path) -> None:
    task = card("cityscapes")
    assert task.published is not None
    assert Task.read(TASKS.path("cityscapes")).published.crop == 450  # type: ignore[union-attr]
    assert Task.read(TASKS.path("egohands")).published.crop == 513  # type: ignore[union-attr]
    task = task.model_copy(update={"published": task.published.model_copy(update={"crop": 48, "epochs": 7})})
    (item,), _ = prepare(Selection((task,), frozenset()), options(small_world, tmp_path, limit=4))
    assert item.pieces is not None
    assert item.pieces.crops == 7
    assert len(set(item.shown.train.ids)) == 7 * 4
    sides = {int(name.split(",")[2]) for name in item.shown.train.ids}
    assert 24 <= min(sides) < 48 < max(sides) <= 96, "half to twice as large"


def test_a_pair_of_frames_is_streamed_through_the_siamese_head(small_world: Path, tmp_path: Path) -> None:
    task = card("kitti_flow", geometry="squash", metric="pixel_mae", also=())
    given = options(small_world, tmp_path, augment=True, limit=4)
    (item,), _ = prepare(Selection((task,), frozenset()), given)
    assert item.head == "published_siamese"
    encoder = load_encoder(encoder_cards(["random:resnet18"])[0])
    (images,) = image_sets(encoder, [item], given)
    assert images.streaming is not None
    features = EncoderRun(encoder, given, harness.Silent(), Report()).features(images)
    source = Source(features, _blank(item.dataset), CPU).drawn("t/0")
    maps = source.maps(item.dataset.train, np.arange(2))
    assert [tuple(level.shape[:2]) for level in maps] == [(2, 2)] * 5


def _blank(dataset: Dataset) -> Targets:
    assert dataset.labels is not None
    return Targets("values", SIZE, 1, np.arange(len(dataset.labels)), Rows(torch.zeros(len(dataset.labels), SIZE**2)))


def test_nothing_is_scaled_and_nothing_is_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *given: pytest.fail("a gradient was clipped"))
    plan = protocol("virb2021").pixel
    assert plan is not None
    levels = tuple(Level(3, 32 // step, 32 // step) for step in STEPS)
    rows = np.arange(4)
    noise = torch.randn(4, sum(level.size for level in levels), generator=torch.Generator().manual_seed(0))
    features = Features(rows, torch.zeros(4, 0), Rows(noise), levels)
    targets = Targets("values", 32, 1, rows, Rows(torch.full((4, 32**2), 1000.0)))
    split = Split(tuple("abcd"), rows[:, None], rows, rows)
    short = plan.model_copy(update={"epochs": 1, "batch": 4})
    probe = PixelProbe(
        training=short,
        head="published_upshuffle",
        classes=0,
        metric=metric_for("published_l1"),
        name="t",
        device=CPU,
        loss="l1",
        targets=targets,
        size=32,
    )
    fitted = probe.fit(features, split, split.take(rows[:0]))
    assert (fitted.answer.mean.item(), fitted.answer.scale.item()) == (0, 1)
    assert fitted.choice.curves.train_loss[0][0] == pytest.approx(1000, rel=0.01), "in the unit of the target"


def test_weights_of_classes_are_those_of_torchs_loss(generator: torch.Generator) -> None:
    weights = published.weights_of(card("egohands"))
    assert weights == (0.1, 1, 1, 1, 1)
    assert published.weights_of(card("cityscapes")) is None
    blank = Targets("classes", 6, 1, np.arange(0), Rows(torch.zeros(0, 36)))
    empty = Split((), np.zeros((0, 1), int), np.zeros(0, int), np.zeros(0, int))
    weighted = answer.answer_to("cross_entropy", blank, empty, 5, CPU, True, weights)
    output = torch.randn(2, 5, 6, 6, generator=generator)
    target = torch.randint(5, (2, 6, 6), generator=generator)
    target[0, :2] = IGNORED
    wanted = functional.cross_entropy(output, target, torch.tensor(weights), ignore_index=IGNORED)
    torch.testing.assert_close(weighted.error(output, target.to(torch.uint8)), wanted)
    assert weighted.error(output, torch.full_like(target, IGNORED)) == 0
