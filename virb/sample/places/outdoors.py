"""Sample (data): places under the sky: street, beach, forest path, church, mountain."""

from __future__ import annotations

from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Colour, Material, any_colour, colour_of, shade_of
from virb.sample.places.site import Shot, Site, daylight, looking

_FAR = 250.0


def _rough(tone: Colour, scale: float, dice: Dice, pattern: str = "cloudy", factor: float = 0.75) -> Material:
    """Return a tone in two shades, shifted by chance so that no two grounds are alike."""
    shift = (dice.between(0.0, 60.0), dice.between(0.0, 60.0))
    return Material(tone, shade_of(tone, factor), pattern, (scale, scale), shift)


def _grass(dice: Dice) -> Material:
    return _rough(colour_of(dice.between(0.17, 0.33), dice.between(0.35, 0.7), dice.between(0.4, 0.7)), 1.0, dice)


def _leaves(dice: Dice) -> Material:
    tone = colour_of(dice.pick((0.08, 0.13, 0.24, 0.28, 0.32, 0.36)), dice.between(0.45, 0.8), dice.between(0.4, 0.75))
    return _rough(tone, 3.0, dice, "speckles", 0.55)


def _tree(site: Site, dice: Dice, place: tuple[float, float], height: float, kind: str) -> None:
    """Add a tree: a fir of three cones, a round crown on a trunk, or a palm."""
    x, y = place
    bark = Material(colour_of(0.07, 0.4, dice.between(0.2, 0.45)), (0.15, 0.1, 0.08), "stripes", (6.0, 6.0))
    leaves = _leaves(dice)
    if kind == "palm":
        site.pillar((x, y, 0.0), 0.03 * height, height, bark)
        for turn in range(0, 180, 45):
            radii = (0.35 * height, 0.05 * height, 0.025 * height)
            site.ball((x, y, height), radii, leaves, turn + dice.between(-15.0, 15.0), dice.between(-12.0, 12.0))
        return
    site.pillar((x, y, 0.0), 0.035 * height, 0.6 * height, bark)
    if kind == "fir":
        for tier, wide in enumerate((0.24, 0.18, 0.11)):
            centre = (x, y, height * (0.16 + 0.24 * tier))
            site.cone(centre, (wide * height, wide * height), 0.36 * height, leaves)
        return
    wide = dice.between(0.22, 0.34) * height
    site.ball((x, y, 0.7 * height), (wide, wide, 0.32 * height), leaves)


def street(dice: Dice) -> Shot:
    """Return a road between houses, with cars, lamp posts and a line down its middle."""
    site, half = Site(), dice.between(3.0, 4.5)
    paving = colour_of(0.1, dice.between(0.0, 0.15), dice.between(0.5, 0.7))
    site.sheet((60.0, 0.0, 0.0), (_FAR, _FAR), _rough(paving, 1.0, dice, "tiles"))
    asphalt = colour_of(0.6, 0.05, dice.between(0.25, 0.42))
    site.sheet((60.0, 0.0, 0.02), (_FAR, 2 * half), _rough(asphalt, 2.0, dice))
    dashes = Material((0.95, 0.95, 0.9), asphalt, "stripes", (0.25, 1.0))
    site.sheet((60.0, 0.0, 0.04), (0.25, _FAR), dashes, 90.0)
    for side in (-1, 1):
        _house_row(site, dice, side, half + dice.between(1.5, 3.0))
        for number in range(dice.whole(1, 3)):
            x = 7.0 + 6.0 * number + dice.between(0.0, 4.0)
            _car(site, dice, (x, side * (half - 1.1)))
        if dice.chance(0.6):
            post = Material((0.3, 0.32, 0.33), gloss=0.3)
            for x in (9.0, 21.0, 33.0):
                site.pillar((x, side * (half + 0.6), 0.0), 0.09, 5.5, post)
                site.ball((x, side * (half + 0.1), 5.5), (0.3, 0.55, 0.14), post)
    eye = (0.0, dice.between(-0.7, 0.7) * half, dice.between(1.5, 2.4))
    return site.shot(looking(dice, eye, 0.0, 2.0, dice.between(58.0, 74.0)), *daylight(dice))


