"""Sample (data): EuroSAT, ten kinds of land cover from above, in folders by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from virb.sample.engine.fields import Dice
from virb.sample.places.land import COVERS, land
from virb.sample.sets.writing import Item, Made, Writer, jpeg, scaled


def _items(size: float) -> list[Item]:
    return [("all", name, index) for name in COVERS for index in range(scaled(45, size))]


def _make(seed: int, item: Item) -> Made:
    _, name, index = item
    path = f"{name}/{name}_{index + 1}.jpg"
    return Made({path: jpeg(land(name, Dice(seed, "eurosat", path)))})


def _no_lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    """Return nothing: the owner ships no split, and the folders are the labels."""
    return {}


WRITERS = {"eurosat": Writer("2750", _items, _make, _no_lists)}
