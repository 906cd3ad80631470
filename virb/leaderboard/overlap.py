"""Leaderboard: where an encoder's pretraining may have seen a task's pictures.

A flag, no verdict: pictures of the same collection, often the very same ones, without or with their labels.
"""

from __future__ import annotations

import re

SEEN: dict[str, tuple[str, ...]] = {
    "imagenet": ("imagenet", "imagenetv2"),
    "places": ("sun397",),
    "kinetics": ("kinetics400",),
    "taskonomy": ("taskonomy_depth", "taskonomy_edges", "taskonomy_inpainting"),
    "combination": (
        "imagenet", "imagenetv2", "sun397", "kinetics400", "taskonomy_depth", "taskonomy_edges", "taskonomy_inpainting",
    ),
    "coco": ("coco_panoptic",),
    "cityscapes": ("cityscapes",),
    "nuscenes": ("nuscenes_egomotion",),
    "kitti": ("kitti_flow",),
    "lvd-142m": (
        "imagenet", "imagenetv2", "caltech101", "dtd", "pets", "sun397", "cityscapes", "nyu_depth", "nyu_walkable",
        "kitti_flow",
    ),
}  # fmt: skip
"""Pretraining data, as encoder cards name them, to tasks. `combination` is the paper's mix of four. LVD-142M was
gathered around pictures like those of the sets listed in table 15 of DINOv2 (arXiv 2304.07193), from memory."""


def overlap(pretraining: str, task: str) -> str:
    """Return why an encoder's pretraining may have seen a task's pictures; empty where nothing is known of it."""
    given = pretraining.strip().lower()
    for name in (given, *re.split(r"[\s,;+]+", given), given.partition("-")[0]):
        if task in SEEN.get(name, ()):
            return f"pretrained on {pretraining}, which holds pictures of this task or of its source"
    return ""
