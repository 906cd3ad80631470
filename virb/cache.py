"""Cache: features of an encoder over a pool, encoded once and shared by tasks and runs.

An entry's name is the digest of all that shaped its numbers: weights, images, view, numerics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from virb.backbones import Encoder
from virb.digest import digest, digest_array
from virb.encode import encode
from virb.errors import OutputError
from virb.store import Store
from virb.types import Features, Numerics, Pool, View

FORMAT = 1
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
        device: torch.device | None = None,
        workers: int = 0,
        advance: Advance = lambda count: None,
    ) -> Features:
        """Return the features of these pool rows: read if an entry holds them, else encoded and kept."""
        for wanted in (np.arange(len(pool)), rows):
            found = self.store.read(self.key(encoder, pool, wanted, view, numerics), len(wanted), encoder.shape.width)
            if found is not None:
                advance(len(rows))
                return Features(wanted, torch.from_numpy(found))
        key = self.key(encoder, pool, rows, view, numerics)
        facts = {"encoder": encoder.card.name, "source": pool.source, "images": len(rows), "size": view.size}
        paths = [pool.paths[row] for row in rows]

        def chunks() -> Iterator[np.ndarray]:
            for chunk in encode(encoder, paths, view, numerics, device or torch.device(numerics.device), workers):
                yield chunk.numpy()
                advance(len(chunk))

        self.store.write(key, chunks(), facts)
        made = self.store.read(key, len(rows), encoder.shape.width)
        if made is None:
            raise OutputError(
                f"the features that were just written to {self.store.folder / key} are gone",
                "a cache that nobody clears during a run",
                "run the same command again",
            )
        self.store.evict(keep=key)
        return Features(rows, torch.from_numpy(made))

    def holds(self, encoder: Encoder, pool: Pool, rows: np.ndarray, view: View, numerics: Numerics) -> bool:
        """Tell whether these features need no encoding."""
        return any(
            self.key(encoder, pool, wanted, view, numerics) in self.store for wanted in (np.arange(len(pool)), rows)
        )

    @staticmethod
    def key(encoder: Encoder, pool: Pool, rows: np.ndarray, view: View, numerics: Numerics) -> str:
        """Return the digest of everything that shapes the stored numbers."""
        return digest(
            {
                "format": FORMAT,
                "encoder": encoder.fingerprint,
                "pool": pool.fingerprint,
                "rows": digest_array(rows.astype(np.int64)),
                "view": asdict(view),
                "numerics": asdict(numerics),
                "outputs": ["pooled"],
            }
        )
