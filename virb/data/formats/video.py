"""Data: frames out of video files, by PyAV, which is an extra: most data sets are pictures."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from virb.core.errors import DataError
from virb.core.files import open_file
from virb.data.common import names_in
from virb.data.formats.claims import too_large
from virb.data.pictures import explained

FRAMES = 6
"""Of each clip: from the middles of its six parts."""
_ENDINGS = (".mp4", ".mkv", ".webm", ".avi", ".mov")
_CONTAINERS = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi", "protocol_whitelist": ""}
"""What is looked for in a file of any name: a list of other files or addresses is none, and nothing else is opened."""
_MOST_FRAMES = 20_000
"""Frames that are looked at: clips of ten seconds have 600 at most."""
_EACH = 40
"""Bytes of memory for a pixel: six frames in RGB, and those that the decoder keeps; 4096 x 2160 takes 350 MB."""
_SLACK = 1.0
"""Seconds that a video may end before the last frame that is wanted of it; more, and it was cut short."""


def list_videos(folder: Path) -> dict[str, Path]:
    """Return stem to path of the videos in a folder and in the folders directly in it."""
    try:
        inner = names_in(folder, folders=True)
    except OSError as error:
        raise DataError(f"cannot list {folder}: {error.strerror}", "a folder of videos", "check the path") from error
    found: dict[str, Path] = {}
    for place in (folder, *(folder / name for name in inner)):
        for name in names_in(place, folders=False):
            stem, ending = os.path.splitext(name)
            if ending.lower() in _ENDINGS:
                found.setdefault(stem, place / name)
    return found


def refuse_without_decoder(title: str) -> None:
    """Refuse to read videos where nothing can decode them."""
    if find_spec("av") is None:
        raise DataError(
            f"{title}: videos cannot be decoded, the package 'av' is not installed",
            "PyAV, which is an extra",
            "pip install 'virb[video]'",
        )


def read_frame(path: Path, row: int) -> Image.Image:
    """Return one of the six frames of a video."""
    with explained(path, "a video", "a whole MP4 or other video", "fetch this clip again"):
        stat = path.stat()
        return Image.fromarray(_frames(path, stat.st_size, stat.st_mtime_ns)[row])


@lru_cache(maxsize=4)
def _frames(path: Path, _size: int, _changed: int) -> tuple[np.ndarray, ...]:
    """Return the six frames [H, W, 3] of a video, kept while they are asked for one after another."""
    refuse_without_decoder(str(path))
    return _decode(path)


def _decode(path: Path) -> tuple[np.ndarray, ...]:
    """Decode a clip once from its start: key frames are so far apart that looking for each frame is no faster."""
    av: Any = import_module("av")
    with open_file(path) as file, av.open(file, options=_CONTAINERS) as container:
        stream = container.streams.video[0]
        if found := too_large(stream.width, stream.height, _EACH):
            raise ValueError(found)
        wanted = _times(container, stream, av.time_base)
        chosen: list[np.ndarray] = []
        last = None
        for count, frame in enumerate(container.decode(stream)):
            if count > _MOST_FRAMES or max(frame.width, frame.height) > max(stream.width, stream.height):
                raise ValueError(f"it has more than {_MOST_FRAMES:,} frames, or larger ones than it says")
            shown = last or frame  # at a time, the frame before the first one that is later
            while len(chosen) < FRAMES and frame.time > wanted[len(chosen)]:
                chosen.append(shown.to_ndarray(format="rgb24"))
            last = frame
            if len(chosen) == FRAMES:
                break
        if last is None:
            raise ValueError("it holds no frame")
        if len(chosen) < FRAMES and wanted[-1] - last.time > _SLACK:
            raise ValueError(f"it ends after {last.time:.1f} seconds, before {wanted[-1]:.1f}")
        return (*chosen, *[last.to_ndarray(format="rgb24")] * (FRAMES - len(chosen)))


def _times(container: Any, stream: Any, unit: int) -> list[float]:
    """Return the middles of the six parts of a clip, in seconds of its own clock."""
    if stream.duration is not None:
        start, length = (stream.start_time or 0) * stream.time_base, stream.duration * stream.time_base
    elif container.duration is not None:
        start, length = (container.start_time or 0) / unit, container.duration / unit
    else:
        raise ValueError("it does not say how long it is")
    return [float(start + length * (2 * place + 1) / (2 * FRAMES)) for place in range(FRAMES)]
