"""Dense heads: any encoder's maps, settings that do not touch each other, parameters counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from virb.core.types import Level
from virb.heads.dense import DENSE, PUBLISHED_DENSE, VERSIONS, DenseHeads
from virb.heads.levels import Inputs, LevelMoments, Levels

CPU = torch.device("cpu")
ENCODERS: dict[str, tuple[int, tuple[tuple[int, int], ...]]] = {
    "resnet18": (96, ((64, 48), (64, 24), (128, 12), (256, 6), (512, 3))),
    "resnet50": (96, ((64, 48), (256, 24), (512, 12), (1024, 6), (2048, 3))),
    "convnext_atto": (96, ((40, 24), (80, 12), (160, 6), (320, 3))),
    "swin_tiny": (224, ((96, 56), (192, 28), (384, 14), (768, 7))),
    "vit_tiny": (96, ((192, 6),) * 4),
    "vit_small_14": (98, ((384, 7),) * 4),
    "pixels": (96, ((3, 24), (3, 12), (3, 6), (3, 3))),
    "a module's one map": (64, ((32, 4),)),
    "tiny": (32, ((4, 16), (6, 8), (8, 4), (8, 2), (10, 1))),
}
FRAMES = {"siamese": 2}


def inputs_of(encoder: str, frames: int = 1) -> Inputs:
    size, shapes = ENCODERS[encoder]
    return Inputs(tuple(Level(channels, side, side) for channels, side in shapes), (size, size), frames)


def maps_of(levels: Levels, count: int, frames: int, generator: torch.Generator) -> list[torch.Tensor]:
    lead = (count,) if frames == 1 else (count, frames)
    return [
        3 + 2 * torch.randn(*lead, level.channels, level.height, level.width, generator=generator) for level in levels
    ]


def make(name: str, settings: int, inputs: Inputs, outputs: int, seed: int = 3) -> DenseHeads:
    return DENSE[name](settings, inputs, outputs, torch.Generator().manual_seed(seed), CPU)


def count(heads: DenseHeads) -> int:
    return sum(parameter.numel() for parameter in heads.parameters_of(0))


def train(heads: DenseHeads, rates: list[float], batches: list[tuple[list[torch.Tensor], torch.Tensor]]) -> None:
    groups = [{"params": heads.parameters_of(place), "lr": rate} for place, rate in enumerate(rates)]
    optimiser = torch.optim.Adam(groups, fused=True)
    for maps, targets in batches:
        size = (int(targets.shape[-2]), int(targets.shape[-1]))
        loss = torch.stack([functional.cross_entropy(output, targets) for output in heads.outputs(maps, size)]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_head_takes_the_maps_of_any_encoder(name: str, encoder: str, generator: torch.Generator) -> None:
    inputs = inputs_of(encoder, FRAMES.get(name, 1))
    heads = make(name, 1, inputs, 3)
    side = inputs.size[0] // heads.training_stride
    with torch.no_grad():
        (output,) = heads.outputs(maps_of(inputs.levels, 1, inputs.frames, generator), (side, side))
    assert output.shape == (1, 3, side, side)
    assert output.dtype == torch.float32
    assert output.isfinite().all()
    assert output.std() > 0


@pytest.mark.parametrize(("name", "frames"), [("dense_linear", 1), ("dense_linear", 2), ("upshuffle", 1),
                                              ("siamese", 2), ("aspp", 1)])  # fmt: skip
def test_settings_trained_side_by_side_are_those_trained_alone(
    name: str, frames: int, generator: torch.Generator
) -> None:
    inputs = inputs_of("tiny", frames)
    together = make(name, 2, inputs, 4)
    moments = LevelMoments(inputs.levels)
    batches = []
    side = 32 // together.training_stride
    for _ in range(3):
        maps = maps_of(inputs.levels, 2, frames, generator)
        moments.add(maps)
        batches.append((maps, torch.randint(4, (2, side, side), generator=generator)))
    rates = [1e-4, 1e-2]
    together.prepare(moments)
    train(together, rates, batches)
    for place, rate in enumerate(rates):
        alone = make(name, 1, inputs, 4)
        alone.prepare(moments)
        before = [parameter.clone() for parameter in alone.parameters_of(0)]
        train(alone, [rate], batches)
        assert all(parameter.grad is not None for parameter in alone.parameters_of(0))
        pairs = zip(before, alone.parameters_of(0), strict=True)
        assert all(not torch.equal(old, new) for old, new in pairs), "every parameter learns"
        for ours, theirs in zip(together.parameters_of(place), alone.parameters_of(0), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", DENSE)
def test_the_same_seed_makes_the_same_head_and_touches_no_other_randomness(name: str) -> None:
    inputs = inputs_of("tiny", FRAMES.get(name, 1))
    before = torch.get_rng_state()
    one, two, other = make(name, 2, inputs, 4), make(name, 1, inputs, 4), make(name, 1, inputs, 4, seed=4)
    assert torch.equal(before, torch.get_rng_state())
    pairs = list(zip(one.parameters_of(0), one.parameters_of(1), two.parameters_of(0), strict=True))
    assert all(torch.equal(first, second) and torch.equal(first, third) for first, second, third in pairs)
    assert not torch.equal(one.parameters_of(0)[0], other.parameters_of(0)[0])


@pytest.mark.parametrize("name", DENSE)
def test_a_selected_head_is_cut_loose_and_comes_back_from_its_state(name: str, generator: torch.Generator) -> None:
    inputs = inputs_of("tiny", FRAMES.get(name, 1))
    heads = make(name, 2, inputs, 4)
    maps = maps_of(inputs.levels, 2, inputs.frames, generator)
    moments = LevelMoments(inputs.levels)
    moments.add(maps)
    heads.prepare(moments)
    with torch.no_grad():
        heads.parameters_of(1)[0].mul_(-1)
        wanted = heads.outputs(maps, (32, 32))[1]
        alone = heads.select(1)
        heads.parameters_of(1)[0].zero_()
        torch.testing.assert_close(alone.outputs(maps, (32, 32))[0], wanted)
        again = make(name, 1, inputs, 4, seed=9)
        again.load(alone.state())
        torch.testing.assert_close(again.outputs(maps, (32, 32))[0], wanted, rtol=0, atol=0)
    assert alone.settings == 1
    with pytest.raises(ValueError, match="select one first"):
        heads.state()


@pytest.mark.parametrize("name", ["dense_linear", "upshuffle", "aspp"])
def test_scale_and_offset_of_a_map_do_not_change_what_a_prepared_head_sees(
    name: str, generator: torch.Generator
) -> None:
    inputs = inputs_of("tiny")
    maps = maps_of(inputs.levels, 3, 1, generator)
    answers = []
    for shown in (maps, [tensor * 1e-3 + 7 for tensor in maps]):
        moments = LevelMoments(inputs.levels)
        moments.add(shown)
        heads = make(name, 1, inputs, 2)
        heads.prepare(moments)
        with torch.no_grad():
            answers.append(heads.outputs(shown, (32, 32))[0])
    torch.testing.assert_close(*answers, rtol=1e-2, atol=2e-3)


@pytest.mark.parametrize("name", ["upshuffle", "aspp", "dense_linear"])
def test_what_one_picture_gets_depends_on_no_other_of_its_batch(name: str, generator: torch.Generator) -> None:
    inputs = inputs_of("tiny")
    heads = make(name, 1, inputs, 2)
    maps = maps_of(inputs.levels, 4, 1, generator)
    both = heads.outputs(maps, (32, 32))[0]
    one = heads.outputs([tensor[:1] for tensor in maps], (32, 32))[0]
    torch.testing.assert_close(both[:1], one, rtol=1e-4, atol=1e-5)


def test_maps_from_inference_mode_can_be_trained_on(generator: torch.Generator) -> None:
    inputs = inputs_of("tiny")
    with torch.inference_mode():
        maps = maps_of(inputs.levels, 2, 1, generator)
    published = PUBLISHED_DENSE["published_upshuffle"](1, inputs, 2, generator, CPU, None)
    for heads in (make("upshuffle", 1, inputs, 2), make("dense_linear", 1, inputs, 2), published):
        heads.outputs(maps, (32, 32))[0].sum().backward()
        assert all(parameter.grad is not None for parameter in heads.parameters_of(0))


def test_under_autocast_outputs_are_still_single_precision(generator: torch.Generator) -> None:
    inputs = inputs_of("tiny")
    maps = maps_of(inputs.levels, 2, 1, generator)
    for name in ("dense_linear", "upshuffle", "aspp"):
        with torch.autocast("cpu", torch.bfloat16):
            (output,) = make(name, 1, inputs, 2).outputs(maps, (32, 32))
        assert output.dtype == torch.float32
        assert output.isfinite().all()


def test_parameters_of_upshuffle_are_those_counted_by_hand() -> None:
    steps = sum(
        (width * 9 + 1) * following * 4 for width, following in ((256, 256), (256, 128), (128, 64), (64, 32), (32, 20))
    )
    resnet = (2048 + 1) * 256 + (1024 + 1) * 256 + (512 + 1) * 128 + (256 + 1) * 64 + (64 + 1) * 32
    vit = (192 + 1) * (256 + 256 + 128 + 64 + 32)
    assert count(make("upshuffle", 1, inputs_of("resnet50"), 20)) == steps + resnet
    assert count(make("upshuffle", 1, inputs_of("vit_tiny"), 20)) == steps + vit
    fused = (4096 + 1) * 256 + (2048 + 1) * 256 + (1024 + 1) * 128 + (512 + 1) * 64 + (128 + 1) * 32
    assert count(make("siamese", 1, inputs_of("resnet50", 2), 20)) == steps + fused


def test_parameters_of_aspp_are_those_counted_by_hand() -> None:
    enter = (64 + 1) * 48 + (256 + 1) * 256 + (512 + 1) * 256
    norms = 2 * (48 + 8 * 256)
    context = 2 * 256 * 256 + 3 * 256 * 256 * 9 + 5 * 256 * 256
    decode = (256 + 48) * 256 * 9 + 256 * 256 * 9 + (256 + 1) * 5
    assert count(make("aspp", 1, inputs_of("resnet18"), 5)) == enter + norms + context + decode


def test_parameters_of_the_linear_head_are_one_layer_over_all_maps_but_the_finest() -> None:
    assert count(make("dense_linear", 1, inputs_of("resnet18"), 20)) == (64 + 128 + 256 + 512 + 1) * 20
    assert count(make("dense_linear", 1, inputs_of("resnet18", 2), 2)) == (2 * 960 + 2 * 6 + 1) * 2
    assert count(make("dense_linear", 1, inputs_of("vit_tiny"), 20)) == (4 * 192 + 1) * 20


def test_aspp_rates_keep_their_reach_in_pixels() -> None:
    def rates(encoder: str) -> list[int]:
        branches = make("aspp", 1, inputs_of(encoder), 2).modules[0].branches  # type: ignore[attr-defined]
        return [branch[0].dilation[0] for branch in branches]

    assert rates("resnet18") == [1, 6, 12, 18]
    assert rates("vit_small_14") == [1, 7, 14, 21]


def test_every_head_has_a_version() -> None:
    assert set(VERSIONS) == set(DENSE) | set(PUBLISHED_DENSE)
