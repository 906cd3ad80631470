"""Schemes: `baseline:NAME`, the known-answer floors."""

from __future__ import annotations

from typing import final

from torch import nn

from virb.cards.encoder import EncoderCard
from virb.core.errors import UsageError, did_you_mean
from virb.encode.encoder import ColorBody, Encoder, PixelsBody
from virb.encode.schemes import Scheme

_BODIES: dict[str, type[nn.Module]] = {"pixels": PixelsBody, "color": ColorBody}


@final
class Baseline:
    """What the picture itself tells, without a network."""

    def check(self, card: EncoderCard) -> None:
        """Refuse a name that is no baseline's."""
        name = card.origin.name
        if name not in _BODIES:
            raise UsageError(
                f"there is no baseline '{name}'{did_you_mean(name, _BODIES)}", "one of pixels, color", "choose one"
            )

    def load(self, card: EncoderCard) -> Encoder:
        """Return the baseline, which sees pixels from 0 to 1 as they are."""
        self.check(card)
        return Encoder(card, _BODIES[card.origin.name](), card.weights, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


SCHEME: Scheme = Baseline()
