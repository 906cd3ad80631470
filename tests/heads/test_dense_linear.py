"""The linear dense head: the same as enlarging first, and for two frames able to see what moved."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from virb.core.types import Level
from virb.heads.dense_linear import DenseLinear, dense_linear, matches
from virb.heads.levels import Inputs, LevelMoments

CPU = torch.device("cpu")
LEVELS = tuple(Level(c, h, w) for c, h, w in ((4, 32, 24), (5, 16, 12), (7, 8, 6), (9, 4, 3), (11, 2, 2)))


def make(settings: int, inputs: Inputs, outputs: int) -> DenseLinear:
    heads = dense_linear(settings, inputs, outputs, torch.Generator().manual_seed(1), CPU)
    assert isinstance(heads, DenseLinear)
    return heads


def plain(
    layer: nn.Module, maps: list[torch.Tensor], mean_std: list[tuple[torch.Tensor, torch.Tensor]]
) -> torch.Tensor:
    """Return what the head stands for: normalise, enlarge, concatenate, one 1x1 convolution."""
    enlarged = [
        functional.interpolate((tensor - mean) / std, size=(16, 12), mode="bilinear", align_corners=False)
        for tensor, (mean, std) in zip(maps, mean_std, strict=True)
    ]
    answer: torch.Tensor = layer(torch.cat(enlarged, 1))
    return answer


def test_it_is_a_1x1_convolution_over_enlarged_and_normalised_maps(generator: torch.Generator) -> None:
    batches = [
        (
            [
                5 + 2 * torch.randn(3, *(level.channels, level.height, level.width), generator=generator)
                for level in LEVELS
            ]
        )
        for _ in range(5)
    ]
    targets = [torch.randint(6, (3, 16, 12), generator=generator) for _ in batches]
    moments = LevelMoments(LEVELS)
    for maps in batches:
        moments.add(maps)
    heads = make(2, Inputs(LEVELS, (64, 48)), 6)
    heads.prepare(moments)
    rates = [1e-3, 1e-2]
    optimiser = torch.optim.Adam(
        [{"params": heads.parameters_of(place), "lr": rate} for place, rate in enumerate(rates)], fused=True
    )
    layers = [nn.Conv2d(5 + 7 + 9 + 11, 6, 1) for _ in rates]
    others = []
    for place, (layer, rate) in enumerate(zip(layers, rates, strict=True)):
        layer.load_state_dict({n: v for n, v in heads.select(place).state().items() if not n.startswith("input.")})
        others.append(torch.optim.Adam(layer.parameters(), lr=rate))
    mean_std = [
        (
            torch.cat([maps[place] for maps in batches]).mean((0, 2, 3), keepdim=True),
            torch.cat([maps[place] for maps in batches]).std((0, 2, 3), keepdim=True, correction=0),
        )
        for place in range(1, 5)
    ]
    for maps, wanted in zip(batches, targets, strict=True):
        outputs = heads.outputs(maps, (16, 12))
        optimiser.zero_grad()
        torch.stack([functional.cross_entropy(output, wanted) for output in outputs]).sum().backward()
        optimiser.step()
        for output, layer, other in zip(outputs, layers, others, strict=True):
            expected = plain(layer, maps[1:], mean_std)
            torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)
            other.zero_grad()
            functional.cross_entropy(expected, wanted).backward()
            other.step()
    for place, layer in enumerate(layers):
        for ours, theirs in zip(heads.parameters_of(place), layer.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_the_map_of_stride_two_is_left_out_but_never_the_only_one() -> None:
    assert make(1, Inputs(LEVELS, (64, 48)), 2).places == (1, 2, 3, 4)
    assert make(1, Inputs(LEVELS[:1], (64, 48)), 2).places == (0,)


def test_matches_are_mean_displacements_weighted_by_likeness(generator: torch.Generator) -> None:
    first, second = torch.randn(2, 2, 6, 5, 4, generator=generator)
    found = matches(first, second, radius=2)
    assert found.shape == (2, 6, 5, 4)
    for y, x in ((0, 0), (2, 1), (4, 3)):
        steps = [(right, down) for down in range(-2, 3) for right in range(-2, 3)]
        cosines = [
            functional.cosine_similarity(first[1, :, y, x], second[1, :, y + down, x + right], dim=0)
            if 0 <= y + down < 5 and 0 <= x + right < 4
            else torch.tensor(0.0)
            for right, down in steps
        ]
        shares = (20 * torch.stack(cosines)).softmax(0)
        expected = 3 * (shares[:, None] * torch.tensor(steps)).sum(0)
        torch.testing.assert_close(found[1, 2:4, y, x], expected, rtol=1e-4, atol=1e-5)


def test_a_linear_head_on_two_frames_learns_how_far_things_moved(generator: torch.Generator) -> None:
    level = (Level(16, 12, 12),)
    first = torch.randn(40, 16, 12, 12, generator=generator)
    moved = torch.randint(-3, 4, (40, 2), generator=generator)
    pairs = zip(first, moved.tolist(), strict=True)
    second = torch.stack([tensor.roll((down, right), (1, 2)) for tensor, (right, down) in pairs])
    maps = [torch.stack([first, second], 1)]
    targets = moved[:, :, None, None].expand(-1, -1, 12, 12).float()
    heads = make(1, Inputs(level, (48, 48), frames=2), 2)
    moments = LevelMoments(level)
    moments.add(maps)
    heads.prepare(moments)
    optimiser = torch.optim.Adam(heads.parameters_of(0), lr=3e-3)
    for _ in range(100):
        optimiser.zero_grad()
        (heads.outputs([maps[0][:30]], (12, 12))[0] - targets[:30]).abs().mean().backward()
        optimiser.step()
    with torch.no_grad():
        error = (heads.outputs([maps[0][30:]], (12, 12))[0] - targets[30:]).abs()[:, :, 3:-3, 3:-3].mean().item()
    assert error < 0.3
    assert targets[30:].abs().mean().item() > 1, "standing still would be far off"


@pytest.mark.parametrize("frames", [1, 2])
def test_outputs_come_on_any_grid(frames: int, generator: torch.Generator) -> None:
    heads = make(2, Inputs(LEVELS, (64, 48), frames), 3)
    lead = (2,) if frames == 1 else (2, 2)
    maps = [torch.randn(*lead, level.channels, level.height, level.width, generator=generator) for level in LEVELS]
    with torch.no_grad():
        assert [tuple(output.shape) for output in heads.outputs(maps, (64, 48))] == [(2, 3, 64, 48)] * 2
        assert heads.outputs(maps, (5, 7))[1].shape == (2, 3, 5, 7)
