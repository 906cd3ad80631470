"""Sample (data): COCO panoptic, everyday scenes with a segment for each thing and each stuff."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from virb.data.classes import COCO_PANOPTIC
from virb.sample.engine.fields import Bools, Dice, Ints
from virb.sample.places.everyday import SKY, UNLABELLED, Segment, everyday
from virb.sample.sets.writing import Item, Made, Writer, by_class, jpeg, png

_SPLITS = {"train": 200, "val": 60}
_SIZES = ((128, 96), (96, 128), (120, 104), (112, 112))
_NUMBERS = {name: number for number, name, _ in COCO_PANOPTIC}
FEWEST_PIXELS = 6
"""What shows less of itself is not annotated."""


def _number(item: Item) -> int:
    """Return the picture's number: odd in train, even in val, whatever the size."""
    return 2 * item[2] + (1 if item[0] == "train" else 2)


def _make(seed: int, item: Item) -> Made:
    split, _, index = item
    dice = Dice(seed, "coco_panoptic", split, index)
    width, height = dice.pick(_SIZES)
    scene = everyday(dice, index % 2 == 0, width, height)
    ids, segments = _annotate(scene.rendering.instance, scene.segments, dice)
    planes = np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)
    name = f"{_number(item):012d}"
    files = {
        f"{split}2017/{name}.jpg": jpeg(scene.rendering.rgb),
        f"annotations/panoptic_{split}2017/{name}.png": png(planes),
    }
    return Made(files, {"width": width, "height": height, "segments_info": segments})


def _annotate(
    instance: Ints, segments: Sequence[Segment], dice: Dice
) -> tuple[NDArray[np.int32], list[dict[str, Any]]]:
    """Return each pixel's segment id, 0 where none, and what the list says of the segments."""
    ids = np.zeros(instance.shape, np.int32)
    entries: list[dict[str, Any]] = []
    for number, segment in ((-1, Segment(SKY)), *enumerate(segments)):
        mask = instance == number
        if segment.name == UNLABELLED or int(np.count_nonzero(mask)) < FEWEST_PIXELS:
            continue
        identity = dice.whole(1, 2**18 - 1) * 64 + len(entries)  # no two alike, and every byte in use
        ids[mask] = identity
        entries.append(_entry(identity, segment, mask))
    return ids, entries


def _entry(identity: int, segment: Segment, mask: Bools) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return {
        "id": identity,
        "category_id": _NUMBERS[segment.name],
        "iscrowd": int(segment.crowd),
        "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
        "area": int(np.count_nonzero(mask)),
    }


def _lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    return {f"annotations/panoptic_{split}2017.json": _listing(made, split) for split in _SPLITS}


def _listing(made: Sequence[tuple[Item, Any]], split: str) -> bytes:
    images, annotations = [], []
    for item, record in made:
        if item[0] == split:
            number, name = _number(item), f"{_number(item):012d}"
            size = {"width": record["width"], "height": record["height"]}
            images.append({"id": number, "file_name": f"{name}.jpg", **size})
            annotations.append(
                {"image_id": number, "file_name": f"{name}.png", "segments_info": record["segments_info"]}
            )
    categories = [{"id": number, "name": name, "isthing": int(thing)} for number, name, thing in COCO_PANOPTIC]
    info = {"description": "virb sample world, made by program", "year": 2017}
    content = {"info": info, "images": images, "annotations": annotations, "categories": categories}
    return json.dumps(content).encode()


WRITERS = {"coco_panoptic": Writer("coco", partial(by_class, _SPLITS, (None,)), _make, _lists)}
