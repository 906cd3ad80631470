"""Cards and options of protocol virb2021, small enough for a test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from virb.cards.select import TASKS, protocol
from virb.cards.task import Published, Task
from virb.run.options import Asked, Options

SIZE, BATCH = 64, 2


def card(name: str, **changes: object) -> Task:
    """Return a shipped task whose published numbers are small."""
    task = Task.read(TASKS.path(name))
    rate = task.published.learning_rate if task.published else 1e-4
    short = Published(epochs=1, batch=BATCH, learning_rate=rate, comparable=True)
    return task.model_copy(update={"published": short, **changes})


def options(root: Path, out: Path, augment: bool = False, **changes: Any) -> Options:
    """Return options with the published protocol at 64 pixels."""
    rules = protocol("virb2021")
    assert rules.pixel is not None
    part = rules.pixel.model_copy(update={"augment": augment})
    small = rules.model_copy(update={"size": SIZE, "pixel": part})
    plain = Asked(sample=True, out=out, workers=0).options()
    return replace(plain, protocol=small, root=root, **{"limit": 10, **changes})
