"""Submit: what was found out about a bundle, as nouns, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from virb.core.text import clean, shown

Word = Literal["verified", "consistent", "stale", "broken"]
WORDS: tuple[Word, ...] = get_args(Word)
"""From the best to the worst."""

MEANING: dict[Word, str] = {
    "verified": (
        "everything adds up, and a random part that was encoded and scored again agreed, and so did what can be made "
        "again without training: architecture, what was taken from the weights file, view, and the chosen setting's "
        "validation score. Only training again ('virb reproduce') shows that the heads saw no test sample in training, "
        "other settings' validation scores and the curves before their end. Nothing shows device, versions, dates and "
        "seconds, nor what the card says in words (title, method, pretraining, paper, licence, facts): these are the "
        "maker's word"
    ),
    "consistent": (
        "everything adds up, but it was not run again: statistics that were made up so that they add up cannot be "
        "seen without the weights and the data (--weights FILE --data DIR)"
    ),
    "stale": "made with other cards, data or code than this copy of virb has: it cannot stand beside today's records",
    "broken": "it does not hold together: nothing in it can be trusted",
}
_SHOWN, _LONGEST, _WIDEST = 20, 60, 600
"""Lines of a kind, and columns of a name and of a reason."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found, and what it makes of the verdict."""

    word: Word
    text: str


def stale(text: str) -> Finding:
    """Return a finding that makes a bundle stale."""
    return Finding("stale", text)


def broken(text: str) -> Finding:
    """Return a finding that breaks a bundle."""
    return Finding("broken", text)


@dataclass(frozen=True)
class RecordVerdict:
    """One record's verdict with its reasons."""

    file: str
    encoder: str
    task: str
    protocol: str
    source: str
    resume: str
    sha256: str
    value: float
    verdict: Word
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """A bundle's verdict: the worst that any of its parts got."""

    bundle: str
    sha256: str
    encoder: str
    verdict: Word
    reasons: tuple[str, ...]
    records: tuple[RecordVerdict, ...]


def worst(words: Sequence[Word], least: Word = "verified") -> Word:
    """Return the worst of these verdicts."""
    return max((least, *words), key=WORDS.index)


def as_json(verdicts: Sequence[Verdict]) -> str:
    """Return verdicts as JSON, with what each word means."""
    return json.dumps([{**asdict(one), "meaning": MEANING[one.verdict]} for one in verdicts], indent=1)


def as_text(verdict: Verdict) -> str:
    """Return a verdict as a reader wants it: the word, what it means, why, and record by record.

    Much of it is a stranger's text, which must not move a cursor: a bundle could write its own verdict over ours.
    """
    lines = [f"{clean(verdict.bundle)}: {verdict.verdict}", f"  {MEANING[verdict.verdict]}"]
    lines += _listed(verdict.reasons)
    for word in reversed(WORDS):
        members = [record for record in verdict.records if record.verdict == word]
        plain = [record for record in members if not record.reasons]
        if plain:
            lines.append(f"  {word}: " + ", ".join(_named(record) for record in plain))
        for record in [record for record in members if record.reasons][:_SHOWN]:
            lines.append(f"  {word}: {_named(record, f', {record.source} data')}")
            lines += _listed(record.reasons, "    ")
        if len(members) - len(plain) > _SHOWN:
            lines.append(f"  and {len(members) - len(plain) - _SHOWN} more; --json lists all")
    return "\n".join(lines)


def _named(record: RecordVerdict, more: str = "") -> str:
    return f"{shown(record.task, _LONGEST)} ({shown(record.protocol, _LONGEST)}{more})"


def _listed(reasons: Sequence[str], space: str = "  ") -> list[str]:
    first = [f"{space}- {shown(reason, _WIDEST)}" for reason in reasons[:_SHOWN]]
    return [*first, *([f"{space}- and {len(reasons) - _SHOWN} more"] if len(reasons) > _SHOWN else [])]
