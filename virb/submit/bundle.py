"""Submit: what a bundle is: an encoder's card, its records with their samples and heads, and the hash of each file.

Layout, in a zip file: `manifest.json`, `encoder/<name>.yaml`, `records/<name>-<fingerprint8>/<stem>.json | .npz |
.safetensors` as in a results folder, and `weights/<file>` where they were asked for.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import yaml
from pydantic import Field, ValidationError

from virb import __version__
from virb.cards.card import Frozen, Name
from virb.cards.encoder import EncoderCard
from virb.core.digest import digest
from virb.core.errors import CardError
from virb.core.npz import DamagedFile, read_arrays
from virb.core.strict_json import read_model
from virb.records.record import EncoderFacts, Record, reason
from virb.submit.container import MANIFEST, Container, open_container, refuse

_MOST_JSON, _MOST_BYTES = 256 << 20, 1 << 30
"""Bytes of all records of a bundle together, which are read at once, and of their arrays unpacked."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SHARED = sorted(set(EncoderFacts.model_fields) & set(EncoderCard.model_fields) - {"name", "weights", "arch"})
"""What a card and a record both say of an encoder without it changing a number."""


class FileEntry(Frozen):
    """One file of a bundle."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]


class WeightsFacts(Frozen):
    """A weights file: what it is, and where it can be had."""

    file: Name
    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]
    included: bool
    address: str = ""


class Manifest(Frozen):
    """What a bundle holds, by hash; `digest` is that of the rest."""

    schema_version: Literal[1] = 1
    virb: str
    encoder: Name
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    tasks: dict[str, str]
    protocols: dict[str, str]
    weights: WeightsFacts | None = None
    files: dict[str, FileEntry]
    digest: str = ""

    def sealed(self) -> Manifest:
        """Return the manifest with the digest of its content."""
        return self.model_copy(update={"digest": self.seal()})

    def seal(self) -> str:
        """Return the digest of everything but the digest."""
        return digest(self.model_dump(mode="json", exclude={"digest"}))

    def as_bytes(self) -> bytes:
        """Return the one way in which a manifest is written."""
        return (self.model_dump_json(indent=1) + "\n").encode()


@dataclass(frozen=True)
class Member:
    """A record of a bundle with the place of its file."""

    file: str
    record: Record

    def beside(self, name: str) -> str:
        """Return where a file next to the record lies."""
        return f"{self.file.rpartition('/')[0]}/{name}"


class Allowance:
    """How many bytes the arrays of a bundle may still unpack to: each may be fine, and all together too many."""

    def __init__(self, left: int = _MOST_BYTES) -> None:
        self.left = left

    def arrays(self, content: bytes) -> dict[str, np.ndarray]:
        """Return the arrays of an npz file, if they are not too large."""
        found = read_arrays(content, most=self.left)
        self.left -= sum(array.nbytes for array in found.values())
        return found


@dataclass(frozen=True)
class Bundle:
    """An open bundle: every file in it has the hash that the manifest says."""

    container: Container
    manifest: Manifest
    card: EncoderCard
    members: tuple[Member, ...]
    allowance: Allowance = field(default_factory=Allowance)


def make_manifest(
    card: EncoderCard, records: list[Record], files: Mapping[str, bytes], weights: tuple[WeightsFacts, Path] | None
) -> Manifest:
    """Return the manifest of these files."""
    entries = {name: FileEntry(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content)) for name, content in
               files.items()}  # fmt: skip
    if weights and weights[0].included:
        entries[f"weights/{weights[0].file}"] = FileEntry(sha256=weights[0].sha256, bytes=weights[0].bytes)
    return Manifest(
        virb=__version__,
        encoder=card.name,
        fingerprint=records[0].encoder.fingerprint,
        tasks=dict(sorted((record.task.name, record.task.digest) for record in records)),
        protocols=dict(sorted((record.protocol.name, record.protocol.digest) for record in records)),
        weights=weights[0] if weights else None,
        files=dict(sorted(entries.items())),
    ).sealed()


def card_as_yaml(card: EncoderCard) -> bytes:
    """Return a card as the file that `--encoder` takes."""
    content = card.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()


def described(facts: EncoderFacts, card: EncoderCard) -> EncoderFacts:
    """Return what a record says of its encoder, with the words of the card."""
    fields = EncoderFacts.model_fields
    words = {name: getattr(card, name) for name in SHARED}
    words = {name: fields[name].get_default() if value is None else value for name, value in words.items()}
    return facts.model_copy(update=words)


def record_as_bytes(record: Record) -> bytes:
    """Return a record as it is written in results and bundles."""
    return (record.model_dump_json(indent=1) + "\n").encode()


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Open a bundle; format, sizes, names and the hash of every file are checked, or it is refused."""
    with open_container(path) as container:
        manifest = _manifest(container)
        for name, entry in manifest.files.items():
            if container.sizes[name] != entry.bytes or container.sha256(name) != entry.sha256:
                refuse(path, f"holds {name}, which has not the hash that its manifest says")
        yield Bundle(container, manifest, _card(container, manifest), _members(container))


def _manifest(container: Container) -> Manifest:
    path = container.path
    if MANIFEST not in container.sizes:
        refuse(path, f"has no {MANIFEST}")
    content = container.read(MANIFEST)
    try:
        manifest = read_model(Manifest, content, strict=True)
    except (ValidationError, DamagedFile) as error:
        refuse(path, f"has a manifest that cannot be read: {reason(error)}", error)
    if manifest.digest != manifest.seal() or content != manifest.as_bytes():
        refuse(path, "has a manifest that was changed after it was written")
    if set(manifest.files) != set(container.sizes) - {MANIFEST}:
        odd = sorted(set(manifest.files) ^ (set(container.sizes) - {MANIFEST}))
        refuse(path, f"holds other files than its manifest lists: {', '.join(odd[:3])}")
    return manifest


def _card(container: Container, manifest: Manifest) -> EncoderCard:
    name = f"encoder/{manifest.encoder}.yaml"
    cards = [one for one in container.sizes if one.startswith("encoder/")]
    if cards != [name]:
        refuse(container.path, f"holds the cards {', '.join(cards) or '(none)'} and not {name} alone")
    content = container.read(name)
    with tempfile.TemporaryDirectory(prefix="virb-") as folder:
        file = Path(folder) / f"{manifest.encoder}.yaml"
        file.write_bytes(content)
        try:
            card = EncoderCard.read(file)
        except (CardError, RecursionError) as error:
            refuse(container.path, f"holds an encoder card that cannot be used: {_within(error, folder)}", error)
    return card


def _within(error: Exception, folder: str) -> str:
    found = error.found if isinstance(error, CardError) else "it is nested too deep"
    return found.replace(f"{folder}/", "").replace("\n", " ")


def _members(container: Container) -> tuple[Member, ...]:
    members = []
    names = [name for name in container.sizes if name.startswith("records/") and name.endswith(".json")]
    if (size := sum(container.sizes[name] for name in names)) > _MOST_JSON:
        refuse(container.path, f"holds records of {size:,} bytes, where {_MOST_JSON:,} are the most")
    for name in names:
        content = container.read(name)
        try:
            record = read_model(Record, content)
        except (ValidationError, DamagedFile, RecursionError) as error:
            why = "it is nested too deep" if isinstance(error, RecursionError) else reason(error)
            refuse(container.path, f"holds {name}, which is no readable record: {why}", error)
        members.append(Member(name, record))
    if not members:
        refuse(container.path, "holds no record")
    return tuple(members)
