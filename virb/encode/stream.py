"""Stream: maps made when they are asked for and kept nowhere (stage 3, beside the cache).

For training that changes its pictures each time it sees them, and for maps that the cache has no room for. The latter
are, to the bit, those that the cache would hold; the former need not be rounded, for nothing is stored.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torchvision.transforms.v2 import functional

from virb.core.digest import seed_of
from virb.core.types import Pool, Taken
from virb.data.images import read_image, squash
from virb.encode.features import Pass, pack_maps

CHUNK = 16
"""Images per pass at most: a larger chunk, filled up for each small batch, would be mostly filling."""
_MEMORY = 1 << 30
"""Bytes of decoded pictures that are kept for the next epoch."""
_STRENGTH, _HUE, _GREY = 0.4, 0.2, 0.2


class StreamedMaps:
    """The maps of pool rows, encoded anew each time they are taken, on the training device."""

    def __init__(self, one: Pass, exact: bool = False, augment: bool = False) -> None:
        self.one, self.exact, self.augment = one, exact, augment
        self.pool, self.rows = one.images.pool, one.images.rows
        self.pictures = Pictures(self.pool, one.images.view.size, one.workers)

    def take(self, rows: np.ndarray) -> torch.Tensor:
        """Return the maps of these rows as they are, [n, M]: in half precision, or in full where they are exact."""
        return self.encoded(self.pictures.take(self.rows[rows]))

    def drawn(self, name: str) -> Taken:
        """Return the maps of one epoch of training, whose pictures are changed by draws of its own."""
        return _Drawn(self, name) if self.augment else self

    def encoded(self, pictures: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the maps of pictures, each uint8 [3, H, W], in chunks that are filled up to one size."""
        step = self.one.images.numerics.chunk
        starts = range(0, len(pictures), step)
        return torch.cat([self._chunk(torch.stack(list(pictures[start : start + step]))) for start in starts])

    def _chunk(self, pictures: torch.Tensor) -> torch.Tensor:
        _, maps = self.one.encoded(pictures)
        return torch.cat([level.flatten(1) for level in maps], 1) if self.exact else pack_maps(maps, len(pictures))


@dataclass(frozen=True)
class _Drawn:
    """The maps of changed pictures; a draw follows from epoch and picture alone, whatever the order and the batch."""

    maps: StreamedMaps
    name: str

    def take(self, rows: np.ndarray) -> torch.Tensor:
        """Return the maps of these rows, [n, M]."""
        chosen = self.maps.rows[rows]
        seeds = [seed_of(f"augment/{self.name}/{self.maps.pool.ids[row]}") for row in chosen]
        pictures = self.maps.pictures.take(chosen)
        changed = [jittered(one, np.random.default_rng(seed)) for one, seed in zip(pictures, seeds, strict=True)]
        return self.maps.encoded(changed)


class Pictures:
    """The squashed pictures of a pool, uint8; the first to be read stay in memory, as far as it goes."""

    def __init__(self, pool: Pool, size: int, workers: int = 0, memory: int = _MEMORY) -> None:
        self.pool, self.size = pool, size
        self.most = memory // (3 * size * size)
        self.threads = workers if pool.reader is None or pool.threads else 0
        self.held: dict[int, torch.Tensor] = {}

    def take(self, rows: np.ndarray) -> list[torch.Tensor]:
        """Return the pictures of pool rows, each [3, size, size]."""
        wanted: list[int] = rows.tolist()
        new = [row for row in dict.fromkeys(wanted) if row not in self.held]
        found = dict(zip(new, self._read(new), strict=True))
        self.held.update(itertools.islice(found.items(), max(0, self.most - len(self.held))))
        return [found[row] if row in found else self.held[row] for row in wanted]

    def _read(self, rows: list[int]) -> list[torch.Tensor]:
        if self.threads < 2 or len(rows) < 2:
            return [self._one(row) for row in rows]
        with ThreadPoolExecutor(min(self.threads, len(rows))) as threads:
            return list(threads.map(self._one, rows))

    def _one(self, row: int) -> torch.Tensor:
        return squash(read_image(self.pool, row), self.size)


def jittered(picture: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """Return a picture in other colours: torchvision's ColorJitter(.4, .4, .4, .2), then RandomGrayscale(.2).

    Its own classes draw from the global random state.
    """
    brightness, contrast, saturation = random.uniform(1 - _STRENGTH, 1 + _STRENGTH, 3).tolist()
    hue = float(random.uniform(-_HUE, _HUE))
    changes = [
        lambda image: functional.adjust_brightness(image, brightness),
        lambda image: functional.adjust_contrast(image, contrast),
        lambda image: functional.adjust_saturation(image, saturation),
        lambda image: functional.adjust_hue(image, hue),
    ]
    for place in random.permutation(len(changes)):
        picture = changes[place](picture)
    if random.random() < _GREY:
        picture = functional.rgb_to_grayscale(picture, num_output_channels=3)
    return picture
