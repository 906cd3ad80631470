"""Dense heads: which map stands for which stride, resizing by fixed weights, moments in one pass."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from virb.core.errors import NumericsError, UsageError
from virb.core.types import Level
from virb.heads.levels import Inputs, LevelMoments, choose, resize

RESNET = tuple(Level(c, s, s) for c, s in ((64, 48), (64, 24), (128, 12), (256, 6), (512, 3)))
CONVNEXT = tuple(Level(c, s, s) for c, s in ((40, 24), (80, 12), (160, 6), (320, 3)))
VIT = (Level(192, 6, 6),) * 4
STRIDES = (4, 8, 16, 32)


def test_a_pyramid_gives_each_stride_its_own_level() -> None:
    inputs = Inputs(RESNET, (96, 96))
    assert [source.place for source in choose(inputs, STRIDES)] == [1, 2, 3, 4]
    assert [source.place for source in choose(inputs, (32, 16, 8, 4, 2))] == [4, 3, 2, 1, 0]
    assert all(source.scale == 1 for source in choose(inputs, STRIDES))


def test_a_missing_stride_comes_from_the_nearest_level() -> None:
    sources = choose(Inputs(CONVNEXT, (96, 96)), (2, *STRIDES))
    assert [(source.place, source.scale) for source in sources] == [(0, 2), (0, 1), (1, 1), (2, 1), (3, 1)]


def test_levels_of_one_stride_are_spread_evenly_and_the_deepest_stands_for_the_coarsest() -> None:
    sources = choose(Inputs(VIT, (96, 96)), STRIDES)
    assert [(source.place, source.scale) for source in sources] == [(0, 4), (1, 2), (2, 1), (3, 0.5)]
    assert [source.place for source in choose(Inputs(VIT, (96, 96)), (4, 16, 32))] == [1, 2, 3]
    twelve = Inputs((Level(192, 6, 6),) * 12, (96, 96))
    assert [source.place for source in choose(twelve, STRIDES)] == [2, 5, 8, 11]
    assert [source.place for source in choose(Inputs(VIT[:1], (96, 96)), STRIDES)] == [0, 0, 0, 0]


def test_a_stride_that_is_nearly_the_wanted_one_is_taken_as_it_is() -> None:
    fourteen = Inputs((Level(384, 16, 16),) * 4, (224, 224))
    assert [source.scale == 1 for source in choose(fourteen, STRIDES)] == [False, False, True, False]
    odd = Inputs(tuple(Level(8, side, side) for side in (113, 57, 29, 15)), (450, 450))
    assert all(source.scale == 1 for source in choose(odd, STRIDES))


def test_maps_are_brought_to_the_grids_of_the_wanted_strides(generator: torch.Generator) -> None:
    maps = [torch.randn(2, 5, 6, 4, generator=generator) for _ in range(4)]
    levels = tuple(Level(*level.shape[1:]) for level in maps)
    fitted = [one.fit(maps[one.place]) for one in choose(Inputs(levels, (96, 64)), (2, *STRIDES))]
    assert [tuple(tensor.shape[2:]) for tensor in fitted] == [(48, 32), (24, 16), (12, 8), (6, 4), (3, 2)]
    assert fitted[3] is maps[3], "the deepest level keeps its own grid too"
    torch.testing.assert_close(fitted[4], functional.avg_pool2d(maps[3], 2))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("after", [(24, 10), (7, 3), (13, 9), (5, 3)])
def test_enlarging_is_bilinear_interpolation(
    after: tuple[int, int], align_corners: bool, generator: torch.Generator
) -> None:
    tensor = torch.randn(2, 3, 5, 3, generator=generator, requires_grad=True)
    twin = tensor.detach().clone().requires_grad_()
    ours = resize(tensor, after, align_corners)
    theirs = functional.interpolate(twin, size=after, mode="bilinear", align_corners=align_corners)
    torch.testing.assert_close(ours, theirs)
    slope = torch.randn(ours.shape, generator=generator)
    ours.backward(slope)
    theirs.backward(slope)
    torch.testing.assert_close(tensor.grad, twin.grad)


def test_shrinking_is_the_mean_over_areas(generator: torch.Generator) -> None:
    tensor = torch.randn(2, 3, 16, 13, generator=generator)
    torch.testing.assert_close(resize(tensor, (7, 5)), functional.adaptive_avg_pool2d(tensor, (7, 5)))


def test_weights_first_needed_in_inference_mode_serve_training_later() -> None:
    with torch.inference_mode():
        resize(torch.ones(1, 1, 11, 11), (29, 29))
    tensor = torch.ones(1, 1, 11, 11, requires_grad=True)
    resize(tensor, (29, 29)).sum().backward()
    assert tensor.grad is not None
    assert tensor.grad.sum().item() == pytest.approx(29 * 29)


def test_moments_over_batches_are_those_of_all_samples(generator: torch.Generator) -> None:
    levels = (Level(3, 4, 6), Level(5, 2, 3))
    maps = [1000 + torch.randn(10, 2, 3, 4, 6, generator=generator), torch.rand(10, 2, 5, 2, 3, generator=generator)]
    maps[1][:, :, 4] = 0.1  # a constant channel is only centred
    moments = LevelMoments(levels)
    for rows in torch.arange(10).split(4):
        moments.add([tensor[rows] for tensor in maps])
    for (mean, std), tensor in zip(moments.result(), maps, strict=True):
        exact = tensor.double()
        torch.testing.assert_close(mean.double(), exact.mean((0, 1, 3, 4)), rtol=1e-6, atol=1e-6)
        wanted = exact.std((0, 1, 3, 4), correction=0)
        torch.testing.assert_close(std.double(), torch.where(wanted > 1e-6, wanted, 1.0), rtol=1e-5, atol=1e-6)


def test_moments_refuse_maps_that_are_not_finite() -> None:
    moments = LevelMoments((Level(2, 1, 1),))
    moments.add([torch.tensor([[[[0.0]], [[torch.inf]]]])])
    with pytest.raises(NumericsError, match="1 of 2 channels of map 1"):
        moments.result()


def test_an_encoder_without_maps_is_refused() -> None:
    with pytest.raises(UsageError, match="returns no maps"):
        Inputs((), (96, 96))