def _house_row(site: Site, dice: Dice, side: int, off: float) -> None:
    """Add houses wall to wall along one side of a road."""
    x = dice.between(-2.0, 2.0)
    while x < 70.0:
        long, high, deep = dice.between(6.0, 14.0), dice.between(5.0, 16.0), 10.0
        wall = any_colour(dice, (0.05, 0.5), (0.45, 0.95))
        pattern, scale = dice.pick((("windows", 0.42), ("windows", 0.3), ("windows", 0.55), ("bricks", 1.6)))
        front = Material(wall, shade_of(wall, dice.between(0.25, 0.5)), pattern, (scale, scale))
        site.box((x + long / 2, side * (off + deep / 2), high / 2), (long, deep, high), front)
        if dice.chance(0.4):
            tone = colour_of(0.03, 0.5, dice.between(0.3, 0.6))
            site.gable((x + long / 2, side * (off + deep / 2), high), (long, deep), _rough(tone, 2.0, dice, "tiles"))
        x += long + (dice.between(1.0, 5.0) if dice.chance(0.3) else 0.0)


def _car(site: Site, dice: Dice, place: tuple[float, float]) -> None:
    """Add a car that stands along the road."""
    x, y = place
    paint = Material(any_colour(dice, (0.1, 0.9), (0.25, 0.95)), gloss=0.5)
    site.box((x, y, 0.6), (4.1, 1.7, 0.6), paint)
    site.box((x - 0.2, y, 1.15), (2.1, 1.5, 0.55), Material((0.15, 0.2, 0.25), gloss=0.7))
    for along in (-1.3, 1.3):
        for across in (-0.8, 0.8):
            site.ball((x + along, y + across, 0.33), (0.33, 0.12, 0.33), Material((0.08, 0.08, 0.08)))


def beach(dice: Dice) -> Shot:
    """Return sand, then the sea up to the horizon, with parasols, towels and a palm or two."""
    site = Site()
    sand = colour_of(dice.between(0.08, 0.13), dice.between(0.15, 0.45), dice.between(0.7, 0.95))
    sea = colour_of(dice.between(0.46, 0.61), dice.between(0.35, 0.8), dice.between(0.45, 0.8))
    shore, turn = dice.between(8.0, 18.0), dice.between(-18.0, 18.0)
    site.sheet((0.0, 0.0, -0.1), (400.0, 400.0), _rough(sand, 2.0, dice, "speckles", 0.85))
    foam = _rough((0.95, 0.97, 0.97), 1.0, dice, "cloudy", 0.85)
    water = _rough(sea, 0.35, dice, "waves", 0.82)
    sea_side = Site()
    sea_side.sheet((248.5, 0.0, -0.04), (500.0, 900.0), foam)
    sea_side.sheet((250.0, 0.0, 0.0), (500.0, 900.0), water)
    site.join(sea_side, shore, 0.0, turn)
    for _ in range(dice.whole(1, 4)):
        _parasol(site, dice, (dice.between(4.0, shore - 2.5), dice.between(-4.5, 4.5)))
    for _ in range(dice.whole(0, 2)):
        place = (dice.between(6.0, shore), dice.pick((-1, 1)) * dice.between(2.0, 5.0))
        _tree(site, dice, place, dice.between(3.2, 4.6), "palm")
    if dice.chance(0.4):
        hull = Material(any_colour(dice, (0.0, 0.7), (0.4, 0.95)))
        x, y = shore + dice.between(15.0, 40.0), dice.between(-15.0, 15.0)
        site.ball((x, y, 0.2), (1.3, 3.5, 0.8), hull, dice.between(-40.0, 40.0))
        site.box((x, y + 0.3, 3.2), (0.05, 2.4, 4.5), Material((0.95, 0.94, 0.9)), dice.between(-40.0, 40.0), 4.0)
    eye = (0.0, 0.0, dice.between(1.5, 3.0))
    return site.shot(looking(dice, eye, 0.0, -5.0, dice.between(58.0, 74.0)), *daylight(dice))


def _parasol(site: Site, dice: Dice, place: tuple[float, float]) -> None:
    """Add a parasol and a towel beside it."""
    x, y = place
    first, second = any_colour(dice, (0.5, 0.95), (0.6, 1.0)), any_colour(dice, (0.0, 0.6), (0.8, 1.0))
    site.pillar((x, y, -0.1), 0.04, 2.2, Material((0.85, 0.83, 0.8)))
    stripes = Material(first, second, "stripes", (1.2, 1.0))
    site.ball((x, y, 2.0), (1.15, 1.15, 0.35), stripes, dice.between(0.0, 90.0))
    towel = Material(second, first, dice.pick(("stripes", "checker", "plain")), (4.0, 4.0))
    site.box((x - 0.4, y + dice.between(0.6, 1.3), -0.05), (1.7, 0.8, 0.08), towel, dice.between(-40.0, 40.0))


