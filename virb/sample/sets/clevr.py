"""Sample (data): CLEVR, tabletops with three to ten things."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from virb.data.classes import CLEVR_COUNTS
from virb.sample.engine.fields import Dice, balanced
from virb.sample.places.tabletop import DEPTHS, Tabletop, tabletop
from virb.sample.sets.writing import Item, Made, Writer, by_class, png

_SPLITS = {"train": 960, "val": 480}


def _make(seed: int, item: Item) -> Made:
    split, _, index = item
    count = int(CLEVR_COUNTS[balanced(index, len(CLEVR_COUNTS), seed, "clevr", split, "count")])
    depth_class = balanced(index, len(DEPTHS), seed, "clevr", split, "depth")
    dice = Dice(seed, "clevr", split, index)
    table = tabletop(dice, count, depth_class)
    name = f"CLEVR_{split}_{index:06d}.png"
    rgb = table.rendering.rgb
    opaque = np.full((*rgb.shape[:2], 1), 255, np.uint8)
    picture = png(np.concatenate([rgb, opaque], axis=2))
    return Made({f"images/{split}/{name}": picture}, _scene(table, split, index, name))


def _scene(table: Tabletop, split: str, index: int, name: str) -> dict[str, Any]:
    objects = []
    for thing in table.things:
        column, row, depth = table.camera.project(thing.centre)
        objects.append(
            {
                "shape": thing.shape, "size": thing.size, "material": thing.surface, "color": thing.colour,
                "rotation": thing.turn, "3d_coords": list(thing.centre),
                "pixel_coords": [round(column), round(row), depth],
            }
        )  # fmt: skip
    directions = _directions(table)
    return {
        "image_index": index, "image_filename": name, "split": split, "objects": objects,
        "relationships": _relationships(table, directions), "directions": directions,
    }  # fmt: skip


def _directions(table: Tabletop) -> dict[str, list[float]]:
    """Return the camera's directions along the ground, and up and down."""
    right, _, forward = table.camera.axes
    flat = (forward[0] ** 2 + forward[1] ** 2) ** 0.5
    behind = [forward[0] / flat, forward[1] / flat, 0.0]
    return {
        "right": list(right), "left": [-part for part in right],
        "behind": behind, "front": [-part for part in behind],
        "above": [0.0, 0.0, 1.0], "below": [0.0, 0.0, -1.0],
    }  # fmt: skip


def _relationships(table: Tabletop, directions: dict[str, list[float]]) -> dict[str, list[list[int]]]:
    """Return for each direction and thing which others lie there by more than 0.2, as the owner's generator does."""
    centres = [thing.centre for thing in table.things]
    return {
        name: [
            [
                other
                for other, there in enumerate(centres)
                if other != number and sum((a - b) * c for a, b, c in zip(there, here, way, strict=True)) > 0.2
            ]
            for number, here in enumerate(centres)
        ]
        for name, way in directions.items()
        if name not in ("above", "below")
    }


def _lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    lists = {}
    for split in _SPLITS:
        info = {"date": "", "version": "1.0", "split": split, "license": "virb sample world, made by program"}
        scenes = [record for item, record in made if item[0] == split]
        lists[f"scenes/CLEVR_{split}_scenes.json"] = json.dumps({"info": info, "scenes": scenes}).encode()
    return lists


WRITERS = {"clevr": Writer("CLEVR_v1.0", partial(by_class, _SPLITS, (None,)), _make, _lists)}
