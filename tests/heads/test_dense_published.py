"""The original's dense heads: against plain restatements written here, and what they refuse."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional

from virb.core.errors import UsageError
from virb.core.types import Level
from virb.heads.deeplab2021 import BatchNorm, dilated_stage
from virb.heads.dense import PUBLISHED_DENSE, DenseHeads
from virb.heads.levels import Inputs

CPU = torch.device("cpu")
RESNET50 = tuple(Level(c, s, s) for c, s in ((64, 32), (256, 16), (512, 8), (1024, 4), (2048, 2)))
SMALL = tuple(Level(c, s, s) for c, s in ((8, 32), (16, 16), (24, 8), (32, 4), (40, 2)))


def make(name: str, inputs: Inputs, outputs: int, model: nn.Module | None = None) -> DenseHeads:
    return PUBLISHED_DENSE[name](1, inputs, outputs, torch.Generator().manual_seed(2), CPU, model)


def resnet(name: str, **options: Any) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: nn.Module = timm.create_model(name, num_classes=0, zero_init_last=False, **options)
    return model.eval().requires_grad_(False)


class PlainUpshuffle(nn.Module):
    """The original, as its code reads: five steps, maps added, no activation at the end."""

    def __init__(self, channels: list[int], outputs: int, siamese: bool) -> None:
        super().__init__()
        coarse_to_fine = channels[::-1]
        if siamese:
            self.fusions = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for width in coarse_to_fine)
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after * 4, 3, padding=1), nn.PixelShuffle(2), nn.LeakyReLU())
            for before, after in itertools.pairwise(coarse_to_fine)
        )
        self.last = nn.Sequential(nn.Conv2d(coarse_to_fine[-1], outputs * 4, 3, padding=1), nn.PixelShuffle(2))
        self.siamese = siamese

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        levels = maps[::-1]
        if self.siamese:
            levels = [fuse(tensor.flatten(1, 2)) for fuse, tensor in zip(self.fusions, levels, strict=True)]
        current = levels[0]
        for up, following in zip(self.ups, levels[1:], strict=True):
            current = functional.interpolate(
                up(current), size=following.shape[2:], mode="bilinear", align_corners=False
            )
            current = current + following
        answer: torch.Tensor = self.last(current)
        return answer


class PlainAspp(nn.Module):
    """The original's DeepLab around a given last stage, with the two slips mended."""

    def __init__(self, stage: nn.Module, fine: int, width: int, outputs: int) -> None:
        super().__init__()
        self.stage = stage
        self.low = nn.Conv2d(fine, 48, 1)
        self.low_norm = nn.BatchNorm2d(48)
        self.aspp = nn.ModuleList(
            nn.Conv2d(width, 256, size, padding=rate * (size // 2), dilation=rate, bias=False)
            for size, rate in ((1, 1), (3, 6), (3, 12), (3, 18), (1, 1))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(256) for _ in range(5))
        self.merge, self.merge_norm = nn.Conv2d(1280, 256, 1, bias=False), nn.BatchNorm2d(256)
        self.first, self.first_norm = nn.Conv2d(304, 256, 3, padding=1), nn.BatchNorm2d(256)
        self.second, self.second_norm = nn.Conv2d(256, 256, 3, padding=1), nn.BatchNorm2d(256)
        self.third = nn.Conv2d(256, outputs, 3, padding=1)

    def forward(self, maps: list[torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
        def enlarge(tensor: torch.Tensor, to: tuple[int, int]) -> torch.Tensor:
            return functional.interpolate(tensor, size=to, mode="bilinear", align_corners=True)

        self.stage.eval()
        fine, coarse = maps[1], self.stage(maps[3])
        inputs = [coarse] * 4 + [functional.adaptive_avg_pool2d(coarse, 1)]
        branches = [
            enlarge(norm(conv(one)).relu(), (coarse.shape[2], coarse.shape[3]))
            for conv, norm, one in zip(self.aspp, self.norms, inputs, strict=True)
        ]
        merged = self.merge_norm(self.merge(torch.cat(branches, 1))).relu()
        low = self.low_norm(self.low(fine)).relu()
        joint = torch.cat([low, enlarge(merged, (fine.shape[2], fine.shape[3]))], 1)
        joint = self.first_norm(self.first(joint)).relu()
        return enlarge(self.third(self.second_norm(self.second(joint)).relu()), size)


def copy_weights(heads: DenseHeads, module: nn.Module) -> None:
    """Both list the same layers in the same order."""
    with torch.no_grad():
        for ours, theirs in zip(heads.parameters_of(0), module.parameters(), strict=True):
            theirs.copy_(ours)


@pytest.mark.parametrize(("name", "frames"), [("published_upshuffle", 1), ("published_siamese", 2)])
def test_upshuffle_is_the_original_in_forward_and_in_training(
    name: str, frames: int, generator: torch.Generator
) -> None:
    heads = make(name, Inputs(SMALL, (64, 64), frames), 2)
    module = PlainUpshuffle([level.channels for level in SMALL], 2, frames == 2)
    copy_weights(heads, module)
    optimisers = [
        torch.optim.Adam(heads.parameters_of(0), lr=3e-4, fused=True),
        torch.optim.Adam(module.parameters(), lr=3e-4),
    ]
    lead = (2,) if frames == 1 else (2, 2)
    for _ in range(5):
        maps = [torch.randn(*lead, level.channels, level.height, level.width, generator=generator) for level in SMALL]
        target = torch.rand(2, 2, 64, 64, generator=generator)
        answers = [heads.outputs(maps, (64, 64))[0], module(maps)]
        torch.testing.assert_close(answers[0], answers[1], rtol=1e-4, atol=1e-4)
        for answer, optimiser in zip(answers, optimisers, strict=True):
            optimiser.zero_grad()
            functional.l1_loss(answer, target).backward()
            optimiser.step()
    for ours, theirs in zip(heads.parameters_of(0), module.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_upshuffle_on_a_resnet50_has_the_originals_99_7_million_parameters() -> None:
    heads = make("published_upshuffle", Inputs(RESNET50, (64, 64)), 1)
    widths = (2048, 1024, 512, 256, 64, 1)
    by_hand = sum((before * 9 + 1) * after * 4 for before, after in itertools.pairwise(widths))
    total = sum(parameter.numel() for parameter in heads.parameters_of(0))
    assert total == by_hand
    assert round(total / 1e6, 1) == 99.7


def test_deeplab_is_the_original_in_forward_and_in_training(generator: torch.Generator) -> None:
    model = resnet("resnet18")
    levels = tuple(Level(c, s, s) for c, s in ((64, 32), (64, 16), (128, 8), (256, 4), (512, 2)))
    heads = make("published_deeplab", Inputs(levels, (64, 64)), 3, model)
    module = PlainAspp(dilated_stage(model)[0], 64, 512, 3)
    ours = heads.state()
    copied = {f"stage.{name}": tensor for name, tensor in module.stage.state_dict().items()}
    assert copied.keys() <= ours.keys()
    pairs = {
        "low": "detail.0", "low_norm": "detail.1", "merge": "merge.0", "merge_norm": "merge.1", "first": "decode.0",
        "first_norm": "decode.1", "second": "decode.3", "second_norm": "decode.4", "third": "decode.6",
        **{f"aspp.{place}": f"branches.{place}.0" for place in range(5)},
        **{f"norms.{place}": f"branches.{place}.1" for place in range(5)},
    }  # fmt: skip
    for theirs, name in pairs.items():
        prefix = f"{name}."
        part = {key.removeprefix(prefix): value for key, value in ours.items() if key.startswith(prefix)}
        module.get_submodule(theirs).load_state_dict(part)
    optimisers = [
        torch.optim.Adam(heads.parameters_of(0), lr=3e-4, fused=True),
        torch.optim.Adam(module.parameters(), lr=3e-4),
    ]
    for _ in range(3):
        maps = [torch.randn(2, level.channels, level.height, level.width, generator=generator) for level in levels]
        target = torch.randint(3, (2, 64, 64), generator=generator)
        module.train()
        answers = [heads.outputs(maps, (64, 64))[0], module(maps, (64, 64))]
        torch.testing.assert_close(answers[0], answers[1], rtol=1e-3, atol=1e-3)
        for answer, optimiser in zip(answers, optimisers, strict=True):
            optimiser.zero_grad()
            functional.cross_entropy(answer, target).backward()
            optimiser.step()


def test_the_copied_stage_learns_and_the_encoder_does_not(generator: torch.Generator) -> None:
    model: Any = resnet("resnet18")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    heads = make("published_deeplab", Inputs(SMALL[:1] + levels_of(model)[1:], (64, 64)), 2, model)
    maps = [torch.randn(2, c, s, s, generator=generator) for c, s in ((8, 32), (64, 16), (128, 8), (256, 4), (512, 2))]
    initial = heads.state()
    optimiser = torch.optim.Adam(heads.parameters_of(0), lr=1e-3)
    heads.outputs(maps, (64, 64))[0].square().mean().backward()
    optimiser.step()
    after = heads.state()
    still = [name for name, tensor in after.items() if torch.equal(tensor, initial[name])]
    norms = ("running_mean", "running_var", "num_batches_tracked")
    assert still
    assert all(name.startswith("stage.") and name.endswith(norms) for name in still), "only its norms' statistics rest"
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    with torch.no_grad():
        heads.outputs(maps, (64, 64))
    tested = heads.state()
    assert all(torch.equal(tensor, after[name]) for name, tensor in tested.items()), "a test leaves no trace"


def levels_of(model: nn.Module) -> tuple[Level, ...]:
    with torch.no_grad():
        maps = model.forward_intermediates(torch.zeros(1, 3, 64, 64), intermediates_only=True)  # type: ignore[operator]
    return tuple(Level(tensor.shape[1], tensor.shape[2], tensor.shape[3]) for tensor in maps)


@pytest.mark.parametrize(
    ("name", "width", "dilations"), [("resnet18", 512, [2, 2, 4, 4]), ("resnet50d", 2048, [2, 4, 2])]
)
def test_a_last_stage_keeps_its_grid_and_is_dilated(name: str, width: int, dilations: list[int]) -> None:
    model = resnet(name)
    stage, found = dilated_stage(model)
    assert found == width
    convolutions = [layer for layer in stage.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.dilation[0] for layer in convolutions if layer.kernel_size[0] > 1] == dilations
    assert all(layer.stride == (1, 1) for layer in convolutions)
    with torch.no_grad():
        assert stage(torch.zeros(1, width // 2, 5, 6)).shape == (1, width, 5, 6)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "convnext_atto", "resnetblur18"])
def test_deeplab_refuses_an_encoder_without_such_a_stage(name: str) -> None:
    with pytest.raises(UsageError, match="resnet18 to resnet152"):
        make("published_deeplab", Inputs(SMALL, (64, 64)), 2, resnet(name) if "resnet" in name else plain_model(name))


def plain_model(name: str) -> nn.Module:
    model: nn.Module = timm.create_model(name, num_classes=0)
    return model


def test_running_statistics_start_as_plain_means_and_one_value_is_no_batch(generator: torch.Generator) -> None:
    norm = BatchNorm(3, momentum=0.0003)
    batches = torch.randn(4, 8, 3, 2, 2, generator=generator) * 5 + 2
    for batch in batches:
        norm(batch)
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, batches.mean((0, 1, 3, 4)))
    single = norm(batches[0, :1, :, :1, :1])
    norm.eval()
    torch.testing.assert_close(single, norm(batches[0, :1, :, :1, :1]))
