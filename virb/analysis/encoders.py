"""Analysis: what an encoder's card says of its kind, and which encoders differ in one thing only."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np

from virb.analysis.scores import Array, Scores, Who

Kind = Literal["supervised", "self-supervised", "other"]
_OTHER = {"language", "none"}
_OTHER_METHODS = {"", "none", "baseline", "random", "clip", "openclip", "siglip", "siglip2"}
_UNBALANCED = {"linear", "log", "unbalanced"}
_MIXED = ("combination", "mix", "+", ",")


def plain(text: str) -> str:
    """Return a name without case, spaces and signs: `MoCo v2` and `mocov2` are one method."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def method_family(method: str) -> str:
    """Return a method without its version: `MoCo v2` and `MoCo v3` are both MoCo-like; nothing where it is a guess."""
    return "" if " or " in method else re.sub(r"v?\d+$", "", plain(method))


def kind(encoder: Who) -> Kind:
    """Return whether labels, the pictures alone, or something else taught the encoder."""
    if encoder.family == "supervised" or plain(encoder.method) == "supervised":
        return "supervised"
    if encoder.family in _OTHER or (not encoder.family and plain(encoder.method) in _OTHER_METHODS):
        return "other"
    return "self-supervised"


def supervised_imagenet(scores: Scores) -> list[int]:
    """Return the encoders that were trained with ImageNet's labels and nothing more."""
    return [
        place
        for place, encoder in enumerate(scores.encoders)
        if kind(encoder) == "supervised" and plain(encoder.pretraining) in ("imagenet", "imagenet1k")
    ]


def self_supervised(scores: Scores) -> list[int]:
    """Return the encoders that learnt from pictures without labels."""
    return [place for place, encoder in enumerate(scores.encoders) if kind(encoder) == "self-supervised"]


def balance(encoder: Who) -> str:
    """Return `balanced` or `unbalanced`, or nothing where the card does not say."""
    said = str(encoder.facts.get("balance", "")).lower()
    return "unbalanced" if said in _UNBALANCED else said if said == "balanced" else ""


def size(encoder: Who) -> float | None:
    """Return the number of pretraining images to two digits: cards round them."""
    return float(f"{encoder.images:.1e}") if encoder.images else None


def mixed(pretraining: str) -> bool:
    """Tell whether pretraining data are of several domains."""
    return any(mark in pretraining.lower() for mark in _MIXED)


def blocks(
    scores: Scores, key: Callable[[Who], object | None], places: Iterable[int] | None = None
) -> list[tuple[object, list[int]]]:
    """Return encoders grouped by what they must share; those of which that is not known (None) are left out."""
    groups: dict[object, list[int]] = defaultdict(list)
    for place in range(len(scores.encoders)) if places is None else places:
        shared = key(scores.encoders[place])
        if shared is not None:
            groups[shared].append(place)
    return sorted(groups.items(), key=lambda item: str(item[0]))


def gap(heights: Array, ones: Sequence[int], others: Sequence[int]) -> Array:
    """Return per task the mean of some encoders less that of others, over those that have the task."""
    return _mean(heights[list(ones)]) - _mean(heights[list(others)])


def _mean(rows: Array) -> Array:
    known = np.isfinite(rows)
    counted = known.sum(axis=0)
    total = np.where(known, rows, 0.0).sum(axis=0)
    return np.where(counted > 0, total / np.maximum(counted, 1), np.nan)
