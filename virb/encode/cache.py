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
from virb.core.types import Features, Numerics, Pool, View
from virb.encode.encoder import Encoder
from virb.encode.features import encode_maps

FORMAT = 2
_POOLED, _MAPS = "pooled.f32", "maps.f16"
Advance = Callable[[int], None]


class Cache:
    """Features by encoder, images and view; made when they are not there."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.store = Store(folder, limit)

    def features(
        self,
        encoder: Encoder,
        pool: Pool,
        rows: np.ndarray,
        view: View,
        numerics: Numerics,
        *,
        kept: tuple[int, ...] = (),
        device: torch.device | None = None,
        workers: int = 0,
        advance: Advance = lambda count: None,
        say: Say | None = None,
    ) -> Features:
        """Return the features of these pool rows: read if an entry holds them, else encoded and stored.

        `kept` are the places of the maps that are wanted beside pooled features.
        """
        key = self.key(encoder, pool, rows, view, numerics, kept)
        facts = {"encoder": encoder.card.name, "source": pool.source, "images": len(rows), "size": view.size}
        where = device or torch.device(numerics.device)

        def chunks() -> Iterator[dict[str, np.ndarray]]:
            for pooled, packed in encode_maps(encoder, pool, rows, view, numerics, where, workers, kept):
                yield {_POOLED: pooled.numpy()} | ({_MAPS: packed.numpy()} if kept else {})
                advance(len(pooled))

        read = partial(self._read, encoder, pool, rows, view, numerics, kept)
        found, made = self.store.once(key, read, chunks, facts, say)
        if not made:
            advance(len(rows))
        return found

    def _read(
        self, encoder: Encoder, pool: Pool, rows: np.ndarray, view: View, numerics: Numerics, kept: tuple[int, ...]
    ) -> Features | None:
        """Return the features if an entry holds them: of the whole pool or of these rows."""
        for wanted in (np.arange(len(pool)), rows):
            key = self.key(encoder, pool, wanted, view, numerics, kept)
            pooled = self.store.read(key, _POOLED, len(wanted), encoder.shape.width)
            if pooled is None:
                continue
            tensor = torch.from_numpy(pooled.array)
            if not kept:
                return Features(wanted, tensor)
            every = encoder.levels(view.size)
            levels = tuple(every[place] for place in kept)
            width = sum(level.size for level in levels)
            packed = self.store.read(key, _MAPS, len(wanted), width, "<f2", whole=False)
            if packed is not None:
                return Features(wanted, tensor, packed, levels)
        return None

    def holds(
        self,
        encoder: Encoder,
        pool: Pool,
        rows: np.ndarray,
        view: View,
        numerics: Numerics,
        kept: tuple[int, ...] = (),
    ) -> bool:
        """Tell whether these features need no encoding."""
        return any(
            self.key(encoder, pool, wanted, view, numerics, kept) in self.store
            for wanted in (np.arange(len(pool)), rows)
        )

    @staticmethod
    def key(
        encoder: Encoder,
        pool: Pool,
        rows: np.ndarray,
        view: View,
        numerics: Numerics,
        kept: tuple[int, ...] = (),
    ) -> str:
        """Return the digest of everything that shapes the stored numbers."""
        return digest(
            {
                "format": FORMAT,
                "encoder": encoder.fingerprint,
                "pool": pool.fingerprint,
                "rows": digest_array(rows.astype(np.int64)),
                "view": asdict(view),
                "numerics": asdict(numerics),
                "outputs": ["pooled", *(f"map {place}" for place in kept)],
            }
        )
