"""Sample (data): the three THOR data sets: what the camera did, how far things are, how far the way is free."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from virb.data.classes import THOR_ACTIONS
from virb.sample.engine.camera import Camera
from virb.sample.engine.fields import Dice, balanced
from virb.sample.engine.render import render
from virb.sample.places.indoors import EYE, MOST_STEPS, before_something, by_own_light, room_of, style
from virb.sample.places.rooms import Room, after, room, starting_pose
from virb.sample.sets.writing import Item, Made, Writer, exposed, in_rounds, jpeg, lines_of

_EGOMOTION_SPLITS = {"train": (range(20), 24), "val": (range(12), 16)}  # scenes, pairs in each
_DEPTH_SPLITS = {"train": (range(20), 12), "test": (range(10), 10)}  # scenes, frames of each
_STEPS_SPLITS = {"train": (range(24), 14), "val": (range(12), 10)}
_SIZE = 112
_FARTHEST = 10.0
"""Metres that the lightest grey of a depth picture stands for; the nearest is black."""


def _prefix(item: Item) -> str:
    split, scene, frame = item
    first = 1 if split == "train" else 201  # the owner numbers kitchens from 1 and living rooms from 201
    return f"{split}/FloorPlan{first + scene}_physics/{frame:04d}"


@lru_cache(maxsize=64)
def _room(seed: int, name: str, split: str, scene: int) -> Room:
    """Return a scene's room: the camera's moves show in any, but depth in one whose floor looks like a floor."""
    dice = Dice(seed, name, split, "scene", scene)
    return room(dice) if name == "thor_egomotion" else room_of(style(dice), dice)


def _labels(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    """Return `train_labels.txt` and its like: one line of prefix and label for each item."""
    splits = dict.fromkeys(item[0] for item, _ in made)
    return {
        f"{split}_labels.txt": lines_of(sorted(f"{_prefix(item)} {label}" for item, label in made if item[0] == split))
        for split in splits
    }


def _egomotion_make(seed: int, item: Item) -> Made:
    split, scene, pair = item
    index = pair * len(_EGOMOTION_SPLITS[split][0]) + scene
    action = THOR_ACTIONS[balanced(index, len(THOR_ACTIONS), seed, "thor_egomotion", split, "action")]
    place = _room(seed, "thor_egomotion", split, scene)
    dice = Dice(seed, "thor_egomotion", _prefix(item))
    pose = starting_pose(place, dice)
    files = {}
    for frame, seen in (("a", pose), ("b", after(action, pose, dice))):
        picture = exposed(render(place.scene, seen.camera(place, _SIZE), dice).rgb, dice)
        files[f"{_prefix(item)}_rgb_{frame}.jpg"] = jpeg(picture)
    return Made(files, action)


def _depth_make(seed: int, item: Item) -> Made:
    """Make a frame and its depth as a grey JPEG, which costs it a little, as the owner's does."""
    split, scene, _ = item
    place = _room(seed, "thor_depth", split, scene)
    dice = Dice(seed, "thor_depth", _prefix(item))
    camera = starting_pose(place, dice).camera(place, _SIZE)
    picture = render(by_own_light(place, camera, dice), camera, dice)
    grey = np.floor(np.clip(picture.depth * (255.0 / _FARTHEST), 0.0, 255.0) + 0.5).astype(np.uint8)
    return Made({f"{_prefix(item)}_rgb.jpg": jpeg(picture.rgb), f"{_prefix(item)}_depth.jpg": jpeg(grey)})


def _steps_make(seed: int, item: Item) -> Made:
    """Make a frame from which the way ahead is free for so many steps, all numbers as often as rooms allow."""
    split, scene, frame = item
    index = frame * len(_STEPS_SPLITS[split][0]) + scene
    wanted = balanced(index, MOST_STEPS + 1, seed, "thor_num_steps", split, "steps")
    place = _room(seed, "thor_num_steps", split, scene)
    dice = Dice(seed, "thor_num_steps", _prefix(item))
    pose, steps = before_something(place, wanted, dice)
    camera = Camera((pose.x, pose.y, EYE), pose.yaw, pose.pitch, 80.0, _SIZE, _SIZE)
    rgb = render(by_own_light(place, camera, dice), camera, dice).rgb
    return Made({f"{_prefix(item)}_rgb.jpg": jpeg(rgb)}, steps)


WRITERS = {
    "thor_egomotion": Writer("thor_action_prediction", partial(in_rounds, _EGOMOTION_SPLITS), _egomotion_make, _labels),
    "thor_depth": Writer("thor_depth_prediction", partial(in_rounds, _DEPTH_SPLITS), _depth_make),
    "thor_num_steps": Writer("thor_num_steps", partial(in_rounds, _STEPS_SPLITS), _steps_make, _labels),
}
