"""Checkpoints: torchvision's own weights, fetched by torchvision's address and read like any stranger's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from virb.cards.encoder import EncoderCard
from virb.core.errors import CheckpointError
from virb.encode.checkpoints.load import load
from virb.encode.checkpoints.understand import Request, understand
from virb.encode.encoder import Encoder


def load_torchvision(card: EncoderCard) -> Encoder:
    """Return timm's same architecture with the weights behind `torchvision:NAME` or `torchvision:NAME.TAG`."""
    from torchvision import models

    name, _, tag = card.weights.partition(":")[2].partition(".")
    known = models.get_model_weights(name)
    weights = known[tag] if tag else known.DEFAULT
    view = weights.transforms()
    return load(card, understand(_fetched(weights), Request()), (tuple(view.mean), tuple(view.std)))


def _fetched(weights: Any) -> Path:
    """Return the file in torch's own cache, so that it is shared with everything else that uses it."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / Path(weights.url).name
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    checksum = torch.hub.HASH_REGEX.search(path.name)
    try:
        torch.hub.download_url_to_file(weights.url, str(path), checksum[1] if checksum else None, progress=False)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"cannot fetch {weights.url}: {error}",
            "a reachable download.pytorch.org, or the file in torch's cache",
            f"download it elsewhere into {folder}, or pass the file with --encoder FILE",
        ) from error
    return path
