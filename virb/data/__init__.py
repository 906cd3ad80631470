"""Data: one adapter per data set family reads the owner's layout (stage 1: folder -> Dataset)."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Protocol

from virb.classes import SAMPLE_MARKER
from virb.errors import CardError, did_you_mean
from virb.types import Dataset

ADAPTERS = {
    "dtd": "virb.data.dtd:Dtd",
    "clevr": "virb.data.clevr:Clevr",
    "thor_egomotion": "virb.data.thor:ThorEgomotion",
}
"""Data set name to "module:class", imported on first use."""


class Adapter(Protocol):
    """Reads one data set family; `locate` says where it lies, `read` makes the splits of one target."""

    def locate(self, root: Path) -> Path:
        """Return the data set's own folder below `root`, or raise MissingData with the way to get it."""

    def read(self, folder: Path, target: str) -> Dataset:
        """Return pool and splits; half-present data is a DataError that counts what is missing."""


def adapter(name: str) -> Adapter:
    """Return the adapter of a data set by name."""
    if name not in ADAPTERS:
        raise CardError(
            f"no adapter reads the data set '{name}'{did_you_mean(name, ADAPTERS)}",
            "one of " + ", ".join(sorted(ADAPTERS)),
            "correct 'dataset' in the task card, or add an adapter under virb/data",
        )
    module, _, attribute = ADAPTERS[name].partition(":")
    made: Adapter = getattr(import_module(module), attribute)()
    return made


def read_dataset(name: str, root: Path, target: str) -> Dataset:
    """Return the data set `name` under `root`, read for one target."""
    reader = adapter(name)
    folder = reader.locate(root)
    return replace(reader.read(folder, target), world=_world(folder))


def _world(folder: Path) -> str:
    """Return the checksum that the sample world writes beside what it makes; real data has none."""
    try:
        return str(json.loads((folder / SAMPLE_MARKER).read_text())["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
