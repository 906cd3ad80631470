"""Sample (data): twelve of the breeds of the Oxford-IIIT Pet data set, told apart by coat, ears and proportions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Material, shade_of
from virb.sample.engine.models import DARK, Framing, grained, tinted
from virb.sample.engine.render import Rendering
from virb.sample.engine.shapes import Shapes
from virb.sample.places.stages import indoors, lawn, open_country, photo, screen, street
from virb.sample.things.animals import POSES, Beast, Build, Coat, beast, eyes, fur

CAT = Build(girth=0.16, legs=0.34, thick=0.04, neck=0.1, head=0.155, muzzle=0.25, snout=0.48)
DOG = Build(girth=0.19, legs=0.38, thick=0.05, neck=0.14, head=0.16, muzzle=0.9)
STAGES = (indoors, indoors, indoors, lawn, lawn, street, open_country, screen)

Breed = tuple[Build, Coat]


def _abyssinian(dice: Dice) -> Breed:
    tone = tinted(dice, 0.075, 0.6, 0.66)
    coat = grained(dice, tone, "speckles", 16.0, 0.65)
    pale = fur(dice, shade_of(tone, 1.25))
    iris = eyes(tinted(dice, 0.2, 0.6, 0.8))
    build = replace(CAT, girth=0.14, legs=0.4, thick=0.034, ear=1.25, ears="bat")
    return build, Coat(coat, pale, coat, pale, coat, grained(dice, tone, "speckles", 16.0, 0.3), pale, iris)


def _bengal(dice: Dice) -> Breed:
    tone, spots = tinted(dice, 0.09, 0.55, 0.8), tinted(dice, 0.06, 0.6, 0.2)
    body = Material(tone, spots, "dots", (11.0, 11.0), (dice.between(0, 9), dice.between(0, 9)))
    bars = Material(tone, spots, "waves", (9.0, 9.0), (dice.between(0, 9), 0.0))
    pale = fur(dice, shade_of(tone, 1.15))
    return CAT, Coat(body, bars, bars, pale, fur(dice, tone), bars, body, eyes(tinted(dice, 0.25, 0.5, 0.75)))


def _bombay(dice: Dice) -> Breed:
    black = Material(tinted(dice, 0.6, 0.1, 0.08), gloss=0.35)
    return replace(CAT, girth=0.17, ear=0.85), Coat.plain(black, eyes(tinted(dice, 0.13, 0.8, 0.95)))


def _persian(dice: Dice) -> Breed:
    tone = dice.pick((tinted(dice, 0.1, 0.06, 0.93), tinted(dice, 0.08, 0.4, 0.8), tinted(dice, 0.6, 0.1, 0.5)))
    hair = fur(dice, tone, 0.8)
    build = replace(
        CAT, girth=0.25, legs=0.22, thick=0.07, head=0.2, muzzle=0.0, ear=0.35, tail="bushy", ruff=1.15, neck=0.02
    )
    return build, Coat.plain(hair, eyes(tinted(dice, 0.1, 0.8, 0.8)))


def _siamese(dice: Dice) -> Breed:
    cream = fur(dice, tinted(dice, 0.1, 0.2, 0.9))
    point = fur(dice, tinted(dice, 0.06, 0.4, 0.2))
    build = replace(CAT, girth=0.135, legs=0.4, thick=0.034, ears="bat", ear=1.15, head=0.14, muzzle=0.5)
    coat = Coat(cream, point, cream, point, point, point, cream, eyes(tinted(dice, 0.58, 0.6, 0.9)))
    return build, coat


def _sphynx(dice: Dice) -> Breed:
    skin = grained(dice, tinted(dice, 0.03, 0.27, 0.85), "waves", 7.0, 0.86, 0.12)
    build = replace(CAT, girth=0.15, thick=0.032, ears="bat", ear=1.6, head=0.14, muzzle=0.35, neck=0.16)
    return build, Coat.plain(skin, eyes(tinted(dice, 0.5, 0.5, 0.8)))


def _basset_hound(dice: Dice) -> Breed:
    white, tan = fur(dice, tinted(dice, 0.1, 0.06, 0.93)), fur(dice, tinted(dice, 0.06, 0.65, 0.55))
    black = fur(dice, tinted(dice, 0.06, 0.2, 0.13))
    build = replace(DOG, girth=0.19, legs=0.15, thick=0.065, head=0.17, ears="hanging", ear=1.25, muzzle=1.1, neck=0.1)
    saddle = black if dice.chance(0.5) else tan
    return build, Coat(white, white, tan, white, tan, white, white, DARK, white, saddle)


def _beagle(dice: Dice) -> Breed:
    white, tan = fur(dice, tinted(dice, 0.1, 0.05, 0.95)), fur(dice, tinted(dice, 0.07, 0.65, 0.65))
    black = fur(dice, tinted(dice, 0.06, 0.2, 0.12))
    build = replace(DOG, legs=0.36, ears="hanging", ear=0.75)
    return build, Coat(tan, white, tan, white, tan, white, white, DARK, white, black)


def _miniature_pinscher(dice: Dice) -> Breed:
    black, rust = Material(tinted(dice, 0.05, 0.2, 0.1), gloss=0.25), fur(dice, tinted(dice, 0.06, 0.75, 0.6))
    build = replace(
        DOG, girth=0.145, legs=0.46, thick=0.03, head=0.13, neck=0.2, muzzle=1.1, snout=0.42, tail="short", ear=1.3
    )
    return build, Coat(black, rust, black, rust, black, black, rust)


def _newfoundland(dice: Dice) -> Breed:
    hair = fur(dice, tinted(dice, 0.06, 0.25, 0.15), 1.0)
    build = replace(DOG, girth=0.27, legs=0.33, thick=0.085, head=0.21, ears="hanging", ear=0.6, snout=0.65, muzzle=0.7,
                    tail="bushy", ruff=1.0)  # fmt: skip
    return build, Coat.plain(hair)


def _pug(dice: Dice) -> Breed:
    fawn, mask = fur(dice, tinted(dice, 0.095, 0.35, 0.8)), fur(dice, tinted(dice, 0.06, 0.2, 0.13))
    build = replace(
        DOG, girth=0.23, legs=0.27, head=0.21, muzzle=0.2, snout=0.62, ears="folded", tail="curled", neck=0.04
    )
    return build, Coat(fawn, fawn, fawn, mask, mask, fawn, fawn)


def _samoyed(dice: Dice) -> Breed:
    hair = fur(dice, tinted(dice, 0.12, 0.05, 0.97, 0.6), 0.45)
    build = replace(DOG, girth=0.24, legs=0.32, thick=0.07, head=0.18, ear=0.55, tail="plume", ruff=1.2)
    return build, Coat.plain(hair)


BREEDS: dict[str, Callable[[Dice], Breed]] = {
    "Abyssinian": _abyssinian, "Bengal": _bengal, "Bombay": _bombay, "Persian": _persian, "Siamese": _siamese,
    "Sphynx": _sphynx, "basset_hound": _basset_hound, "beagle": _beagle, "miniature_pinscher": _miniature_pinscher,
    "newfoundland": _newfoundland, "pug": _pug, "samoyed": _samoyed,
}  # fmt: skip
"""A capital tells a cat, as the owner has it."""


def pet(name: str, dice: Dice) -> Beast:
    """Return an animal of this breed in some pose, of its own proportions."""
    build, coat = BREEDS[name](dice)
    stout, tall = dice.between(0.92, 1.08), dice.between(0.9, 1.1)
    build = replace(
        build, girth=build.girth * stout, legs=build.legs * tall, head=build.head * dice.between(0.94, 1.06)
    )
    return beast(build, coat, dice.pick(POSES), dice)


def pet_photo(name: str, dice: Dice, size: tuple[int, int]) -> Rendering:
    """Return a picture of a pet (instance 1), whole or its head and chest, seen from the front or a side."""
    animal = pet(name, dice)
    corners = Shapes(animal.whole().placed((0.0, 0.0, 0.0))).corners
    scale = 1.0 / max(float(part.max()) - float(part.min()) for part in corners)
    portrait = dice.chance(0.4)
    aside = 55.0 if portrait else 100.0  # who comes near wants to see the face
    body, head = animal.placed(180.0 + dice.between(-aside, aside), scale)
    fill = dice.between(0.6, 0.95) if portrait else dice.between(0.78, 1.08)
    yaw, pitch, lens = dice.between(-8.0, 8.0), dice.between(-28.0, -3.0), dice.between(30.0, 50.0)
    framing = Framing(yaw, pitch, lens, fill, dice.between(-0.8, 0.8), dice.between(-0.6, 0.6))
    stage = dice.pick(STAGES)(dice)
    return photo([*body, *head], stage, framing, dice, size, focus=head if portrait else None)
