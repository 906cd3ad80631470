"""Fit: stacked training against a plain loop written with torch's own layers and optimisers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from virb.cards.protocol import Training
from virb.core.digest import seed_of
from virb.core.errors import NumericsError
from virb.core.types import Features, Split
from virb.heads import STACKS
from virb.heads.fit import Choice, Curves, FittedStack, Setting, StackProbe
from virb.heads.fit import stack as fit_module
from virb.heads.fit.choice import choose, standard_error
from virb.heads.fit.stack import Matrix, grid, moments
from virb.metrics import METRICS

CPU = torch.device("cpu")


def training(**changes: object) -> Training:
    facts: dict[str, object] = {
        "optimiser": "adamw",
        "batch": 32,
        "epochs": 3,
        "schedule": "cosine",
        "learning_rates": (1e-3, 1e-2),
        "weight_decays": (0.0, 0.1),
        "standardise": (False, True),
        "seeds": 2,
    }
    return Training.model_validate(facts | changes)


def blobs(
    count: int, classes: int = 4, width: int = 12, frames: int = 1, spread: float = 1.0
) -> tuple[Features, Split]:
    random = np.random.default_rng(3)
    centres = random.normal(size=(classes, frames, width))
    targets = random.integers(0, classes, count)
    samples = centres[targets] + spread * random.normal(size=(count, frames, width))
    pooled = torch.from_numpy(samples.reshape(count * frames, width).astype(np.float32)) * 3 + 5
    index = np.arange(count * frames).reshape(count, frames)
    ids = tuple(f"sample{row}" for row in range(count))
    return Features(np.arange(count * frames), pooled), Split(ids, index, targets, np.arange(count))


def run(
    features: Features, train: Split, val: Split, plan: Training, head: str = "linear", name: str = "t"
) -> FittedStack:
    return StackProbe(plan, head, 4, METRICS["top1"], name, CPU).fit(features, train, val)


def plain_loop(
    features: Features, train: Split, plan: Training, setting: Setting, head: str, name: str
) -> list[torch.Tensor]:
    """Train one setting of one seed with nn layers, a torch optimiser and a scheduler written as a formula."""
    inputs = features.pooled[torch.from_numpy(train.index)].flatten(1)
    if setting.standardise:
        inputs = (inputs - inputs.mean(0)) / inputs.std(0, correction=0)
    frames = train.index.shape[1]
    stack = STACKS[head](
        1, inputs.shape[1] // frames, frames, 4, torch.Generator().manual_seed(seed_of(f"head/{name}")), CPU
    )
    layers = {
        "linear": lambda: nn.Linear(inputs.shape[1], 4),
        "frames": lambda: nn.Sequential(nn.Linear(inputs.shape[1], 512), nn.ReLU(), nn.Linear(512, 4)),
    }[head]()
    with torch.no_grad():
        for parameter, initial in zip(layers.parameters(), stack.parameters, strict=True):
            parameter.copy_(initial[0])
    optimiser = torch.optim.AdamW(layers.parameters(), lr=setting.learning_rate, weight_decay=setting.weight_decay)
    order = torch.Generator().manual_seed(seed_of(f"order/{name}"))
    targets, step = torch.from_numpy(train.targets), 0
    steps = plan.epochs * math.ceil(len(train) / plan.batch)
    for _ in range(plan.epochs):
        shuffled = torch.randperm(len(train), generator=order)
        for start in range(0, len(train), plan.batch):
            rows = shuffled[start : start + plan.batch]
            for group in optimiser.param_groups:
                group["lr"] = setting.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
            optimiser.zero_grad()
            functional.cross_entropy(layers(inputs[rows]), targets[rows]).backward()
            optimiser.step()
            step += 1
    return [parameter.detach() for parameter in layers.parameters()]


@pytest.mark.parametrize(("head", "frames"), [("linear", 1), ("frames", 2)])
def test_every_setting_of_the_stack_trains_as_it_would_alone(
    head: str, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, split = blobs(77, frames=frames)  # 77 = 2 * 32 + 13: the last batch is a partial one
    plan = training(seeds=1)
    settings = grid(plan)
    assert len(settings) == 8
    for place, setting in enumerate(settings):
        monkeypatch.setattr(
            fit_module,
            "choose",
            lambda settings, curves, metric, error, place=place: Choice(settings, place, np.zeros(8), curves),
        )
        fitted = run(features, split, split, plan, head)
        assert fitted.choice.setting == setting
        expected = plain_loop(features, split, plan, setting, head, "t/0")
        for found, wanted in zip(fitted.heads[0].parameters, expected, strict=True):
            torch.testing.assert_close(found[0], wanted, rtol=2e-4, atol=2e-5)


def test_the_last_partial_batch_is_trained_on() -> None:
    features, split = blobs(33)
    seen: list[int] = []
    original = Matrix.rows

    def rows(self: Matrix, chosen: torch.Tensor) -> torch.Tensor:
        seen.append(len(chosen))
        return original(self, chosen)

    plan = training(epochs=1, seeds=1, standardise=(False,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Matrix, "rows", rows)
        patch.setattr(fit_module, "moments", lambda samples: (torch.zeros(12), torch.ones(12)))
        run(features, split, split.take(np.arange(0)), plan)
    assert seen == [32, 1]


def test_moments_agree_with_numpy_even_far_from_zero() -> None:
    features, split = blobs(700)
    shifted = Features(features.rows, features.pooled * torch.linspace(1e-3, 10, 12) + 1000)
    mean, std = moments(Matrix(shifted, split, CPU))
    inputs = shifted.pooled[:700].double().numpy()
    np.testing.assert_allclose(mean, inputs.mean(0), rtol=1e-6)
    np.testing.assert_allclose(std, inputs.std(0), rtol=2e-3)


def test_a_constant_feature_is_centred_and_does_no_harm() -> None:
    features, split = blobs(60)
    features.pooled[:, 3] = 8.0
    _, std = moments(Matrix(features, split, CPU))
    assert std[3] == 1.0
    fitted = run(features, split, split, training(standardise=(True,)))
    assert np.isfinite(fitted.choice.validation).all()


def test_the_same_seed_gives_the_same_bits_and_another_name_does_not() -> None:
    features, split = blobs(90)
    first, again, other = (run(features, split, split, training(), name=name) for name in ("a", "a", "b"))
    for one, two in zip(first.heads, again.heads, strict=True):
        assert all(map(torch.equal, one.parameters, two.parameters))
    assert not torch.equal(first.heads[0].parameters[0], other.heads[0].parameters[0])
    assert not torch.equal(first.heads[0].parameters[0], first.heads[1].parameters[0]), "seeds must differ"


def test_training_leaves_the_global_random_state_alone() -> None:
    features, split = blobs(40)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    run(features, split, split, training(epochs=1))
    assert torch.equal(before, torch.get_rng_state())


def test_the_setting_is_chosen_on_validation_and_not_on_train() -> None:
    features, split = blobs(120, spread=0.3)
    wrong = Split(split.ids, split.index, (split.targets + 1) % 4, split.groups)
    plan = training(learning_rates=(1e-6, 3e-2), weight_decays=(0.0,), standardise=(True,), epochs=20, seeds=1)
    assert run(features, split, split, plan).choice.setting.learning_rate == 3e-2
    # With every validation label wrong, the setting that learns best scores worst.
    assert run(features, split, wrong, plan).choice.setting.learning_rate == 1e-6


def test_equal_validation_scores_are_settled_by_the_loss() -> None:
    features, split = blobs(120, spread=0.01)
    plan = training(learning_rates=(3e-3, 1e-2), weight_decays=(0.0,), standardise=(True,), epochs=25, seeds=1)
    fitted = run(features, split, split, plan)
    assert fitted.choice.validation.tolist() == [1.0, 1.0]
    assert fitted.choice.chosen == int(np.argmin(fitted.choice.curves.val_loss[-1]))


def choice(scores: list[float], losses: list[float], error: float, name: str = "top1") -> int:
    curves = Curves([1], [[0.1] * len(scores)], [losses], [scores])
    settings = tuple(Setting(1e-3, 0.0, False) for _ in scores)
    return choose(settings, curves, METRICS[name], lambda place: error).chosen


def test_settings_within_a_standard_error_of_the_best_are_settled_by_the_loss() -> None:
    scores, losses = [0.50, 0.48, 0.44, 0.30], [2.0, 1.5, 1.2, 0.1]
    assert choice(scores, losses, error=0.0) == 0
    assert choice(scores, losses, error=0.03) == 1
    assert choice(scores, losses, error=0.07) == 2
    # The class distance is better when lower: the fourth is best there, and 0.44 within 0.15 of it.
    assert choice(scores, [2.0, 1.5, 0.05, 0.1], error=0.1, name="mae") == 3
    assert choice(scores, [2.0, 1.5, 0.05, 0.1], error=0.15, name="mae") == 2


def test_the_standard_error_of_a_share_is_that_of_the_textbook_and_no_larger_by_groups() -> None:
    random = np.random.default_rng(0)
    hits = (random.random(400) < 0.3).astype(float)
    ids = tuple(map(str, range(400)))
    expected = math.sqrt(hits.mean() * (1 - hits.mean()) / 400)

    def error(order: np.ndarray, groups: np.ndarray) -> float:
        split = Split(ids, np.arange(400)[:, None], np.zeros(400, np.int64), groups)
        return standard_error([np.stack([hits[order], np.ones(400)], axis=1)], split, METRICS["top1"])

    scenes = np.repeat(np.arange(4), 100)
    assert error(np.arange(400), np.arange(400)) == pytest.approx(expected, rel=0.15)
    assert error(np.argsort(hits), scenes) == pytest.approx(expected, rel=0.15)  # scenes that differ much
    dealt = np.argsort(hits, kind="stable").reshape(100, 4).T.ravel()
    assert error(dealt, scenes) < expected / 2  # scenes that hardly differ


def test_the_l2_penalty_leads_to_the_optimum_of_logistic_regression() -> None:
    """Adam with the penalty in its gradient: decoupled decay would end elsewhere, and cannot regularise small sets."""
    from sklearn.linear_model import LogisticRegression

    features, split = blobs(96, spread=3.0)
    plan = training(
        optimiser="adam", learning_rates=(1e-2,), weight_decays=(0.3,), standardise=(True,), epochs=300, seeds=1,
        batch=96,
    )  # fmt: skip
    fitted = run(features, split, split, plan)
    inputs = (features.pooled[torch.from_numpy(split.index[:, 0])] - fitted.mean) / fitted.std
    # The penalty is on the bias too, so the reference gets it as the weight of a constant input.
    constant = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1).numpy()
    model = LogisticRegression(C=1 / (0.3 * len(split)), fit_intercept=False, tol=1e-8, max_iter=1000)
    weight, bias = (parameter[0].numpy() for parameter in fitted.heads[0].parameters)
    found = np.concatenate([weight, bias[:, None]], axis=1)
    np.testing.assert_allclose(found, model.fit(constant, split.targets).coef_, atol=2e-3)


def test_a_setting_that_diverges_is_out_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    features, split = blobs(64)
    plan = training(learning_rates=(1e-2,), weight_decays=(0.0,), epochs=4, seeds=1)
    original, made = STACKS["linear"], []

    def overflowing_at_first(*arguments: object) -> object:
        stack = original(*arguments)  # type: ignore[arg-type]
        made.append(stack)
        if len(made) == 1:
            stack.parameters[0] *= 1e38
        return stack

    monkeypatch.setitem(STACKS, "linear", overflowing_at_first)
    fitted = run(features, split, split, plan)
    assert len(made) == 2, "raw and standardised settings are two stacks"
    assert not np.isfinite(fitted.choice.curves.train_loss[-1][0])
    assert np.isfinite(fitted.choice.curves.train_loss[-1][1])
    assert fitted.standardise


def test_features_with_nan_fail_with_their_reason() -> None:
    features, split = blobs(40)
    features.pooled[7, 2] = float("nan")
    with pytest.raises(NumericsError, match=r"1 of 40 samples"):
        run(features, split, split, training())


def test_a_loss_that_is_nan_everywhere_fails_with_its_reason() -> None:
    features, split = blobs(40)
    huge = Features(features.rows, features.pooled * 3e37)
    with pytest.raises(NumericsError, match="NaN or infinite"):
        run(huge, split, split, training(standardise=(False,)))


def test_without_validation_the_only_setting_is_kept() -> None:
    features, split = blobs(40)
    plan = training(learning_rates=(1e-3,), weight_decays=(0.0,), standardise=(False,), seeds=1, schedule="constant")
    fitted = run(features, split, split.take(np.arange(0)), plan)
    assert fitted.choice.chosen == 0
    assert np.isnan(fitted.choice.validation).all()


def logits(fitted: FittedStack, features: Features, split: Split) -> list[torch.Tensor]:
    return [torch.stack(outputs, 1) for outputs, _ in fitted.answers(features, split)]


def test_predictions_cover_every_sample_once_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    features, split = blobs(53)
    fitted = run(features, split, split, training(epochs=10))
    whole = torch.cat(logits(fitted, features, split))
    assert whole.shape == (53, 2, 4)
    monkeypatch.setattr(Matrix.batches, "__defaults__", (7,))
    parts = logits(fitted, features, split)
    assert [len(part) for part in parts] == [7] * 7 + [4]
    torch.testing.assert_close(torch.cat(parts), whole)


def test_features_of_a_part_of_the_pool_are_found_by_their_rows() -> None:
    features, split = blobs(60)
    rows = np.arange(10, 50)
    part = Features(rows, features.pooled[10:50])
    chosen = split.take(np.array([49, 10, 30]))
    torch.testing.assert_close(Matrix(part, chosen, CPU).rows(torch.arange(3)), features.pooled[[49, 10, 30]])


def test_curves_have_the_last_epoch_and_stay_short() -> None:
    features, split = blobs(40)
    fitted = run(features, split, split, training(epochs=90, seeds=1, standardise=(True,)))
    assert fitted.choice.curves.epochs[-1] == 90
    assert len(fitted.choice.curves.epochs) <= 25
    assert fitted.choice.curves.train_loss[-1][0] < fitted.choice.curves.train_loss[0][0]
