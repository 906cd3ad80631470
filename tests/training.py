"""A multi-task encoder trained on the spot: what a better encoder than a random one looks like, in about a minute."""

from __future__ import annotations

import math
from collections.abc import Sequence

import timm
import torch
from torch import nn
from torch.nn import functional

from virb.data.images import read_image, squash
from virb.run.tasks import Prepared

SIZE, STEPS, RATE = 64, 270, 1e-3
BATCH = {"dtd": 7, "clevr_count": 16, "thor_egomotion": 10}
MIRRORED = {"thor_egomotion": torch.tensor([0, 2, 1, 3, 4])}
"""What becomes of a label when the picture is mirrored: a turn to the left is one to the right."""
REVERSED = {"thor_egomotion": torch.tensor([0, 2, 1, 4, 3])}
"""What becomes of a label when the frames change places; a step ahead has no such label and stays as it is."""


def train_encoder(tasks: Sequence[Prepared], steps: int = STEPS) -> dict[str, torch.Tensor]:
    """Return the weights of a ResNet-18 trained on the training splits of these tasks, all at once."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = timm.create_model("resnet18", num_classes=0, zero_init_last=False)
        heads = nn.ModuleDict({item.task.name: _head(item) for item in tasks})
    model = model.to(memory_format=torch.channels_last)
    images = {
        item.task.name: torch.stack(
            [squash(read_image(item.dataset.pool, row), SIZE) for row in range(len(item.dataset.pool))]
        )
        for item in tasks
    }
    optimiser = torch.optim.AdamW([*model.parameters(), *heads.parameters()], weight_decay=0.05, fused=True)
    for step in range(steps):
        rate = RATE * min(1, (step + 1) / 15) * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        batches = {item.task.name: _draw(item, images[item.task.name], generator) for item in tasks}
        frames = torch.cat([inputs.flatten(0, 1) for inputs, _ in batches.values()])
        embeddings = model(frames.contiguous(memory_format=torch.channels_last))
        losses, start = [], 0
        for name, (inputs, targets) in batches.items():
            count = inputs.shape[0] * inputs.shape[1]
            joined = embeddings[start : start + count].reshape(len(targets), -1)
            losses.append(functional.cross_entropy(heads[name](joined), targets))
            start += count
        optimiser.zero_grad()
        torch.stack(losses).sum().backward()
        optimiser.step()
    return model.eval().state_dict()


def _head(item: Prepared) -> nn.Module:
    """Return the head that the task card names, as plain layers."""
    classes = len(item.dataset.classes)
    if item.task.head == "linear":
        return nn.Linear(512, classes)
    return nn.Sequential(nn.Linear(512 * item.task.frames, 512), nn.ReLU(), nn.Linear(512, classes))


def _draw(item: Prepared, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch [B, T, 3, H, W] with random mirroring, order of frames and colours, and its labels."""
    train, name = item.dataset.train, item.task.name
    count = BATCH[name]
    rows = torch.randint(len(train), (count,), generator=generator)
    inputs, targets = images[torch.from_numpy(train.index)[rows]], torch.from_numpy(train.targets)[rows]
    mirrored = torch.rand(count, generator=generator) < 0.5
    inputs[mirrored] = inputs[mirrored].flip(-1)
    if name in MIRRORED:
        targets[mirrored] = MIRRORED[name][targets[mirrored]]
        turned = (torch.rand(count, generator=generator) < 0.5) & (targets != 0)
        inputs[turned] = inputs[turned].flip(1)
        targets[turned] = REVERSED[name][targets[turned]]
    scaled = (inputs.float() / 255 - 0.45) / 0.225
    frames = inputs.shape[1]  # each frame has its own colours: exposure tells nothing of the action
    gain = 0.7 + 0.6 * torch.rand(count, frames, 3, 1, 1, generator=generator)
    shift = torch.rand(count, frames, 3, 1, 1, generator=generator) - 0.5
    return scaled * gain + shift, targets
