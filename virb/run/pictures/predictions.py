"""Pictures: what a head answers on some test samples: picture, target, prediction and error, or true and found class.

Targets and predictions are drawn as they were scored, at the size of the protocol or of their picture, and in the same
colours.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from virb.core.types import Dataset, LabelKind
from virb.data.shelf.checking import open_picture
from virb.records.record import Record, Score
from virb.run.pictures.colours import (
    Scale,
    class_colours,
    colour_bar,
    colour_wheel,
    draw_error,
    draw_target,
    error_of,
    range_text,
    scale_of,
    shrink,
)
from virb.run.pictures.layout import (
    ALARM,
    FAINT,
    GAP,
    INK,
    WIDTH,
    Block,
    Ink,
    Pixels,
    Words,
    beside,
    class_key,
    fitted,
    stacked,
    wrapped,
)

if TYPE_CHECKING:
    from virb.run.pictures.answers import Answers

_RIGHT: Ink = (30, 130, 60)
_TILES = {1: (240, 180), 2: (240, 180)}
_FRAME_OF_MANY = (150, 120)
"""The largest a frame is drawn for an image-level task, by the number of frames, and where there are more."""
_PANELS = {1: (288, 216), 2: (280, 200)}
"""The same in a row with target, prediction and error."""
_ROOM = 216
"""The least width of a tile or panel with its words."""
_BORDER = 4
_LETTERS = 12
_UNITS = {"share": "%", "px": " px", "m": " m"}


@dataclass(frozen=True)
class _SheetLook:
    """What all samples of one sheet are drawn by."""

    kind: LabelKind
    scale: Scale
    worst: Scale
    colours: Pixels


def prediction_sheet(record: Record, dataset: Dataset, answers: Answers) -> Image.Image:
    """Return some test samples as one picture, the worst first, with what was answered and how wrong that is."""
    if dataset.labels is None:
        rows = _in_columns([_tile(dataset, answers, place) for place in range(len(answers.rows))])
        return stacked(_head(record), rows, _foot(record, dataset, answers), 2 * GAP)
    kind = dataset.labels.kind
    scale = Scale(0.0, 1.0) if _is_picture(kind, answers) else scale_of(kind, list(answers.targets))
    errors = [error_of(kind, *both) for both in zip(answers.predictions, answers.targets, answers.counted, strict=True)]
    worst = Scale(0.0, scale_of("values", errors).high)
    look = _SheetLook(kind, scale, worst, class_colours(dataset.classes))
    rows = _aligned([_row(record, dataset, answers, place, error, look) for place, error in enumerate(errors)])
    key = wrapped(_key(dataset, answers, look), sum(block.extent for block in rows[0]))
    return stacked(_head(record), [*rows, *key], _foot(record, dataset, answers), 2 * GAP)


def as_png(sheet: Image.Image) -> bytes:
    """Return a sheet as the bytes of a file."""
    buffer = io.BytesIO()
    sheet.save(buffer, "png")
    return buffer.getvalue()


def _is_picture(kind: LabelKind, answers: Answers) -> bool:
    """Tell whether the targets are pictures, whose colours stand for themselves."""
    return kind == "values" and answers.targets[0].ndim == 3


def _head(record: Record) -> list[Words]:
    """Return whose answers these are and what they score."""
    score = record.score
    shown = f"{_text(score, score.value)} [{_text(score, score.low, '')}, {_text(score, score.high, '')}]"
    world = "sample world (synthetic data)" if record.data.source == "sample" else "real data"
    limit = f", at most {record.data.limit} samples a split, test included" if record.data.limit is not None else ""
    return [
        Words(f"{record.encoder.name} on {record.task.name}", keep="start", letters=16),
        Words(f"{score.metric}: {shown}, floor {_text(score, record.floor.value)}", keep="start", letters=14),
        Words(f"{world}, protocol {record.protocol.name}{limit}", FAINT, "start", _LETTERS),
    ]


def _foot(record: Record, dataset: Dataset, answers: Answers) -> list[Words]:
    """Return how the samples were chosen: a reader must not take them for the best, nor for an average."""
    count, every, seeds = len(answers.rows), len(dataset.test), len(record.seeds)
    chosen = f"{count} of {every:,} test samples, at even steps from the worst (first) to the best (last)"
    whose = f" Shown is the head of the first of {seeds} seeds; the score is their mean." if seeds > 1 else ""
    luck = "The test split's digest draws the order of equal ones."
    return [Words(f"{chosen} by {record.score.metric} of each alone. {luck}{whose}", FAINT, "start", _LETTERS)]


def _text(score: Score, value: float, unit: str | None = None) -> str:
    from virb.core.text import show

    return show(value, score.unit) + (_UNITS.get(score.unit, "") if unit is None else unit)


def _aligned(rows: Sequence[Sequence[Block]]) -> list[list[Block]]:
    """Return blocks that all have the room of the widest, so that they stand in columns."""
    room = max([_ROOM, *(block.size[0] for row in rows for block in row)])
    return [[replace(block, room=room) for block in row] for row in rows]


def _in_columns(tiles: Sequence[Block]) -> list[list[Block]]:
    """Return tiles in rows of about the same length."""
    (tiles,) = _aligned([tiles])
    most = max(1, WIDTH // max(tile.extent for tile in tiles))
    rows = -(-len(tiles) // most)
    each = -(-len(tiles) // rows)
    return [list(tiles[start : start + each]) for start in range(0, len(tiles), each)]


def _tile(dataset: Dataset, answers: Answers, place: int) -> Block:
    """Return a sample's frames, framed green or red, with the true and the predicted class under them."""
    row = int(answers.rows[place])
    frames = dataset.test.index[row]
    size = _TILES.get(len(frames), _FRAME_OF_MANY)
    pixels = beside([fitted(open_picture(dataset.pool, int(frame)), size) for frame in frames])
    true, found = int(answers.targets[place]), int(answers.predictions[place])
    ink = _RIGHT if true == found else ALARM
    lines = (
        _caption(f"true: {dataset.classes[true]}"),
        _caption(f"predicted: {dataset.classes[found]}", ink),
        Words(dataset.test.ids[row], FAINT, letters=_LETTERS),
    )
    return Block(_framed(pixels, ink), lines)


