"""Encoded: some samples as an encoder sees them, in their order: what analyses outside the harness stand on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from virb.core.types import Features, Split
from virb.encode.features import unpack_maps


@dataclass(frozen=True)
class Encoded:
    """Features of N samples of T frames."""

    split: Split
    features: Features

    @property
    def ids(self) -> tuple[str, ...]:
        """Each sample's name."""
        return self.split.ids

    @property
    def targets(self) -> np.ndarray:
        """Classes [N] of image-level tasks; of pixel tasks the rows of their labels, -1 of pictures without any."""
        return self.split.targets

    @property
    def groups(self) -> np.ndarray:
        """Which samples are not independent of one another, [N]."""
        return self.split.groups

    @property
    def pooled(self) -> torch.Tensor:
        """Embeddings [N, D], or [N, T, D] of several frames."""
        found = self.features.pooled[torch.from_numpy(self._index)]
        return found[:, 0] if found.shape[1] == 1 else found

    def maps(self, rows: np.ndarray | None = None) -> list[torch.Tensor]:
        """Return the maps of samples, all or these rows, from fine to coarse: [n, C, h, w], or [n, T, C, h, w]."""
        index = self._index if rows is None else self._index[rows]
        if self.features.maps is None:
            return []
        levels = unpack_maps(self.features.maps.take(index.ravel()), self.features.levels)
        return [level if index.shape[1] == 1 else level.view(*index.shape, *level.shape[1:]) for level in levels]

    @property
    def _index(self) -> np.ndarray:
        return self.features.index(self.split)
