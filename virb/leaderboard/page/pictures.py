"""Page: the pictures of 'virb show' that lie beside the records, made small enough that the file can be mailed.

Records come from strangers, so a picture is one only if its bytes are those the record names and they can be decoded;
what goes into the page is drawn anew, without whatever else a file may carry.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from virb.core.errors import DataError
from virb.core.files import read_bytes
from virb.data.pictures import png_in_rgb
from virb.leaderboard import Board
from virb.records.load import Results
from virb.records.record import Record

BUDGET = 8 * 2**20
"""Bytes of all pictures together as they stand in the page."""
_WIDEST, _MOST_PIXELS, _MOST_BYTES = 900, 40_000_000, 32 * 2**20


@dataclass(frozen=True)
class Shown:
    """A picture inside the page."""

    address: str
    """A data: address."""
    width: int
    height: int


Key = tuple[str, str, str]
"""A name, a fingerprint and a record's: another card of the same network has pictures of its own."""


def pictures(results: Results, boards: Sequence[Board]) -> tuple[dict[Key, Shown], list[str]]:
    """Return pictures by encoder and record, and what was left out and why; each encoder's first come first."""
    folders = {_key(record): folder for record, folder in zip(results.records, results.folders, strict=True)}
    found: dict[Key, Shown] = {}
    problems, over, room = [], 0, BUDGET
    for record in _in_turn(boards):
        if room <= 0:
            over += 1
            continue
        try:
            shown = _picture(record, folders[_key(record)])
        except (OSError, ValueError, DataError) as error:
            problems.append(
                f"the picture of {record.encoder.name} on {record.task.name}: {str(error).partition(chr(10))[0]}"
            )
            continue
        room -= len(shown.address)
        found[_key(record)] = shown
    if over:
        problems.append(f"{over} more pictures, which would make the page too large; they lie beside their records")
    return found, problems


def _key(record: Record) -> Key:
    return record.encoder.name, record.encoder.fingerprint, record.stem


def _in_turn(boards: Sequence[Board]) -> Iterator[Record]:
    """Yield the records that have a picture: the first of every encoder, then the second, and so on."""
    shelves: dict[str, list[Record]] = {}
    for board in boards:
        for row, _, cell in board:
            if cell.record is not None and cell.record.picture is not None:
                shelves.setdefault(row.encoder, []).append(cell.record)
    for turn in range(max(map(len, shelves.values()), default=0)):
        yield from (shelf[turn] for shelf in shelves.values() if turn < len(shelf))


def _picture(record: Record, folder: Path) -> Shown:
    assert record.picture is not None
    path = folder / record.picture.file
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{path} is too large")
    content = read_bytes(path)
    if hashlib.sha256(content).hexdigest() != record.picture.sha256:
        raise ValueError(f"{path} is not the file that the record names")
    image = png_in_rgb(path, content, _MOST_PIXELS)
    image.thumbnail((_WIDEST, 4 * _WIDEST))
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=82, method=2)
    return Shown(f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}", *image.size)
