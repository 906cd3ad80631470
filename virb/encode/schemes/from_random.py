"""Schemes: `random:ARCH`, an architecture of timm's as it starts; `random:ARCH@SEED` is another draw."""

from __future__ import annotations

import re
from typing import final

import torch
from torch import nn

from virb.cards.encoder import EncoderCard
from virb.core.errors import UsageError
from virb.core.text import cut
from virb.encode.architectures import Architecture, check_fits, create
from virb.encode.encoder import Encoder, TimmBody, statistics
from virb.encode.schemes import Scheme


@final
class Random:
    """Random weights from the architecture's own initialisation."""

    def check(self, card: EncoderCard) -> None:
        """Refuse an architecture that timm has not, and a seed that is no number."""
        name = card.origin.name
        arch, _, seed = name.partition("@")
        if seed and not re.fullmatch(r"[0-9]{1,18}", seed):
            raise UsageError(
                f"'{cut(seed)}' is no seed in random:{cut(name)}",
                "a whole number after '@', of at most 18 digits",
                "random:resnet18@7",
            )
        Architecture.parse(arch)
        check_fits(arch)

    def load(self, card: EncoderCard) -> Encoder:
        """Return the draw of this seed, the same in every run; no draw of others is disturbed."""
        self.check(card)
        arch = card.origin.name.partition("@")[0]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(card))
            model = create(arch)
        # timm starts the last BatchNorm of each residual block at zero, which would cut the blocks out of the network.
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d) and not module.weight.any():
                nn.init.ones_(module.weight)
        return Encoder(card, TimmBody(model), arch, *statistics(model))


def seed_of(card: EncoderCard) -> int:
    """Return which draw a card of random weights names."""
    return int(card.origin.name.partition("@")[2] or 0)


SCHEME: Scheme = Random()
