"""Fit: Adam over the slices of stacks, against torch's own optimisers with a group for each setting."""

from __future__ import annotations

import pytest
import torch

from virb.heads import STACKS, Stack
from virb.heads.fit.adam import StackedAdam

RATES = (1e-1, 1e-3, 1e-2, 1e-4)
DECAYS = (0.0, 1e-2, 3.0, 1e-1)


def stacks() -> list[Stack]:
    generator = torch.Generator().manual_seed(0)
    return [
        STACKS["linear"](3, 33, 1, 5, generator, torch.device("cpu")),
        STACKS["frames"](1, 20, 2, 4, generator, torch.device("cpu")),
    ]


@pytest.mark.parametrize(("kind", "reference"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_steps_are_to_the_bit_those_of_a_group_for_each_setting(
    kind: str, reference: type[torch.optim.Optimizer]
) -> None:
    ours, theirs = stacks(), stacks()
    groups = []
    for stack in theirs:
        for place in range(stack.settings):
            slices = [parameter[place] for parameter in stack.parameters]
            for view, grad in zip(slices, stack.grads, strict=True):
                view.grad = grad[place]
            decay = DECAYS[len(groups)]
            groups.append({"params": slices, "lr": RATES[len(groups)], "weight_decay": decay})
    plain = reference(groups, fused=True)  # type: ignore[call-arg]
    stacked = StackedAdam(kind, ours, DECAYS)
    generator = torch.Generator().manual_seed(1)
    for step in range(1, 8):
        for one, two in zip(ours, theirs, strict=True):
            for mine, other in zip(one.grads, two.grads, strict=True):
                other.copy_(mine.normal_(generator=generator))
        for group, rate in zip(plain.param_groups, RATES, strict=True):
            group["lr"] = rate / step
        stacked.step([rate / step for rate in RATES])
        plain.step()
    started = stacks()
    for one, two, begun in zip(ours, theirs, started, strict=True):
        for mine, other, first in zip(one.parameters, two.parameters, begun.parameters, strict=True):
            assert torch.equal(mine, other)
            assert not torch.equal(mine, first)
