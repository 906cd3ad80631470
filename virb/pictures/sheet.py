"""Pictures: the layout of a contact sheet. A band per split; tiles with labels, or rows of picture, target, overlay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from virb.digest import seed_of
from virb.pictures.colours import (
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
from virb.shelf.checking import open_picture
from virb.types import IGNORED, SPLITS, Dataset, Labels, Split

_PAPER, _INK, _FAINT, _ALARM = (250, 250, 248), (20, 20, 20), (120, 120, 120), (200, 0, 0)
_BANDS = {"train": (31, 90, 160), "val": (170, 110, 0), "test": (30, 120, 60)}
_TILE, _PANEL = (128, 128), (288, 200)
"""The largest a picture is drawn: beside others of its split, and in a row with its target."""
_GAP, _LINE, _MARGIN = 6, 15, 12
_WIDTH = 1100
_FEW, _MANY = 9, 24
"""Samples on a sheet unless told otherwise: of those that take a row each, and of others."""
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class _Block:
    """A piece of the sheet: colours, and lines of text under it with their ink."""

    pixels: Pixels
    lines: tuple[tuple[str, tuple[int, int, int]], ...]
    room: int = 84
    """The least width, so that a narrow piece has room for its words."""

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[0] + _LINE * len(self.lines)


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


def _tile(dataset: Dataset, split: Split, row: int) -> _Block:
    """Return a sample's frames side by side with its class under them."""
    frames = [_fitted(open_picture(dataset.pool, int(place)), _TILE) for place in split.index[row]]
    label = int(split.targets[row])
    name = dataset.classes[label] if label < len(dataset.classes) else str(label)
    return _Block(_beside(frames), ((name, _INK), (split.ids[row], _FAINT)))


def _row(
    dataset: Dataset, split: Split, row: int, target: NDArray[np.generic], scale: Scale, colours: Pixels
) -> _Block:
    """Return a sample's frames, its target, and the target over the first frame."""
    labels = dataset.labels
    assert labels is not None
    pictures = [open_picture(dataset.pool, int(place)) for place in split.index[row]]
    frames = [_fitted(picture, _PANEL) for picture in pictures]
    height, width = frames[0].shape[:2]
    small = shrink(target, (width, height))
    if labels.kind == "flow":
        small = small * (width / target.shape[1])
        scale = Scale(0.0, scale.high * width / target.shape[1])
    drawn = draw_target(labels.kind, small, scale, colours)
    panels = [*frames, drawn, overlay(labels.kind, frames[0], drawn, small, scale)]
    text, ink = f"{split.ids[row]}   {range_text(labels.kind, target, dataset.classes)}", _INK
    if (pictures[0].height, pictures[0].width) != target.shape[:2]:
        found = f"{target.shape[1]} x {target.shape[0]}, picture {pictures[0].width} x {pictures[0].height}"
        text, ink = f"{split.ids[row]}   TARGET {found}", _ALARM
    return _Block(_beside(panels), ((text, ink),))


def _fitted(picture: Image.Image, most: tuple[int, int]) -> Pixels:
    """Return a picture as large as fits, small ones enlarged without smoothing."""
    factor = min(most[0] / picture.width, most[1] / picture.height)
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    how = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
    return np.asarray(picture.resize(size, how))


def _beside(panels: Sequence[Pixels]) -> Pixels:
    """Return panels in one row, a little apart."""
    height = max(panel.shape[0] for panel in panels)
    width = sum(panel.shape[1] for panel in panels) + 2 * (len(panels) - 1)
    canvas = np.full((height, width, 3), 255, np.uint8)
    place = 0
    for panel in panels:
        canvas[: panel.shape[0], place : place + panel.shape[1]] = panel
        place += panel.shape[1] + 2
    return canvas


