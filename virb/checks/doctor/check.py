"""Doctor: one thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Diagnosis:
    """What was looked at, how it is, and what to do about it; `stop` would stop a run."""

    name: str
    state: Literal["ok", "note", "stop"]
    text: str
    remedy: str = ""


def well(name: str, text: str) -> Diagnosis:
    """Return a check that found nothing amiss."""
    return Diagnosis(name, "ok", text)


def note(name: str, text: str, remedy: str) -> Diagnosis:
    """Return a check that found what one should know of."""
    return Diagnosis(name, "note", text, remedy)


def stop(name: str, text: str, remedy: str) -> Diagnosis:
    """Return a check that found what would stop a run."""
    return Diagnosis(name, "stop", text, remedy)


def gib(size: float) -> str:
    """Return bytes as GiB."""
    return f"{size / (1 << 30):,.1f} GiB"
