"""Data: one adapter per data set family reads the owner's layout (stage 1: folder -> Dataset)."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from virb.core.errors import CardError, did_you_mean
from virb.core.files import read_bytes
from virb.core.types import Dataset
from virb.data.common import DATASETS, LARGEST_MARKER, data_card, is_sample, locate, sample_markers

Adapter = Callable[[Path, str], Dataset]
"""(the data set's own folder, target) -> pool and splits; half-present data is a DataError that counts what is
missing, an unknown target a CardError before any file is looked for."""


def adapter(name: str) -> Adapter:
    """Return the adapter of a data set by name; its module is imported on first use."""
    known = DATASETS.names()
    if name not in known:
        raise CardError(
            f"no adapter reads the data set '{name}'{did_you_mean(name, known)}",
            "one of " + ", ".join(known),
            f"correct 'dataset' in the task card, or add the card virb/cards/datasets/{name}.yaml and an adapter in "
            "virb/data/sets (CONTRIBUTING.md, 'A new task')",
        )
    module, _, function = (data_card(name).adapter or f"{name}:read").partition(":")
    whole = f"virb.data.sets.{module}"
    made: Adapter | None = getattr(import_module(whole), function, None) if find_spec(whole) else None
    if made is None:
        raise CardError(
            f"the card of the data set '{name}' is there, and nothing reads it",
            f"a function '{function}' in virb/data/sets/{module}.py",
            "add it, or name another module and function under 'adapter' in the card",
        )
    return made


def find_dataset(name: str, root: Path) -> Path:
    """Return the folder of a data set below `root`, or raise MissingData with the way to get it."""
    adapter(name)
    return locate(root, data_card(name))


def read_dataset(name: str, root: Path, target: str) -> Dataset:
    """Return the data set `name` under `root`, read for one target."""
    folder = find_dataset(name, root)
    return replace(adapter(name)(folder, target), world=_world(folder), sample=is_sample(folder) or is_sample(root))


def _world(folder: Path) -> str:
    """Return the checksum that the sample world writes beside what it makes; real data has none."""
    for marker in sample_markers(folder):
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            return str(json.loads(read_bytes(marker, LARGEST_MARKER))["sha256"])
    return ""
