"""Sample (data): two people at a table with a game between them, seen by one of the two."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from virb.sample.engine.camera import Camera, Vector
from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Colour, Material, any_colour, colour_of, shade_of
from virb.sample.engine.render import Rendering, render
from virb.sample.engine.scene import Lamp, Scene
from virb.sample.engine.shapes import Primitive
from virb.sample.places.roadside import hedge, shift, tree, worn
from virb.sample.things.furniture import bookshelf, cloth, cupboard, plant, sofa, wood
from virb.sample.things.vehicles import ball, box, rod

HANDS = ("myleft", "myright", "yourleft", "yourright")
"""Instance 1 and so on; 0 is everything else."""
_TOP = 0.74
"""The height of the table."""
_ACROSS = 0.62
"""The middle of the game, in metres ahead of the viewer."""


@dataclass(frozen=True)
class Player:
    """What is seen of somebody: skin, sleeves, and whether these are long."""

    skin: Material
    sleeve: Material
    long: bool


@dataclass(frozen=True)
class TableScene:
    """What stays the same in one video: place, table, game, people, light."""

    solids: tuple[Primitive, ...]
    me: Player
    you: Player
    lamp: Lamp
    ambient: float
    game: str


def setting(game: str, place: str, viewer: str, partner: str, dice: Dice) -> TableScene:
    """Return a video's setting; a person has one skin in all videos, and other clothes in each."""
    around, lamp, ambient = _PLACES[place](dice)
    tone = wood(dice, 6.0) if dice.chance(0.6) else cloth(dice)
    table = box((0.63, 0.0, _TOP - 0.03), (0.96, 1.5, 0.06), tone)
    me, you = (_person(name, dice) for name in (viewer, partner))
    chest = ball((1.42, dice.between(-0.05, 0.05), 0.95), (0.16, 0.25, 0.36), you.sleeve)
    head = ball((1.38, chest.centre[1], 1.46), (0.1, 0.09, 0.13), you.skin)
    return TableScene((*around, table, chest, head), me, you, lamp, ambient, game)


def _person(name: str, dice: Dice) -> Player:
    own = Dice("egohands", "person", name)  # the same in every world: B, H, S and T are four people
    tone = colour_of(own.between(0.03, 0.075), own.between(0.32, 0.6), own.between(0.5, 0.93))
    tone = shade_of(tone, dice.between(0.93, 1.07))
    return Player(Material(tone, shade_of(tone, 0.85), "cloudy", (25.0, 25.0)), cloth(dice), dice.chance(0.6))


def _floor(material: Material) -> Primitive:
    return Primitive("plane", (8.0, 0.0, 0.0), (30.0, 30.0, 0.0), material, casts=False)


def _courtyard(dice: Dice) -> tuple[list[Primitive], Lamp, float]:
    green = colour_of(dice.between(0.2, 0.35), dice.between(0.35, 0.7), dice.between(0.35, 0.6))
    ground = worn(dice, green, "speckles", 4.0)
    if dice.chance(0.5):
        ground = worn(dice, any_colour(dice, (0.0, 0.3), (0.45, 0.75)), dice.pick(("tiles", "bricks")), 3.0)
    solids = [_floor(ground)]
    for place in range(3):
        model = tree(dice, green) if dice.chance(0.5) else hedge(dice, green)
        where = (dice.between(4.0, 8.0), (place - 1) * 2.6 + dice.between(-1.0, 1.0), 0.0)
        solids += model.placed(where, dice.between(-20.0, 20.0) + 90.0, 0, casts=False)
    sun = Lamp.sun(dice.between(0.0, 360.0), dice.between(45.0, 70.0), dice.between(0.55, 0.85))
    return solids, sun, dice.between(0.42, 0.55)


def _indoors(dice: Dice, floor: Material, wall: Material) -> tuple[list[Primitive], Lamp, float]:
    far = dice.between(2.6, 4.0)
    back = Primitive("plane", (far, 0.0, 1.4), (1.4, 6.0, 0.0), wall, turn=180.0, tilt=90.0, casts=False)
    lamp = Lamp((dice.between(0.0, 1.5), dice.between(-1.2, 1.2), 2.5), dice.between(0.8, 1.1), 0.03)
    return [_floor(floor), back], lamp, dice.between(0.36, 0.48)


def _living_room(dice: Dice) -> tuple[list[Primitive], Lamp, float]:
    tone = colour_of(dice.between(0.05, 0.11), dice.between(0.3, 0.6), dice.between(0.4, 0.8))
    paper = any_colour(dice, (0.1, 0.5), (0.55, 0.95))
    pattern = dice.pick(("stripes", "damask", "dots", "waves"))
    wall = Material(paper, shade_of(paper, dice.between(0.6, 0.85)), pattern, (3.0, 3.0), shift(dice))
    solids, lamp, ambient = _indoors(dice, worn(dice, tone, "planks", 6.0), wall)
    for side, maker in ((-1, dice.pick((sofa, plant))), (1, dice.pick((sofa, bookshelf)))):
        piece = maker(dice)
        y = side * dice.between(0.9, 1.5)
        solids += [replace(one, casts=False) for one in piece.placed(solids[1].centre[0] - 0.5, y, 180.0, 0)]
    return solids, lamp, ambient


