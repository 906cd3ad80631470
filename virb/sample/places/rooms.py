"""Sample (data): furnished rooms, and cameras that walk through them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from virb.sample.engine.camera import Camera
from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Colour, Material, any_colour, colour_of, shade_of
from virb.sample.engine.scene import Lamp, Scene, SceneView
from virb.sample.engine.shapes import Primitive
from virb.sample.engine.trace import pixel_rays, trace
from virb.sample.things.furniture import AT_WALLS, IN_THE_MIDDLE, Piece, chair, plain

MARGIN = 0.45
"""The camera keeps this far from walls and furniture, in metres."""
STEP = 0.5
"""How far one MoveAhead goes."""


@dataclass(frozen=True)
class Footprint:
    """The floor that a piece of furniture takes: an upright rectangle."""

    left: float
    bottom: float
    right: float
    top: float

    def within(self, x: float, y: float, margin: float) -> bool:
        """Return whether a point is nearer than `margin`."""
        across = max(self.left - x, 0.0, x - self.right)
        along = max(self.bottom - y, 0.0, y - self.top)
        return math.hypot(across, along) < margin

    def overlaps(self, other: Footprint, gap: float) -> bool:
        """Return whether two blocks come nearer than `gap`."""
        return (
            self.left - gap < other.right
            and other.left - gap < self.right
            and self.bottom - gap < other.top
            and other.bottom - gap < self.top
        )


@dataclass(frozen=True)
class Room:
    """A scene, its floor plan, and what each instance is called: 0 floor, 1 ceiling, 2 to 5 walls, then things."""

    scene: Scene
    length: float
    width: float
    blocks: tuple[Footprint, ...]
    names: tuple[str, ...]
    eye: float

    def free(self, x: float, y: float, margin: float = MARGIN) -> bool:
        """Return whether a person may stand here."""
        if not (margin < x < self.length - margin and margin < y < self.width - margin):
            return False
        return not any(block.within(x, y, margin) for block in self.blocks)


class _RoomBuilder:
    """Collects a room's solids, blocks and names."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.length, self.width = dice.between(4.6, 6.6), dice.between(4.6, 6.6)
        self.height = dice.between(2.5, 2.9)
        self.solids: list[Primitive] = []
        self.blocks: list[Footprint] = []
        self.names: list[str] = []

    def add(self, name: str, *solids: Primitive) -> None:
        """Add one instance."""
        self.solids += [replace(one, instance=len(self.names)) for one in solids]
        self.names.append(name)

    def furnish(self, piece: Piece, x: float, y: float, turn: float, gap: float) -> bool:
        """Add a piece unless it leaves the room or comes too near to another."""
        deep, wide = (piece.depth, piece.width) if round(turn / 90) % 2 == 0 else (piece.width, piece.depth)
        block = Footprint(x - deep / 2, y - wide / 2, x + deep / 2, y + wide / 2)
        outside = block.left < 0 or block.bottom < 0 or block.right > self.length or block.top > self.width
        if outside or any(block.overlaps(other, gap) for other in self.blocks):
            return False
        self.blocks.append(block)
        self.add(piece.name, *piece.placed(x, y, turn, 0))
        return True

    def wall_place(self, wall: int, along: float, off: float) -> tuple[float, float]:
        """Return the point `along` a wall and `off` it: walls 0 to 3 face +x, +y, -x, -y."""
        return (
            (off, along), (along, off), (self.length - off, along), (along, self.width - off),
        )[wall]  # fmt: skip

    def wall_length(self, wall: int) -> float:
        """Return how long a wall is."""
        return self.length if wall % 2 else self.width


def room(dice: Dice) -> Room:
    """Return a furnished room of its own colours, patterns and plan."""
    builder = _RoomBuilder(dice)
    _shell(builder)
    for wall in dice.order(4):
        _hang(builder, wall)
        _line_up(builder, wall)
    _fill_middle(builder)
    lamp = (
        builder.length * dice.between(0.35, 0.65),
        builder.width * dice.between(0.35, 0.65),
        builder.height - 0.5,
    )
    shade = Primitive("sphere", lamp, (0.22, 0.22, 0.12), Material((1.0, 0.97, 0.9), glow=0.9), casts=False)
    builder.add("ceiling lamp", shade)
    scene = Scene(tuple(builder.solids), Lamp(lamp, dice.between(1.1, 1.4), 0.04), dice.between(0.36, 0.46))
    plan = (builder.length, builder.width, tuple(builder.blocks), tuple(builder.names))
    return Room(scene, *plan, eye=dice.between(1.3, 1.55))


