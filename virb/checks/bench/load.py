"""Bench: what it costs to understand a weights file beyond reading it, in CPU seconds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from virb.cards.encoder_names import encoder_card
from virb.checks.bench.clock import cpu
from virb.encode.architectures import create
from virb.encode.checkpoints import load_file
from virb.encode.checkpoints.load import check
from virb.encode.checkpoints.safe import Contents, Stored, read_contents
from virb.encode.checkpoints.shapes import shapes_of
from virb.encode.checkpoints.understand import Request, recognise

WHOLE = ("resnet50", "vit_base_patch16_224", "swin_tiny_patch4_window7_224", "efficientnet_b0", "regnety_032")
"""Written to a file and loaded."""
NAMES = (
    "resnet152", "vit_giant_patch14_dinov2", "vit_gigantic_patch14_224", "convnext_base",
    "swin_large_patch4_window12_384", "efficientnet_b7", "regnety_1280",
)  # fmt: skip
"""Understood from names and shapes alone: their numbers would fill the disk, and inference reads none."""


def report(rounds: int) -> None:
    """Print for each network what inference costs, and for some what reading their numbers costs beside it."""
    print(
        f"CPU seconds of one core, the least of {rounds} rounds; 'understood' is names and shapes to the architecture"
    )
    print(f"{'network':34}{'tensors':>9}{'read':>9}{'understood':>12}{'whole load':>12}")
    for name in WHOLE:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.pth"
            torch.save({"state_dict": create(name).state_dict()}, path)
            contents = read_contents(path)
            read = _least(rounds, lambda: [stored.read() for stored in read_contents(path).tensors.values()])  # noqa: B023
            whole = _least(rounds, lambda: load_file(encoder_card(str(path))))  # noqa: B023
            _line(name, contents, _understood(rounds, contents), f"{read:9.2f}", f"{whole:12.2f}")
    for name in NAMES:
        contents = described(name)
        _line(name, contents, _understood(rounds, contents), f"{'-':>9}", f"{'-':>12}")


def described(name: str) -> Contents:
    """Return a file's tensors by name and shape only, behind the wrapper of a training script."""
    tensors = {
        f"state_dict.module.{key}": Stored(shape, "float32", lambda: torch.zeros(0), (key,))
        for key, shape in shapes_of(name).items()
    }
    return Contents("torch zip", tensors, dict.fromkeys(tensors, "state_dict"))


def _understood(rounds: int, contents: Contents) -> float:
    def work() -> None:
        shapes_of.cache_clear()
        understood = recognise(Path(__file__), contents, Request())
        if understood.faults():  # stop where they do not fit
            check(understood)

    return _least(rounds, work)


def _least(rounds: int, work: Callable[[], object]) -> float:
    return min(cpu(work) for _ in range(rounds))


def _line(name: str, contents: Contents, understood: float, read: str, whole: str) -> None:
    print(f"{name:34}{len(contents.tensors):9,}{read}{understood:12.2f}{whole}", flush=True)