def _office(dice: Dice) -> tuple[list[Primitive], Lamp, float]:
    carpet = any_colour(dice, (0.05, 0.5), (0.25, 0.6))
    paint = any_colour(dice, (0.0, 0.15), (0.7, 0.95))
    solids, lamp, ambient = _indoors(dice, worn(dice, carpet, "speckles", 12.0), worn(dice, paint, "tiles", 0.6))
    wall = solids[1].centre[0]
    board = Material((0.95, 0.96, 0.97), any_colour(dice, (0.5, 0.9), (0.2, 0.8)), "painting", (2.0, 2.0), shift(dice))
    solids.append(box((wall - 0.02, dice.between(-0.8, 0.8), 1.4), (0.03, 1.6, 1.0), board, casts=False))
    piece = dice.pick((cupboard, bookshelf))(dice)
    y = dice.pick((-1, 1)) * dice.between(1.0, 1.6)
    solids += [replace(one, casts=False) for one in piece.placed(wall - 0.4, y, 180.0, 0)]
    return solids, lamp, ambient


_PLACES: dict[str, Callable[[Dice], tuple[list[Primitive], Lamp, float]]] = {
    "COURTYARD": _courtyard,
    "LIVINGROOM": _living_room,
    "OFFICE": _office,
}


def _tint(dice: Dice) -> Material:
    return Material(any_colour(dice, (0.4, 0.95), (0.35, 0.95)), gloss=0.1)


def _turned(solid: Primitive, turn: float) -> Primitive:
    return replace(solid, turn=turn)


def _cards(dice: Dice) -> list[Primitive]:
    back: Colour = any_colour(dice, (0.6, 0.95), (0.3, 0.8))
    solids = []
    for _ in range(dice.whole(4, 9)):
        face = Material((0.96, 0.96, 0.94), back, dice.pick(("dots", "plain", "checker")), (40.0, 40.0), shift(dice))
        place = (_ACROSS + dice.between(-0.16, 0.16), dice.between(-0.3, 0.3), _TOP + dice.between(0.002, 0.006))
        solids.append(_turned(box(place, (0.09, 0.063, 0.002), face, casts=False), dice.between(0.0, 180.0)))
    deck = box((_ACROSS, dice.between(-0.1, 0.1), _TOP + 0.01), (0.09, 0.063, 0.02), Material(back))
    return [*solids, _turned(deck, dice.between(-20.0, 20.0))]


def _chess(dice: Dice) -> list[Primitive]:
    light, dark = dice.pick((((0.9, 0.85, 0.7), (0.35, 0.2, 0.12)), ((0.93, 0.93, 0.9), (0.15, 0.35, 0.2))))
    board = Material(light, dark, "checker", (20.0, 20.0))
    solids = [box((_ACROSS, 0.0, _TOP + 0.008), (0.4, 0.4, 0.016), board, casts=False)]
    for number in range(14):
        tone = Material((0.92, 0.88, 0.78) if number % 2 else (0.12, 0.1, 0.1), gloss=0.3)
        x, y = _ACROSS + 0.05 * dice.whole(-4, 3) + 0.025, 0.05 * dice.whole(-4, 3) + 0.025
        height = dice.between(0.035, 0.07)
        solids.append(rod((x, y, _TOP + 0.016 + height / 2), 0.014, height, tone))
    return solids


def _jenga(dice: Dice) -> list[Primitive]:
    pine = Material((0.87, 0.72, 0.48), (0.68, 0.5, 0.28), "planks", (66.0, 66.0), shift(dice))
    tall, turn = dice.between(0.12, 0.25), dice.between(0.0, 90.0)
    tower = box((_ACROSS + 0.02, dice.between(-0.08, 0.08), _TOP + tall / 2), (0.075, 0.075, tall), pine)
    solids = [_turned(tower, turn)]
    for _ in range(dice.whole(3, 8)):
        place = (_ACROSS + dice.between(-0.17, 0.14), dice.pick((-1, 1)) * dice.between(0.1, 0.35), _TOP + 0.008)
        solids.append(_turned(box(place, (0.075, 0.025, 0.016), pine), dice.between(0.0, 180.0)))
    return solids


def _puzzle(dice: Dice) -> list[Primitive]:
    solids = []
    for _ in range(dice.whole(14, 22)):
        place = (_ACROSS + dice.between(-0.18, 0.16), dice.between(-0.32, 0.32), _TOP + 0.003)
        size = dice.between(0.025, 0.045)
        solids.append(_turned(box(place, (size, size, 0.006), _tint(dice), casts=False), dice.between(0.0, 90.0)))
    return solids