def _shell(builder: _RoomBuilder) -> None:
    """Add floor, ceiling, four walls and their skirting."""
    dice, length, width, height = builder.dice, builder.length, builder.width, builder.height
    middle = (length / 2, width / 2)
    floor = Primitive("plane", (*middle, 0.0), (length / 2, width / 2, 0.0), _floor(dice), casts=False)
    builder.add("floor", floor)
    tone = any_colour(dice, (0.0, 0.35), (0.5, 0.97))
    ceiling = Material(tone, shade_of(tone, 0.85), "tiles", (1.2, 1.2))
    half = (length / 2, width / 2, 0.0)
    builder.add("ceiling", Primitive("plane", (*middle, height), half, ceiling, casts=False))
    papers = [_wallpaper(dice), _wallpaper(dice), _wallpaper(dice)]
    skirting = plain(any_colour(dice, (0.0, 0.4), (0.3, 0.95)))
    for wall in range(4):
        reach = builder.wall_length(wall) / 2
        x, y = builder.wall_place(wall, reach, 0.0)
        face = Primitive(
            "plane", (x, y, height / 2), (height / 2, reach, 0.0), papers[wall % 3], turn=90.0 * wall, tilt=90.0,
            casts=False,
        )  # fmt: skip
        x, y = builder.wall_place(wall, reach, 0.01)
        board = Primitive("box", (x, y, 0.06), (0.01, reach, 0.06), skirting, turn=90.0 * wall, casts=False)
        builder.add("wall", face, board)


def _floor(dice: Dice) -> Material:
    pattern, scale = dice.pick(
        (("planks", 6.0), ("planks", 4.0), ("checker", 2.0), ("tiles", 2.2), ("bricks", 4.0), ("rings", 1.5))
    )
    first = any_colour(dice, (0.1, 0.5), (0.4, 0.85))
    if pattern == "planks":
        first = colour_of(dice.between(0.05, 0.11), dice.between(0.3, 0.7), dice.between(0.4, 0.8))
    second = shade_of(first, dice.between(0.45, 0.7))
    shift = (dice.between(0.0, 60.0), dice.between(0.0, 60.0))
    return Material(first, second, pattern, (scale, scale), shift, gloss=0.08)


def _wallpaper(dice: Dice) -> Material:
    pattern, low, high = dice.pick(
        (
            ("stripes", 1.5, 3.5), ("dots", 2.5, 4.5), ("bricks", 5.0, 8.0), ("tiles", 2.5, 4.0), ("damask", 2.0, 3.5),
            ("waves", 1.5, 3.0), ("zigzag", 2.0, 4.0), ("checker", 2.0, 4.0), ("cloudy", 1.5, 3.0),
            ("grid", 2.0, 4.0),
        )
    )  # fmt: skip
    first = any_colour(dice, (0.1, 0.55), (0.6, 0.95))
    second: Colour = shade_of(first, dice.between(0.55, 0.8))
    if dice.chance(0.4):
        second = any_colour(dice, (0.1, 0.5), (0.5, 0.95))
    scale = dice.between(low, high)
    return Material(first, second, pattern, (scale, scale), (dice.between(0.0, 60.0), dice.between(0.0, 60.0)))


def _hang(builder: _RoomBuilder, wall: int) -> None:
    """Hang a window or pictures on a wall, above most of the furniture, or set a door into it."""
    dice, span = builder.dice, builder.wall_length(wall)
    kind = dice.pick(("window", "door", "pictures", "pictures"))
    if kind == "window":
        glass = Material(colour_of(0.57, 0.35, 1.0), (0.95, 0.95, 0.93), "panes", (1.4, 1.4), gloss=0.3, glow=0.12)
        _on_wall(builder, wall, kind, (dice.between(0.3, 0.7) * span, 1.6), (1.4, 1.0), glass)
    elif kind == "door":
        tone = any_colour(dice, (0.2, 0.7), (0.35, 0.85))
        leaf = Material(tone, shade_of(tone, 0.5), "drawers", (2 / 0.9, 3 / 2.0), gloss=0.2)
        _on_wall(builder, wall, kind, (dice.between(0.2, 0.8) * span, 1.0), (0.9, 2.0), leaf)
    else:
        for share in (0.3, 0.7):
            first, second = any_colour(dice, (0.2, 0.9), (0.4, 1.0)), any_colour(dice, (0.2, 0.9), (0.2, 1.0))
            pattern = dice.pick(("painting", "rings", "checker", "zigzag"))
            art = Material(first, second, pattern, (2.5, 2.5), (dice.between(0, 60), dice.between(0, 60)))
            size = (dice.between(0.5, 1.0), dice.between(0.5, 0.8))
            _on_wall(builder, wall, "picture", (share * span + dice.between(-0.3, 0.3), 1.65), size, art)


