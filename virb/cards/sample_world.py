"""Sample world: what it holds, so that it is known by what it is and not by what anybody says it is."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from virb.cards.yaml_files import read_yaml

PLACE = Path(__file__).parent / "sample_world.yaml"
_FEW = 16
"""Test samples of a limited run below which names prove nothing: real data may have the same few."""
_NAMED_ALIKE = ("kitti_flow",)
"""Data sets whose real samples are as many and have the same names: there names prove nothing at all."""


@dataclass(frozen=True)
class KnownSamples:
    """What the built-in sample world has for one target of a data set."""

    counts: Mapping[str, int]
    longest: int
    """Pixels of the longest side of any picture; real ones are larger."""
    world: str
    digests: frozenset[str]
    hashes: np.ndarray  # uint32 [M], sorted: of the ids of all samples
    telling: bool
    """Whether names tell its samples from real ones."""

    def holds(self, ids: Iterable[str], counts: Mapping[str, int], limit: int | None = None) -> bool:
        """Tell whether data of these counts, with ids of some of them, are this world or the larger half of it.

        Real data have many other samples, and a few pictures with such names are not yet a world.
        """
        found = np.array([_hashed(one) for one in ids], np.uint32)
        if not len(found) or (limit is not None and len(found) < _FEW):
            return False
        whole = sum(count if limit is None else min(count, limit) for count in self.counts.values())
        return 2 * sum(counts.values()) >= whole and bool(np.isin(found, self.hashes).all())

    def made(self, digest: str, ids: Iterable[str], counts: Mapping[str, int], limit: int | None) -> bool:
        """Tell whether a record of data with this digest, and with these ids in its test split, is of this world."""
        return digest in self.digests or (self.telling and self.holds(ids, counts, limit))


def known_samples(dataset: str, target: str) -> KnownSamples | None:
    """Return what the sample world has for a target; None of data that it has no stand-in for."""
    return _read().get(f"{dataset}/{target}")


@cache
def _read() -> dict[str, KnownSamples]:
    listed: dict[str, Any] = read_yaml(PLACE)
    return {
        name: KnownSamples(
            counts=facts["counts"],
            longest=facts["longest"],
            world=facts["world"],
            digests=frozenset(facts["digests"]),
            hashes=np.frombuffer(base64.b64decode(facts["ids"]), "<u4"),
            telling=name.partition("/")[0] not in _NAMED_ALIKE,
        )
        for name, facts in listed.items()
    }


def packed(ids: Iterable[str]) -> str:
    """Return ids as they are kept here: sorted hashes, in base64."""
    return base64.b64encode(np.unique(np.array([_hashed(one) for one in ids], "<u4")).tobytes()).decode()


def _hashed(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
