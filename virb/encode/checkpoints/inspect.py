"""Checkpoints: what was understood of a file, as a report for readers and scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from virb.cards.encoder import EncoderCard
from virb.core.errors import CheckpointError
from virb.core.text import cut
from virb.encode.checkpoints.load import facts_of, load, view
from virb.encode.checkpoints.understand import Understanding
from virb.encode.encoder import Encoder

SIZE = 224
SHOWN = 8
MOST_PARTS = 64


@dataclass(frozen=True)
class Inspection:
    """Everything that `virb encoders inspect` says of a file."""

    facts: dict[str, Any]
    error: CheckpointError | None
    """Why the file does not load, if it does not."""
    encoder: Encoder | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the facts for scripts."""
        named = {name.replace(" ", "_"): value for name, value in self.facts.items()}
        return {**named, "error": self.error.found if self.error else None}

    def text(self) -> str:
        """Return the facts as lines."""
        lines = [f"{name + ':':<14}{_words(value)}" for name, value in self.facts.items()]
        return "\n".join(lines)


def inspect(card: EncoderCard, understood: Understanding) -> Inspection:
    """Return what a file holds; it is loaded too, for only then its numbers are known to be sound."""
    one = understood.matching
    mean, std, notes = view(understood)
    said = facts_of(understood, notes)
    matched, wanted = one.fitting
    facts: dict[str, Any] = {
        "file": str(understood.path),
        "container": said.container,
        "prefix": said.prefix,
        "naming": said.naming,
        "architecture": str(one.architecture),
        "tensors": len(understood.contents.tensors),
        "backbone": wanted,
        "matched": matched,
        "missing": [understood.describe(name) for name in one.missing],
        "reshaped": [understood.describe(name) for name in one.reshaped],
        "unexpected": [understood.describe(name) for name in one.unexpected],
        "allowed": list(said.allowed),
        "dropped": said.dropped,
        "also there": [prefix or "(no prefix)" for prefix in said.others],
        "dtype": said.dtype,
        "parameters": sum(_count(shape) for name, shape in one.wanted.items() if not _is_statistic(name)),
    }
    try:
        encoder = load(card, understood)
    except CheckpointError as error:
        return Inspection({**facts, "mean": mean, "std": std, "notes": notes, "fingerprint": None}, error)
    facts |= {
        "width": encoder.shape.width,
        "mean": encoder.mean,
        "std": encoder.std,
        "size": encoder.resolve_size(SIZE),
        "notes": said.notes,
        "fingerprint": encoder.fingerprint,
    }
    return Inspection(facts, None, encoder)


def _is_statistic(name: str) -> bool:
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def _count(shape: tuple[int, ...]) -> int:
    total = 1
    for length in shape:
        total *= length
    return total


def _words(value: Any) -> str:
    if isinstance(value, dict):
        value = [f"{cut(name)} ({count})" for name, count in value.items()]
        return _words(value) if len(value) > MOST_PARTS else ", ".join(value) or "-"
    if isinstance(value, list):
        more = f", … ({len(value)} in all)" if len(value) > SHOWN else ""
        return ", ".join(cut(str(part), 160) for part in value[:SHOWN]) + more or "-"
    if isinstance(value, tuple) and all(isinstance(part, str) for part in value):
        return "; ".join(value) or "-"
    if isinstance(value, tuple):
        return ", ".join(f"{number:g}" for number in value)
    return "-" if value in ("", None) else f"{value:,}" if isinstance(value, int) else str(value)
