"""Schemes: a card's weights to a frozen encoder; one module per scheme, and one for files and their addresses."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

from virb.cards.encoder import EncoderCard
from virb.encode.encoder import Encoder


class Scheme(Protocol):
    """What is behind the word before the colon."""

    def check(self, card: EncoderCard) -> None:
        """Refuse an unknown name or a missing file before hours of work, without building anything."""

    def load(self, card: EncoderCard) -> Encoder:
        """Return the encoder, or say why there is none."""


def scheme_of(card: EncoderCard) -> Scheme:
    """Return what checks and loads a card's weights; its libraries are imported only now."""
    found: Scheme = import_module(f"virb.encode.schemes.from_{card.origin.scheme or 'file'}").SCHEME
    return found
