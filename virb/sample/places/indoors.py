"""Sample (data): cameras in rooms beside the walker's, floor to stand on, steps ahead, and rooms of one building."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from virb.sample.engine.camera import Camera
from virb.sample.engine.fields import Bools, Dice, Floats
from virb.sample.engine.materials import Colour, Material, any_colour, colour_of, shade_of
from virb.sample.engine.render import Rendering
from virb.sample.engine.scene import Lamp, Scene, SceneView
from virb.sample.engine.shapes import Primitive
from virb.sample.engine.trace import pixel_rays, trace
from virb.sample.places.rooms import MARGIN, STEP, Pose, Room, room

MOST_STEPS = 7
"""Nobody is asked to see a longer free way than this many steps; rooms seldom have one."""
EYE = 1.5
"""The walking agent's camera is always this high above the floor, in metres."""
_CELL = 0.1
_YAWS = (0.0, 270.0, 180.0, 90.0)
"""Where the rows of a floor plan [X,Y] go when it is turned by so many quarters: along x, -y, -x and y."""
_GLANCE = (12, 9)


@dataclass(frozen=True)
class Lens:
    """What a person holds in the hand: picture size, and the ranges of field of view, height and pitch."""

    width: int
    height: int
    field_of_view: tuple[float, float]
    above: tuple[float, float]
    pitch: tuple[float, float]


def handheld(place: Room, lens: Lens, dice: Dice) -> Camera:
    """Return a camera that stands free and sees several things, few of them close by."""
    while True:
        x, y = dice.between(0.0, place.length), dice.between(0.0, place.width)
        above, yaw, pitch = dice.between(*lens.above), dice.between(-180.0, 180.0), dice.between(*lens.pitch)
        angle = dice.between(*lens.field_of_view)
        if place.free(x, y):
            camera = Camera((x, y, above), yaw, pitch, angle, lens.width, lens.height)
            if _worth_seeing(place, camera):
                return camera


def _worth_seeing(place: Room, camera: Camera) -> bool:
    """Return whether a glance of few pixels meets several things, and not a cupboard before the nose."""
    glance = replace(camera, width=_GLANCE[0], height=_GLANCE[1])
    hits = trace(SceneView(place.scene, glance), pixel_rays(glance))
    close = int(np.count_nonzero(hits.depth < 1.2))
    seen = np.unique(place.scene.shapes.instance.take(hits.solid))
    return 4 * close < len(hits.depth) and len(seen) >= 4


def by_own_light(place: Room, camera: Camera, dice: Dice) -> Scene:
    """Return the room with a lamp carried beside the camera instead of its own, as a robot or a flash has one.

    What is near is bright then, whatever its colour: a cue to depth that even plain features can read.
    """
    right, _, _ = camera.axes
    aside, (x, y, z) = dice.between(-0.25, 0.25), camera.position
    lamp = Lamp((x + aside * right[0], y + aside * right[1], z + 0.2), dice.between(1.9, 2.5), 0.22)
    return replace(place.scene, lamp=lamp, ambient=0.13)


def walkable(place: Room, rendering: Rendering) -> Bools:
    """Return the pixels [H,W] that show floor or rug where no furniture stands, nor above it such as a table."""
    on_floor = np.isin(rendering.instance, [i for i, name in enumerate(place.names) if name in ("floor", "rug")])
    x, y = rendering.point[:, :, 0], rendering.point[:, :, 1]
    taken = np.zeros(on_floor.shape, np.bool_)
    for block in place.blocks:
        taken |= (x > block.left) & (x < block.right) & (y > block.bottom) & (y < block.top)
    return on_floor & ~taken


def steps_ahead(place: Room, pose: Pose) -> int:
    """Return how many steps the camera can go straight ahead before it comes too near to something."""
    reach = 0.0
    while place.free(*_point(pose, reach)):
        reach += STEP / 5
    return max(0, math.floor((reach - STEP / 5) / STEP + 1e-9))


def _point(pose: Pose, reach: float) -> tuple[float, float]:
    there = pose.ahead(reach)
    return there.x, there.y


def before_something(place: Room, steps: int, dice: Dice) -> tuple[Pose, int]:
    """Return a pose from which the way is free for this many steps, or for the most fewer that the room has.

    The camera looks along the walls and a little down, as the agent's does, so that the end of the way is seen.
    """
    open_floor = _open_floor(place)
    ways = [_free_cells_ahead(np.rot90(open_floor, quarter)) for quarter in range(4)]
    for wanted in range(steps, -1, -1):
        pose = _try_poses(place, [np.rot90(way, -quarter) for quarter, way in enumerate(ways)], wanted, dice)
        if pose is not None:
            return pose, wanted
    raise AssertionError("a room has floor to stand on")


