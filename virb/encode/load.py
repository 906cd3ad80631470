"""Load: the card of an encoder to the frozen encoder (stage 3)."""

from __future__ import annotations

from torch import nn

from virb.cards.encoder import EncoderCard
from virb.cards.select import SCHEMES, added
from virb.core.text import safe_name
from virb.encode import checkpoints, weights
from virb.encode import encoder as backbones
from virb.encode import python_file as custom
from virb.encode.architectures import Architecture
from virb.encode.encoder import Encoder


def check_encoder(source: EncoderCard | nn.Module) -> None:
    """Refuse an unknown name or a missing file before any work is done."""
    if isinstance(source, nn.Module):
        return
    scheme = source.weights.partition(":")[0]
    if scheme in SCHEMES:
        backbones.check_name(source)
    elif scheme == "python":
        custom.check_file(source)
    elif scheme != "plugin":
        weights.local(source)
        if source.arch:
            Architecture.parse(source.arch)


def load_encoder(source: EncoderCard | nn.Module) -> Encoder:
    """Return the encoder of a card, or one around a module of the user's own."""
    if isinstance(source, nn.Module):
        name = type(source).__name__
        return backbones.from_module(EncoderCard(name=safe_name(name), title=name, weights="module"), source)
    scheme, _, name = source.weights.partition(":")
    if scheme == "torchvision":
        backbones.check_name(source)
        return checkpoints.load_torchvision(source)
    if scheme in SCHEMES:
        return backbones.load_named(source)
    if scheme == "python":
        return custom.load_file(source)
    if scheme == "plugin":
        return custom.load_plugin(source, added("encoders").by_name[name])
    return checkpoints.load_file(weights.local(source))
