"""Sample (data): nuScenes egomotion, pairs of frames of a car that drives on or turns, in ViRB's lists."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache, partial
from typing import Any

from virb.data.classes import NUSCENES_ACTIONS
from virb.sample.engine.camera import Camera
from virb.sample.engine.fields import Dice, balanced
from virb.sample.engine.render import render
from virb.sample.places.streets import SEEN, Placed, StreetStyle, compose, frontage, look
from virb.sample.places.traffic import traffic
from virb.sample.sets.writing import Item, Made, Writer, exposed, in_rounds, jpeg

_DRIVES = {"train": (range(20), 10), "test": (range(9), 10)}
"""Drives, and pairs of frames in each."""
_FORWARD, _LEFT, _RIGHT = NUSCENES_ACTIONS
_ACTIONS = (_FORWARD, _FORWARD, _FORWARD, _LEFT, _RIGHT)
"""Each run of five pairs holds these: cars mostly drive on."""
_APART = 9.0
_WIDTH, _HEIGHT = 128, 72
_CITIES = (("n008", -4), ("n015", 8))  # vehicle and hours from Greenwich: Boston, Singapore


def _start(split: str, drive: int) -> tuple[str, datetime]:
    """Return the name of a drive's log, which tells when it began, and that time."""
    number = drive + (0 if split == "train" else len(_DRIVES["train"][0]))
    vehicle, hours = _CITIES[number % len(_CITIES)]
    zone = timezone(timedelta(hours=hours))
    began = datetime(2018, 7, 16, 9, 17, 23, tzinfo=zone) + timedelta(days=number, minutes=number * 47 % 400)
    return f"{vehicle}-{began.strftime('%Y-%m-%d-%H-%M-%S%z')}", began


def _names(item: Item) -> tuple[str, str]:
    """Return the paths of a pair: a key frame, and a frame half a second later."""
    split, drive, pair = item
    log, began = _start(split, drive)
    microseconds = int(began.timestamp()) * 1_000_000 + pair * 12_000_000 + 412_460
    return (
        f"samples/CAM_FRONT/{log}__CAM_FRONT__{microseconds}.jpg",
        f"sweeps/CAM_FRONT/{log}__CAM_FRONT__{microseconds + 499_998}.jpg",
    )


@lru_cache(maxsize=32)
def _drive(seed: int, split: str, drive: int) -> tuple[StreetStyle, list[Placed]]:
    dice = Dice(seed, "nuscenes", split, drive)
    style = look(dice)
    return style, frontage(dice, style, -10.0, 10 * _APART + SEEN)


def _cameras(dice: Dice, style: StreetStyle, here: float, action: str) -> tuple[Camera, Camera]:
    """Return where the car is and where half a second later; its heading at first tells nothing of the action.

    It turns so far that even features averaged over each frame, which forget where things are, say something of it.
    """
    yaw, place = dice.between(-20.0, 20.0), (here, -style.lane + dice.between(-0.4, 0.6), 1.55)
    swing, way = dice.between(-0.8, 0.8), dice.between(0.5, 2.0)
    if action != _FORWARD:
        swing = dice.between(12.0, 25.0) * (1.0 if action == _LEFT else -1.0)
        way *= 0.7
    turn = math.radians(yaw + swing / 2.0)
    first = Camera(place, yaw, dice.between(-3.0, 0.0), 70.0, _WIDTH, _HEIGHT)
    ahead = (here + way * math.cos(turn), place[1] + way * math.sin(turn), place[2])
    return first, replace(first, position=ahead, yaw=yaw + swing, pitch=first.pitch + dice.between(-0.4, 0.4))


def _make(seed: int, item: Item) -> Made:
    split, drive, pair = item
    index = pair * len(_DRIVES[split][0]) + drive
    action = _ACTIONS[balanced(index, len(_ACTIONS), seed, "nuscenes", split, "action")]
    style, houses = _drive(seed, split, drive)
    dice = Dice(seed, "nuscenes", split, drive, pair)
    here = pair % 10 * _APART + dice.between(0.0, 3.0)
    cameras = _cameras(dice, style, here, action)
    street = compose(style, houses + traffic(dice, style, here, 10.0), here, cameras[0].focal)
    names = _names(item)
    files = {}
    for name, camera in zip(names, cameras, strict=True):
        files[name] = jpeg(exposed(render(street.scene, camera, dice).rgb, dice))
    return Made(files, {"img_a": names[0], "img_b": names[1], "label": action})


def _lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    return {
        f"nuScenes_{split}.json": json.dumps([record for item, record in made if item[0] == split]).encode()
        for split in _DRIVES
    }


WRITERS = {"nuscenes": Writer("nuScenes", partial(in_rounds, _DRIVES), _make, _lists)}
