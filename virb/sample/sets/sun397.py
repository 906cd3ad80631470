"""Sample (data): SUN397 with its first partition, ten of the classes, each with a maker of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from virb.sample.engine.fields import Dice
from virb.sample.engine.render import render
from virb.sample.places.interiors import bedroom, corridor, kitchen, living_room, office
from virb.sample.places.outdoors import beach, church, forest_path, mountain, street
from virb.sample.places.site import Shot
from virb.sample.sets.sun_names import SUN397
from virb.sample.sets.writing import Item, Made, Writer, by_class, exposed, jpeg, lines_of, png

MAKERS: dict[str, Callable[[Dice], Shot]] = {
    "beach": beach, "bedroom": bedroom, "church/outdoor": church, "corridor": corridor, "forest_path": forest_path,
    "kitchen": kitchen, "living_room": living_room, "mountain": mountain, "office": office, "street": street,
}  # fmt: skip
_SPLITS = {"Training": 26, "Testing": 16}


def _make(seed: int, item: Item) -> Made:
    """Make a picture; a few are grey, or PNG whatever their name says, as some of the owner's are."""
    _, name, index = item
    dice = Dice(seed, "sun397", *item)
    path = f"{name[0]}/{name}/sun_{''.join(chr(97 + letter % 26) for letter in dice.bytes(16).tolist())}.jpg"
    shot = MAKERS[name](dice)
    picture = exposed(render(shot.scene, shot.camera, dice).rgb, dice)
    if index % 13 == 5:
        return Made({path: jpeg(_grey(picture))}, path)
    return Made({path: png(picture) if index % 13 == 9 else jpeg(picture)}, path)


def _grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    red, green, blue = (picture[:, :, channel].astype(np.int32) for channel in range(3))
    return ((77 * red + 150 * green + 29 * blue) >> 8).astype(np.uint8)


def _lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    """Return all 397 classes, those without pictures too, and the first partition's two lists."""
    lists = {"ClassName.txt": lines_of(f"/{name[0]}/{name}" for name in SUN397)}
    for split in _SPLITS:
        lists[f"{split}_01.txt"] = lines_of(sorted(f"/{path}" for item, path in made if item[0] == split))
    return lists


WRITERS = {"sun397": Writer("SUN397", partial(by_class, _SPLITS, MAKERS), _make, _lists)}
