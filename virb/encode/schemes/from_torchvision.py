"""Schemes: `torchvision:NAME`, fetched by torchvision's address and read like any stranger's file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, final

import torch

from virb.cards.encoder import EncoderCard
from virb.core.errors import CheckpointError, UsageError, did_you_mean
from virb.encode.checkpoints import Request, load, understand
from virb.encode.encoder import Encoder
from virb.encode.schemes import Scheme

_SHARED = r"(wide_)?res|vit_|convnext|swin|efficientnet|regnet"
"""Models of torchvision's that timm computes alike, by the beginnings of their names."""


@final
class Torchvision:
    """The weights behind `torchvision:NAME` or `torchvision:NAME.TAG`, in timm's same architecture."""

    def check(self, card: EncoderCard) -> None:
        """Refuse a model that torchvision and timm do not share, and a tag that it has not."""
        from torchvision import models

        arch, _, tag = card.origin.name.partition(".")
        names = [one for one in models.list_models(module=models) if re.match(_SHARED, one)]
        if arch not in names:
            raise UsageError(
                f"'{arch}' is no model of torchvision's that timm has too{did_you_mean(arch, names)}",
                "one of " + ", ".join(names),
                "correct the name, or take another library's weights, such as timm:NAME",
            )
        known = models.get_model_weights(arch).__members__
        if tag and tag not in known:
            raise UsageError(f"torchvision's {arch} has no weights '{tag}'", "one of " + ", ".join(known), "choose one")

    def load(self, card: EncoderCard) -> Encoder:
        """Return the encoder with the mean and deviation that torchvision states."""
        from torchvision import models

        self.check(card)
        name, _, tag = card.origin.name.partition(".")
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


SCHEME: Scheme = Torchvision()