def _open_floor(place: Room) -> Bools:
    """Return which cells of the floor [X,Y] one may stand in the middle of."""
    x = (np.arange(int(place.length / _CELL)) + 0.5)[:, None] * _CELL
    y = (np.arange(int(place.width / _CELL)) + 0.5)[None, :] * _CELL
    inside = (x > MARGIN) & (x < place.length - MARGIN) & (y > MARGIN) & (y < place.width - MARGIN)
    for block in place.blocks:
        across = np.maximum(np.maximum(block.left - x, 0.0), x - block.right)
        along = np.maximum(np.maximum(block.bottom - y, 0.0), y - block.top)
        inside = inside & (across * across + along * along >= MARGIN * MARGIN)
    return inside


def _free_cells_ahead(open_floor: Bools) -> Floats:
    """Return how many cells are open from each on towards higher rows, itself included, 0 where it is not."""
    ahead = np.zeros(open_floor.shape, np.float32)
    ahead[-1] = open_floor[-1]
    for row in range(len(open_floor) - 2, -1, -1):
        ahead[row] = np.where(open_floor[row], ahead[row + 1] + 1.0, 0.0)
    return ahead


def _try_poses(place: Room, ways: list[Floats], steps: int, dice: Dice) -> Pose | None:
    """Return a pose from the cells whose way is about long enough, turned and moved a little, that holds."""
    low, high = steps * STEP / _CELL, (steps + 1) * STEP / _CELL
    cells = [
        (quarter, column, row)
        for quarter, way in enumerate(ways)
        for column, row in np.argwhere((way > low + 0.5) & (way <= high + 0.5)).tolist()
    ]
    for _ in range(40 if cells else 0):
        quarter, column, row = dice.pick(cells)
        x, y = (column + dice.between(0.1, 0.9)) * _CELL, (row + dice.between(0.1, 0.9)) * _CELL
        yaw = _YAWS[quarter] + dice.between(-2.0, 2.0)
        pose = Pose(x, y, yaw, dice.between(-23.0, -17.0))
        if place.free(x, y) and steps_ahead(place, pose) == steps:
            return pose
    return None


@dataclass(frozen=True)
class Style:
    """What the rooms of one building have in common."""

    floor: Material
    ceiling: Material
    papers: tuple[Material, Material]
    trim: Material


def style(dice: Dice) -> Style:
    """Return the taste of one building: dark boards or stone below, light walls of faint pattern, a white ceiling.

    People furnish so, and it is what lets an eye tell a floor from a wall before it has seen this room.
    """
    pattern, low, high = dice.pick(
        (("planks", 4.0, 7.0), ("planks", 4.0, 7.0), ("tiles", 1.8, 3.0), ("checker", 2.0, 3.0))
    )
    hue = dice.between(0.03, 0.11) if pattern == "planks" else dice.between(0.0, 1.0)
    ground = colour_of(hue, dice.between(0.15, 0.6), dice.between(0.3, 0.6))
    trim = any_colour(dice, (0.0, 0.4), (0.3, 0.95))
    white = any_colour(dice, (0.0, 0.06), (0.9, 1.0))
    return Style(
        floor=_pattern(dice, ground, dice.between(0.5, 0.75), pattern, dice.between(low, high)),
        ceiling=Material(white, shade_of(white, 0.9), dice.pick(("plain", "tiles")), (1.2, 1.2)),
        papers=(_paper(dice), _paper(dice)),
        trim=Material(trim, shade_of(trim, 0.7)),
    )


def _paper(dice: Dice) -> Material:
    tone = any_colour(dice, (0.03, 0.4), (0.62, 0.92))
    pattern = dice.pick(("plain", "plain", "cloudy", "stripes", "damask", "dots", "grid", "waves"))
    return _pattern(dice, tone, dice.between(0.78, 0.92), pattern, dice.between(1.5, 3.5))


def _pattern(dice: Dice, tone: Colour, factor: float, pattern: str, scale: float) -> Material:
    shift = (dice.between(0.0, 60.0), dice.between(0.0, 60.0))
    return Material(tone, shade_of(tone, factor), pattern, (scale, scale), shift, gloss=0.05)


def room_of(building: Style, dice: Dice) -> Room:
    """Return a room with its own plan and furniture and the floor, walls and trim of the building."""
    place = room(dice)
    solids = tuple(_dressed(building, place, one) for one in place.scene.primitives)
    return replace(place, scene=replace(place.scene, primitives=solids))


def _dressed(building: Style, place: Room, solid: Primitive) -> Primitive:
    name = place.names[solid.instance]
    if name == "wall":
        papered = building.papers[solid.instance % 2] if solid.kind == "plane" else building.trim
        return replace(solid, material=papered)
    if name in ("window", "door", "picture") and solid.kind == "box":
        return replace(solid, material=building.trim)
    shell = {"floor": building.floor, "ceiling": building.ceiling}
    return replace(solid, material=shell.get(name, solid.material))
