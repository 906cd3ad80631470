"""Encoder cards: where an encoder comes from and what is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from virb.cards.card import Card, Frozen
from virb.cards.task import Positive, Side
from virb.cards.weights import FORMS, Weights, is_address
from virb.core.errors import CardError

Triple = tuple[float, float, float]


Deviation = Annotated[float, Field(gt=0)]


Family = Literal[
    "supervised", "contrastive", "clustering", "redundancy", "distillation", "masked", "predictive", "language", "none"
]
"""What an encoder learns from: labels, pairs of views, clusters, decorrelated features, a teacher made of itself,
hidden patches, hidden features, texts, or nothing."""


class EncoderCard(Card):
    """Where an encoder comes from and what is known of it; the facts feed the analyses."""

    descriptive = frozenset({"title", "family", "paper", "licence", "home", "facts", "from_memory"})

    weights: Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]
    """`timm:NAME`, `torchvision:NAME`, `random:ARCH`, `baseline:NAME`, a checkpoint file, or its https address."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    bytes: Positive | None = None
    """The size of the file at an address, where it is known."""
    arch: str | None = None
    prefix: str | None = None
    """Which of several networks in a weights file is meant, by a part of what stands before its tensors' names."""
    allow_missing: tuple[str, ...] = ()
    """Patterns of tensors that may be missing, of another shape or unknown, such as 'norm.*'; the record names them."""
    mean: Triple | None = None
    std: tuple[Deviation, Deviation, Deviation] | None = None
    size: Side | None = None
    method: str = ""
    family: Family | None = None
    pretraining: str = ""
    images: Positive | None = None
    epochs: Positive | None = None
    paper: str = ""
    licence: str = ""
    home: str = ""
    """The page on which the owner offers the weights."""
    facts: dict[str, str | int | float | bool] = Field(default_factory=dict)
    from_memory: tuple[str, ...] = ()
    """Fields that nobody has checked against a source yet."""

    @model_validator(mode="after")
    def _only_files_are_pinned(self) -> Self:
        if not self.names_file and (self.sha256 or self.bytes or self.arch or self.prefix or self.allow_missing):
            found = "sha256, bytes, arch, prefix and allow_missing"
            raise ValueError(f"{found} belong to a weights file, not to {self.origin.scheme}:")
        if self.origin.open_to_change and not self.sha256:
            raise ValueError("weights: an address that begins with http: can be changed on the way; give its sha256")
        if self.address is not None and not is_address(self.address):
            raise ValueError("weights: this is no address, such as https://host/path")
        return self

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the card in a file; a card may name weights and never code, for cards come from strangers."""
        card = super().read(path)
        if card.origin.is_code:
            raise CardError(
                f"{path} has 1 problem:\n  - weights: {card.weights!r} is code, and a card never starts any",
                f"a checkpoint file, its https address, {', '.join(FORMS[:-1])} or {FORMS[-1]}",
                "name the python file yourself: --encoder file.py:Name",
            )
        return card

    @property
    def origin(self) -> Weights:
        """What `weights` says."""
        return Weights.parse(self.weights)

    @property
    def names_file(self) -> bool:
        """Whether the weights are a file or its address, and not a name that a library knows."""
        return not self.origin.scheme

    @property
    def address(self) -> str | None:
        """Where the weights file can be fetched, if the card names an address and no file."""
        return self.origin.address

    @property
    def architecture(self) -> str:
        """The architecture as far as the card tells it, without the tag of its weights."""
        return self.arch or self.origin.architecture


class CheckpointFacts(Frozen):
    """How a weights file was understood; it stands in every record made with it."""

    container: str
    prefix: str
    naming: str
    dtype: str
    dropped: dict[str, int]
    """What lies in the file beside the backbone, by the first part of its name, and how many tensors of it."""
    allowed: tuple[str, ...]
    """Tensors that were missing, of another shape or unknown, and that --allow-missing let go."""
    others: tuple[str, ...]
    """Where else in the file a backbone lies: what --prefix could have chosen."""
    notes: tuple[str, ...]
    """What shapes do not show, and what happens to positions."""
