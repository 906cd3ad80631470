"""Sample (data): places under a roof: bedroom, kitchen, living room, office, corridor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Material, any_colour, colour_of, shade_of
from virb.sample.engine.scene import Lamp
from virb.sample.engine.shapes import Primitive
from virb.sample.places.indoors import Style, style
from virb.sample.places.site import Shot, Site, looking
from virb.sample.things.furniture import (
    Maker,
    Piece,
    bed,
    bookshelf,
    chair,
    cloth,
    cupboard,
    floor_lamp,
    fridge,
    plain,
    plant,
    sofa,
    stool,
    table,
    wood,
)

_TASTES = 40
_SKY = ((0.8, 0.85, 0.9), (0.6, 0.7, 0.9))


@lru_cache(maxsize=_TASTES)
def _taste(number: int) -> Style:
    return style(Dice("interiors", "taste", number))


@dataclass(frozen=True)
class _Shell:
    """A room seen from its near end: x from 0 to `long`, y from -wide / 2 to wide / 2."""

    site: Site
    long: float
    wide: float
    high: float
    look: Style


def _shell(dice: Dice, long: float, wide: float, high: float) -> _Shell:
    """Return floor, ceiling and the three walls that a camera at the near end sees."""
    site, look = Site(), _taste(dice.whole(0, _TASTES - 1))
    papers = dice.pick((look.papers, (look.papers[0], look.papers[0]), look.papers[::-1]))
    site.sheet((long / 2 - 1.0, 0.0, 0.0), (long + 2.0, wide), look.floor)
    site.sheet((long / 2 - 1.0, 0.0, high), (long + 2.0, wide), look.ceiling)
    _wall(site, (long, 0.0, high / 2), (high, wide), 180.0, papers[0])
    for side in (-1, 1):
        _wall(site, (long / 2 - 1.0, side * wide / 2, high / 2), (high, long + 2.0), 90.0, papers[1])
        site.box((long / 2 - 1.0, side * (wide / 2 - 0.01), 0.06), (long + 2.0, 0.02, 0.12), look.trim)
    site.box((long - 0.01, 0.0, 0.06), (0.02, wide, 0.12), look.trim)
    return _Shell(site, long, wide, high, look)


def _wall(
    site: Site, centre: tuple[float, float, float], size: tuple[float, float], turn: float, paper: Material
) -> None:
    half = (size[0] / 2, size[1] / 2, 0.0)
    site.solids.append(Primitive("plane", centre, half, paper, turn=turn, tilt=90.0, casts=False))


def _hang(shell: _Shell, dice: Dice, wall: str, along: float, size: tuple[float, float], inner: Material) -> None:
    """Hang a framed rectangle on the back wall or a side wall, `along` it, its middle at eye height or so."""
    frame = plain(any_colour(dice, (0.0, 0.6), (0.15, 0.95)))
    up = max(1.05, min(1.65, shell.high - size[1] / 2 - 0.2)) if size[1] < 1.9 else size[1] / 2
    for off, grow, material in ((0.015, 0.1, frame), (0.03, 0.0, inner)):
        wide, high = size[0] + grow, size[1] + grow
        if wall == "back":
            shell.site.box((shell.long - off, along, up), (0.03, wide, high), material)
        else:
            side = -1 if wall == "right" else 1
            shell.site.box((along, side * (shell.wide / 2 - off), up), (wide, 0.03, high), material)


def _window(dice: Dice) -> Material:
    sky = colour_of(dice.between(0.53, 0.6), dice.between(0.05, 0.35), 1.0)
    return Material(sky, (0.95, 0.95, 0.93), "panes", (1.3, 1.3), glow=dice.between(0.1, 0.4))


def _picture(dice: Dice) -> Material:
    first, second = any_colour(dice, (0.2, 0.9), (0.4, 1.0)), any_colour(dice, (0.2, 0.9), (0.2, 1.0))
    return Material(first, second, dice.pick(("painting", "painting", "rings", "zigzag")), (2.5, 2.5))


def _beside(shell: _Shell, dice: Dice, makers: tuple[Maker, ...], side: int, x: float) -> None:
    """Set pieces along a side wall, one behind the other, from x on."""
    for _ in range(6):
        piece = dice.pick(makers)(dice)
        if x + piece.width > shell.long - 0.1:
            return
        y = side * (shell.wide / 2 - piece.depth / 2 - 0.03)
        shell.site.put(piece, x + piece.width / 2, y, -90.0 * side)
        x += piece.width + dice.between(0.1, 0.9)


def _taken(shell: _Shell, dice: Dice, high: float, pitch: float) -> Shot:
    """Return the picture from the near end, by the light of a lamp that hangs somewhere."""
    lamp = (shell.long * dice.between(0.3, 0.6), shell.wide * dice.between(-0.25, 0.25), shell.high - 0.4)
    glass = Material((1.0, 0.97, 0.9), glow=0.9)
    shell.site.solids.append(Primitive("sphere", lamp, (0.2, 0.2, 0.12), glass, casts=False))
    eye = (dice.between(0.1, 0.5), shell.wide * dice.between(-0.28, 0.28), high)
    aim = -25.0 * eye[1] / shell.wide * 2.0
    camera = looking(dice, eye, aim, pitch, dice.between(68.0, 84.0))
    light = Lamp(lamp, dice.between(1.0, 1.4), 0.04)
    return shell.site.shot(camera, light, dice.between(0.36, 0.48), _SKY)


def bedroom(dice: Dice) -> Shot:
    """Return a bed at a wall with a night stand and lamp beside it, and a cupboard."""
    shell = _shell(dice, dice.between(4.2, 5.4), dice.between(3.6, 4.8), dice.between(2.4, 2.7))
    piece, side = bed(dice), dice.pick((-1, 1))
    if dice.chance(0.6):
        y = dice.between(-0.4, 0.4)
        shell.site.put(piece, shell.long - 1.05, y, 180.0)
        for aside in (-1, 1):
            if dice.chance(0.75):
                _night_stand(shell, dice, (shell.long - 0.3, y + aside * (piece.width / 2 + 0.35)))
    else:
        x = dice.between(2.4, shell.long - 0.9)
        shell.site.put(piece, x, side * (shell.wide / 2 - 1.05), -90.0 * side)
        _night_stand(shell, dice, (x + piece.width / 2 + 0.35, side * (shell.wide / 2 - 0.3)))
    _beside(shell, dice, (cupboard, cupboard, stool, plant), -side, dice.between(1.4, 2.2))
    _hang(shell, dice, "back", dice.between(-0.8, 0.8), (1.1, 0.8), dice.pick((_picture, _window))(dice))
    if dice.chance(0.5):
        _hang(shell, dice, "left" if side < 0 else "right", 3.0, (1.2, 1.0), _window(dice))
    return _taken(shell, dice, dice.between(1.3, 1.7), -14.0)


def _night_stand(shell: _Shell, dice: Dice, place: tuple[float, float]) -> None:
    piece = Piece("night stand", 0.4, 0.42)
    piece.box((0.0, 0.0, 0.25), (0.4, 0.42, 0.5), wood(dice))
    shade = Material(any_colour(dice, (0.1, 0.5), (0.85, 1.0)), glow=0.3)
    piece.pillar((0.0, 0.0, 0.6), 0.03, 0.2, plain((0.5, 0.45, 0.4)))
    piece.pillar((0.0, 0.0, 0.78), 0.13, 0.2, shade)
    shell.site.put(piece, *place, 180.0)


def kitchen(dice: Dice) -> Shot:
    """Return worktops with cupboards above, a stove, a sink and a fridge, perhaps a table."""
    shell = _shell(dice, dice.between(3.6, 4.8), dice.between(3.2, 4.4), dice.between(2.4, 2.7))
    front = any_colour(dice, (0.0, 0.6), (0.5, 0.97))
    doors = Material(front, shade_of(front, 0.35), "drawers", (1.7, 1.2), gloss=0.25)
    top = Material(any_colour(dice, (0.0, 0.25), (0.2, 0.85)), gloss=0.4)
    side = dice.pick((-1, 1))
    row = Site()
    _worktop(row, dice, shell.wide - 0.75, (doors, top))
    shell.site.join(row, shell.long, -0.35 * side, 0.0)
    shell.site.put(fridge(dice), shell.long - 0.35, side * (shell.wide / 2 - 0.36), 180.0)
    if dice.chance(0.6):
        long = dice.between(1.2, 2.2)
        other = Site()
        _worktop(other, dice, long, (doors, top))
        shell.site.join(other, shell.long - 0.7 - long / 2, -side * shell.wide / 2, -90.0 * side)
    if dice.chance(0.5):
        x, y = dice.between(1.5, 2.1), side * dice.between(0.4, 1.0)
        shell.site.put(dice.pick((table, stool))(dice), x, y, 90.0)
    return _taken(shell, dice, dice.between(1.35, 1.7), -10.0)


def _worktop(row: Site, dice: Dice, wide: float, materials: tuple[Material, Material]) -> None:
    """Add cupboards below and above a worktop of this width; the wall is at x = 0, the room at x below."""
    doors, top = materials
    steel = Material((0.75, 0.77, 0.8), gloss=0.7)
    row.box((-0.3, 0.0, 0.43), (0.58, wide, 0.86), doors)
    row.box((-0.31, 0.0, 0.89), (0.64, wide, 0.05), top)
    row.box((-0.18, 0.0, 1.85), (0.34, wide * dice.between(0.5, 1.0), 0.7), doors)
    stove = wide * dice.between(-0.35, 0.35)
    row.box(
        (-0.32, stove, 0.44), (0.6, 0.6, 0.84), Material((0.12, 0.12, 0.13), (0.6, 0.6, 0.62), "drawers", (1.7, 1.2))
    )
    for x in (-0.45, -0.18):
        for y in (-0.14, 0.14):
            row.pillar((x, stove + y, 0.915), 0.1, 0.015, plain((0.05, 0.05, 0.05)))
    if dice.chance(0.7):
        row.pillar((-0.2, stove + 0.14, 0.93), 0.12, dice.between(0.12, 0.25), steel)
    sink = wide * (0.3 if stove < 0 else -0.3)
    row.box((-0.32, sink, 0.92), (0.42, 0.55, 0.02), steel)
    row.pillar((-0.08, sink, 0.9), 0.02, 0.3, steel)
    row.box((-0.17, sink, 1.2), (0.2, 0.035, 0.035), steel)


def living_room(dice: Dice) -> Shot:
    """Return a sofa before a low table on a rug, with shelves, a lamp, a plant, a television."""
    shell = _shell(dice, dice.between(4.4, 5.8), dice.between(4.2, 5.6), dice.between(2.4, 2.8))
    side = dice.pick((-1, 1))
    middle = (shell.long * dice.between(0.5, 0.6), dice.between(-0.4, 0.4))
    shell.site.sheet((*middle, 0.012), (dice.between(1.6, 2.4), dice.between(2.2, 3.0)), cloth(dice))
    _low_table(shell, dice, middle)
    if dice.chance(0.6):
        shell.site.put(sofa(dice), shell.long - 0.5, middle[1], 180.0)
        _beside(shell, dice, (bookshelf, plant, floor_lamp, _television), side, dice.between(1.6, 2.4))
    else:
        shell.site.put(sofa(dice), middle[0], side * (shell.wide / 2 - 0.5), -90.0 * side)
        television = _television(dice)
        shell.site.put(television, shell.long - 0.3, dice.between(-1.0, 1.0), 180.0)
        shell.site.put(plant(dice), shell.long - 0.4, side * (shell.wide / 2 - 0.4), 180.0)
    if dice.chance(0.6):
        shell.site.put(sofa(dice), middle[0], -side * (shell.wide / 2 - 0.5), 90.0 * side)
    _hang(
        shell,
        dice,
        "back",
        dice.between(-1.3, 1.3),
        (dice.between(0.7, 1.6), 0.9),
        dice.pick((_picture, _window))(dice),
    )
    return _taken(shell, dice, dice.between(1.2, 1.6), -10.0)


def _low_table(shell: _Shell, dice: Dice, place: tuple[float, float]) -> None:
    piece = Piece("low table", 0.6, 1.1)
    piece.box((0.0, 0.0, 0.4), (0.6, dice.between(0.8, 1.2), 0.05), wood(dice))
    for sign in (-1, 1):
        piece.box((0.0, sign * 0.35, 0.19), (0.5, 0.06, 0.38), wood(dice))
    bowl = plain(any_colour(dice, (0.4, 0.9), (0.5, 1.0)), 0.5)
    piece.ball((0.0, dice.between(-0.25, 0.25), 0.5), (0.14, 0.14, 0.09), bowl)
    shell.site.put(piece, *place, 90.0 * dice.whole(0, 1))


def _television(dice: Dice) -> Piece:
    """Return a screen on a low board."""
    piece = Piece("television", 0.4, 1.3)
    piece.box((0.0, 0.0, 0.22), (0.4, 1.3, 0.44), wood(dice))
    piece.box((0.0, 0.0, 0.86), (0.06, 1.05, 0.64), Material((0.07, 0.07, 0.09), gloss=0.6))
    return piece


def office(dice: Dice) -> Shot:
    """Return desks with screens and chairs, shelves of files, and cool light."""
    shell = _shell(dice, dice.between(4.4, 6.0), dice.between(3.6, 5.4), dice.between(2.5, 2.9))
    side = dice.pick((-1, 1))
    rows = dice.whole(1, 2)
    for number in range(rows):
        x = shell.long - 1.1 - 1.9 * number
        for aside in (-1, 1) if shell.wide > 4.0 else (side,):
            _desk(shell, dice, (x, aside * shell.wide * dice.between(0.2, 0.27)), dice.pick((0.0, 180.0, 180.0)))
    _beside(shell, dice, (bookshelf, bookshelf, cupboard), side, dice.between(1.0, 2.0))
    inner = dice.pick((_window(dice), Material((0.97, 0.97, 0.97), (0.2, 0.3, 0.7), "painting", (4.0, 4.0), gloss=0.3)))
    _hang(shell, dice, "back", dice.between(-0.8, 0.8), (dice.between(1.2, 2.0), 1.0), inner)
    return _taken(shell, dice, dice.between(1.4, 1.75), -12.0)


def _desk(shell: _Shell, dice: Dice, place: tuple[float, float], turn: float) -> None:
    """Add a desk with a screen, keyboard and papers, and a chair before it."""
    piece = Piece("desk", 0.75, 1.5)
    grey = plain(colour_of(0.6, 0.05, dice.between(0.3, 0.85)))
    piece.box((0.0, 0.0, 0.72), (0.75, 1.5, 0.05), dice.pick((wood(dice), grey)))
    for sign in (-1, 1):
        piece.box((0.0, sign * 0.7, 0.35), (0.65, 0.05, 0.7), grey)
    aside = dice.between(-0.3, 0.3)
    shine = Material(colour_of(0.58, dice.between(0.1, 0.5), 0.9), (0.95, 0.95, 0.95), "tiles", (6.0, 9.0), glow=0.4)
    piece.box((-0.2, aside, 1.02), (0.05, 0.56, 0.38), plain((0.1, 0.1, 0.11)))
    piece.box((-0.165, aside, 1.02), (0.02, 0.5, 0.32), shine)
    piece.box((-0.2, aside, 0.8), (0.12, 0.1, 0.14), plain((0.1, 0.1, 0.11)))
    piece.box((0.12, aside, 0.76), (0.16, 0.45, 0.03), plain((0.15, 0.15, 0.16)))
    piece.box((0.1, aside + dice.pick((-0.45, 0.45)), 0.76), (0.3, 0.21, 0.03), plain((0.95, 0.95, 0.93)))
    shell.site.put(piece, *place, turn)
    shell.site.put(chair(dice), place[0] + (0.7 if turn == 0.0 else -0.7), place[1] + aside / 2, turn + 180.0)


def corridor(dice: Dice) -> Shot:
    """Return a long narrow passage with doors along both sides and lamps down its ceiling."""
    shell = _shell(dice, dice.between(9.0, 15.0), dice.between(1.7, 2.6), dice.between(2.3, 2.8))
    tone = any_colour(dice, (0.1, 0.7), (0.35, 0.9))
    leaf = Material(tone, shade_of(tone, 0.5), "drawers", (1 / 0.9, 1 / 0.7), gloss=0.2)
    gap = dice.between(1.8, 3.0)
    for wall in ("left", "right"):
        x = dice.between(1.0, 2.5)
        while x < shell.long - 0.8:
            if dice.chance(0.8):
                _hang(shell, dice, wall, x, (0.9, 2.0), leaf)
            x += gap
    _hang(shell, dice, "back", 0.0, (0.95, 2.0), dice.pick((leaf, _window(dice))))
    lamp = Material((1.0, 0.99, 0.95), glow=0.9)
    x = dice.between(1.0, 2.0)
    while x < shell.long:
        flat = Primitive("box", (x, 0.0, shell.high - 0.03), (0.35, 0.18, 0.03), lamp, casts=False)
        shell.site.solids.append(flat)
        x += 2.4
    if dice.chance(0.4):
        runner = cloth(dice)
        shell.site.sheet((shell.long / 2, 0.0, 0.012), (shell.long - 1.0, shell.wide * 0.5), runner)
    light = Lamp((shell.long * 0.35, 0.0, shell.high - 0.3), dice.between(1.0, 1.4), 0.02)
    eye = (dice.between(0.0, 0.6), shell.wide * dice.between(-0.2, 0.2), dice.between(1.3, 1.7))
    camera = looking(dice, eye, 0.0, -4.0, dice.between(64.0, 82.0))
    return shell.site.shot(camera, light, dice.between(0.4, 0.5), _SKY)
