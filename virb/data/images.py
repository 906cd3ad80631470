"""Images: the pictures of a pool, read, brought to one size and checked (stage 2)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import simplejpeg
import torch
from torch.nn import functional
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from virb.core.errors import DataError
from virb.core.files import read_bytes
from virb.core.stopping import settle_worker
from virb.core.types import Pool
from virb.core.workers import Piped, batches, handed_over
from virb.data.formats.claims import odd_scans, too_large
from virb.data.pictures import explained, picture_size, read_rgb, rgb_pixels

_CHECKED = 64


_JPEG = b"\xff\xd8\xff"
_EACH = 3
"""Bytes of memory for a pixel of a plain JPEG."""


def decoded(pool: Pool, rows: np.ndarray, size: int, chunk: int, workers: int) -> Iterator[torch.Tensor]:
    """Yield uint8 batches [n, 3, size, size] in order; the last one is smaller and never dropped."""
    loader = DataLoader(
        _Images(pool, rows, size),
        batch_size=chunk,
        shuffle=False,
        num_workers=min(workers, -(-len(rows) // chunk)),
        drop_last=False,
        pin_memory=False,
        collate_fn=_collate,
        worker_init_fn=settle_worker,
    )
    for images in batches(loader):
        if isinstance(images, DataError):
            raise images
        yield images


class _Images(TorchDataset[torch.Tensor | DataError]):
    def __init__(self, pool: Pool, rows: np.ndarray, size: int) -> None:
        self.pool, self.rows, self.size = pool, rows, size

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> torch.Tensor | DataError:
        try:
            return squash(read_image(self.pool, int(self.rows[row])), self.size)
        except DataError as error:
            return error  # raised in the parent: a worker's own exception would come wrapped in its traceback


def unreadable(pool: Pool, rows: np.ndarray, workers: int) -> dict[int, DataError]:
    """Return the rows whose pictures cannot be read, and why; every one is opened and decoded."""
    loader = DataLoader(
        _Readable(pool, rows),
        batch_size=_CHECKED,
        num_workers=min(workers, -(-len(rows) // _CHECKED)),
        collate_fn=dict,
        worker_init_fn=settle_worker,
    )
    found: dict[int, DataError] = {}
    for some in batches(loader):
        found.update({row: error for row, error in some.items() if error is not None})
    return found


class _Readable(TorchDataset[tuple[int, DataError | None]]):
    def __init__(self, pool: Pool, rows: np.ndarray) -> None:
        self.pool, self.rows = pool, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> tuple[int, DataError | None]:
        row = int(self.rows[place])
        try:
            read_image(self.pool, row)
        except DataError as error:
            return row, error
        return row, None


def _collate(items: list[torch.Tensor | DataError]) -> torch.Tensor | Piped | DataError:
    errors = [item for item in items if isinstance(item, DataError)]
    return errors[0] if errors else handed_over(torch.stack([item for item in items if isinstance(item, torch.Tensor)]))


def read_image(pool: Pool, row: int) -> torch.Tensor:
    """Return uint8 RGB [3, H, W]; the file's content decides the format, and a truncated file is an error."""
    path = pool.paths[row]
    if pool.reader is None and (found := _read_jpeg(path)) is not None:
        return torch.from_numpy(found).permute(2, 0, 1)
    with explained(path):
        rgb = read_rgb(path, pool.rows[row] if pool.rows else 0, pool.reader)
        return torch.from_numpy(rgb_pixels(rgb)).permute(2, 0, 1)


def _read_jpeg(path: Path) -> np.ndarray | None:
    """Return a plain JPEG file's pixels [H, W, 3]; nothing for any other file, which Pillow then reads or refuses.

    Both decode with libjpeg-turbo and give the same pixels, but Pillow hands them over in pieces (measured: it takes
    twice as long).
    """
    try:
        content = read_bytes(path)
        if not content.startswith(_JPEG):
            return None
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        if colours not in ("Gray", "RGB", "YCbCr"):
            return None
        if too_large(width, height, _EACH) or odd_scans(content, width, height, _EACH):
            return None
        return np.asarray(simplejpeg.decode_jpeg(content, "RGB"))
    except (OSError, ValueError):
        return None


def image_size(pool: Pool, row: int) -> tuple[int, int]:
    """Return height and width of a picture, from its header where it is a file of its own."""
    if pool.sizes:
        return pool.sizes[row]
    if pool.reader is not None:
        height, width = read_image(pool, row).shape[1:]
        return int(height), int(width)
    width, height = picture_size(pool.paths[row])
    return height, width


def squash(image: torch.Tensor, size: int) -> torch.Tensor:
    """Return uint8 [3, size, size]: both sides resized on their own, antialiased, nothing cropped."""
    if image.shape[-2:] == (size, size):
        return image.contiguous()
    resized = functional.interpolate(image[None], (size, size), mode="bilinear", antialias=True)
    return resized[0].contiguous()


def default_workers(device: torch.device) -> int:
    """Return how many processes decode: on a CPU one beside the encoder, which takes every core itself."""
    cores = os.cpu_count() or 1
    return min(16, cores) if device.type == "cuda" else min(1, cores - 1)
