"""Sample (data): EuroSAT, ten kinds of land cover from above, in folders by class."""

from __future__ import annotations

from functools import partial

from virb.sample.engine.fields import Dice
from virb.sample.places.land import COVERS, land
from virb.sample.sets.writing import Item, Made, Writer, by_class, jpeg


def _make(seed: int, item: Item) -> Made:
    _, name, index = item
    path = f"{name}/{name}_{index + 1}.jpg"
    return Made({path: jpeg(land(name, Dice(seed, "eurosat", path)))})


WRITERS = {"eurosat": Writer("2750", partial(by_class, {"all": 45}, COVERS), _make)}
