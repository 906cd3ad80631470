"""Sample (data): everyday scenes, in a yard or a room, in which every part is called by its COCO panoptic name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from virb.sample.engine.camera import Camera, Vector
from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Colour, Material, any_colour, shade_of
from virb.sample.engine.models import Model, grained, tinted
from virb.sample.engine.render import Rendering, render
from virb.sample.engine.scene import Lamp, Scene
from virb.sample.engine.shapes import Primitive, Shapes
from virb.sample.places.pets import pet
from virb.sample.things import household, landmarks
from virb.sample.things.furniture import plant, wood

SKY = "sky-other-merged"
UNLABELLED = ""
"""What the annotators passed over."""


@dataclass(frozen=True)
class Segment:
    """One part of a scene: its category's name, and whether it is a crowd drawn round as one."""

    name: str
    crowd: bool = False


@dataclass(frozen=True)
class Everyday:
    """A picture, and its segments in the order of the rendering's instances; instance -1 is the sky."""

    rendering: Rendering
    segments: tuple[Segment, ...]


class _Builder:
    """Collects solids, their segments, and the ground that is taken."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.solids: list[Primitive] = []
        self.segments: list[Segment] = []
        self.taken: list[tuple[float, float, float]] = []

    def stuff(self, name: str, solids: list[Primitive]) -> None:
        """Add to what there is of some stuff: all of it in a picture is one segment."""
        if Segment(name) not in self.segments:
            self.segments.append(Segment(name))
        number = self.segments.index(Segment(name))
        self.solids += [replace(one, instance=number) for one in solids]

    def thing(self, name: str, solids: list[Primitive], crowd: bool = False) -> None:
        """Add a segment of its own."""
        self.solids += [replace(one, instance=len(self.segments)) for one in solids]
        self.segments.append(Segment(name, crowd))

    def spot(self, near: float, far: float, spread: float, radius: float) -> tuple[float, float] | None:
        """Return a free place in the camera's wedge, or None if ten throws find none."""
        for _ in range(10):
            x = self.dice.between(near, far)
            y = self.dice.between(-spread, spread) * x
            if all(math.hypot(x - a, y - b) > radius + other for a, b, other in self.taken):
                self.taken.append((x, y, radius))
                return x, y
        return None


Maker = Callable[[Dice], Model]


def _dog(dice: Dice) -> Model:
    return pet(dice.pick(("beagle", "pug", "samoyed", "miniature_pinscher", "basset_hound")), dice).whole()


def _potted_plant(dice: Dice) -> Model:
    return Model(plant(dice).solids)


OUTDOORS: tuple[tuple[str, Maker, float], ...] = (
    ("car", landmarks.car, 3.4), ("car", landmarks.car, 3.4), ("bench", landmarks.park_bench, 1.9), ("dog", _dog, 1.4),
    ("sports ball", household.soccer_ball, 0.8), ("potted plant", _potted_plant, 1.4),
    (UNLABELLED, household.barrel, 1.0),
)  # fmt: skip
INDOORS: tuple[tuple[str, Maker, float], ...] = (
    ("chair", household.chair, 1.2), ("chair", household.chair, 1.2), ("potted plant", _potted_plant, 1.3),
    ("dog", _dog, 1.1), ("sports ball", household.soccer_ball, 0.6), (UNLABELLED, household.barrel, 0.7),
)  # fmt: skip
"""Category, maker, and metres along the longest side."""


def _sized(model: Model, longest: float, place: Vector, turn: float) -> list[Primitive]:
    corners = Shapes(model.solids).corners
    extent = max(float(part.max()) - float(part.min()) for part in corners)
    return model.placed(place, turn, longest / extent)


def _strew(builder: _Builder, kinds: tuple[tuple[str, Maker, float], ...], count: int, near: float, far: float) -> None:
    """Set things into free places, now and then several of a kind as one crowd."""
    dice = builder.dice
    for _ in range(count):
        name, maker, longest = dice.pick(kinds)
        longest *= dice.between(0.85, 1.15)
        spot = builder.spot(near, far, 0.5, 0.5 * longest)
        if spot is None:
            continue
        solids = _sized(maker(dice), longest, (*spot, 0.0), dice.between(0.0, 360.0))
        crowd = name in ("sports ball", "chair", "potted plant") and dice.chance(0.15)
        if crowd:
            for side in (-0.8, 0.8):
                beside = (spot[0] + 0.3 * longest, spot[1] + side * longest, 0.0)
                solids += _sized(maker(dice), longest, beside, dice.between(0.0, 360.0))
        builder.thing(name, solids, crowd)


