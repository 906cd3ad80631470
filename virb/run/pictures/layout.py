"""Pictures: pieces of a sheet and how they are laid out: no words overlap, and what is cut off leaves dots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from virb.core.types import IGNORED
from virb.run.pictures.colours import Scale, draw_target

Pixels: TypeAlias = NDArray[np.uint8]
Ink: TypeAlias = tuple[int, int, int]
PAPER: Ink = (250, 250, 248)
INK: Ink = (20, 20, 20)
FAINT: Ink = (120, 120, 120)
ALARM: Ink = (200, 0, 0)
GAP, LINE, MARGIN = 6, 15, 12
WIDTH = 1100
"""Beyond this a row of pieces is wrapped."""
_LETTERS = 11
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Words:
    """A line of text."""

    text: str
    ink: Ink = INK
    keep: Literal["start", "end"] = "end"
    """Which end stays where there is no room for all of it: ids of one class differ at their ends, names do not."""
    letters: int = _LETTERS

    @property
    def font(self) -> Font:
        """The font in this line's size."""
        return ImageFont.load_default(self.letters)


@dataclass(frozen=True)
class Block:
    """A piece of a sheet: colours, and lines of text under it."""

    pixels: Pixels
    lines: tuple[Words, ...] = ()
    room: int = 84
    """The least width, so that a narrow piece has room for its words."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, words included."""
        return self.pixels.shape[1], self.pixels.shape[0] + LINE * len(self.lines)

    @property
    def extent(self) -> int:
        """Width with the gap to the next one."""
        return max(self.size[0], self.room) + GAP


def fitted(picture: Image.Image, most: tuple[int, int]) -> Pixels:
    """Return a picture as large as fits, small ones enlarged without smoothing."""
    factor = min(most[0] / picture.width, most[1] / picture.height)
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    how = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
    return np.asarray(picture.resize(size, how))


def beside(panels: Sequence[Pixels]) -> Pixels:
    """Return panels in one row, a little apart."""
    height = max(panel.shape[0] for panel in panels)
    width = sum(panel.shape[1] for panel in panels) + 2 * (len(panels) - 1)
    canvas = np.full((height, width, 3), 255, np.uint8)
    place = 0
    for panel in panels:
        canvas[: panel.shape[0], place : place + panel.shape[1]] = panel
        place += panel.shape[1] + 2
    return canvas


def wrapped(blocks: Sequence[Block], width: int = WIDTH) -> Iterator[list[Block]]:
    """Yield blocks in rows that are not wider than a sheet should be."""
    line: list[Block] = []
    for block in blocks:
        if line and sum(one.extent for one in [*line, block]) > width:
            yield line
            line = []
        line.append(block)
    if line:
        yield line


def draw_blocks(canvas: Image.Image, top: int, line: Sequence[Block]) -> None:
    """Draw blocks side by side, their text cut to their width."""
    draw, left = ImageDraw.Draw(canvas), MARGIN
    for block in line:
        canvas.paste(Image.fromarray(block.pixels), (left, top))
        for number, words in enumerate(block.lines):
            below = top + block.pixels.shape[0] + 1 + number * LINE
            draw.text((left, below), cut(words, block.extent - GAP), words.ink, words.font)
        left += block.extent


def cut(words: Words, width: int) -> str:
    """Return a text that fits, with dots where some of it is left out."""
    text, font = words.text, words.font
    if font.getlength(text) <= width:
        return text
    for count in range(len(text) - 1, 0, -1):
        some = text[:count].rstrip() + ".." if words.keep == "start" else ".." + text[-count:]
        if font.getlength(some) <= width:
            return some
    return ".."


def folded(words: Words, width: int) -> list[Words]:
    """Return a text as lines that fit, broken between words."""
    lines: list[str] = []
    for word in words.text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and words.font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [replace(words, text=cut(replace(words, text=line), width)) for line in lines]


def stacked(head: Sequence[Words], rows: Sequence[Sequence[Block]], foot: Sequence[Words], gap: int) -> Image.Image:
    """Return words, rows of blocks and words again from top to bottom; words are folded at the width of the rows."""
    inside = max([640, *(sum(block.extent for block in row) - GAP for row in rows)])
    above, below = ([line for words in part for line in folded(words, inside)] for part in (head, foot))
    heights = [max(block.size[1] for block in row) + gap for row in rows]
    words_height = sum(_height(line) for line in [*above, *below])
    canvas = Image.new("RGB", (inside + 2 * MARGIN, words_height + sum(heights) + GAP + 2 * MARGIN), PAPER)
    place = _write(canvas, MARGIN, above) + GAP
    for row, height in zip(rows, heights, strict=True):
        draw_blocks(canvas, place, row)
        place += height
    _write(canvas, place, below)
    return canvas


def _height(words: Words) -> int:
    return words.letters + 6


def _write(canvas: Image.Image, top: int, lines: Sequence[Words]) -> int:
    """Write lines under one another; return where the next one would stand."""
    draw = ImageDraw.Draw(canvas)
    for words in lines:
        draw.text((MARGIN, top), words.text, words.ink, words.font)
        top += _height(words)
    return top


def class_key(targets: Sequence[NDArray[np.generic]], classes: Sequence[str], colours: Pixels) -> list[Block]:
    """Return the colours of the classes that are in any of these targets, and of what is ignored."""
    found = sorted({int(code) for target in targets for code in np.unique(target)} - {IGNORED})
    blocks = []
    for code in found:
        name = classes[code] if code < len(classes) else f"class {code}: unknown"
        words = Words(name, keep="start")
        blocks.append(Block(swatch(code, colours), (words,), room=max(84, min(160, 7 * len(name)))))
    return [*blocks, Block(swatch(IGNORED, colours), (Words("ignored"),))]


def swatch(code: int, colours: Pixels) -> Pixels:
    """Return what a class looks like."""
    return draw_target("classes", np.full((16, 16), code, np.uint8), Scale(0.0, 1.0), colours)
