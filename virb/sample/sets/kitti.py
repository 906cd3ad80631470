"""Sample (data): KITTI 2015 optical flow: two frames of a drive, and where each point of the first has gone."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from virb.data.formats.png16 import kitti_flow_encode, write_png16
from virb.sample.engine.camera import Camera
from virb.sample.engine.fields import Bools, Dice
from virb.sample.engine.render import Rendering, render
from virb.sample.places.flow import forward_flow
from virb.sample.places.streets import SEEN, Composed, Placed, StreetStyle, compose, frontage, look
from virb.sample.places.traffic import traffic
from virb.sample.sets.writing import Item, Made, Writer, png, scaled

_PARTS = ((0, 140), (140, 20), (160, 40))
"""First id and count of what the suite calls train, val and test, so that a small world has some of each."""
_RUN, _APART = 10, 11.0
"""Frames of one drive, and metres between them."""
_SIZES = ((207, 63), (207, 62), (204, 62), (206, 62), (204, 61))  # a sixth of the owner's
_FOCAL = 120.0
_STEERING = -1.5
"""A car that heads off the street's direction by so many degrees steers back by one: one frame tells of it too."""
_LASER = (70.0, 0.06, 0.6)
"""The scanner's reach in metres, how steeply above the horizon it looks, and the share of pixels it hits."""


def _items(size: float) -> list[Item]:
    """Return ids; the owner has 200 and no world has more."""
    return [
        ("training", None, first + number)
        for first, count in _PARTS
        for number in range(min(count, scaled(count, size)))
    ]


@lru_cache(maxsize=32)
def _drive(seed: int, drive: int) -> tuple[StreetStyle, list[Placed]]:
    dice = Dice(seed, "kitti_flow", "drive", drive)
    style = look(dice)
    return style, frontage(dice, style, -12.0, _RUN * _APART + SEEN)


def _cameras(dice: Dice, style: StreetStyle, here: float, size: tuple[int, int]) -> tuple[Camera, Camera]:
    """Return the camera of a car and where it is a tenth of a second later: it drives on, turns, or stands."""
    width, height = size
    field = math.degrees(2.0 * math.atan(0.5 * width / _FOCAL))
    way = 0.0 if dice.chance(0.06) else dice.between(0.5, 1.15)
    swing = dice.between(-3.0, 3.0) if way and dice.chance(0.6) else dice.between(-0.2, 0.2)
    yaw, pitch, z = _STEERING * swing + dice.between(-2.0, 2.0), dice.between(-1.5, 0.0), 1.65
    place = (here, -style.lane + dice.between(-0.4, 0.4), z)
    nod = dice.between(-0.15, 0.15)
    heading = math.radians(yaw + swing / 2.0)
    later = (here + way * math.cos(heading), place[1] + way * math.sin(heading), z + dice.between(-0.01, 0.01))
    return (
        Camera(place, yaw, pitch, field, width, height),
        Camera(later, yaw + swing, pitch + nod, field, width, height),
    )


def _measured(dice: Dice, camera: Camera, frame: Rendering, street: Composed) -> Bools:
    """Return the pixels with a measured flow: all of a vehicle, and of the rest what a laser scanner hits."""
    far, steep, share = _LASER
    solid = np.array([one is not None for one in street.placed])[np.maximum(frame.instance, 0)]
    height = frame.point[:, :, 2] - camera.position[2]
    hit = dice.bytes(frame.depth.size).reshape(frame.depth.shape) < int(256 * share)
    near = np.isfinite(frame.depth) & (frame.depth < far)
    return near & (solid | (hit & (np.where(near, height, 0.0) < steep * np.where(near, frame.depth, 0.0))))


def _make(seed: int, item: Item) -> Made:
    number = item[2]
    drive, place = divmod(number, _RUN)
    style, houses = _drive(seed, drive)
    dice = Dice(seed, "kitti_flow", number)
    here = place * _APART + dice.between(0.0, 3.0)
    users = traffic(dice, style, here)
    cameras = _cameras(dice, style, here, _SIZES[drive % len(_SIZES)])
    street, later = (compose(style, houses + users, here, _FOCAL, later=frame) for frame in (False, True))
    frames = (render(street.scene, cameras[0], dice), render(later.scene, cameras[1], dice))
    things = {number: one for number, one in enumerate(street.placed) if one is not None and (one.speed or one.swing)}
    flow = forward_flow(frames, cameras, things)
    measured = _measured(dice, cameras[0], frames[0], street) & flow.known
    files = {f"training/image_2/{number:06d}_{10 + frame}.png": png(frames[frame].rgb) for frame in (0, 1)}
    for folder, valid in (("flow_occ", measured), ("flow_noc", measured & flow.visible)):
        files[f"training/{folder}/{number:06d}_10.png"] = write_png16(kitti_flow_encode(flow.flow, valid))
    return Made(files)


WRITERS = {"kitti_flow": Writer("kitti_flow", _items, _make)}
