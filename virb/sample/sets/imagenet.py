"""Sample (data): ImageNet and ImageNetV2, twenty of the thousand classes, the latter taken in another manner."""

from __future__ import annotations

from functools import partial

from virb.sample.engine.fields import Dice
from virb.sample.places.stages import indoors, lawn, open_country, street, table
from virb.sample.places.things import Manner, snapshot
from virb.sample.sets.writing import Item, Made, Writer, by_class, exposed, jpeg

CLASSES: dict[str, tuple[int, str]] = {
    "n02391049": (340, "zebra"),
    "n02795169": (427, "barrel"),
    "n02814860": (437, "lighthouse"),
    "n03063599": (504, "mug"),
    "n03255030": (543, "dumbbell"),
    "n03544143": (604, "hourglass"),
    "n03710193": (637, "mailbox"),
    "n03782006": (664, "monitor"),
    "n03891251": (703, "park bench"),
    "n04146614": (779, "bus"),
    "n04254680": (805, "soccer ball"),
    "n04380533": (846, "table lamp"),
    "n04398044": (849, "teapot"),
    "n04399382": (850, "teddy"),
    "n04507155": (879, "umbrella"),
    "n04562935": (900, "water tower"),
    "n04591713": (907, "wine bottle"),
    "n06874185": (920, "traffic light"),
    "n07614500": (928, "ice cream"),
    "n07734744": (947, "mushroom"),
}
"""WordNet id -> its place among the sorted thousand, and what is photographed."""

_SPLITS = {"train": 16, "val": 8}
_SIZES = ((112, 112), (120, 96), (96, 120), (128, 96))
_MANNER = Manner()
_SHIFTED = Manner(
    fill=(0.5, 0.95),
    off=1.0,
    lens=(42.0, 62.0),
    noise=5.0,
    stages=(table, indoors, lawn, street, open_country),
    share=0.5,
)
"""Nearer with a wider lens, less central, noisier, in odd places, with an unsteady exposure."""


def _name(item: Item) -> str:
    """Return the owner's name; the numbers in val run over all classes."""
    split, wnid, index = item
    if split == "train":
        return f"train/{wnid}/{wnid}_{index + 1}.JPEG"
    return f"val/{wnid}/ILSVRC2012_val_{index * len(CLASSES) + list(CLASSES).index(wnid) + 1:08d}.JPEG"


def _make(seed: int, item: Item) -> Made:
    name = _name(item)
    dice = Dice(seed, "imagenet", name)
    taken = snapshot(CLASSES[item[1]][1], dice, dice.pick(_SIZES), _MANNER)
    return Made({name: jpeg(taken.rgb)})


def _second_make(seed: int, item: Item) -> Made:
    place, thing = CLASSES[item[1]]
    name = f"{place}/{item[2]}.jpeg"
    dice = Dice(seed, "imagenetv2", name)
    taken = snapshot(thing, dice, dice.pick(_SIZES), _SHIFTED)
    return Made({name: jpeg(exposed(taken.rgb, dice))})


WRITERS = {
    "imagenet": Writer("imagenet", partial(by_class, _SPLITS, CLASSES), _make),
    "imagenetv2": Writer(
        "imagenetv2-matched-frequency-format-val", partial(by_class, {"test": 10}, CLASSES), _second_make
    ),
}
