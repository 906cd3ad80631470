"""Fit: maps and targets of a pixel task's samples, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from virb.core.store import StoredRows
from virb.core.types import Features, Split
from virb.data.targets import Targets
from virb.encode.features import unpack_maps
from virb.encode.stream import StreamedMaps


@dataclass(frozen=True)
class Source:
    """Maps and targets of a task's samples, batch by batch on the training device."""

    features: Features
    targets: Targets
    device: torch.device
    read: tuple[int, ...] | None = None
    """The levels that the heads read, None for all; what `maps` returns for another may be anything of its shape."""

    def maps(self, split: Split, rows: np.ndarray, spent: list[torch.Tensor] | None = None) -> list[torch.Tensor]:
        """Return the maps of samples, [n, C, h, w] each, or [n, 2, C, h, w] for pairs of frames.

        `spent` are those of a batch that nobody needs any more: their memory is used again where it fits.
        """
        frames = self.features.index(split)[rows]
        levels = self._levels(frames.ravel(), spent)
        if frames.shape[1] == 1:
            return levels
        return [level.view(*frames.shape, *level.shape[1:]) for level in levels]

    def _levels(self, places: np.ndarray, spent: list[torch.Tensor] | None) -> list[torch.Tensor]:
        """Return the maps of pictures, [n, C, h, w] each; from disk without a copy between (a third of the cost)."""
        maps, levels = self.features.maps, self.features.levels
        assert maps is not None
        if self.device.type != "cpu" or not isinstance(maps, StoredRows):
            return unpack_maps(maps.take(places).to(self.device), levels)
        read = range(len(levels)) if self.read is None else self.read
        found = [torch.zeros(()).expand(len(places), level.channels, level.height, level.width) for level in levels]
        for place in read:
            found[place] = _memory(found[place].shape, spent[place] if spent else None)
        for number, row in enumerate(maps.views(places)):
            parts = torch.split(row, [level.size for level in levels])
            for place in read:
                found[place][number].view(-1).copy_(parts[place])
        return found

    def drawn(self, name: str) -> Source:
        """Return the source of one epoch of training: where pictures are changed each time, with draws of its own."""
        maps = self.features.maps
        if not isinstance(maps, StreamedMaps):
            return self
        return replace(self, features=replace(self.features, maps=maps.drawn(name)))

    def wanted(self, split: Split, rows: np.ndarray) -> torch.Tensor:
        """Return the targets of samples."""
        return self.targets.take(split.targets[rows]).to(self.device)

    def batches(self, split: Split, size: int) -> Iterator[tuple[list[torch.Tensor], torch.Tensor]]:
        """Yield maps and targets in order, the last partial batch included; the next batch takes the memory of one."""
        maps: list[torch.Tensor] | None = None
        for start in range(0, len(split), size):
            rows = np.arange(start, min(len(split), start + size))
            maps = self.maps(split, rows, maps)
            yield maps, self.wanted(split, rows)


def _memory(shape: torch.Size, spent: torch.Tensor | None) -> torch.Tensor:
    """Return room for a map: fresh pages for every batch cost more than reading it (measured)."""
    return torch.empty(shape) if spent is None or spent.numel() != shape.numel() else spent.view(shape)
