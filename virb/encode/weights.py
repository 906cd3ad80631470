"""Weights: the file behind a card's address, fetched once when it is asked for, and found again by its address."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from virb.cards.encoder import EncoderCard
from virb.core.errors import CheckpointError, UsageError
from virb.core.fetch import download
from virb.core.paths import cache_folder, is_file
from virb.core.progress import Progress
from virb.core.trust import check_cache


def weights_folder() -> Path:
    """Return where fetched weights lie."""
    return cache_folder() / "weights"


def weights_place(card: EncoderCard) -> Path:
    """Return where a card's weights file is, or will be: two addresses never share a place, whatever cards say."""
    if card.address is None:
        return Path(card.weights)
    last = unquote(urlsplit(card.address).path).rsplit("/", 1)[-1]
    name = re.sub(r"[^A-Za-z0-9._+-]+", "-", last).lstrip(".-")[-100:] or "weights"
    return weights_folder() / hashlib.sha256(card.address.encode()).hexdigest()[:8] / name


def local(card: EncoderCard) -> EncoderCard:
    """Return the card with its weights as a file that is there, or say how to get it."""
    place = weights_place(card)
    if card.address is not None:
        check_cache()
    if is_file(place):
        return card.model_copy(update={"weights": str(place)})
    if card.address is None:
        raise UsageError(
            f"encoder {card.name}: there is no weights file {card.weights}",
            "the file that its card names, beside the card or by its whole path",
            "put the file there, or correct 'weights' in the card",
        )
    raise CheckpointError(
        f"the weights of encoder {card.name} are not here yet",
        f"the file {place}",
        f"run 'virb encoders download {card.name}' (from {card.address}), or put the file there by hand",
    )


def fetch_weights(card: EncoderCard, progress: Progress | None = None) -> Path:
    """Fetch the file at a card's address, going on where it was cut and checked by what the card knows of it."""
    if card.address is None:
        raise UsageError(
            f"the card of encoder {card.name} names no address: {card.weights}",
            "weights: https://...",
            "put the file where the card says, or give the card an address",
        )
    check_cache()
    return download(
        card.address,
        weights_place(card),
        bytes=card.bytes,
        sha256=card.sha256,
        home=card.home,
        progress=progress,
    )
