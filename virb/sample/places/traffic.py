"""Sample (data): who is on a street: vehicles parked and driving, people walking, riding and crossing."""

from __future__ import annotations

from virb.sample.engine.fields import Dice
from virb.sample.places.streets import KERB, Placed, StreetStyle
from virb.sample.things.vehicles import bicycle, bus, car, person, rider, truck


def traffic(dice: Dice, style: StreetStyle, here: float, first: float = 7.0) -> list[Placed]:
    """Return who is on the street from `here` on: parked, driving both ways, riding and walking."""
    placed: list[Placed] = []
    if style.parking:
        for side in (-1, 1):
            placed += _queue(dice, style.half - 1.0, side, here + 2.0, here + 50.0, (0.8, 9.0), parked=True)
    crossing = here + dice.between(8.0, 22.0)
    for side, start in ((-1, here + first), (1, here + 5.0)):
        lane = _queue(dice, style.lane, side, start, here + 65.0, (3.0, 35.0), parked=False)
        placed += [one for one in lane if abs(one.x - crossing) > one.model.length / 2 + 1.5]
    placed += _walkers(dice, style, here, crossing)
    placed += _riders(dice, style, here)
    return placed


def _queue(
    dice: Dice, y: float, side: int, start: float, end: float, gaps: tuple[float, float], parked: bool
) -> list[Placed]:
    """Return vehicles one behind another; those on the right look ahead, those on the left come towards us."""
    placed, along = [], start + dice.between(0.0, gaps[1])
    while along < end:
        kind = dice.between(0.0, 1.0)
        model = (
            truck(dice) if kind < (0.05 if parked else 0.16) else bus(dice) if kind > 0.84 and not parked else car(dice)
        )
        along += model.length / 2
        turn = (0.0 if side < 0 else 180.0) + dice.between(-2.0, 2.0)
        speed = 0.0 if parked else dice.between(0.0, 1.1)
        swing = 0.0 if parked else dice.between(-1.5, 1.5)
        placed.append(Placed(model, along, side * (y + dice.between(-0.1, 0.1)), turn, 0.0, speed, swing))
        along += model.length / 2 + dice.between(*gaps)
    return placed


def _walkers(dice: Dice, style: StreetStyle, here: float, crossing: float) -> list[Placed]:
    placed = []
    for _ in range(dice.pick((0, 2, 3, 4, 6))):
        side = dice.pick((-1, 1))
        y = side * (style.half + dice.between(1.0, max(1.1, style.sidewalk - 0.3)))
        turn = dice.pick((0.0, 180.0)) + dice.between(-25.0, 25.0)
        speed = dice.between(0.0, 0.15)
        placed.append(Placed(person(dice), here + dice.between(4.5, 20.0), y, turn, KERB, speed))
    if dice.chance(0.5):
        for _ in range(dice.whole(1, 3)):
            y = dice.between(-1.0, 1.0) * (style.half - 0.5)
            turn = dice.pick((-90.0, 90.0))
            placed.append(
                Placed(person(dice), crossing + dice.between(-0.7, 0.7), y, turn, speed=dice.between(0.05, 0.15))
            )
    return placed


def _riders(dice: Dice, style: StreetStyle, here: float) -> list[Placed]:
    """Return people on bicycles, each beside the other's instance, and bicycles that stand on the sidewalk."""
    placed = []
    if dice.chance(0.5):
        side = dice.pick((-1, 1))
        x, y = here + dice.between(5.5, 13.0), side * (2.0 * style.lane - 0.35)
        turn, speed = (0.0 if side < 0 else 180.0) + dice.between(-6.0, 6.0), dice.between(0.2, 0.6)
        placed += [Placed(model, x, y, turn, 0.0, speed) for model in (bicycle(dice), rider(dice))]
    for _ in range(dice.pick((0, 1, 2))):
        side, turn = dice.pick((-1, 1)), dice.between(-60.0, 60.0)
        y = side * (style.half + dice.between(1.0, max(1.1, style.sidewalk - 0.3)))
        placed.append(Placed(bicycle(dice), here + dice.between(4.0, 12.0), y, turn, KERB))
    return placed
