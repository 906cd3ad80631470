"""Heads: the written-out gradients against autograd, stacks against the plain layers they stand for."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from virb.heads import STACKS, select, state
from virb.heads.linear import cross_entropy

CPU = torch.device("cpu")


def plain(head: str, width: int, frames: int, classes: int) -> nn.Module:
    if head == "linear":
        return nn.Linear(width, classes)
    return nn.Sequential(nn.Linear(width * frames, 512), nn.ReLU(), nn.Linear(512, classes))


def load(module: nn.Module, stack: object, setting: int) -> None:
    with torch.no_grad():
        for parameter, stacked in zip(module.parameters(), stack.parameters, strict=True):  # type: ignore[attr-defined]
            parameter.copy_(stacked[setting])


@pytest.mark.parametrize(("head", "frames"), [("linear", 1), ("frames", 2), ("frames", 6)])
def test_gradients_of_every_setting_are_those_of_autograd(head: str, frames: int, generator: torch.Generator) -> None:
    stack = STACKS[head](3, 11, frames, 5, generator, CPU)
    # In double precision, and with the settings, which start alike, shaken apart.
    stack.parameters = [parameter.double() for parameter in stack.parameters]
    stack.grads = [grad.double() for grad in stack.grads]
    for parameter in stack.parameters:
        parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    inputs, targets = torch.randn(13, 11 * frames, generator=generator).double(), torch.arange(13) % 5
    losses = stack.gradients(inputs, targets)
    for setting in range(3):
        module = plain(head, 11, frames, 5).double()
        load(module, stack, setting)
        loss = functional.cross_entropy(module(inputs), targets)
        loss.backward()
        assert losses[setting].item() == pytest.approx(loss.item(), rel=1e-12)
        for parameter, grads in zip(module.parameters(), stack.grads, strict=True):
            assert parameter.grad is not None
            torch.testing.assert_close(grads[setting], parameter.grad, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("head", "frames"), [("linear", 1), ("frames", 2)])
def test_logits_of_a_stack_are_those_of_the_plain_layers(head: str, frames: int, generator: torch.Generator) -> None:
    stack = STACKS[head](2, 7, frames, 4, generator, CPU)
    stack.parameters[0][1] *= -1
    inputs = torch.randn(9, 7 * frames, generator=generator)
    logits = stack.logits(inputs)
    assert logits.shape == (9, 2, 4)
    for setting in range(2):
        module = plain(head, 7, frames, 4)
        load(module, stack, setting)
        torch.testing.assert_close(logits[:, setting], module(inputs))


def test_initial_weights_are_drawn_as_pytorch_draws_them(generator: torch.Generator) -> None:
    stack = STACKS["linear"](2, 400, 1, 300, generator, CPU)
    weight, bias = stack.parameters
    assert weight.abs().max() <= 1 / 20
    assert weight.std().item() == pytest.approx(1 / 20 / 3**0.5, rel=0.02)
    assert bias.abs().max() <= 1 / 20
    assert torch.equal(weight[0], weight[1]), "settings of one seed start alike"


def test_a_selected_setting_is_cut_loose_from_the_stack(generator: torch.Generator) -> None:
    stack = STACKS["frames"](3, 4, 2, 3, generator, CPU)
    stack.parameters[2][1] += 1
    alone = select(stack, 1)
    inputs = torch.randn(5, 8, generator=generator)
    torch.testing.assert_close(alone.logits(inputs)[:, 0], stack.logits(inputs)[:, 1])
    stack.parameters[2][1] += 1
    assert not torch.equal(alone.parameters[2][0], stack.parameters[2][1])
    assert list(state(alone)) == ["hidden.weight", "hidden.bias", "output.weight", "output.bias"]


def test_a_linear_head_refuses_several_frames(generator: torch.Generator) -> None:
    with pytest.raises(ValueError, match="one frame"):
        STACKS["linear"](1, 4, 2, 3, generator, CPU)


def test_cross_entropy_stays_finite_for_logits_far_apart() -> None:
    logits = torch.tensor([[[1e4, -1e4], [-1e4, 1e4]]])  # one setting, two classes, two samples
    losses, slope = cross_entropy(logits.clone(), torch.tensor([1, 1]))
    assert losses.tolist() == [1e4]
    torch.testing.assert_close(slope[0], torch.tensor([[0.5, 0.0], [-0.5, 0.0]]))
