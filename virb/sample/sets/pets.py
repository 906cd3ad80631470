"""Sample (data): Oxford-IIIT Pet, twelve of the 37 breeds, each picture with its trimap."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from virb.data.classes import PETS
from virb.sample.engine.fields import Bools, Dice
from virb.sample.places.pets import BREEDS, pet_photo
from virb.sample.sets.writing import Item, Made, Writer, by_class, dealt, jpeg, lines_of, png

_SPLITS = {"trainval": 24, "test": 12}  # of each run of 36 numbers
PET, BACKGROUND, BORDER = 1, 2, 3


def _name(item: Item) -> str:
    """Return `Bengal_25`."""
    split, breed, index = item
    return f"{breed}_{dealt(split, index, _SPLITS)}"


def _make(seed: int, item: Item) -> Made:
    name = _name(item)
    dice = Dice(seed, "pets", name)
    size = dice.pick(((128, 112), (128, 96), (112, 128), (120, 120), (136, 104)))
    taken = pet_photo(item[1], dice, size)
    trimap = trimap_of(taken.instance == 1)
    return Made({f"images/{name}.jpg": jpeg(taken.rgb), f"annotations/trimaps/{name}.png": png(trimap)})


def trimap_of(mask: Bools) -> NDArray[np.uint8]:
    """Return 1 on the pet, 2 around it and 3 where the two meet: one pixel inside the outline and two outside."""
    codes = np.where(mask, PET, BACKGROUND).astype(np.uint8)
    codes[_near(_near(mask)) & _near(~mask)] = BORDER
    return codes


def _near(mask: Bools) -> Bools:
    """Return the mask grown by one pixel in eight directions."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    wide = grown.copy()
    wide[:, 1:] |= grown[:, :-1]
    wide[:, :-1] |= grown[:, 1:]
    return wide


def _line(item: Item) -> str:
    """Return the owner's line: name, class 1 to 37, species (1 cat, 2 dog), breed among its species."""
    breed = item[1]
    number = PETS.index(breed)
    kin = [other for other in PETS if other[0].isupper() == breed[0].isupper()]
    return f"{_name(item)} {number + 1} {1 if breed[0].isupper() else 2} {kin.index(breed) + 1}"


_HEADER = (
    "#Image CLASS-ID SPECIES BREED ID",
    "#ID: 1:37 Class ids",
    "#SPECIES: 1:Cat 2:Dog",
    "#BREED ID: 1-25:Cat 1:12:Dog",
    "#All images with 1st letter as captial are cat images",
    "#images with small first letter are dog images",
)
"""Six lines of comment open the owner's list.txt, and readers skip them."""


def _order(item: Item) -> tuple[str, int]:
    return item[1].lower(), int(_name(item).rsplit("_", 1)[1])


def _lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    items = sorted((item for item, _ in made), key=_order)
    lists = {
        f"annotations/{split}.txt": lines_of(_line(item) for item in items if item[0] == split) for split in _SPLITS
    }
    lists["annotations/list.txt"] = lines_of((*_HEADER, *map(_line, items)))
    return lists


WRITERS = {"pets": Writer("oxford-iiit-pet", partial(by_class, _SPLITS, BREEDS), _make, _lists)}
