"""Sample (data): Caltech-101, twelve of the 101 classes in uneven numbers, and the background that counts for none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from virb.sample.engine.camera import Camera
from virb.sample.engine.fields import Dice
from virb.sample.engine.render import render
from virb.sample.engine.scene import Scene
from virb.sample.places.stages import indoors, lamp_for, lawn, open_country, screen, street
from virb.sample.places.things import Manner, snapshot
from virb.sample.sets.writing import Item, Made, Writer, jpeg, scaled

CLASSES = {
    "Leopards": ("leopard", 42), "airplanes": ("airplane", 42), "car_side": ("car side", 41), "chair": ("chair", 38),
    "cup": ("mug", 37), "lamp": ("table lamp", 39), "laptop": ("laptop", 40), "minaret": ("minaret", 38),
    "pyramid": ("pyramid", 36), "stop_sign": ("stop sign", 37), "sunflower": ("sunflower", 40),
    "umbrella": ("umbrella", 39),
}  # fmt: skip
"""Folder -> what is photographed, and how many pictures there are of it: 36 to 42."""
BACKGROUND = "BACKGROUND_Google"
_BACKGROUNDS = 8
_SIZES = ((128, 96), (112, 112), (120, 104), (96, 120))
_MANNER = Manner(fill=(0.7, 0.98), off=0.4, stages=(screen,), share=0.3)
GREY = 0.05
"""This share of the pictures has one channel, as some of the owner's have."""


def _items(size: float) -> list[Item]:
    counts = {BACKGROUND: _BACKGROUNDS, **{name: count for name, (_, count) in CLASSES.items()}}
    return [("all", name, index) for name, count in counts.items() for index in range(scaled(count, size))]


def _make(seed: int, item: Item) -> Made:
    _, name, index = item
    path = f"{name}/image_{index + 1:04d}.jpg"
    dice = Dice(seed, "caltech101", path)
    size = dice.pick(_SIZES)
    if name == BACKGROUND:
        return Made({path: jpeg(_nothing(dice, size))})
    picture = snapshot(CLASSES[name][0], dice, size, _MANNER).rgb
    if dice.chance(GREY):
        red, green, blue = (picture[:, :, channel].astype(np.int32) for channel in range(3))
        picture = ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.uint8)
    return Made({path: jpeg(picture)})


def _nothing(dice: Dice, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a picture of a place with nothing in particular in it."""
    stage = dice.pick((indoors, lawn, street, open_country))(dice)
    lamp, ambient = lamp_for(dice, stage)
    position = (-dice.between(1.5, 3.0), dice.between(-1.0, 1.0), dice.between(0.5, 1.5))
    camera = Camera(position, dice.between(-25.0, 25.0), dice.between(-15.0, 5.0), 55.0, *size)
    return render(Scene(stage.solids, lamp, ambient, stage.horizon, stage.zenith), camera, dice).rgb


def _lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    """Return the stray file that the owner's archive holds among the backgrounds."""
    return {f"{BACKGROUND}/tmp": b"not a picture\n"}


WRITERS = {"caltech101": Writer("101_ObjectCategories", _items, _make, _lists)}
