"""Sample (data): Cityscapes, streets of many cities with a class and an instance for every pixel."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from virb.data.classes import CITYSCAPES, CITYSCAPES_CITIES
from virb.data.formats.png16 import write_gray16
from virb.sample.engine.camera import Camera
from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Material
from virb.sample.engine.render import Rendering, render
from virb.sample.engine.shapes import Primitive
from virb.sample.places.roadside import facade
from virb.sample.places.streets import SEEN, SHARP, THINGS, Composed, compose, frontage, look
from virb.sample.places.traffic import traffic
from virb.sample.sets.writing import Item, Made, Writer, in_rounds, png
from virb.sample.things.vehicles import paint

_PICTURES = {"train": (CITYSCAPES_CITIES["train"], 6), "val": (CITYSCAPES_CITIES["val"], 12)}
"""The cities of each split, and how many pictures of each."""
_IDS = {"ego vehicle": 1, "out of roi": 3, **{name: number for number, name in CITYSCAPES}}
_WIDTH, _HEIGHT = 256, 128
_EYE = 1.5


@lru_cache(maxsize=32)
def _houses(seed: int, city: str) -> tuple[Material, ...]:
    """Return how the houses of a city look."""
    dice = Dice(seed, "cityscapes", city)
    return tuple(facade(dice) for _ in range(4))


def _bonnet(dice: Dice, x: float, y: float) -> Primitive:
    """Return the bonnet of the car that carries the camera."""
    wide, up = dice.between(0.75, 0.95), dice.between(0.3, 0.38)
    return Primitive("sphere", (x + 1.9, y, _EYE - 0.95), (1.0, wide, up), paint(dice), casts=False)


def _street(seed: int, city: str, dice: Dice) -> tuple[Composed, Rendering]:
    style = look(dice)
    style = replace(style, facades=(*_houses(seed, city), *style.facades[:2]))
    placed = frontage(dice, style, -10.0, SEEN) + traffic(dice, style, 0.0)
    y = -style.lane + dice.between(-0.5, 0.5)
    extra = [("ego vehicle", _bonnet(dice, 0.0, y))] if dice.chance(0.7) else []
    street = compose(style, placed, 0.0, SHARP, extra)
    field = dice.between(56.0, 72.0)
    camera = Camera((0.0, y, _EYE), dice.between(-6.0, 6.0), dice.between(-4.0, 0.0), field, _WIDTH, _HEIGHT)
    return street, render(street.scene, camera, dice)


def _label_pictures(street: Composed, instance: NDArray[np.int32]) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Return label ids and instance ids [H,W]: things are numbered within their class; no solid at all is sky."""
    seen: Counter[str] = Counter()
    labels, instances = [], []
    for label in street.labels:
        number = _IDS[label]
        labels.append(number)
        instances.append(number * 1000 + seen[label] if label in THINGS else number)
        seen[label] += 1
    sky = _IDS["sky"]
    at = np.where(instance < 0, len(labels), instance)
    label_ids = np.array([*labels, sky], np.uint8)[at]
    instance_ids = np.array([*instances, sky], np.uint16)[at]
    for picture in (label_ids, instance_ids):  # what the owner's rectification leaves without a picture
        picture[0], picture[-1], picture[:, 0], picture[:, -1] = (_IDS["out of roi"],) * 4
    return label_ids, instance_ids


def _make(seed: int, item: Item) -> Made:
    split, city, number = item
    stem = f"{city}_{number:06d}_000019"
    street, picture = _street(seed, city, Dice(seed, "cityscapes", stem))
    labels, instances = _label_pictures(street, picture.instance)
    rgb = picture.rgb.copy()
    rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1] = 0, 0, 0, 0
    return Made(
        {
            f"leftImg8bit/{split}/{city}/{stem}_leftImg8bit.png": png(rgb),
            f"gtFine/{split}/{city}/{stem}_gtFine_labelIds.png": png(labels),
            f"gtFine/{split}/{city}/{stem}_gtFine_instanceIds.png": write_gray16(instances),
        }
    )


WRITERS = {"cityscapes": Writer("cityscapes", partial(in_rounds, _PICTURES), _make)}
