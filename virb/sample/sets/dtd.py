"""Sample (data): DTD, 47 classes of texture, most pictures of each in train."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from virb.data.classes import DTD
from virb.sample.engine.fields import Dice
from virb.sample.sets.writing import Item, Made, Writer, by_class, dealt, jpeg, lines_of
from virb.sample.textures.textures import texture

_SPLITS = {"train": 8, "val": 2, "test": 4}  # of each run of fourteen numbers


def _name(item: Item) -> str:
    """Return `banded/banded_0002.jpg`."""
    split, name, index = item
    return f"{name}/{name}_{dealt(split, index, _SPLITS):04d}.jpg"


def _make(seed: int, item: Item) -> Made:
    path = _name(item)
    return Made({f"images/{path}": jpeg(texture(item[1], Dice(seed, "dtd", path)))})


def _lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    return {
        f"labels/{split}1.txt": lines_of(sorted(_name(item) for item, _ in made if item[0] == split))
        for split in _SPLITS
    }


WRITERS = {"dtd": Writer("dtd", partial(by_class, _SPLITS, DTD), _make, _lists)}
