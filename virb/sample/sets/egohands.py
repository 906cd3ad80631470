"""Sample (data): EgoHands, frames of 48 videos of two people at a game, each hand's outline as a polygon."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from virb.data.classes import EGOHANDS_VIDEOS
from virb.data.formats.mat import write_mat
from virb.sample.engine.fields import Bools, Dice
from virb.sample.engine.outlines import outline
from virb.sample.places.hands import HANDS, TableScene, frame, setting
from virb.sample.sets.writing import Item, Made, Writer, jpeg, scaled

_FRAMES = 5
_VIDEOS = tuple(video for videos in EGOHANDS_VIDEOS.values() for video in videos)
_FEWEST_PIXELS = 16
"""What shows less of itself is no hand to an annotator."""
_AGREEMENT = 0.9
"""Intersection over union of a hand and its polygon."""


def _items(size: float) -> list[Item]:
    """Return frames, one more of every video with each round."""
    return [("labelled", video, number) for number in range(min(scaled(_FRAMES, size), 99)) for video in _VIDEOS]


def _path(item: Item) -> str:
    """Return `CARDS_COURTYARD_B_T/frame_0011.jpg`: numbers rise in a video, as far apart as the owner's are."""
    return f"_LABELLED_SAMPLES/{item[1]}/frame_{11 + 97 * item[2]:04d}.jpg"


@lru_cache(maxsize=64)
def _video(seed: int, name: str) -> TableScene:
    game, place, viewer, partner = name.split("_")
    return setting(game, place, viewer, partner, Dice(seed, "egohands", name))


def _polygon(instance: NDArray[np.int32], number: int) -> NDArray[np.float64]:
    """Return the outline of a hand [N,2], or the empty matrix that the owner has where there is none."""
    mask = instance == number
    corners = outline(mask) if np.count_nonzero(mask) >= _FEWEST_PIXELS else np.zeros((0, 2))
    return corners if len(corners) >= 3 else np.zeros((0, 0))


def _make(seed: int, item: Item) -> Made:
    path = _path(item)
    dice = Dice(seed, "egohands", path)
    while True:
        picture = frame(_video(seed, item[1]), dice)
        polygons = {hand: _polygon(picture.instance, number) for number, hand in enumerate(HANDS, 1)}
        if all(_agrees(polygons[hand], picture.instance == number) for number, hand in enumerate(HANDS, 1)):
            return Made({path: jpeg(picture.rgb)}, polygons)


def _agrees(polygon: NDArray[np.float64], mask: Bools) -> bool:
    """Return whether a hand shows in one piece, so that one polygon says where it is, or all but not at all."""
    if not len(polygon):
        return True
    canvas = Image.new("1", (mask.shape[1], mask.shape[0]))
    ImageDraw.Draw(canvas).polygon([(x, y) for x, y in polygon.tolist()], fill=1)
    drawn = np.asarray(canvas)
    return int(np.count_nonzero(drawn & mask)) > _AGREEMENT * int(np.count_nonzero(drawn | mask))


def _lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    """Return the polygons of each video, its frames in the order of their names."""
    lists = {}
    for video in sorted({item[1] for item, _ in made}):
        records = sorted((_path(item), polygons) for item, polygons in made if item[1] == video)
        lists[f"_LABELLED_SAMPLES/{video}/polygons.mat"] = write_mat({"polygons": [one for _, one in records]})
    return lists


WRITERS = {"egohands": Writer("egohands_data", _items, _make, _lists)}