def _legend(
    dataset: Dataset, labels: Labels, targets: Sequence[NDArray[np.generic]], scale: Scale, colours: Pixels
) -> list[_Block]:
    """Return what the colours of the targets mean."""
    if labels.kind == "values":
        text = f"{scale.low:.3g} to {scale.high:.3g}; hatched: unknown"
        return [_Block(colour_bar(240, 16), ((text, _INK),))]
    if labels.kind == "flow":
        times = arrow_factor(scale)
        lines = [f"edge: {scale.high:.1f} px", "gray: unknown", *([f"arrows: {times} x"] if times > 1 else [])]
        return [_Block(colour_wheel(72), tuple((line, _INK) for line in lines))]
    found = sorted({int(code) for target in targets for code in np.unique(target)} - {IGNORED})
    blocks = []
    for code in found:
        name = dataset.classes[code] if code < len(dataset.classes) else f"class {code}: unknown"
        one = np.full((1, 1), code, np.uint8)
        swatch = np.tile(draw_target("classes", one, scale, colours), (16, 16, 1))
        blocks.append(_Block(swatch, ((name, _INK),), room=max(84, min(160, 7 * len(name)))))
    ignored = np.full((16, 16), IGNORED, np.uint8)
    return [*blocks, _Block(draw_target("classes", ignored, scale, colours), (("ignored", _INK),))]


def _laid_out(title: str, bands: Sequence[tuple[str, Split, list[_Block]]], legend: list[_Block]) -> Image.Image:
    """Return title, bands and legend from top to bottom, blocks wrapped at the sheet's width."""
    rows: list[tuple[int, list[_Block]]] = []
    heads: list[tuple[int, str, Split | None]] = [(_MARGIN, title, None)]
    place = _MARGIN + 24
    for name, split, blocks in [*bands, ("", None, legend)]:
        if split is not None:
            heads.append((place, name, split))
            place += 26
        for line in _wrapped(blocks):
            rows.append((place, line))
            place += max(block.size[1] for block in line) + _GAP
    width = max([640, *(sum(_extent(block) for block in line) for _, line in rows)]) + 2 * _MARGIN
    canvas = Image.new("RGB", (width, place + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(canvas)
    for top, text, split in heads:
        _head(draw, top, text, split, width)
    for top, line in rows:
        _line(canvas, draw, top, line)
    return canvas


def _extent(block: _Block) -> int:
    """Return the width of a block with its gap."""
    return max(block.size[0], block.room) + _GAP


def _wrapped(blocks: Sequence[_Block]) -> Iterator[list[_Block]]:
    line: list[_Block] = []
    for block in blocks:
        if line and sum(_extent(one) for one in [*line, block]) > _WIDTH:
            yield line
            line = []
        line.append(block)
    if line:
        yield line


def _head(draw: ImageDraw.ImageDraw, top: int, text: str, split: Split | None, width: int) -> None:
    if split is None:
        draw.text((_MARGIN, top), text, _INK, ImageFont.load_default(16))
        return
    draw.rectangle((0, top, width, top + 19), fill=_BANDS[text])
    draw.text((_MARGIN, top + 2), f"{text}: {len(split):,} samples", (255, 255, 255), ImageFont.load_default(13))


def _line(canvas: Image.Image, draw: ImageDraw.ImageDraw, top: int, line: Sequence[_Block]) -> None:
    """Draw blocks side by side, their text cut to their width."""
    left, font = _MARGIN, ImageFont.load_default(11)
    for block in line:
        canvas.paste(Image.fromarray(block.pixels), (left, top))
        for number, (text, ink) in enumerate(block.lines):
            below = top + block.pixels.shape[0] + 1 + number * _LINE
            draw.text((left, below), _cut(draw, text, _extent(block) - _GAP, font), ink, font)
        left += _extent(block)


def _cut(draw: ImageDraw.ImageDraw, text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Return a text that fits; of a long one the end stays, which tells samples of one class apart."""
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(".." + text, font=font) > width:
        text = text[1:]
    return ".." + text
