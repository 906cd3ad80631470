"""Schemes: `plugin:NAME`, a class that an installed package offers."""

from __future__ import annotations

import hashlib
import inspect
from importlib.metadata import EntryPoint
from typing import final

from virb.cards.encoder import EncoderCard
from virb.cards.select import added
from virb.encode.encoder import Encoder
from virb.encode.schemes import Scheme
from virb.encode.schemes.from_python import encoder_of, explained


@final
class Plugin:
    """A package's class; being installed is being trusted."""

    def check(self, card: EncoderCard) -> None:
        """Refuse nothing: the name is one that a package was found to offer."""

    def load(self, card: EncoderCard) -> Encoder:
        """Return the encoder that the package makes; its fingerprint covers the text of the class's module."""
        offer = added("encoders").by_name[card.origin.name]
        point = offer.made_by
        assert isinstance(point, EntryPoint)
        with explained(f"plug-in {offer.owner}: {point.value}"):
            maker = point.load()
            source = hashlib.sha256(inspect.getsource(inspect.getmodule(maker) or maker).encode()).hexdigest()
        return encoder_of(card, maker, point.value, source)


SCHEME: Scheme = Plugin()
