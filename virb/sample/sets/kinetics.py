"""Sample (data): Kinetics-400 as ViRB keeps it, clips as frames, and the old archive's annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from virb.sample.engine.fields import Dice
from virb.sample.places.motions import Motion, clip, dog, dribbling, football, poi, swing, trampoline
from virb.sample.places.site import Site
from virb.sample.sets.writing import Item, Made, Writer, in_rounds, jpeg

ACTIONS: dict[str, Callable[[Dice, Site], Motion]] = {
    "bouncing on trampoline": trampoline,
    "dribbling basketball": dribbling,
    "passing American football (in game)": football,
    "spinning poi": poi,
    "swinging on something": swing,
    "walking the dog": dog,
}
_SPLITS = {"train": (ACTIONS, 22), "validate": (ACTIONS, 10)}
_FRAMES = 9
_BETWEEN = 4
"""Every fourth frame is kept: numbers of one and of two digits, which only sort as numbers."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _id(seed: int, item: Item) -> str:
    """Return a video's name of eleven letters; some are shorter, and are how another one's begins.

    Whoever looks for `NAME_*` then finds the frames of two videos.
    """
    split, label, index = item
    labels = list(ACTIONS)
    if index % 4 == 0 and label == labels[1]:
        return f"{_id(seed, (split, labels[0], index))}_{index // 4 % 10}"
    name = "".join(_LETTERS[byte % 64] for byte in Dice(seed, "kinetics400", "id", *item).bytes(11).tolist())
    return name[:9] if index % 4 == 0 and label == labels[0] else name


def _make(seed: int, item: Item) -> Made:
    split, label, _ = item
    name, dice = _id(seed, item), Dice(seed, "kinetics400", *item)
    scenes = clip(dice, ACTIONS[label])
    files = {}
    for frame in range(_FRAMES):
        rgb = scenes.frame(frame / (_FRAMES - 1), dice)
        files[f"{split}/{name[:2]}/{name}_{frame * _BETWEEN}.jpg"] = jpeg(rgb)
    return Made(files, (name, dice.whole(0, 120)))


def _lists(made: Sequence[tuple[Item, Any]]) -> dict[str, bytes]:
    return {
        f"annotations/{split}.json": json.dumps(
            {name: _annotation(split, item[1], name, start) for item, (name, start) in made if item[0] == split}
        ).encode()
        for split in _SPLITS
    }


def _annotation(split: str, label: str, name: str, start: int) -> dict[str, Any]:
    return {
        "annotations": {"label": label, "segment": [float(start), start + 10.0]},
        "duration": 10.0,
        "subset": split,
        "url": f"https://www.youtube.com/watch?v={name}",
    }


WRITERS = {"kinetics400": Writer("kinetics400", partial(in_rounds, _SPLITS), _make, _lists)}
