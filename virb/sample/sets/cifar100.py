"""Sample (data): CIFAR-100, twenty of the hundred classes, 32 pixels a side, in the owner's three pickles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from virb.data.classes import CIFAR100
from virb.sample.engine.fields import Dice
from virb.sample.places.things import Manner, snapshot
from virb.sample.sets.python2 import python2_pickle
from virb.sample.sets.writing import Item, Made, Writer, in_rounds

SIDE = 32
_THINGS = {
    "apple": "apple", "bottle": "wine bottle", "bowl": "bowl", "bus": "bus", "castle": "castle", "chair": "chair",
    "cup": "mug", "elephant": "elephant", "house": "house", "lamp": "table lamp", "leopard": "leopard",
    "mushroom": "mushroom", "oak_tree": "oak tree", "pine_tree": "pine tree", "rocket": "rocket",
    "skyscraper": "skyscraper", "sunflower": "sunflower", "table": "table", "television": "monitor",
    "tank": "tank",
}  # fmt: skip
"""Fine class -> what is photographed."""
_SPLITS = {"train": (_THINGS, 30), "test": (_THINGS, 10)}
_COARSE = {
    "aquatic_mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food_containers": "bottle bowl can cup plate",
    "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
    "household_electrical_devices": "clock keyboard lamp telephone television",
    "household_furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large_carnivores": "bear leopard lion tiger wolf",
    "large_man-made_outdoor_things": "bridge castle house road skyscraper",
    "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
    "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium_mammals": "fox porcupine possum raccoon skunk",
    "non-insect_invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small_mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles_1": "bicycle bus motorcycle pickup_truck train",
    "vehicles_2": "lawn_mower rocket streetcar tank tractor",
}
"""The owner's twenty coarse classes and their five fine ones each."""
_MANNER = Manner(fill=(0.75, 1.0), off=0.5, lens=(25.0, 42.0), noise=1.5)


def _make(seed: int, item: Item) -> Made:
    """Return no file: a picture is a row of bytes in its split's pickle, red plane, green plane, blue plane."""
    split, name, index = item
    dice = Dice(seed, "cifar100", split, name, index)
    picture = snapshot(_THINGS[name], dice, (SIDE, SIDE), _MANNER).rgb
    return Made({}, np.ascontiguousarray(picture.transpose(2, 0, 1)).tobytes())


def _coarse_of(name: str) -> int:
    return next(number for number, kin in enumerate(_COARSE.values()) if name in kin.split())


def _split(made: Sequence[tuple[Item, Any]], split: str, title: str) -> bytes:
    mine = [(item, record) for item, record in made if item[0] == split]
    rows = np.frombuffer(b"".join(record for _, record in mine), np.uint8).reshape(len(mine), -1)
    return python2_pickle(
        {
            "filenames": [f"{item[1]}_s_{item[2]:06d}.png" for item, _ in mine],
            "batch_label": title,
            "fine_labels": [CIFAR100.index(item[1]) for item, _ in mine],
            "coarse_labels": [_coarse_of(item[1]) for item, _ in mine],
            "data": rows,
        }
    )


def _lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    return {
        "train": _split(made, "train", "training batch 1 of 1"),
        "test": _split(made, "test", "testing batch 1 of 1"),
        "meta": python2_pickle({"fine_label_names": list(CIFAR100), "coarse_label_names": list(_COARSE)}),
    }


WRITERS = {"cifar100": Writer("cifar-100-python", partial(in_rounds, _SPLITS), _make, _lists)}
