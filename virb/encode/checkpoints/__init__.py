"""Checkpoints: a file of weights to tensors, safely, and to the architecture they fill (stage 2).

`safe` reads names and shapes (`archive` holds a zip file to be one, `machine` tells what its pickle means, `walk`
bounds names), `choice` finds the backbone among them, `naming` gives its tensors timm's names,
`architecture` tells which model they fill, and `load` fills it. No code in a file ever runs.
"""

from __future__ import annotations

from pathlib import Path

from virb.cards.encoder import EncoderCard
from virb.core.errors import CheckpointError
from virb.core.files import sha256_of
from virb.encode.checkpoints.inspect import Inspection, inspect
from virb.encode.checkpoints.load import load
from virb.encode.checkpoints.understand import Request, Understanding, understand
from virb.encode.encoder import Encoder

__all__ = ["Inspection", "Request", "Understanding", "inspect_file", "load", "load_file", "understand"]


def load_file(card: EncoderCard) -> Encoder:
    """Return the encoder in a weights file; its architecture is the card's, or read off the tensors."""
    return load(card, _understood(card))


def inspect_file(card: EncoderCard) -> Inspection:
    """Return what a weights file holds, whether it loads or not."""
    return inspect(card, _understood(card))


def _understood(card: EncoderCard) -> Understanding:
    path = Path(card.weights)
    if card.sha256:
        _check_hash(path, card.sha256)
    return understand(path, Request(card.arch, card.prefix, card.allow_missing))


def _check_hash(path: Path, wanted: str) -> None:
    found = sha256_of(path)
    if found != wanted:
        raise CheckpointError(
            f"{path} has sha256 {found[:16]}…", f"{wanted[:16]}…, as its card says", "fetch the file again"
        )
