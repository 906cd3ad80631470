"""Data: one adapter per data set family reads the owner's layout (stage 1: folder -> Dataset)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from virb.core.errors import CardError, did_you_mean
from virb.core.types import Dataset
from virb.data.classes import SAMPLE_MARKER
from virb.data.common import data_card, locate

ADAPTERS = {
    "caltech101": "virb.data.sets.caltech:read",
    "cifar100": "virb.data.sets.cifar:read",
    "cityscapes": "virb.data.sets.cityscapes:read",
    "clevr": "virb.data.sets.clevr:read",
    "coco_panoptic": "virb.data.sets.coco:read",
    "dtd": "virb.data.sets.dtd:read",
    "egohands": "virb.data.sets.egohands:read",
    "eurosat": "virb.data.sets.eurosat:read",
    "imagenet": "virb.data.sets.imagenet:read",
    "imagenetv2": "virb.data.sets.imagenet:read_v2",
    "kinetics400": "virb.data.sets.kinetics:read",
    "kitti_flow": "virb.data.sets.kitti:read",
    "nuscenes": "virb.data.sets.nuscenes:read",
    "nyu": "virb.data.sets.nyu:read",
    "pets": "virb.data.sets.pets:read",
    "sun397": "virb.data.sets.sun:read",
    "taskonomy": "virb.data.sets.taskonomy:read",
    "thor_depth": "virb.data.sets.thor_depth:read",
    "thor_egomotion": "virb.data.sets.thor:read_egomotion",
    "thor_num_steps": "virb.data.sets.thor:read_num_steps",
}
"""Data set name to "module:function", imported on first use."""

Adapter = Callable[[Path, str], Dataset]
"""(the data set's own folder, target) -> pool and splits; half-present data is a DataError that counts what is
missing, an unknown target a CardError before any file is looked for."""


def adapter(name: str) -> Adapter:
    """Return the adapter of a data set by name."""
    if name not in ADAPTERS:
        raise CardError(
            f"no adapter reads the data set '{name}'{did_you_mean(name, ADAPTERS)}",
            "one of " + ", ".join(sorted(ADAPTERS)),
            "correct 'dataset' in the task card, or add an adapter under virb/data",
        )
    module, _, attribute = ADAPTERS[name].partition(":")
    made: Adapter = getattr(import_module(module), attribute)
    return made


def find_dataset(name: str, root: Path) -> Path:
    """Return the folder of a data set below `root`, or raise MissingData with the way to get it."""
    adapter(name)
    return locate(root, data_card(name))


def read_dataset(name: str, root: Path, target: str) -> Dataset:
    """Return the data set `name` under `root`, read for one target."""
    folder = find_dataset(name, root)
    return replace(adapter(name)(folder, target), world=_world(folder))


def _world(folder: Path) -> str:
    """Return the checksum that the sample world writes beside what it makes; real data has none."""
    try:
        return str(json.loads((folder / SAMPLE_MARKER).read_text())["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