def _caption(text: str, ink: Ink = INK) -> Words:
    return Words(text, ink, "start", _LETTERS)


def _framed(pixels: Pixels, ink: Ink) -> Pixels:
    height, width = pixels.shape[:2]
    canvas = np.empty((height + 2 * _BORDER, width + 2 * _BORDER, 3), np.uint8)
    canvas[:] = ink
    canvas[_BORDER:-_BORDER, _BORDER:-_BORDER] = pixels
    return canvas


def _row(
    record: Record,
    dataset: Dataset,
    answers: Answers,
    place: int,
    error: NDArray[np.float64],
    look: _SheetLook,
) -> list[Block]:
    """Return a sample's frames, target, prediction and error, each with what it holds under it."""
    kind, row = look.kind, int(answers.rows[place])
    size = _PANELS[dataset.test.index.shape[1]]
    frames = [fitted(open_picture(dataset.pool, int(frame)), size) for frame in dataset.test.index[row]]
    shape = frames[0].shape[1], frames[0].shape[0]
    target, prediction = answers.targets[place], answers.predictions[place]
    drawn = [draw_target(kind, shrink(one, shape), look.scale, look.colours) for one in (target, prediction)]
    wrong = draw_error(kind, np.asarray(shrink(error, shape), np.float64), frames[0], look.worst)
    value = _text(record.score, float(answers.values[place]))
    name = Words(dataset.test.ids[row], FAINT, letters=_LETTERS)
    lines = [
        (name, _caption(f"{record.score.metric}: {value}")),
        *([(_caption("the frame after it", FAINT),)] * (len(frames) - 1)),
        (_caption(f"target: {range_text(kind, target, dataset.classes)}"),),
        (_caption(f"prediction: {range_text(kind, prediction, dataset.classes)}"),),
        (_caption(f"error: {_error_text(kind, error)}"),),
    ]
    return [Block(pixels, words) for pixels, words in zip([*frames, *drawn, wrong], lines, strict=True)]


def _error_text(kind: LabelKind, error: NDArray[np.float64]) -> str:
    known = error[np.isfinite(error)]
    if not known.size:
        return "nothing scored"
    if kind == "classes":
        return f"{known.mean():.1%} wrong"
    return f"mean {known.mean():.3g}, up to {known.max():.3g}"


def _key(dataset: Dataset, answers: Answers, look: _SheetLook) -> list[Block]:
    """Return what the colours mean."""
    kind, scale, worst, colours = look.kind, look.scale, look.worst, look.colours
    nothing = np.full((16, 16), np.nan)
    unscored = Block(draw_error(kind, nothing, np.zeros((16, 16, 3), np.uint8), worst), (_caption("not scored"),))
    if kind == "classes":
        *classes, _ = class_key([*answers.targets, *answers.predictions], dataset.classes, colours)
        return [*classes, Block(_half_wrong(), (_caption("in the error: wrong"),), room=130), unscored]
    unit = " px" if kind == "flow" else ""
    bar = Block(colour_bar(240, 16, "inferno"), (_caption(f"error: 0 to {worst.high:.3g}{unit}"),), room=300)
    if kind == "flow":
        lines = ("flow: direction", f"edge: {scale.high:.1f} px", "gray: unknown")
        return [Block(colour_wheel(72), tuple(_caption(line) for line in lines), room=120), bar, unscored]
    if _is_picture(kind, answers):
        return [bar, unscored]
    text = f"target, prediction: {scale.low:.3g} to {scale.high:.3g}"
    return [Block(colour_bar(240, 16), (_caption(text),), room=300), bar, unscored]


def _half_wrong() -> Pixels:
    """Return gray beside what is drawn over it where it is wrong: a class may be as red, but not beside gray."""
    gray = np.full((16, 32, 3), 140, np.uint8)
    error = np.where(np.arange(32) < 16, 0.0, 1.0) * np.ones((16, 1))
    return draw_error("classes", error, gray, Scale(0.0, 1.0))
