"""Records: which of several records of one encoder stands, and whether two of them can both be right."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import NamedTuple

from virb.records.origins import Provenance, moment
from virb.records.record import Record, record_folder

_SAME = 2e-3
"""Relative: what another device's digits turn in a score, where a test split is so large or so easy that its
interval is narrower."""


class Claim(NamedTuple):
    """A record, where its samples lie, and where it came from."""

    record: Record
    folder: Path | None = None
    """None: its test split must be that of the others."""
    origin: Provenance = Provenance()

    @property
    def strayed(self) -> bool:
        """Whether it lies in another encoder's folder, where nobody looks for what takes this one's place."""
        facts = self.record.encoder
        home = record_folder(Path(), facts.name, facts.fingerprint)
        return self.folder is not None and self.folder.name != home.name


def precedence(member: Claim) -> tuple[tuple[int, int], bool, str, int, float]:
    """Return what sorts records of one encoder, the one that stands first.

    Nothing that a record says of itself lifts it over one of better origin, nor over one that lies where it belongs.
    Of submitted records the first that was added stands: a second one could say anything. Of measured ones the one of
    most seeds does, then the newest.
    """
    made = moment(member.record.created)
    return (
        member.origin.trust,
        member.strayed,
        member.origin.added,
        -len(member.record.seeds),
        -made.timestamp() if made else float("inf"),
    )


def grouped(members: Iterable[Claim], key: Callable[[Record], Hashable]) -> list[list[Claim]]:
    """Return members by a key of their records, those of one key by precedence."""
    groups: dict[Hashable, list[Claim]] = {}
    for member in members:
        groups.setdefault(key(member.record), []).append(member)
    return [sorted(group, key=precedence) for group in groups.values()]


def same_number(record: Record) -> tuple[str, str, str]:
    """Return what two records share that measure the same of the same network, whatever their cards call it."""
    return record.encoder.fingerprint.lower(), record.task.name, record.keys.comparison


def contradiction(first: Claim, other: Claim) -> str:
    """Return how a record contradicts one that goes before it; empty where seeds and numerics explain the difference.

    The interval is that of the record before: the other's may be as wide as whoever made it up wished.
    """
    mine, theirs = first.record.score, other.record.score
    apart = abs(mine.value - theirs.value)
    if mine.low <= theirs.value <= mine.high or apart <= _SAME * max(abs(mine.value), abs(theirs.value)):
        return ""
    name = other.record.encoder.name
    same = "it" if name == first.record.encoder.name else f"the same encoder under the name {first.record.encoder.name}"
    return (
        f"{name} on {other.record.task.name}: {theirs.value:.4g} ({other.origin.text}) contradicts {mine.value:.4g} "
        f"[{mine.low:.4g}, {mine.high:.4g}], which {same} has ({first.origin.text})"
    )


def contradictions(members: Iterable[Claim]) -> list[tuple[Claim, Claim, str]]:
    """Return, of the same encoder's records, each that contradicts the one that stands, with that one and how."""
    return [
        (group[0], other, text)
        for group in grouped(members, same_number)
        for other in group[1:]
        if (text := contradiction(group[0], other))
    ]
