"""Load: the card of an encoder to the frozen encoder (stage 3)."""

from __future__ import annotations

from torch import nn

from virb.cards.encoder import EncoderCard
from virb.core.text import safe_name
from virb.encode.encoder import Encoder, from_module
from virb.encode.schemes import scheme_of


def check_encoder(source: EncoderCard | nn.Module) -> None:
    """Refuse an unknown name or a missing file before any work is done."""
    if isinstance(source, EncoderCard):
        scheme_of(source).check(source)


def load_encoder(source: EncoderCard | nn.Module) -> Encoder:
    """Return the encoder of a card, or one around a module of the user's own."""
    if isinstance(source, EncoderCard):
        return scheme_of(source).load(source)
    name = type(source).__name__
    return from_module(EncoderCard(name=safe_name(name), title=name, weights="module"), source)
