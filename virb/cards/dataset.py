"""Data cards: where a data set comes from, where it lies, and what is known of it."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from virb.cards.card import Card, Frozen
from virb.cards.task import Positive
from virb.cards.weights import is_address
from virb.cards.yaml_files import Registry
from virb.core.target import PLAIN, TargetFacts

DATASETS = Registry("datasets")

Access = Literal["open", "registration", "by hand", "gone"]


def _address(text: str) -> str:
    if not is_address(text):
        raise ValueError("this is no address, such as https://host/path")
    return text


Digits = Annotated[str, Field(pattern=r"^[0-9a-f]+$")]


class Archive(Frozen):
    """One file to fetch, and how to tell that it came whole."""

    url: Annotated[str, Field(pattern=r"^https?://\S+$"), AfterValidator(_address)]
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]
    bytes: Positive | None = None
    md5: Annotated[Digits, Field(min_length=32, max_length=32)] | None = None
    sha256: Annotated[Digits, Field(min_length=64, max_length=64)] | None = None
    into: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$")] = "."
    """Where it is unpacked, below the data folder; a file that is no archive is put there as it is."""


class DataCard(Card):
    """Where a data set comes from, where it lies, and what is known of it."""

    descriptive = frozenset(
        {"title", "licence", "home", "access", "archives", "steps", "size", "from_memory", "adapter", "targets"}
    )

    home: str
    licence: str
    access: Access
    size: str
    """What it takes on disk, in words."""
    folders: Annotated[tuple[str, ...], Field(min_length=1)]
    """Where it is looked for below the data folder; the first is where a download puts it."""
    proof: Annotated[tuple[str, ...], Field(min_length=1)]
    """Files or folders of which one must be in the folder: that is how the data set is known."""
    adapter: Annotated[str, Field(pattern=r"^\w+:\w+$")] = ""
    """Its module below virb/data/sets and the function in it; by default its own name and `read`."""
    targets: dict[str, TargetFacts] = Field(default_factory=dict)
    """Targets of which something is particular, and what."""
    archives: tuple[Archive, ...] = ()
    steps: str = ""
    """What to do by hand, where a program may not fetch it."""
    counts: dict[str, int] = Field(default_factory=dict)
    """Samples per split as usually quoted; another count is noted and refuses nothing."""
    from_memory: tuple[str, ...] = ()

    @property
    def remedy(self) -> str:
        """Return what someone without this data set can do."""
        files = ", ".join(archive.file for archive in self.archives)
        fetch = f"run 'virb data download {self.name}' ({files}, {self.size})" if self.access == "open" else self.steps
        return f"{fetch}; or add --sample to run on the built-in sample world"

    @model_validator(mode="after")
    def _there_is_a_way_to_get_it(self) -> Self:
        if not self.archives and not self.steps:
            raise ValueError("neither archives nor steps: nobody could get this data set")
        if self.access == "open" and not self.archives:
            raise ValueError("access: open needs archives")
        return self


@cache
def data_card(name: str) -> DataCard:
    """Return what is known of a data set: where it comes from and where it lies."""
    return DataCard.read(DATASETS.path(name))


def facts_of(dataset: str, target: str) -> TargetFacts:
    """Return what is particular about a target of a data set."""
    return data_card(dataset).targets.get(target, PLAIN)
