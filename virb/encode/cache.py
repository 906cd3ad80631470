"""Cache: features of an encoder over a pool, encoded once and shared by tasks and runs.

An entry's name is the digest of all that shaped its numbers: weights, images, view, numerics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch

from virb.core.digest import digest, digest_array
from virb.core.locks import Say
from virb.core.store import Store
from virb.core.types import Features, Images, check_unchanged
from virb.encode.encoder import Encoder
from virb.encode.features import Pass

FORMAT = 2
_POOLED, _MAPS = "pooled.f32", "maps.f16"
Advance = Callable[[int], None]


class Cache:
    """Features by encoder, images and view; made when they are not there."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.store = Store(folder, limit)

    def features(self, one: Pass, advance: Advance = lambda count: None, say: Say | None = None) -> Features:
        """Return the features of a pass: read if an entry holds them, else encoded and stored."""
        encoder, images = one.encoder, one.images
        size = images.view.size
        facts = {"encoder": encoder.card.name, "source": images.pool.source, "images": len(images), "size": size}

        def chunks() -> Iterator[dict[str, np.ndarray]]:
            for pooled, packed in one.chunks():
                yield {_POOLED: pooled.numpy()} | ({_MAPS: packed.numpy()} if images.kept else {})
                advance(len(pooled))
            # The key was made of the files as they were before the first was read; the marker is not written yet.
            check_unchanged((images.pool.paths[row] for row in images.rows), images.pool.stamps)

        found, made = self.store.once(self.key(encoder, images), partial(self._read, one), chunks, facts, say)
        if not made:
            advance(len(images))
        return found

    def _read(self, one: Pass) -> Features | None:
        """Return the features if an entry holds them: of the whole pool or of these rows."""
        for wanted in (one.images.whole, one.images):
            key = self.key(one.encoder, wanted)
            pooled = self.store.read(key, _POOLED, len(wanted), one.encoder.shape.width)
            if pooled is None:
                continue
            tensor = torch.from_numpy(pooled.array)
            if not wanted.kept:
                return Features(wanted.rows, tensor)
            width = sum(level.size for level in one.levels)
            packed = self.store.read(key, _MAPS, len(wanted), width, "<f2", whole=False)
            if packed is not None:
                return Features(wanted.rows, tensor, packed, one.levels)
        return None

    def holds(self, encoder: Encoder, images: Images) -> bool:
        """Tell whether these features need no encoding."""
        return any(self.key(encoder, wanted) in self.store for wanted in (images.whole, images))

    @staticmethod
    def key(encoder: Encoder, images: Images) -> str:
        """Return the digest of everything that shapes the stored numbers."""
        return digest(
            {
                "format": FORMAT,
                "encoder": encoder.fingerprint,
                "pool": images.pool.fingerprint,
                "rows": digest_array(images.rows.astype(np.int64)),
                "view": asdict(images.view),
                "numerics": asdict(images.numerics),
                "outputs": ["pooled", *(f"map {place}" for place in images.kept)],
            }
        )
