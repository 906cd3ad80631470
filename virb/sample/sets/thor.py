"""Sample (data): THOR egomotion, pairs of frames before and after one action."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from virb.classes import THOR_ACTIONS
from virb.sample.fields import Dice, balanced
from virb.sample.render import render
from virb.sample.rooms import Room, after, room, starting_pose
from virb.sample.writing import Item, Made, Writer, exposed, jpeg, lines_of, scaled

_EGOMOTION_SPLITS = {"train": (20, 24), "val": (12, 16)}  # scenes, pairs in each
_SIZE = 112


def _egomotion_items(size: float) -> list[Item]:
    """Return pairs, one more per scene with each round, so that a larger world adds to every scene."""
    return [
        (split, scene, pair)
        for split, (scenes, pairs) in _EGOMOTION_SPLITS.items()
        for pair in range(scaled(pairs, size))
        for scene in range(scenes)
    ]


def _egomotion_prefix(item: Item) -> str:
    split, scene, pair = item
    first = 1 if split == "train" else 201  # the owner numbers kitchens from 1 and living rooms from 201
    return f"{split}/FloorPlan{first + scene}_physics/{pair:04d}"


@lru_cache(maxsize=64)
def _room(seed: int, split: str, scene: int) -> Room:
    return room(Dice(seed, "thor_egomotion", split, "scene", scene))


def _egomotion_make(seed: int, item: Item) -> Made:
    split, scene, pair = item
    index = pair * _EGOMOTION_SPLITS[split][0] + scene
    action = THOR_ACTIONS[balanced(index, len(THOR_ACTIONS), seed, "thor_egomotion", split, "action")]
    place = _room(seed, split, scene)
    dice = Dice(seed, "thor_egomotion", _egomotion_prefix(item))
    pose = starting_pose(place, dice)
    files = {}
    for frame, seen in (("a", pose), ("b", after(action, pose, dice))):
        picture = exposed(render(place.scene, seen.camera(place, _SIZE), dice).rgb, dice)
        files[f"{_egomotion_prefix(item)}_rgb_{frame}.jpg"] = jpeg(picture)
    return Made(files, action)


def _egomotion_lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    return {
        f"{split}_labels.txt": lines_of(
            sorted(f"{_egomotion_prefix(item)} {action}" for item, action in made if item[0] == split)
        )
        for split in _EGOMOTION_SPLITS
    }


WRITERS = {
    "thor_egomotion": Writer("thor_action_prediction", _egomotion_items, _egomotion_make, _egomotion_lists),
}
