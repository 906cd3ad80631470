"""Schemes: a weights file, or what was fetched from its address."""

from __future__ import annotations

from typing import final

from virb.cards.encoder import EncoderCard
from virb.encode.architectures import Architecture
from virb.encode.checkpoints import load_file
from virb.encode.encoder import Encoder
from virb.encode.schemes import Scheme
from virb.encode.weights import local


@final
class File:
    """Numbers in a file, which is never trusted."""

    def check(self, card: EncoderCard) -> None:
        """Refuse a file that is not there, and an architecture that is none."""
        local(card)
        if card.arch:
            Architecture.parse(card.arch)

    def load(self, card: EncoderCard) -> Encoder:
        """Return the encoder that fills every tensor of its architecture from the file."""
        return load_file(local(card))


SCHEME: Scheme = File()