def forest_path(dice: Dice) -> Shot:
    """Return a path between trunks, crowns above and undergrowth beside it."""
    site = Site()
    floor = colour_of(dice.pick((0.08, 0.11, 0.22, 0.28)), dice.between(0.35, 0.6), dice.between(0.25, 0.5))
    site.sheet((60.0, 0.0, 0.0), (_FAR, _FAR), _rough(floor, 1.6, dice, "cloudy", 0.6))
    trail = colour_of(dice.between(0.06, 0.11), dice.between(0.15, 0.45), dice.between(0.5, 0.75))
    bend, wide = dice.between(-9.0, 9.0), dice.between(1.4, 2.4)
    site.sheet((9.0, 0.0, 0.02), (30.0, wide), _rough(trail, 2.0, dice, "speckles", 0.8), bend)
    kind = dice.pick(("round", "round", "fir"))
    for number in range(18):
        x = 3.0 + number * 1.6 + dice.between(0.0, 1.6)
        side = 1 if number % 2 else -1
        y = side * (wide / 2 + 0.9 + dice.between(0.0, 1.0 + 0.25 * x)) + (x - 9.0) * bend / 57.3
        _tree(site, dice, (x, y), dice.between(5.0, 9.5), kind)
    for _ in range(7):
        x, side = dice.between(4.0, 22.0), dice.pick((-1, 1))
        radius = dice.between(0.3, 0.7)
        y = side * (wide / 2 + 0.6 + dice.between(0.2, 3.0)) + (x - 9.0) * bend / 57.3
        site.ball((x, y, 0.6 * radius), (radius, radius, radius), _leaves(dice))
    eye = (0.0, -9.0 * bend / 57.3, dice.between(1.4, 1.9))
    return site.shot(looking(dice, eye, bend, 2.0, dice.between(58.0, 72.0)), *daylight(dice))


def church(dice: Dice) -> Shot:
    """Return a church with nave, tower, spire and cross on a lawn, from some way off."""
    site = Site()
    site.sheet((60.0, 0.0, 0.0), (_FAR, _FAR), _grass(dice))
    away, turn = dice.between(24.0, 34.0), dice.between(-40.0, 40.0)
    site.join(_church(dice), away, dice.between(-3.0, 3.0), turn)
    if dice.chance(0.6):
        lane = _rough(colour_of(0.1, 0.15, 0.7), 2.0, dice, "speckles", 0.85)
        site.sheet((away / 2, 0.0, 0.02), (away, 1.8), lane, dice.between(-8.0, 8.0))
    for _ in range(dice.whole(1, 4)):
        place = (dice.between(14.0, away + 12.0), dice.pick((-1, 1)) * dice.between(8.0, 16.0))
        _tree(site, dice, place, dice.between(4.0, 9.0), dice.pick(("round", "fir")))
    eye = (0.0, 0.0, dice.between(1.5, 2.5))
    return site.shot(looking(dice, eye, 0.0, 10.0, dice.between(50.0, 62.0)), *daylight(dice))


def _church(dice: Dice) -> Site:
    """Return the church itself: its tower stands before the nave, at its middle, and faces against x."""
    site = Site()
    stone = any_colour(dice, (0.0, 0.3), (0.55, 0.97))
    pattern, scale = dice.pick((("plain", 1.0), ("bricks", 1.5), ("tiles", 0.8), ("cloudy", 0.6)))
    wall = Material(stone, shade_of(stone, 0.7), pattern, (scale, scale))
    tone = colour_of(dice.pick((0.02, 0.06, 0.45, 0.6)), dice.between(0.15, 0.6), dice.between(0.25, 0.55))
    roof = _rough(tone, 1.5, dice, "tiles")
    long, wide, high = dice.between(11.0, 16.0), dice.between(6.5, 9.0), dice.between(4.5, 6.5)
    site.box((long / 2, 0.0, high / 2), (long, wide, high), wall)
    site.gable((long / 2, 0.0, high), (long - 0.1, wide), roof)
    glass = Material((0.15, 0.18, 0.3), (0.5, 0.55, 0.6), "grid", (2.0, 2.0), gloss=0.3)
    for number in range(3):
        ahead = long * (0.25 + 0.28 * number)
        site.box((ahead, 0.0, high * 0.55), (0.9, wide + 0.2, high * 0.55), glass)
    tower = dice.between(3.0, 4.2)
    _tower(site, dice, tower, high + dice.between(4.0, 8.0), (wall, roof))
    front = -0.75 * tower
    site.box((front, 0.0, 1.3), (0.2, 1.5, 2.6), Material(colour_of(0.06, 0.6, 0.35)))
    site.box((front, 0.0, high), (0.2, 0.9, 1.8), glass)
    return site