def _yard(builder: _Builder) -> tuple[Colour, Colour]:
    """Lay grass, a road, trees and houses; return the sky's colours."""
    dice = builder.dice
    grass = grained(dice, tinted(dice, 0.26, 0.5, 0.5, 1.5), dice.pick(("speckles", "cloudy")), dice.between(0.8, 2.0))
    builder.stuff("grass-merged", [_plane((0.0, 0.0, 0.0), (120.0, 120.0, 0.0), grass, dice.between(0, 360))])
    if dice.chance(0.75):
        tar = grained(dice, tinted(dice, 0.6, 0.05, 0.42, 1.5), "speckles", 2.0, 0.85)
        across = dice.chance(0.5)
        turn = dice.between(70.0, 110.0) if across else dice.between(-25.0, 25.0)
        place = (dice.between(5.0, 11.0), 0.0, 0.02) if across else (10.0, dice.between(-2.5, 2.5), 0.02)
        builder.stuff("road", [_plane(place, (120.0, dice.between(1.4, 2.4), 0.0), tar, turn)])
    for _ in range(dice.whole(0, 3)):
        spot = builder.spot(16.0, 30.0, 0.6, 5.0)
        if spot is not None:
            house = _sized(landmarks.house(dice), dice.between(8.0, 11.0), (*spot, 0.0), 180.0 + dice.between(-50, 50))
            builder.stuff("house", house)
    for _ in range(dice.whole(1, 5)):
        tree = dice.pick((landmarks.oak_tree, landmarks.pine_tree))(dice)
        spot = builder.spot(9.0, 26.0, 0.7, 1.5)
        if spot is not None:
            builder.stuff("tree-merged", _sized(tree, dice.between(4.5, 8.0), (*spot, 0.0), dice.between(0, 360)))
    if dice.chance(0.3):
        grey = dice.between(0.65, 0.95)
        return (grey, grey, grey), (grey * 0.9, grey * 0.92, grey * 0.95)
    return tinted(dice, 0.57, 0.18, 0.9), tinted(dice, 0.6, 0.5, 0.85)


def _plane(place: Vector, half: Vector, material: Material, turn: float, tilt: float = 0.0) -> Primitive:
    return Primitive("plane", place, half, material, turn=turn, tilt=tilt, casts=False)


def _chamber(builder: _Builder) -> Colour:
    """Lay a floor of boards, two walls, perhaps a rug, a laid table and a screen; return the wall's colour."""
    dice = builder.dice
    builder.stuff(
        "floor-wood",
        [_plane((0.0, 0.0, 0.0), (30.0, 30.0, 0.0), wood(dice, dice.between(3.0, 7.0)), dice.pick((0.0, 90.0)))],
    )
    tone = any_colour(dice, (0.05, 0.45), (0.5, 0.95))
    pattern = dice.pick(("plain", "stripes", "dots", "damask", "cloudy"))
    paper = grained(dice, tone, pattern, dice.between(1.0, 3.0), dice.between(0.7, 0.9))
    brick = grained(dice, tinted(dice, 0.02, 0.5, 0.6, 1.5), "bricks", dice.between(3.0, 6.0), 0.6)
    far, slant = dice.between(4.5, 6.5), dice.between(-20.0, 20.0)
    name, face = dice.pick((("wall-other-merged", paper), ("wall-other-merged", paper), ("wall-brick", brick)))
    builder.stuff(name, [_plane((far, 0.0, 3.0), (3.0, 30.0, 0.0), face, 180.0 + slant, 90.0)])
    side = dice.pick((-1.0, 1.0)) * dice.between(2.2, 3.5)
    builder.stuff("wall-other-merged", [_plane((0.0, side, 3.0), (3.0, 30.0, 0.0), paper, 90.0 + slant, 90.0)])
    if dice.chance(0.5):
        rug = grained(dice, any_colour(dice, (0.3, 0.8), (0.4, 0.9)), dice.pick(("zigzag", "checker", "rings")), 2.0)
        place = (dice.between(2.5, 3.6), dice.between(-0.8, 0.8), 0.012)
        builder.stuff("rug-merged", [_plane(place, (0.9, 1.3, 0.0), rug, dice.between(0, 360))])
    if dice.chance(0.7):
        _laid_table(builder)
    return shade_of(tone, 0.9)


def _laid_table(builder: _Builder) -> None:
    """Set a table with one or two bottles, or a screen, on it."""
    dice = builder.dice
    spot = builder.spot(2.6, 3.8, 0.35, 0.8)
    if spot is None:
        return
    turn = dice.pick((0.0, 90.0)) + dice.between(-15.0, 15.0)
    solids = _sized(household.table(dice), 1.4, (*spot, 0.0), turn)
    builder.thing("dining table", solids)
    top = max(one.centre[2] + one.half[2] for one in solids)
    if dice.chance(0.5):
        builder.thing("tv", _sized(household.monitor(dice), 0.9, (*spot, top), 180.0 + dice.between(-40.0, 40.0)))
        return
    for side in (-0.25, 0.2)[: dice.whole(1, 2)]:
        place = (spot[0] + dice.between(-0.1, 0.1), spot[1] + side, top)
        builder.thing("bottle", _sized(household.wine_bottle(dice), dice.between(0.55, 0.7), place, 0.0))


def everyday(dice: Dice, outdoors: bool, width: int, height: int) -> Everyday:
    """Return a picture of a yard or a room."""
    builder = _Builder(dice)
    if outdoors:
        horizon, zenith = _yard(builder)
        _strew(builder, OUTDOORS, dice.whole(3, 6), 3.0, 9.0)
        lamp = Lamp.sun(180.0 + dice.between(-110.0, 110.0), dice.between(25.0, 65.0), dice.between(0.75, 1.1))
    else:
        horizon = zenith = _chamber(builder)
        _strew(builder, INDOORS, dice.whole(2, 4), 1.9, 3.8)
        place = (dice.between(0.5, 2.5), dice.between(-1.2, 1.2), 2.7)
        lamp = Lamp(place, dice.between(1.0, 1.3), 0.04)
    scene = Scene(tuple(builder.solids), lamp, dice.between(0.35, 0.5), horizon, zenith)
    eye = (0.0, 0.0, dice.between(1.2, 1.8) if outdoors else dice.between(1.2, 1.6))
    pitch = dice.between(-12.0, 0.0) if outdoors else dice.between(-22.0, -8.0)
    camera = Camera(eye, dice.between(-8.0, 8.0), pitch, dice.between(55.0, 70.0), width, height)
    return Everyday(render(scene, camera, dice), tuple(builder.segments))
