"""Leaderboard: what a paper says of an encoder, kept beside measured records and never ranked among them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from virb.cards.card import Frozen, Name
from virb.cards.task import Kind, Level
from virb.core.npz import LARGEST_RECORD, DamagedFile, read_bounded
from virb.core.strict_json import read_model
from virb.records.record import reason

SETS = ("paper2021",)
"""The sets of published numbers that virb brings."""


class Publication(Frozen):
    """Where numbers come from, and how they were read."""

    paper: str
    address: str
    place: str
    """The figure or table."""
    reading: str
    """How the numbers were had, and how exact they are."""


class Identity(Frozen):
    """Which of the paper's encoders this is thought to be, where the paper does not say."""

    guess: str
    confidence: Literal["high", "medium-high", "medium", "low-medium", "family only"]
    basis: str
    family: str


class PublishedEncoder(Frozen):
    """An encoder as far as a paper describes it."""

    name: Name
    title: str
    arch: str
    method: str = ""
    pretraining: str = ""
    images: int | None = None
    epochs: int | None = None
    facts: dict[str, str | int | float | bool] = Field(default_factory=dict)
    card: str = ""
    """The encoder card with the same weights, whose measured scores may be held against these numbers."""
    identity: Identity | None = None
    """None where the paper names it."""

    @property
    def guessed(self) -> bool:
        """Whether it is in doubt which of the paper's encoders this is."""
        return self.identity is not None and self.identity.confidence != "high"


class Number(Frozen):
    """One published score. An error is positive and better when lower, however the paper's figure draws it."""

    task: str
    title: str
    level: Level
    kind: Kind
    extra: bool = False
    metric: str
    unit: str
    direction: Literal["higher", "lower"]
    ceiling: float
    value: float
    reading_error: float | None = None
    """How far the value may be off because it was read from a picture; no interval over samples is known."""
    quality: str = ""
    note: str = ""


class Reference(Frozen):
    """All that one publication says of one encoder."""

    schema_version: Literal[1] = 1
    kind: Literal["published"]
    protocol: str
    publication: Publication
    encoder: PublishedEncoder
    numbers: tuple[Number, ...]


def read_references(folder: Path) -> tuple[list[Reference], list[str]]:
    """Return the published numbers of a folder, one file per encoder, and what could not be read."""
    found, problems = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(read_model(Reference, read_bounded(path, LARGEST_RECORD)))
        except (OSError, DamagedFile, ValidationError) as error:
            problems.append(f"{path} holds no readable published numbers: {reason(error)}")
    return found, problems