def _on_wall(
    builder: _RoomBuilder,
    wall: int,
    name: str,
    place: tuple[float, float],
    size: tuple[float, float],
    inner: Material,
) -> None:
    """Hang a framed rectangle of this width and height with its middle `place` along and above the floor."""
    frame = plain(any_colour(builder.dice, (0.0, 0.6), (0.15, 0.95)))
    x, y = builder.wall_place(wall, place[0], 0.01)
    half = (0.012, size[0] / 2 + 0.06, size[1] / 2 + 0.06)
    rim = Primitive("box", (x, y, place[1]), half, frame, turn=90.0 * wall, casts=False)
    x, y = builder.wall_place(wall, place[0], 0.03)
    face = Primitive(
        "plane",
        (x, y, place[1]),
        (size[1] / 2, size[0] / 2, 0.0),
        inner,
        turn=90.0 * wall,
        tilt=90.0,
        casts=False,
    )
    builder.add(name, rim, face)


def _line_up(builder: _RoomBuilder, wall: int) -> None:
    """Set furniture along a wall, its back to it."""
    dice = builder.dice
    along = dice.between(0.1, 0.6)
    while along < builder.wall_length(wall) - 0.4 and len(builder.blocks) < 9:
        piece = dice.pick(AT_WALLS)(dice)
        if not piece.solids or piece.width + along > builder.wall_length(wall):
            along += 0.5
            continue
        x, y = builder.wall_place(wall, along + piece.width / 2, piece.depth / 2 + 0.03)
        builder.furnish(piece, x, y, 90.0 * wall, 0.08)
        along += piece.width + dice.between(0.15, 1.3)


def _fill_middle(builder: _RoomBuilder) -> None:
    """Set a table with chairs, or something else, and a rug into the middle."""
    dice = builder.dice
    x = builder.length * dice.between(0.38, 0.62)
    y = builder.width * dice.between(0.38, 0.62)
    turn = 90.0 * dice.whole(0, 3)
    piece = dice.pick(IN_THE_MIDDLE)(dice)
    if builder.furnish(piece, x, y, turn, 0.25) and piece.name == "table":
        for side in (-1, 1):
            off = side * (piece.depth / 2 + 0.12)
            cosine, sine = round(math.cos(math.radians(turn))), round(math.sin(math.radians(turn)))
            there = (x + off * cosine, y + off * sine)
            builder.blocks.append(Footprint(there[0] - 0.23, there[1] - 0.23, there[0] + 0.23, there[1] + 0.23))
            builder.add("chair", *chair(dice).placed(*there, turn + (180 if side > 0 else 0), 0))
    rug = _wallpaper(dice)
    half = (dice.between(0.8, 1.2), dice.between(0.8, 1.2), 0.0)
    builder.add("rug", Primitive("plane", (x, y, 0.012), half, rug, turn=turn, casts=False))


@dataclass(frozen=True)
class Pose:
    """Where the camera stands and looks, in metres and degrees."""

    x: float
    y: float
    yaw: float
    pitch: float

    def camera(self, place: Room, size: int, field_of_view: float = 80.0) -> Camera:
        """Return the camera."""
        return Camera((self.x, self.y, place.eye), self.yaw, self.pitch, field_of_view, size, size)

    def ahead(self, step: float) -> Pose:
        """Return the pose this many metres ahead."""
        turn = math.radians(self.yaw)
        return replace(self, x=self.x + step * math.cos(turn), y=self.y + step * math.sin(turn))


def starting_pose(place: Room, dice: Dice) -> Pose:
    """Return a pose with a free step ahead and something to see, whatever the camera will do next.

    The camera already looks up or down, so that the second frame alone does not tell the action.
    """
    while True:
        x, y = dice.between(0.0, place.length), dice.between(0.0, place.width)
        pose = Pose(x, y, dice.between(-180.0, 180.0), dice.between(-30.0, 25.0))
        far = pose.ahead(STEP * 1.2)
        middle = ((x + far.x) / 2, (y + far.y) / 2)
        clear = all(place.free(*point) for point in ((x, y), middle, (far.x, far.y)))
        if clear and worth_seeing(place, pose):
            return pose


def worth_seeing(place: Room, pose: Pose) -> bool:
    """Return whether few of a coarse picture's rays end close by and they meet several things."""
    camera = pose.camera(place, 10)
    hits = trace(SceneView(place.scene, camera), pixel_rays(camera))
    close = int(np.count_nonzero(hits.depth < 1.2))
    return close < 25 and len(np.unique(place.scene.shapes.instance.take(hits.solid))) >= 5


def after(action: str, pose: Pose, dice: Dice) -> Pose:
    """Return the pose after an action, with the little jitter of a real step."""
    moved = replace(pose, yaw=pose.yaw + dice.between(-0.8, 0.8), pitch=pose.pitch + dice.between(-0.8, 0.8))
    if action == "MoveAhead":
        return moved.ahead(STEP * dice.between(0.9, 1.1))
    if action in ("RotateLeft", "RotateRight"):
        turn = dice.between(20.0, 35.0)
        return replace(moved, yaw=moved.yaw + (turn if action == "RotateLeft" else -turn))
    tilt = dice.between(20.0, 30.0)
    return replace(moved, pitch=moved.pitch + (tilt if action == "LookUp" else -tilt))
