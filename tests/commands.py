"""What the tests of the command line share: what a command came to, and a tiny data set to run on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from PIL import Image

from virb.core.paths import card_folder

CLASSES = ("banded", "dotted", "zigzagged")


SPLITS = ("train", "val", "test")


COLOR = ("--encoder", "baseline:color")


FAST = ("--protocol", "quick", "--workers", "0", "--seeds", "1")


class Result(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything that the user reads."""
        return self.out + self.err


Run = Callable[..., Result]


def make_dtd(root: Path, each: int = 3) -> Path:
    """Write a tiny DTD in the owner's layout; a class has a colour, so that a histogram tells them apart."""
    random = np.random.default_rng(0)
    (root / "dtd" / "labels").mkdir(parents=True)
    number = 0
    for split in SPLITS:
        lines = []
        for place, name in enumerate(CLASSES):
            (root / "dtd" / "images" / name).mkdir(parents=True, exist_ok=True)
            for _ in range(each):
                number += 1
                pixels = random.integers(0, 60, (32, 32, 3)) + 150 * np.eye(3, dtype=int)[place]
                lines.append(f"{name}/{name}_{number:04d}.jpg")
                Image.fromarray(pixels.astype(np.uint8)).save(root / "dtd" / "images" / lines[-1])
        (root / "dtd" / "labels" / f"{split}1.txt").write_text("\n".join(lines) + "\n")
    return root


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(out.glob("records/*/*.json"))]


def assert_three_parts(text: str) -> None:
    assert "Expected: " in text
    assert "What to do: " in text
    assert "Traceback" not in text


def own_task(name: str, **changes: object) -> str:
    """Write a card like the shipped dtd one with some values changed; return its path."""
    card = yaml.safe_load((card_folder("tasks") / "dtd.yaml").read_text())
    Path(f"{name}.yaml").write_text(yaml.safe_dump({**card, "name": name, **changes}))
    return f"{name}.yaml"
