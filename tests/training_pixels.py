"""A multi-task encoder for pixels trained on the spot: what better maps than random ones look like, in about a minute.

Its heads are the light ones of the quick protocol, one for each task, and are thrown away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import timm
import torch

from virb.core.store import Store
from virb.core.types import IGNORED, Level
from virb.data.images import read_image, squash
from virb.data.targets import load_targets
from virb.heads.dense import DENSE, Inputs
from virb.heads.fit.answer import answer_to
from virb.run.tasks import Prepared

SIZE, CROP, STEPS, BATCH, RATE = 96, 64, 220, 4, 1e-3
"""Cut out and not made smaller: things keep the size that they have in the test, at less than half of the time."""
GRID = 4
"""Outputs and targets are compared on a grid this much coarser, as the light head is trained."""
CPU = torch.device("cpu")
MIRRORED = {"egohands": (0, 2, 1, 4, 3)}
"""What becomes of a class when the picture is mirrored: a left hand is a right one."""


class Lesson:
    """One task's training split in memory, and its head."""

    def __init__(self, item: Prepared, store: Store, levels: tuple[Level, ...], generator: torch.Generator) -> None:
        train, targets = item.dataset.train, load_targets(item.dataset, SIZE, store)
        rows, frames = np.unique(train.index, return_inverse=True)
        self.index = torch.from_numpy(frames.reshape(train.index.shape))
        self.pictures = torch.stack([squash(read_image(item.dataset.pool, int(row)), SIZE) for row in rows])
        self.targets = targets.take(train.targets)
        self.answer = answer_to(item.task.loss, targets, train, len(item.dataset.classes), CPU, True, None)
        inputs = Inputs(levels, (CROP, CROP), item.task.frames)
        self.head = DENSE["dense_linear"](1, inputs, self.answer.outputs, generator, CPU)
        self.mirrored = torch.arange(IGNORED + 1)
        swapped = MIRRORED.get(item.task.name, ())
        self.mirrored[: len(swapped)] = torch.tensor(swapped, dtype=torch.long)

    def draw(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a batch [B, T, 3, h, w] of windows in random colours, mirrored or not, and its targets."""
        rows = torch.randint(len(self.targets), (BATCH,), generator=generator)
        top, left = (4 * int(torch.randint((SIZE - CROP) // 4 + 1, (), generator=generator)) for _ in range(2))
        window = (..., slice(top, top + CROP), slice(left, left + CROP))
        frames, wanted = self.pictures[self.index[rows]][window], self.targets[rows][window]
        if float(torch.rand((), generator=generator)) < 0.5:
            frames, wanted = frames.flip(-1), self._mirror(wanted.flip(-1))
        scaled = (frames.float() / 255 - 0.45) / 0.225
        gain = 0.8 + 0.4 * torch.rand(BATCH, 1, 3, 1, 1, generator=generator)
        shift = 0.6 * torch.rand(BATCH, 1, 3, 1, 1, generator=generator) - 0.3
        return scaled * gain + shift, wanted

    def _mirror(self, wanted: torch.Tensor) -> torch.Tensor:
        if not wanted.is_floating_point():
            return self.mirrored[wanted.long()]
        return wanted * torch.tensor([-1.0, 1.0])[:, None, None] if self.index.shape[1] == 2 else wanted

    def loss(self, maps: Sequence[torch.Tensor], wanted: torch.Tensor) -> torch.Tensor:
        """Return the error of the head on maps [B * T, C, h, w]."""
        frames = self.index.shape[1]
        shown = [level.view(BATCH, frames, *level.shape[1:]) if frames > 1 else level for level in maps]
        (output,) = self.head.outputs(shown, (CROP // GRID, CROP // GRID))
        return self.answer.error(output, wanted[..., GRID // 2 :: GRID, GRID // 2 :: GRID])


def train_encoder(tasks: Sequence[Prepared], store: Store, steps: int = STEPS) -> dict[str, torch.Tensor]:
    """Return the weights of a ResNet-18 trained on the training splits of these tasks, all at once."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = timm.create_model("resnet18", num_classes=0, zero_init_last=False)
    with torch.no_grad():
        seen = model.eval().forward_intermediates(torch.zeros(1, 3, CROP, CROP), intermediates_only=True)
    levels = tuple(Level(*level.shape[1:]) for level in seen)
    lessons = [Lesson(item, store, levels, generator) for item in tasks]
    model = model.train().to(memory_format=torch.channels_last)
    heads = [parameter for lesson in lessons for parameter in lesson.head.parameters_of(0)]
    optimiser = torch.optim.AdamW([*model.parameters(), *heads], weight_decay=0.05, fused=True)
    for step in range(steps):
        rate = RATE * min(1, (step + 1) / 15) * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        batches = [lesson.draw(generator) for lesson in lessons]
        frames = torch.cat([pictures.flatten(0, 1) for pictures, _ in batches])
        maps = model.forward_intermediates(
            frames.contiguous(memory_format=torch.channels_last), intermediates_only=True
        )
        counts = [BATCH * pictures.shape[1] for pictures, _ in batches]
        shares = zip(*(level.split(counts) for level in maps), strict=True)
        losses = [lesson.loss(own, wanted) for lesson, own, (_, wanted) in zip(lessons, shares, batches, strict=True)]
        optimiser.zero_grad()
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return dict(model.eval().state_dict())
