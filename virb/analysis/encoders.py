"""Analysis: what an encoder's card says of its kind, and which encoders differ in one thing only."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np

from virb.analysis.scores import Array
from virb.leaderboard.board import Board, Row

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


def kind(encoder: Row) -> Kind:
    """Return whether labels, the pictures alone, or something else taught the encoder."""
    if encoder.family == "supervised" or plain(encoder.facts.method) == "supervised":
        return "supervised"
    if encoder.family in _OTHER or (not encoder.family and plain(encoder.facts.method) in _OTHER_METHODS):
        return "other"
    return "self-supervised"


def supervised_imagenet(scores: Board) -> list[int]:
    """Return the encoders that were trained with ImageNet's labels and nothing more."""
    return [
        place
        for place, encoder in enumerate(scores.rows)
        if kind(encoder) == "supervised" and plain(encoder.facts.pretraining) in ("imagenet", "imagenet1k")
    ]


def self_supervised(scores: Board) -> list[int]:
    """Return the encoders that learnt from pictures without labels."""
    return [place for place, encoder in enumerate(scores.rows) if kind(encoder) == "self-supervised"]


def balance(encoder: Row) -> str:
    """Return `balanced` or `unbalanced`, or nothing where the card does not say."""
    said = str(encoder.facts.facts.get("balance", "")).lower()
    return "unbalanced" if said in _UNBALANCED else said if said == "balanced" else ""


def size(encoder: Row) -> float | None:
    """Return the number of pretraining images to two digits: cards round them."""
    return float(f"{encoder.facts.images:.1e}") if encoder.facts.images else None


def amount(encoder: Row) -> tuple[float | None, int | None] | None:
    """Return the images and epochs that matched encoders share; None where these or the method are not known."""
    facts = encoder.facts
    return (size(encoder), facts.epochs) if facts.images and facts.epochs and method_family(facts.method) else None


def recipe(encoder: Row, fact: Literal["method", "pretraining"]) -> object | None:
    """Return a fact with the images and epochs beside it; None where these or the pretraining data are not known."""
    shared = amount(encoder)
    return (plain(getattr(encoder.facts, fact)), *shared) if shared and encoder.facts.pretraining else None


def mixed(pretraining: str) -> bool:
    """Tell whether pretraining data are of several domains."""
    return any(mark in pretraining.lower() for mark in _MIXED)


def blocks(
    scores: Board, key: Callable[[Row], object | None], places: Iterable[int] | None = None
) -> list[tuple[object, list[int]]]:
    """Return encoders grouped by what they must share; those of which that is not known (None) are left out."""
    groups: dict[object, list[int]] = defaultdict(list)
    for place in range(len(scores.rows)) if places is None else places:
        shared = key(scores.rows[place])
        if shared is not None:
            groups[shared].append(place)
    return sorted(groups.items(), key=lambda item: str(item[0]))


def gap(heights: Array, ones: Sequence[int], others: Sequence[int]) -> Array:
    """Return per task the mean of some encoders less that of others, over those that have the task."""
    return means(heights[list(ones)]) - means(heights[list(others)])


def means(rows: Array) -> Array:
    """Return the mean of each column over the rows that have it; nan where none has."""
    known = np.isfinite(rows)
    counted = known.sum(axis=0)
    total = np.where(known, rows, 0.0).sum(axis=0)
    return np.where(counted > 0, total / np.maximum(counted, 1), np.nan)
