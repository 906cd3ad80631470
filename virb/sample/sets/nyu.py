"""Sample (data): NYU Depth in ViRB's layout, rooms with their depth in metres and the floor to walk on."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from virb.sample.engine.fields import Dice, Floats
from virb.sample.engine.render import render
from virb.sample.places.indoors import Lens, by_own_light, handheld, room_of, style, walkable
from virb.sample.places.rooms import Room
from virb.sample.sets.writing import Item, Made, Writer, png, scaled

_SPLITS = {"train": (0, 40, 6), "test": (40, 20, 5)}  # first number of a round, rooms, frames of each
_ROUND = 60
_LENS = Lens(144, 108, (62.0, 72.0), (1.15, 1.7), (-32.0, -2.0))


def _items(size: float) -> list[Item]:
    """Return frames, one more of each room with each round, so that a larger world adds to every room."""
    return [
        (split, place, frame)
        for split, (_, rooms, frames) in _SPLITS.items()
        for frame in range(scaled(frames, size))
        for place in range(rooms)
    ]


@lru_cache(maxsize=64)
def _room(seed: int, split: str, place: int) -> Room:
    dice = Dice(seed, "nyu", split, "room", place)
    return room_of(style(dice), dice)


def _make(seed: int, item: Item) -> Made:
    """Make one frame; its number is its own in both splits, whatever the size of the world."""
    split, index, frame = item
    name = str(frame * _ROUND + _SPLITS[split][0] + index)
    place, dice = _room(seed, split, index), Dice(seed, "nyu", name)
    camera = handheld(place, _LENS, dice)
    picture = render(by_own_light(place, camera, dice), camera, dice)
    floor = walkable(place, picture).astype(np.uint8) * np.uint8(255)
    return Made(
        {
            f"{split}/images/{name}.png": png(picture.rgb),
            f"{split}/depths/{name}.tiff": _tiff(picture.depth),
            f"{split}/walkable/{name}.png": png(floor),
        }
    )


def _tiff(depth: Floats) -> bytes:
    """Return metres [H,W] as a TIFF file of 32-bit floats."""
    stream = io.BytesIO()
    Image.fromarray(depth.astype(np.float32)).save(stream, "tiff")
    return stream.getvalue()


def _lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    return {}


WRITERS = {"nyu": Writer("nyu", _items, _make, _lists)}