def _tower(site: Site, dice: Dice, side: float, top: float, materials: tuple[Material, Material]) -> None:
    """Add a tower with a gable, a spire or a dome, and the cross on it."""
    wall, roof = materials
    x = -side / 4
    site.box((x, 0.0, top / 2), (side, side, top), wall)
    kind, peak = dice.pick(("gable", "spire", "spire", "dome")), dice.between(3.5, 6.5)
    if kind == "gable":
        peak = side / 2
        site.gable((x, 0.0, top), (side, side), roof)
    elif kind == "spire":
        site.cone((x, 0.0, top), (0.62 * side, 0.62 * side), peak, roof)
    else:
        peak = 0.6 * peak
        site.ball((x, 0.0, top), (0.5 * side, 0.5 * side, peak), roof)
    gold = Material((0.85, 0.75, 0.3), gloss=0.4)
    site.box((x, 0.0, top + peak + 0.7), (0.22, 0.22, 1.9), gold)
    site.box((x, 0.0, top + peak + 1.0), (0.22, 1.1, 0.22), gold)


def mountain(dice: Dice) -> Shot:
    """Return peaks, perhaps with snow, beyond a meadow with firs, or beyond a lake."""
    site = Site()
    site.sheet((200.0, 0.0, 0.0), (900.0, 900.0), _grass(dice))
    rock = colour_of(dice.pick((0.07, 0.1, 0.6, 0.65)), dice.between(0.05, 0.35), dice.between(0.4, 0.7))
    snowy = dice.chance(0.7)
    for number in range(dice.whole(3, 6)):
        x, y = dice.between(110.0, 190.0), dice.between(-100.0, 100.0) if number else dice.between(-25.0, 25.0)
        _peak(site, dice, (x, y), dice.between(28.0, 70.0), rock, snowy)
    for _ in range(3):
        reach = dice.between(30.0, 60.0)
        centre = (dice.between(90.0, 120.0), dice.between(-110.0, 110.0), -0.1 * reach)
        site.ball(centre, (reach, reach * 1.3, dice.between(0.25, 0.4) * reach), _rough(_leaves(dice).first, 0.2, dice))
    if dice.chance(0.35):
        lake = Material(colour_of(0.57, 0.4, 0.7), colour_of(0.55, 0.3, 0.85), "waves", (0.3, 0.3), gloss=0.3)
        site.sheet((35.0, dice.between(-10.0, 10.0), 0.05), (35.0, 90.0), lake, dice.between(-15.0, 15.0))
    for _ in range(dice.whole(0, 8)):
        place = (dice.between(12.0, 60.0), dice.between(-28.0, 28.0))
        _tree(site, dice, place, dice.between(3.5, 7.0), "fir")
    eye = (0.0, 0.0, dice.between(2.0, 7.0))
    return site.shot(looking(dice, eye, 0.0, 6.0, dice.between(50.0, 68.0)), *daylight(dice))


def _peak(site: Site, dice: Dice, place: tuple[float, float], height: float, rock: Colour, snowy: bool) -> None:
    """Add a ridge seen from its end or a cone, its top in snow: a smaller one of the same summit."""
    stone = _rough(shade_of(rock, dice.between(0.8, 1.2)), 0.12, dice, "cloudy", 0.55)
    snow, part = _rough((0.97, 0.98, 1.0), 0.1, dice, "cloudy", 0.85), dice.between(0.25, 0.55)
    if dice.chance(0.5):
        wide = (height * dice.between(0.7, 1.1), height * dice.between(0.7, 1.3))
        site.cone((*place, 0.0), wide, height, stone)
        if snowy:
            site.cone((*place, height * (1.0 - part) + 0.5), (wide[0] * part, wide[1] * part), height * part, snow)
        return
    turn, long = dice.between(-35.0, 35.0), height * dice.between(0.5, 1.2)
    site.gable((*place, 0.0), (long, 2 * height), stone, turn)
    if snowy:
        site.gable((*place, height * (1.0 - part) + 0.6), (long + 1.0, 2 * height * part), snow, turn)
