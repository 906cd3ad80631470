"""Sample (data): NYU Depth in ViRB's layout, rooms with their depth in metres and the floor to walk on."""

from __future__ import annotations

import io
from functools import lru_cache, partial

import numpy as np
from PIL import Image

from virb.sample.engine.fields import Dice, Floats
from virb.sample.engine.render import render
from virb.sample.places.indoors import Lens, by_own_light, handheld, room_of, style, walkable
from virb.sample.places.rooms import Room
from virb.sample.sets.writing import Item, Made, Writer, in_rounds, png

_SPLITS = {"train": (range(40), 6), "test": (range(20), 5)}  # rooms, frames of each
_FIRST = {"train": 0, "test": 40}  # numbers of a round
_ROUND = 60
_LENS = Lens(144, 108, (62.0, 72.0), (1.15, 1.7), (-32.0, -2.0))


@lru_cache(maxsize=64)
def _room(seed: int, split: str, place: int) -> Room:
    dice = Dice(seed, "nyu", split, "room", place)
    return room_of(style(dice), dice)


def _make(seed: int, item: Item) -> Made:
    """Make one frame; its number is its own in both splits, whatever the size of the world."""
    split, index, frame = item
    name = str(frame * _ROUND + _FIRST[split] + index)
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


WRITERS = {"nyu": Writer("nyu", partial(in_rounds, _SPLITS), _make)}
