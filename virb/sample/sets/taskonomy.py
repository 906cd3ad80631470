"""Sample (data): Taskonomy as omnidata lays it out, buildings with their depth and the edges of their pictures."""

from __future__ import annotations

import io
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from virb.data.classes import TASKONOMY_TINY
from virb.sample.engine.fields import Dice, clouds
from virb.sample.engine.render import Rendering, render
from virb.sample.places.indoors import Lens, Style, by_own_light, handheld, room_of, style
from virb.sample.places.rooms import Room
from virb.sample.sets.writing import Item, Made, Writer, in_rounds, png

_SPLITS = {
    split: (TASKONOMY_TINY[split][:buildings], views)
    for split, buildings, views in (("train", 14, 16), ("val", 4, 12), ("test", 5, 14))
}
_ROOMS = 2
_LENS = Lens(128, 128, (60.0, 85.0), (1.15, 1.75), (-28.0, 18.0))
_PER_METRE = 512.0
_MISSING = 65535
_EDGE_SCALE = 45
"""The strongest edge a picture of 8 bits can have comes near to the strongest that 16 bits can hold."""


@lru_cache(maxsize=32)
def _style(seed: int, building: str) -> Style:
    return style(Dice(seed, "taskonomy", building, "style"))


@lru_cache(maxsize=64)
def _room(seed: int, building: str, number: int) -> Room:
    return room_of(_style(seed, building), Dice(seed, "taskonomy", building, "room", number))


def _make(seed: int, item: Item) -> Made:
    _, building, index = item
    place = _room(seed, building, index // 2 % _ROOMS)
    dice = Dice(seed, "taskonomy", building, index)
    camera = handheld(place, _LENS, dice)
    picture = render(by_own_light(place, camera, dice), camera, dice)
    targets = {"depth_zbuffer": _depth(place, picture, dice.key()), "edge_texture": _edges(picture.rgb)}
    files = {_path("rgb", building, index): png(picture.rgb)}
    return Made(files | {_path(task, building, index): _png16(target) for task, target in targets.items()})


def _path(task: str, building: str, index: int) -> str:
    """Return where a picture lies; two views look from each numbered point, as scanners' points are shared."""
    return f"{task}/taskonomy/{building}/point_{index // 2}_view_{index % 2}_domain_{task}.png"


def _depth(place: Room, picture: Rendering, key: int) -> NDArray[np.uint16]:
    """Return 512ths of a metre [H,W]; windows and a few blots are missing, as a laser scanner leaves them."""
    window = np.isin(picture.instance, [number for number, name in enumerate(place.names) if name == "window"])
    rows, columns = np.mgrid[: picture.depth.shape[0], : picture.depth.shape[1]].astype(np.float32) * np.float32(0.08)
    blots = clouds(columns, rows, key, 2) > 0.88
    steps = np.floor(np.minimum(picture.depth * _PER_METRE, 60000.0) + 0.5)
    return np.where(window | blots, _MISSING, steps).astype(np.uint16)


def _edges(rgb: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return how steep the softened brightness [H,W] of a picture is, by Sobel's masks in whole numbers."""
    red, green, blue = (rgb[:, :, channel].astype(np.int32) for channel in range(3))
    grey = np.pad((77 * red + 150 * green + 29 * blue) >> 8, 2, mode="edge")
    soft = _binomial(_binomial(grey).T).T
    across = _binomial((soft[:, 2:] - soft[:, :-2]).T).T
    down = _binomial(soft[2:] - soft[:-2])
    squared = (across * across + down * down).astype(np.float64)
    return np.floor(np.sqrt(squared) * (_EDGE_SCALE / 16)).astype(np.uint16)


def _binomial(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return each number with twice its neighbour to the right and once the next, summed along rows [H,W-2]."""
    total: NDArray[np.int32] = values[:, :-2] + 2 * values[:, 1:-1] + values[:, 2:]
    return total


def _png16(values: NDArray[np.uint16]) -> bytes:
    """Return [H,W] as a grey PNG of 16 bits."""
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "png", compress_level=1)
    return stream.getvalue()


WRITERS = {"taskonomy": Writer("taskonomy", partial(in_rounds, _SPLITS), _make)}
