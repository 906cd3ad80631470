"""Sample (data): what can be photographed by name - how it is made, where it stands, from where it is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Material
from virb.sample.engine.models import Framing, Model, grained, tinted
from virb.sample.engine.render import Rendering
from virb.sample.places.stages import (
    StageMaker,
    indoors,
    lawn,
    open_country,
    photo,
    screen,
    sized,
    street,
    table,
)
from virb.sample.things import household, landmarks
from virb.sample.things.animals import POSES, Build, Coat, beast, fur

INSIDE = (table, table, indoors, screen)
FLOOR = (indoors, indoors, screen, lawn)
OUTSIDE = (lawn, street, open_country)
ANYWHERE = (table, indoors, lawn, street, open_country, screen)


@dataclass(frozen=True)
class Thing:
    """A kind of thing: its maker, its stages, how far its front may turn to either side, the pitch of the view."""

    make: Callable[[Dice], Model]
    stages: tuple[StageMaker, ...]
    turn: float = 180.0
    pitch: tuple[float, float] = (-35.0, -8.0)
    front: float = 180.0  # where it faces when it is not turned: 180 is towards the eye


def _zebra(dice: Dice) -> Model:
    """Return a striped horse."""
    pale = tinted(dice, 0.11, 0.08, 0.92)
    shift = (0.0, dice.between(0, 9))
    stripes = Material(pale, tinted(dice, 0.6, 0.1, 0.1), "waves", (11.0, 4.0), shift)
    build = Build(
        girth=0.2, legs=0.5, thick=0.045, neck=0.3, head=0.13, muzzle=1.5, snout=0.55, ears="pointed", ear=0.4
    )
    dark = fur(dice, tinted(dice, 0.6, 0.1, 0.12))
    return beast(build, replace(Coat.plain(stripes), muzzle=dark, paws=dark), "stand", dice).whole()


def _leopard(dice: Dice) -> Model:
    """Return a spotted big cat."""
    gold = tinted(dice, 0.1, 0.55, 0.8)
    spots = Material(
        gold, tinted(dice, 0.06, 0.5, 0.15), "dots", (13.0, 13.0), (dice.between(0, 9), dice.between(0, 9))
    )
    build = Build(
        girth=0.17, legs=0.3, thick=0.055, neck=0.1, head=0.14, muzzle=0.45, snout=0.55, ears="round", ear=0.9
    )
    return beast(build, replace(Coat.plain(spots), muzzle=fur(dice, gold)), dice.pick(POSES), dice).whole()


def _elephant(dice: Dice) -> Model:
    """Return a great grey body on pillars, with wide ears, a trunk and tusks."""
    hide = grained(dice, tinted(dice, 0.08, 0.12, 0.5), "cloudy", 7.0, 0.8)
    build = Build(
        girth=0.3, legs=0.3, thick=0.1, neck=0.05, head=0.22, muzzle=0.0, ears="hanging", ear=0.0, tail="long"
    )
    whole = beast(build, Coat.plain(hide), "stand", dice)
    centre = whole.head.solids[0].centre
    for side in (-1, 1):
        ear = (centre[0] - 0.12, centre[1] + 0.3 * side, centre[2])
        whole.head.ball(ear, (0.06, 0.22, 0.28), hide, 20.0 * side)
        root = (centre[0] + 0.12, centre[1] + 0.1 * side, centre[2] - 0.14)
        tip = (root[0] + 0.22, root[1] + 0.04 * side, root[2] - 0.06)
        whole.head.limb(root, tip, 0.035, Material((0.95, 0.92, 0.82)), "cone")
    knee = (centre[0] + 0.3, centre[1], centre[2] - 0.3)
    whole.head.limb((centre[0] + 0.16, centre[1], centre[2] - 0.02), knee, 0.075, hide)
    whole.head.limb(knee, (knee[0] + 0.06, centre[1], max(0.05, knee[2] - 0.25)), 0.055, hide)
    return whole.whole()


THINGS: dict[str, Thing] = {
    "soccer ball": Thing(household.soccer_ball, (lawn, lawn, indoors, street, screen)),
    "wine bottle": Thing(household.wine_bottle, INSIDE, pitch=(-25.0, -4.0)),
    "mug": Thing(household.coffee_mug, INSIDE, 150.0),
    "bowl": Thing(household.bowl, INSIDE, pitch=(-45.0, -20.0)),
    "table lamp": Thing(household.table_lamp, (table, table, indoors), pitch=(-20.0, -3.0)),
    "hourglass": Thing(household.hourglass, INSIDE, pitch=(-25.0, -5.0)),
    "teapot": Thing(household.teapot, INSIDE, 180.0),
    "ice cream": Thing(household.ice_cream, (table, screen, lawn, street), pitch=(-20.0, -3.0)),
    "teddy": Thing(household.teddy, FLOOR, 70.0, (-25.0, -3.0)),
    "barrel": Thing(household.barrel, (street, lawn, indoors, open_country)),
    "monitor": Thing(household.monitor, INSIDE, 55.0, (-25.0, -3.0)),
    "laptop": Thing(household.laptop, INSIDE, 50.0, (-38.0, -12.0)),
    "dumbbell": Thing(household.dumbbell, FLOOR, 70.0),
    "umbrella": Thing(household.umbrella, (open_country, street, lawn, screen), pitch=(-18.0, 2.0)),
    "chair": Thing(household.chair, FLOOR, 160.0, (-28.0, -6.0)),
    "table": Thing(household.table, (indoors, indoors, lawn), 180.0, (-25.0, -6.0)),
    "apple": Thing(household.apple, (table, table, lawn, screen)),
    "mushroom": Thing(household.mushroom, (lawn, lawn, open_country, screen), pitch=(-18.0, -2.0)),
    "sunflower": Thing(household.sunflower, (lawn, open_country, street), 50.0, (-15.0, -2.0)),
    "water tower": Thing(landmarks.water_tower, OUTSIDE, pitch=(-8.0, 8.0)),
    "traffic light": Thing(landmarks.traffic_light, OUTSIDE, 60.0, (-8.0, 8.0)),
    "stop sign": Thing(landmarks.stop_sign, OUTSIDE, 45.0, (-8.0, 6.0)),
    "park bench": Thing(landmarks.park_bench, OUTSIDE, 100.0, (-28.0, -5.0)),
    "mailbox": Thing(landmarks.mailbox, OUTSIDE, 140.0, (-20.0, -2.0)),
    "lighthouse": Thing(landmarks.beacon, (open_country, open_country, lawn), pitch=(-6.0, 8.0)),
    "bus": Thing(landmarks.bus, (street, street, lawn, open_country), 130.0, (-22.0, -3.0)),
    "car": Thing(landmarks.car, (street, street, lawn, open_country), 180.0, (-22.0, -3.0)),
    "car side": Thing(landmarks.car, (street, street, lawn), 14.0, (-10.0, -3.0), 90.0),
    "tank": Thing(landmarks.tank, (open_country, open_country, lawn, street), 150.0, (-25.0, -4.0)),
    "airplane": Thing(landmarks.airplane, (open_country, lawn, street), 180.0, (-25.0, -3.0)),
    "minaret": Thing(landmarks.minaret, OUTSIDE, pitch=(-6.0, 8.0)),
    "pyramid": Thing(landmarks.pyramid, (open_country, open_country, lawn), pitch=(-25.0, -3.0)),
    "castle": Thing(landmarks.castle, (open_country, lawn), 180.0, (-25.0, -2.0)),
    "house": Thing(landmarks.house, (lawn, lawn, open_country), 80.0, (-22.0, -3.0)),
    "skyscraper": Thing(landmarks.skyscraper, (open_country, street, lawn), pitch=(-6.0, 8.0)),
    "rocket": Thing(landmarks.rocket, (open_country, open_country, lawn, screen), pitch=(-8.0, 6.0)),
    "pine tree": Thing(landmarks.pine_tree, (open_country, open_country, lawn), pitch=(-12.0, 2.0)),
    "oak tree": Thing(landmarks.oak_tree, (open_country, open_country, lawn), pitch=(-12.0, 2.0)),
    "zebra": Thing(_zebra, (open_country, lawn, lawn), 120.0, (-20.0, -3.0)),
    "leopard": Thing(_leopard, (open_country, lawn, lawn), 120.0, (-22.0, -3.0)),
    "elephant": Thing(_elephant, (open_country, lawn, lawn), 120.0, (-18.0, -2.0)),
}


@dataclass(frozen=True)
class Manner:
    """How a collection was taken: how large and how central its things are, its lens, its noise, its places."""

    fill: tuple[float, float] = (0.6, 0.98)
    off: float = 0.7
    lens: tuple[float, float] = (28.0, 48.0)
    noise: float = 2.5
    stages: tuple[StageMaker, ...] = ()
    share: float = 0.0  # of pictures taken at these places instead of the thing's own


def snapshot(name: str, dice: Dice, size: tuple[int, int], manner: Manner) -> Rendering:
    """Return a picture of such a thing (instance 1)."""
    thing = THINGS[name]
    solids = sized(thing.make(dice), thing.front + dice.between(-thing.turn, thing.turn))
    stages = manner.stages if manner.stages and dice.chance(manner.share) else thing.stages
    stage = dice.pick(stages)(dice)
    yaw, pitch, lens = dice.between(-8.0, 8.0), dice.between(*thing.pitch), dice.between(*manner.lens)
    off = (manner.off * dice.between(-1.0, 1.0), manner.off * dice.between(-1.0, 1.0))
    framing = Framing(yaw, pitch, lens, dice.between(*manner.fill), *off)
    return photo(solids, stage, framing, dice, size, manner.noise)
