"""Sample (data): each data set in the layout of its owner, so that the real readers read it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from virb.classes import CLEVR_COUNTS, DTD, THOR_ACTIONS
from virb.sample.fields import Dice, balanced
from virb.sample.render import render
from virb.sample.rooms import Room, after, room, starting_pose
from virb.sample.tabletop import DEPTHS, Tabletop, tabletop
from virb.sample.textures import texture

Item: TypeAlias = tuple[str, Any, int]
"""One item to make: its split, a class or scene (or None), and its number in there."""


@dataclass(frozen=True)
class Made:
    """What one item is: files by their path in the data set's folder, and what the lists need to know of it."""

    files: dict[str, bytes]
    record: Any = None


@dataclass(frozen=True)
class Writer:
    """A data set: its folder, its items at a size, how one is made from a seed, and the lists over all."""

    folder: str
    items: Callable[[float], list[Item]]
    make: Callable[[int, Item], Made]
    lists: Callable[[Sequence[tuple[Item, Any]]], dict[str, bytes]]


def scaled(count: int, size: float) -> int:
    """Return how many of `count` items a world of this size holds: at least one."""
    return max(1, round(count * size))


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture [H,W,3] as a JPEG file."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "jpeg", quality=90)
    return stream.getvalue()


def png(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture [H,W,C] as a PNG file, packed fast: noise does not pack well anyhow."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "png", compress_level=1)
    return stream.getvalue()


def exposed(picture: NDArray[np.uint8], dice: Dice) -> NDArray[np.uint8]:
    """Return a picture [H,W,3] as a camera that sets exposure and white balance for each frame would take it.

    Otherwise the colours of two frames alone tell most of what the camera did.
    """
    light = dice.between(0.65, 1.35)
    gains = np.array([light * dice.between(0.85, 1.15) for _ in range(3)])
    return np.asarray(np.minimum(np.floor(picture * gains + 0.5), 255.0).astype(np.uint8))


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


# --- DTD: 47 classes of texture, most pictures of each in train ------------------------------------------------

_DTD_SPLITS = {"train": (0, 8), "val": (8, 2), "test": (10, 4)}  # first place and count in each run of fourteen


def _dtd_items(size: float) -> list[Item]:
    return [
        (split, name, index)
        for split, (_, count) in _DTD_SPLITS.items()
        for name in DTD
        for index in range(scaled(count, size))
    ]


def _dtd_name(item: Item) -> str:
    """Return `banded/banded_0002.jpg`: numbers are dealt to the splits in runs of fourteen, whatever the size."""
    split, name, index = item
    first, count = _DTD_SPLITS[split]
    return f"{name}/{name}_{index // count * 14 + first + index % count + 1:04d}.jpg"


def _dtd_make(seed: int, item: Item) -> Made:
    path = _dtd_name(item)
    return Made({f"images/{path}": jpeg(texture(item[1], Dice(seed, "dtd", path)))})


def _dtd_lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    return {
        f"labels/{split}1.txt": _lines(sorted(_dtd_name(item) for item, _ in made if item[0] == split))
        for split in _DTD_SPLITS
    }


# --- CLEVR: tabletops, three to ten things --------------------------------------------------------------------

_CLEVR_SPLITS = {"train": 960, "val": 240}


def _clevr_items(size: float) -> list[Item]:
    return [(split, None, index) for split, count in _CLEVR_SPLITS.items() for index in range(scaled(count, size))]


def _clevr_make(seed: int, item: Item) -> Made:
    split, _, index = item
    count = int(CLEVR_COUNTS[balanced(index, len(CLEVR_COUNTS), seed, "clevr", split, "count")])
    depth_class = balanced(index, len(DEPTHS), seed, "clevr", split, "depth")
    dice = Dice(seed, "clevr", split, index)
    table = tabletop(dice, count, depth_class)
    name = f"CLEVR_{split}_{index:06d}.png"
    rgb = table.rendering.rgb
    opaque = np.full((*rgb.shape[:2], 1), 255, np.uint8)
    picture = png(np.concatenate([rgb, opaque], axis=2))
    return Made({f"images/{split}/{name}": picture}, _clevr_scene(table, split, index, name))


def _clevr_scene(table: Tabletop, split: str, index: int, name: str) -> dict[str, Any]:
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
    directions = _clevr_directions(table)
    return {
        "image_index": index, "image_filename": name, "split": split, "objects": objects,
        "relationships": _clevr_relationships(table, directions), "directions": directions,
    }  # fmt: skip


def _clevr_directions(table: Tabletop) -> dict[str, list[float]]:
    """Return the camera's directions along the ground, and up and down."""
    right, _, forward = table.camera.axes
    flat = (forward[0] ** 2 + forward[1] ** 2) ** 0.5
    behind = [forward[0] / flat, forward[1] / flat, 0.0]
    return {
        "right": list(right), "left": [-part for part in right],
        "behind": behind, "front": [-part for part in behind],
        "above": [0.0, 0.0, 1.0], "below": [0.0, 0.0, -1.0],
    }  # fmt: skip


def _clevr_relationships(table: Tabletop, directions: dict[str, list[float]]) -> dict[str, list[list[int]]]:
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


def _clevr_lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    lists = {}
    for split in _CLEVR_SPLITS:
        info = {"date": "", "version": "1.0", "split": split, "license": "virb sample world, made by program"}
        scenes = [record for item, record in made if item[0] == split]
        lists[f"scenes/CLEVR_{split}_scenes.json"] = json.dumps({"info": info, "scenes": scenes}).encode()
    return lists


# --- THOR egomotion: pairs of frames, before and after one action ------------------------------------------------

_THOR_SPLITS = {"train": (20, 24), "val": (12, 16)}  # scenes, pairs in each
_THOR_SIZE = 112


def _thor_items(size: float) -> list[Item]:
    """Return pairs, one more per scene with each round, so that a larger world adds to every scene."""
    return [
        (split, scene, pair)
        for split, (scenes, pairs) in _THOR_SPLITS.items()
        for pair in range(scaled(pairs, size))
        for scene in range(scenes)
    ]


def _thor_prefix(item: Item) -> str:
    split, scene, pair = item
    first = 1 if split == "train" else 201  # the owner numbers kitchens from 1 and living rooms from 201
    return f"{split}/FloorPlan{first + scene}_physics/{pair:04d}"


@lru_cache(maxsize=64)
def _thor_room(seed: int, split: str, scene: int) -> Room:
    return room(Dice(seed, "thor_egomotion", split, "scene", scene))


def _thor_make(seed: int, item: Item) -> Made:
    split, scene, pair = item
    index = pair * _THOR_SPLITS[split][0] + scene
    action = THOR_ACTIONS[balanced(index, len(THOR_ACTIONS), seed, "thor_egomotion", split, "action")]
    place = _thor_room(seed, split, scene)
    dice = Dice(seed, "thor_egomotion", _thor_prefix(item))
    pose = starting_pose(place, dice)
    files = {}
    for frame, seen in (("a", pose), ("b", after(action, pose, dice))):
        picture = exposed(render(place.scene, seen.camera(place, _THOR_SIZE), dice).rgb, dice)
        files[f"{_thor_prefix(item)}_rgb_{frame}.jpg"] = jpeg(picture)
    return Made(files, action)


def _thor_lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    return {
        f"{split}_labels.txt": _lines(
            sorted(f"{_thor_prefix(item)} {action}" for item, action in made if item[0] == split)
        )
        for split in _THOR_SPLITS
    }


WRITERS: dict[str, Writer] = {
    "dtd": Writer("dtd", _dtd_items, _dtd_make, _dtd_lists),
    "clevr": Writer("CLEVR_v1.0", _clevr_items, _clevr_make, _clevr_lists),
    "thor_egomotion": Writer("thor_action_prediction", _thor_items, _thor_make, _thor_lists),
}
