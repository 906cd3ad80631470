"""A tiny data set in its owner's layout, for the tests of the shelf."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

CLASSES = ("banded", "dotted", "zigzagged")
SPLITS = ("train", "val", "test")


def make_dtd(root: Path) -> Path:
    """Write a tiny DTD in the owner's layout below a root, and return its folder."""
    folder = root / "dtd"
    (folder / "labels").mkdir(parents=True)
    number = 0
    for split in SPLITS:
        lines = []
        for name in CLASSES:
            number += 1
            (folder / "images" / name).mkdir(parents=True, exist_ok=True)
            lines.append(f"{name}/{name}_{number:04d}.jpg")
            Image.new("RGB", (24, 16), (number * 20, 0, 0)).save(folder / "images" / lines[-1])
        (folder / "labels" / f"{split}1.txt").write_text("\n".join(lines) + "\n")
    return folder
