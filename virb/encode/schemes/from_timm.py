"""Schemes: `timm:NAME`, pretrained weights that timm fetches from the hub."""

from __future__ import annotations

import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from virb.cards.encoder import EncoderCard
from virb.core.errors import CheckpointError, UsageError, VirbError
from virb.encode.architectures import Architecture, create
from virb.encode.encoder import Encoder, TimmBody, statistics
from virb.encode.schemes import Scheme


@final
class Timm:
    """A model and its weights by timm's name for them."""

    def check(self, card: EncoderCard) -> None:
        """Refuse an architecture or a tag that timm has not."""
        import timm

        name, arch = card.origin.name, card.origin.name.split(".")[0]
        Architecture.parse(arch)
        if not timm.models.is_model_pretrained(name):
            tags = timm.list_pretrained(f"{arch}.*")
            raise UsageError(
                f"timm has no pretrained weights '{name}'",
                "one of " + ", ".join(tags) if tags else "an architecture with weights",
                f"use random:{arch} for random weights",
            )

    def load(self, card: EncoderCard) -> Encoder:
        """Return timm's model with the weights of this name, fetched or from the hub's cache."""
        self.check(card)
        name = card.origin.name
        try:
            with _offline_unless_reachable():
                model = create(name, pretrained=True)
        except VirbError:
            raise
        except Exception as error:  # the hub's client raises some twenty kinds of its own
            reason = (str(error).splitlines() or [""])[0]
            raise CheckpointError(
                f"cannot fetch timm:{name}: {type(error).__name__}: {reason}",
                "a reachable huggingface.co, or the weights in its local cache",
                "check the network, or download the weights elsewhere and pass the file with --encoder FILE",
            ) from error
        return Encoder(card, TimmBody(model), name, *statistics(model))


@contextmanager
def _offline_unless_reachable() -> Iterator[None]:
    """Look in the local cache only when the hub's name does not resolve: its client would retry for a minute."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    if not urllib.request.getproxies():
        try:
            socket.getaddrinfo(urllib.parse.urlsplit(constants.ENDPOINT).hostname, None)
        except OSError:
            constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


SCHEME: Scheme = Timm()