_GAMES: dict[str, Callable[[Dice], list[Primitive]]] = {
    "CARDS": _cards,
    "CHESS": _chess,
    "JENGA": _jenga,
    "PUZZLE": _puzzle,
}


def _limb(start: Vector, end: Vector, radius: float, material: Material) -> Primitive:
    """Return a cylinder between two points."""
    x, y, z = (b - a for a, b in zip(start, end, strict=True))
    long = math.sqrt(x * x + y * y + z * z)
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, (start[2] + end[2]) / 2)
    turn, tilt = math.degrees(math.atan2(y, x)), math.degrees(math.acos(z / long))
    return Primitive("cylinder", middle, (radius, radius, long / 2), material, turn=turn, tilt=tilt)


def _hand(dice: Dice, wrist: Vector, heading: float, left: bool, skin: Material, instance: int) -> list[Primitive]:
    """Return palm, four fingers and a thumb, which is on the right side of a left hand."""
    size, curl, dip = dice.between(0.95, 1.2), dice.between(0.0, 42.0), dice.between(-5.0, 14.0)
    spread = dice.between(5.0, 13.0)

    def part(ahead: float, aside: float, turn: float, half: Vector, down: float) -> Primitive:
        """Return an ellipsoid that begins at a place of the hand and points away from it."""
        turn += heading
        flat = half[0] * math.cos(math.radians(down))
        along, across = math.radians(heading), math.radians(turn)
        x = wrist[0] + size * (ahead * math.cos(along) - aside * math.sin(along) + flat * math.cos(across))
        y = wrist[1] + size * (ahead * math.sin(along) + aside * math.cos(along) + flat * math.sin(across))
        z = wrist[2] - size * (ahead * math.sin(math.radians(dip)) + half[0] * math.sin(math.radians(down)))
        reach = (half[0] * size, half[1] * size, half[2] * size)
        return Primitive("sphere", (x, y, max(z, _TOP + reach[2])), reach, skin, instance, turn, down)

    thumb = -1.0 if left else 1.0
    parts = [part(-0.02, 0.0, 0.0, (0.06, 0.045, 0.022), dip)]
    for finger in range(4):
        aside = (finger - 1.5) * 0.021
        length = (0.052, 0.06, 0.058, 0.047)[finger if left else 3 - finger]
        parts.append(part(0.07, -aside, -spread * (finger - 1.5), (length, 0.0115, 0.0115), dip + curl))
    parts.append(part(0.0, thumb * 0.03, thumb * dice.between(25.0, 55.0), (0.048, 0.014, 0.014), dip))
    return parts


def _arm(dice: Dice, who: Player, mine: bool, left: bool) -> list[Primitive]:
    """Return a hand over the table, with its forearm; a partner's left is the viewer's right."""
    side = (1.0 if left else -1.0) * (1.0 if mine else -1.0)
    reach, aside = dice.between(0.0, 0.22), side * dice.between(0.02, 0.24) + dice.between(-0.05, 0.05)
    wrist = ((0.3 + reach if mine else 1.0 - reach), aside, _TOP + dice.between(0.03, 0.1))
    elbow = ((0.05 if mine else 1.32), side * dice.between(0.2, 0.36), _TOP + dice.between(-0.02, 0.12))
    straight = math.degrees(math.atan2(wrist[1] - elbow[1], wrist[0] - elbow[0]))
    number = HANDS.index(("my" if mine else "your") + ("left" if left else "right")) + 1
    cuff = 0.02 if who.long else dice.between(0.6, 0.9)
    seam = (
        wrist[0] + cuff * (elbow[0] - wrist[0]),
        wrist[1] + cuff * (elbow[1] - wrist[1]),
        wrist[2] + cuff * (elbow[2] - wrist[2]),
    )
    return [
        *_hand(dice, wrist, straight + dice.between(-25.0, 25.0), left, who.skin, number),
        _limb(wrist, elbow, 0.028, who.skin),
        _limb(seam, elbow, 0.042, who.sleeve),
    ]


def frame(video: TableScene, dice: Dice, width: int = 160, height: int = 90) -> Rendering:
    """Return one picture of a video; each hand may be out of it."""
    solids = list(video.solids) + _GAMES[video.game](dice)
    for mine, who in ((True, video.me), (False, video.you)):
        for left in (True, False):
            if dice.chance(0.82):
                solids += _arm(dice, who, mine, left)
    eye = (dice.between(-0.04, 0.04), dice.between(-0.08, 0.08), dice.between(1.2, 1.3))
    camera = Camera(eye, dice.between(-9.0, 9.0), dice.between(-37.0, -28.0), dice.between(64.0, 74.0), width, height)
    return render(Scene(tuple(solids), video.lamp, video.ambient, lowest=-0.1), camera, dice)
