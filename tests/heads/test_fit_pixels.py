"""Fit, pixel-wise: against a plain loop of torch's own layers; what is masked; how the grid and seeds are used."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from virb.cards.protocol import PixelTraining
from virb.core.digest import seed_of
from virb.core.errors import NumericsError
from virb.core.types import IGNORED, Dataset, Features, LabelKind, Level, Pool, Rows, Split
from virb.data.targets import Targets
from virb.heads.dense import DENSE, Inputs
from virb.heads.dense_linear import DenseLinear
from virb.heads.fit import FittedPixels, PixelProbe
from virb.heads.fit.answer import Answer
from virb.heads.fit.source import Source
from virb.heads.modules import ModuleHeads
from virb.metrics import PIXEL_METRICS, metric_for

CPU = torch.device("cpu")
SIZE = 32
LEVELS = (Level(3, 8, 8), Level(5, 4, 4))
CLASSES = ("sky", "road", "tree")


def training(**changes: object) -> PixelTraining:
    facts: dict[str, object] = {
        "head": "card",
        "optimiser": "adam",
        "batch": 4,
        "epochs": 3,
        "schedule": "cosine",
        "learning_rates": (1e-2, 3e-2),
        "weight_decays": (0.0,),
        "seeds": 2,
        "search_seeds": 2,
    }
    return PixelTraining.model_validate(facts | changes)


class World:
    """Samples whose targets can be read off their maps: a linear rule on the finer one."""

    def __init__(self, count: int = 22, kind: LabelKind = "classes", levels: tuple[Level, ...] = LEVELS) -> None:
        random = torch.Generator().manual_seed(1)
        maps = [torch.randn(count, *(lev.channels, lev.height, lev.width), generator=random) for lev in levels]
        rule = torch.randn(3, levels[0].channels, generator=random)
        scores = torch.einsum("kc,nchw->nkhw", rule, maps[0])
        scores = functional.interpolate(scores, (SIZE, SIZE), mode="bilinear")
        if kind == "classes":
            wanted = scores.argmax(1).to(torch.uint8)
            wanted[:, :4] = IGNORED
        else:
            wanted = scores[:, 0] * 4 + 20
            wanted[:, :4] = math.nan
        self.packed = torch.cat([part.flatten(1) for part in maps], 1).half()
        self.wanted = wanted.flatten(1)
        self.kind, self.levels, self.count = kind, levels, count

    @property
    def features(self) -> Features:
        return Features(np.arange(self.count), torch.zeros(self.count, 1), Rows(self.packed), self.levels)

    @property
    def targets(self) -> Targets:
        return Targets(self.kind, SIZE, 1, np.arange(self.count), Rows(self.wanted))

    @property
    def dataset(self) -> Dataset:
        rows = np.arange(self.count)
        ids = tuple(map(str, rows))
        whole = Split(ids, rows[:, None], rows, rows)
        parts = (whole.take(rows[:10]), whole.take(rows[10:16]), whole.take(rows[16:]))
        return Dataset(Pool("test", ids, ()), *parts, CLASSES if self.kind == "classes" else (), "test 1")


def run(
    world: World,
    plan: PixelTraining,
    head: str = "dense_linear",
    metric: str | None = None,
    precision: torch.dtype | None = None,
) -> FittedPixels:
    name = metric or ("miou" if world.kind == "classes" else "pixel_mae")
    probe = PixelProbe(
        training=plan,
        head=head,
        classes=len(world.dataset.classes),
        metric=metric_for(name, len(CLASSES)),
        name="t",
        device=CPU,
        loss="cross_entropy" if world.kind == "classes" else "l1",
        targets=world.targets,
        size=SIZE,
        precision=precision,
    )
    return probe.fit(world.features, world.dataset.train, world.dataset.val)


def plain_loop(world: World, rate: float, seed: int, plan: PixelTraining) -> nn.Conv2d:
    """One setting of one seed: enlarge, concatenate, standardise, a 1x1 convolution, torch's own Adam and loss."""
    data = world.dataset
    inputs = Inputs(world.levels, (SIZE, SIZE))
    start = DENSE["dense_linear"](1, inputs, 3, torch.Generator().manual_seed(seed_of(f"head/t/{seed}")), CPU)
    layer = nn.Conv2d(8, 3, 1)
    layer.load_state_dict({"weight": start.parameters_of(0)[0].detach(), "bias": start.parameters_of(0)[1].detach()})
    sizes = [level.size for level in world.levels]
    parts = world.packed.float().split(sizes, 1)  # type: ignore[no-untyped-call]
    maps = [part.view(-1, lev.channels, lev.height, lev.width) for part, lev in zip(parts, world.levels, strict=True)]
    train = torch.from_numpy(data.train.targets)
    shown = []
    for level in maps:
        mean, std = level[train].mean((0, 2, 3)), level[train].std((0, 2, 3), unbiased=False)
        level = (level - mean[:, None, None]) / std[:, None, None]
        shown.append(functional.interpolate(level, (8, 8), mode="bilinear"))
    samples, wanted = torch.cat(shown, 1), world.wanted.view(-1, SIZE, SIZE)[:, 2::4, 2::4].long()
    optimiser = torch.optim.Adam(layer.parameters(), lr=rate)
    order = np.random.default_rng(seed_of("order/t"))
    steps, step = plan.epochs * 3, 0
    for _ in range(plan.epochs):
        shuffled = train[torch.from_numpy(order.permutation(len(train)))]
        for rows in shuffled.split(plan.batch):  # type: ignore[no-untyped-call]
            optimiser.param_groups[0]["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
            optimiser.zero_grad()
            loss = functional.cross_entropy(layer(samples[rows]), wanted[rows], ignore_index=IGNORED)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
            optimiser.step()
            step += 1
    return layer


def test_settings_and_seeds_trained_together_end_where_plain_loops_end() -> None:
    world, plan = World(), training()
    fitted = run(world, plan)
    for seed, head in enumerate(fitted.heads):
        layer = plain_loop(world, fitted.choice.setting.learning_rate, seed, plan)
        weight, bias = head.parameters_of(0)
        torch.testing.assert_close(weight, layer.weight, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(bias, layer.bias, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_a_rule_that_the_maps_tell_is_learnt(kind: LabelKind) -> None:
    world = World(60, kind)
    fitted = run(world, training(epochs=30, learning_rates=(1e-4, 3e-2)))
    assert fitted.choice.setting.learning_rate == 3e-2
    test = world.dataset.test
    metric = metric_for("pixel_accuracy" if kind == "classes" else "pixel_mae", 3)
    rows = [
        metric.statistics(predictions[0], wanted).numpy()
        for predictions, wanted in fitted.answers(world.features, test, batch=5)
    ]
    statistics = np.concatenate(rows)
    assert len(statistics) == len(test)
    value = float(metric.value(metric.totals(statistics)))
    assert value > 0.8 if kind == "classes" else value < 2.0  # targets deviate by 4 times the rule's scores


def test_half_precision_is_for_products_and_changes_little() -> None:
    world, plan = World(), training(epochs=4, learning_rates=(1e-3,))
    full, half = (run(world, plan, "upshuffle", precision=precision) for precision in (None, torch.bfloat16))
    (maps, _), *_ = Source(world.features, world.targets, CPU).batches(world.dataset.test, 4)
    with torch.no_grad():
        outputs = [fitted.heads[0].outputs(maps, (SIZE, SIZE))[0] for fitted in (full, half)]
    assert half.heads[0].precision == torch.bfloat16
    assert all(parameter.dtype == torch.float32 for parameter in half.heads[0].parameters_of(0))
    assert outputs[1].dtype == torch.float32
    assert not torch.equal(*outputs)
    assert float((outputs[0] - outputs[1]).std()) < 0.05 * float(outputs[0].std())


def test_the_first_seeds_search_and_the_rest_train_what_was_chosen() -> None:
    world = World()
    fitted = run(world, training(seeds=3, search_seeds=1))
    assert len(fitted.heads) == 3
    assert fitted.choice.validation.shape == (2,)
    alone = run(world, training(seeds=3, search_seeds=3, learning_rates=(fitted.choice.setting.learning_rate,)))
    for one, other in zip(fitted.heads, alone.heads, strict=True):
        torch.testing.assert_close(one.parameters_of(0)[0], other.parameters_of(0)[0], rtol=1e-4, atol=1e-5)


def test_what_lies_under_void_changes_nothing() -> None:
    one, other = World(kind="values"), World(kind="values")
    plan = training(learning_rates=(1e-2,))
    first = run(one, plan)
    assert bool(other.wanted.isnan().any())
    answer = first.answer
    output = torch.randn(2, 1, SIZE, SIZE)
    target = torch.zeros(2, SIZE, SIZE)
    target[:, :8] = math.nan
    loud = output.clone()
    loud[:, :, :8] = 1e6
    assert torch.equal(answer.error(output, target), answer.error(loud, target))


@pytest.mark.parametrize("loss", ["cross_entropy", "binary", "l1"])
def test_a_batch_without_a_pixel_that_counts_has_no_loss_and_a_finite_gradient(loss: str) -> None:
    outputs = 3 if loss == "cross_entropy" else 1
    answer = Answer(loss, torch.zeros(outputs, 1, 1), torch.ones(outputs, 1, 1))
    output = torch.randn(2, outputs, 4, 4, requires_grad=True)
    empty = torch.full((2, 4, 4), math.nan) if loss == "l1" else torch.full((2, 4, 4), IGNORED, dtype=torch.uint8)
    error = answer.error(output, empty)
    error.backward()  # type: ignore[no-untyped-call]
    assert float(error.detach()) == 0
    assert output.grad is not None
    assert not bool(output.grad.any())


def test_losses_are_those_of_torch_on_the_pixels_that_count() -> None:
    random = torch.Generator().manual_seed(0)
    output = torch.randn(2, 1, 5, 5, generator=random)
    labels = torch.randint(0, 2, (2, 5, 5), generator=random, dtype=torch.uint8)
    labels[0, :2] = IGNORED
    kept = labels != IGNORED
    binary = Answer("binary", torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    wanted = functional.binary_cross_entropy_with_logits(output[:, 0][kept], labels[kept].float())
    torch.testing.assert_close(binary.error(output, labels), wanted)
    assert torch.equal(binary.predict(output), (output[:, 0].sigmoid() > 0.5).long())
    values = Answer("l1", torch.full((1, 1, 1), 5.0), torch.full((1, 1, 1), 2.0))
    depth = torch.randn(2, 5, 5, generator=random) + 5
    depth[1, 3:] = math.nan
    known = depth.isfinite()
    wanted = functional.l1_loss(values.predict(output)[known], depth[known]) / 2  # in units of the deviation
    torch.testing.assert_close(values.error(output, depth), wanted)


def test_a_run_repeats_to_the_bit_and_touches_no_global_random_state() -> None:
    before = torch.get_rng_state()
    one, other = run(World(), training()), run(World(), training())
    assert torch.equal(before, torch.get_rng_state())
    for first, second in zip(one.heads, other.heads, strict=True):
        assert torch.equal(first.parameters_of(0)[0], second.parameters_of(0)[0])


def test_targets_without_one_valid_training_pixel_are_refused() -> None:
    world = World(kind="values")
    world.wanted = torch.full_like(world.wanted, math.nan)
    with pytest.raises(NumericsError, match="no training sample"):
        run(world, training())


def test_maps_that_are_not_finite_are_refused() -> None:
    world = World()
    world.packed[3, 7] = math.inf
    with pytest.raises(NumericsError, match="NaN or infinite"):
        run(world, training())


def test_every_pixel_metric_takes_what_an_answer_predicts() -> None:
    assert {"iou", "miou", "pixel_mae", "epe"} <= set(PIXEL_METRICS)
    for loss, channels in (("l1", 2), ("l1", 3), ("l1", 1)):
        answer = Answer(loss, torch.zeros(channels, 1, 1), torch.ones(channels, 1, 1))
        shape = (2, 4, 4) if channels == 1 else (2, channels, 4, 4)
        assert answer.predict(torch.zeros(2, channels, 4, 4)).shape == shape


class Small:
    """Memory for so many samples at a time: what asks for more is refused, as a GPU does, until it asks for less."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int, kind: type[ModuleHeads]) -> None:
        self.asked: list[int] = []
        original = kind.outputs

        def outputs(head: ModuleHeads, maps: Sequence[torch.Tensor], size: tuple[int, int]) -> list[torch.Tensor]:
            self.asked.append(len(maps[0]))
            found = original(head, maps, size)
            if len(maps[0]) > room:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return found

        monkeypatch.setattr(kind, "outputs", outputs)


@pytest.mark.parametrize(("head", "kind"), [("dense_linear", DenseLinear), ("upshuffle", ModuleHeads)])
@pytest.mark.parametrize("labels", ["classes", "values"])
def test_too_little_memory_halves_the_batch_and_changes_no_number(
    head: str, kind: type[ModuleHeads], labels: LabelKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samples have unlike many pixels that count, so that a mean over halves would be another number."""
    world = World(kind=labels)
    world.wanted[::3, : SIZE**2 // 2] = IGNORED if labels == "classes" else math.nan
    plan = training(learning_rates=(1e-2,), seeds=1, search_seeds=1)
    whole = run(world, plan, head)
    with monkeypatch.context() as patch:
        small = Small(patch, 1, kind)
        halved = run(world, plan, head)
    assert small.asked[:7] == [4, 2, 1, 1, 1, 1, 1], "what did not fit once is not tried again with each batch"
    assert small.asked.count(4) < 20
    for one, other in zip(halved.heads[0].parameters_of(0), whole.heads[0].parameters_of(0), strict=True):
        torch.testing.assert_close(one, other, rtol=0.01, atol=1e-3)  # Adam enlarges what is next to nothing
    for name in ("train_loss", "val_loss"):
        ours, theirs = (np.array(getattr(fitted.choice.curves, name)) for fitted in (halved, whole))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_memory_that_holds_not_even_one_sample_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    Small(monkeypatch, 0, DenseLinear)
    with pytest.raises(torch.OutOfMemoryError):
        run(World(), training())
