"""Sample (data): DTD, 47 classes of texture, most pictures of each in train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from virb.data.classes import DTD
from virb.sample.engine.fields import Dice
from virb.sample.sets.writing import Item, Made, Writer, jpeg, lines_of, scaled
from virb.sample.textures.textures import texture

_SPLITS = {"train": (0, 8), "val": (8, 2), "test": (10, 4)}  # first place and count in each run of fourteen


def _items(size: float) -> list[Item]:
    return [
        (split, name, index)
        for split, (_, count) in _SPLITS.items()
        for name in DTD
        for index in range(scaled(count, size))
    ]


def _name(item: Item) -> str:
    """Return `banded/banded_0002.jpg`: numbers are dealt to the splits in runs of fourteen, whatever the size."""
    split, name, index = item
    first, count = _SPLITS[split]
    return f"{name}/{name}_{index // count * 14 + first + index % count + 1:04d}.jpg"


def _make(seed: int, item: Item) -> Made:
    path = _name(item)
    return Made({f"images/{path}": jpeg(texture(item[1], Dice(seed, "dtd", path)))})


def _lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    return {
        f"labels/{split}1.txt": lines_of(sorted(_name(item) for item, _ in made if item[0] == split))
        for split in _SPLITS
    }


WRITERS = {"dtd": Writer("dtd", _items, _make, _lists)}
