"""Pictures: the layout of a contact sheet. A band per split; tiles with labels, or rows of picture, target, overlay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from virb.core.digest import seed_of
from virb.core.types import SPLITS, Dataset, Labels, Split
from virb.data.shelf.checking import open_picture
from virb.run.pictures.colours import (
    Scale,
    arrow_factor,
    class_colours,
    colour_bar,
    colour_wheel,
    draw_target,
    overlay,
    range_text,
    scale_of,
    shrink,
)
from virb.run.pictures.layout import (
    ALARM,
    FAINT,
    GAP,
    INK,
    MARGIN,
    PAPER,
    Block,
    Pixels,
    Words,
    beside,
    class_key,
    draw_blocks,
    fitted,
    wrapped,
)

_BANDS = {"train": (31, 90, 160), "val": (170, 110, 0), "test": (30, 120, 60)}
_TILE, _PANEL = (128, 128), (288, 200)
"""The largest a picture is drawn: beside others of its split, and in a row with its target."""
_FEW, _MANY = 9, 24
"""Samples on a sheet unless told otherwise: of those that take a row each, and of others."""


def contact_sheet(dataset: Dataset, title: str = "", *, count: int | None = None, seed: int = 0) -> Image.Image:
    """Return about `count` samples of a data set as one picture, from every split, spread over classes or groups.

    Under each stands what a run would take for its answer: the class, or the target drawn beside and over it.
    """
    labels = dataset.labels
    count = count or (_FEW if labels or dataset.train.index.shape[1] > 2 else _MANY)
    shown = [(name, split, _drawn(dataset, split, count, seed)) for name, split in _splits(dataset)]
    if labels is None:
        bands = [(name, split, [_tile(dataset, split, row) for row in rows]) for name, split, rows in shown]
        return _laid_out(title, bands, [])
    targets = {(name, row): labels.read(int(split.targets[row])) for name, split, rows in shown for row in rows}
    scale, colours = scale_of(labels.kind, list(targets.values())), class_colours(dataset.classes)
    bands = [
        (name, split, [_row(dataset, split, row, targets[name, row], scale, colours) for row in rows])
        for name, split, rows in shown
    ]
    return _laid_out(title, bands, _legend(dataset, labels, list(targets.values()), scale, colours))


def _splits(dataset: Dataset) -> list[tuple[str, Split]]:
    every = [(name, split) for name, split in zip(SPLITS, (dataset.train, dataset.val, dataset.test), strict=True)]
    return [(name, split) for name, split in every if len(split)]


def _drawn(dataset: Dataset, split: Split, count: int, seed: int) -> list[int]:
    """Return samples of a split, one of each class (or group) before any has two; the first ones are every split's."""
    share = max(1, -(-count // len(_splits(dataset))))
    keys = (split.groups if dataset.labels else split.targets).tolist()
    most = max(len(dataset.classes), 1 + max(keys))
    rank = np.random.default_rng(seed_of(f"sheet/{seed}/classes")).permutation(most)[keys]
    turn, seen = np.zeros(len(split), int), dict.fromkeys(keys, 0)
    for row in np.random.default_rng(seed_of(f"sheet/{seed}/samples")).permutation(len(split)):
        turn[row] = seen[keys[row]]
        seen[keys[row]] += 1
    first = np.lexsort((rank, turn))[:share]
    return [int(row) for row in first[np.lexsort((turn[first], rank[first]))]]


def _tile(dataset: Dataset, split: Split, row: int) -> Block:
    """Return a sample's frames side by side with its class under them."""
    frames = [fitted(open_picture(dataset.pool, int(place)), _TILE) for place in split.index[row]]
    label = int(split.targets[row])
    name = dataset.classes[label] if label < len(dataset.classes) else str(label)
    return Block(beside(frames), (Words(name, keep="start"), Words(split.ids[row], FAINT)))


def _row(dataset: Dataset, split: Split, row: int, target: NDArray[np.generic], scale: Scale, colours: Pixels) -> Block:
    """Return a sample's frames, its target, and the target over the first frame."""
    labels = dataset.labels
    assert labels is not None
    pictures = [open_picture(dataset.pool, int(place)) for place in split.index[row]]
    frames = [fitted(picture, _PANEL) for picture in pictures]
    height, width = frames[0].shape[:2]
    small = shrink(target, (width, height))
    if labels.kind == "flow":
        small = small * (width / target.shape[1])
        scale = Scale(0.0, scale.high * width / target.shape[1])
    drawn = draw_target(labels.kind, small, scale, colours)
    panels = [*frames, drawn, overlay(labels.kind, frames[0], drawn, small, scale)]
    text, ink = f"{split.ids[row]}   {range_text(labels.kind, target, dataset.classes)}", INK
    if (pictures[0].height, pictures[0].width) != target.shape[:2]:
        found = f"{target.shape[1]} x {target.shape[0]}, picture {pictures[0].width} x {pictures[0].height}"
        text, ink = f"{split.ids[row]}   TARGET {found}", ALARM
    return Block(beside(panels), (Words(text, ink),))


def _legend(
    dataset: Dataset, labels: Labels, targets: Sequence[NDArray[np.generic]], scale: Scale, colours: Pixels
) -> list[Block]:
    """Return what the colours of the targets mean."""
    if labels.kind == "values":
        return [Block(colour_bar(240, 16), (Words(f"{scale.low:.3g} to {scale.high:.3g}; hatched: unknown"),))]
    if labels.kind == "flow":
        times = arrow_factor(scale)
        lines = [f"edge: {scale.high:.1f} px", "gray: unknown", *([f"arrows: {times} x"] if times > 1 else [])]
        return [Block(colour_wheel(72), tuple(Words(line) for line in lines))]
    return class_key(targets, dataset.classes, colours)


def _laid_out(title: str, bands: Sequence[tuple[str, Split, list[Block]]], legend: list[Block]) -> Image.Image:
    """Return title, bands and legend from top to bottom, blocks wrapped at the sheet's width."""
    rows: list[tuple[int, list[Block]]] = []
    heads: list[tuple[int, str, Split | None]] = [(MARGIN, title, None)]
    place = MARGIN + 24
    for name, split, blocks in [*bands, ("", None, legend)]:
        if split is not None:
            heads.append((place, name, split))
            place += 26
        for line in wrapped(blocks):
            rows.append((place, line))
            place += max(block.size[1] for block in line) + GAP
    width = max([640, *(sum(block.extent for block in line) for _, line in rows)]) + 2 * MARGIN
    canvas = Image.new("RGB", (width, place + MARGIN), PAPER)
    draw = ImageDraw.Draw(canvas)
    for top, text, split in heads:
        _head(draw, top, text, split, width)
    for top, line in rows:
        draw_blocks(canvas, top, line)
    return canvas


def _head(draw: ImageDraw.ImageDraw, top: int, text: str, split: Split | None, width: int) -> None:
    if split is None:
        draw.text((MARGIN, top), text, INK, ImageFont.load_default(16))
        return
    draw.rectangle((0, top, width, top + 19), fill=_BANDS[text])
    draw.text((MARGIN, top + 2), f"{text}: {len(split):,} samples", (255, 255, 255), ImageFont.load_default(13))
