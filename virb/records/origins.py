"""Records: where each came from: it was measured here, or it came in a bundle, with what was found of that.

What was found of bundles stands in `submissions/<encoder>/verdict.json` of a results folder, and speaks only of the
records in `records/<encoder>/` beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from virb.core.files import sha256_of
from virb.core.locks import held, lock_path
from virb.core.npz import LARGEST_RECORD, DamagedFile, read_bounded
from virb.core.paths import write_whole

Word = Literal["measured", "verified", "consistent", "changed since"]
_TRUST: dict[Word, int] = {"measured": 0, "verified": 1, "consistent": 2, "changed since": 3}
_SIDECAR = "verdict.json"
_SKEW = timedelta(days=1)
"""By how much two machines' clocks may differ."""
VerdictLine = dict[str, Any]


@dataclass(frozen=True)
class Provenance:
    """Where a record came from. Who has no verdict was measured, as far as its folder says."""

    place: int = 0
    """Which of the folders that were named it lies in: the first one is one's own."""
    word: Word = "measured"
    added: str = ""
    """When its bundle was added; empty for what came in none."""

    @property
    def trust(self) -> tuple[int, int]:
        """What is measured goes before what was run again, and that before what only adds up; less is better."""
        return self.place, _TRUST[self.word]

    @property
    def submitted(self) -> bool:
        """Whether it came in a bundle."""
        return self.word != "measured"

    @property
    def text(self) -> str:
        """What a reader is told."""
        word = f"submitted, {self.word}" if self.submitted else "measured"
        return f"{word}, of folder {self.place + 1}" if self.place else word


def changing(results: Path) -> AbstractContextManager[bool]:
    """Hold a results folder's submissions while they are read, changed and written: others wait."""
    return held(lock_path("submissions", str(results.resolve())), f"changes the submissions in {results}")


def sidecar(results: Path, encoder: str) -> Path:
    """Return where the verdicts on an encoder's submitted records stand."""
    return results / "submissions" / encoder / _SIDECAR


def sidecars(results: Path) -> list[Path]:
    """Return all of them."""
    return sorted((results / "submissions").glob(f"*/{_SIDECAR}"))


def entries(path: Path) -> dict[str, VerdictLine]:
    """Return what was found of an encoder's submitted records, by file; a line on records of others counts nothing."""
    try:
        found = json.loads(read_bounded(path, LARGEST_RECORD))["records"]
        named = {str(one["file"]): one for one in found if isinstance(one, dict) and "file" in one}
    except (OSError, DamagedFile, ValueError, KeyError, TypeError, RecursionError):
        return {}
    start = f"records/{path.parent.name}/"
    return {name: one for name, one in named.items() if name.startswith(start) and "/" not in name[len(start) :]}


def origin_of(record: Path, place: int = 0, known: Mapping[str, VerdictLine] | None = None) -> Provenance:
    """Return where a record's file came from; `known` are the entries of its encoder, if they were read already."""
    encoder = record.parent.name
    if known is None:
        known = entries(sidecar(record.parent.parent.parent, encoder))
    entry = known.get(f"records/{encoder}/{record.name}")
    if entry is None:
        return Provenance(place)
    return Provenance(place, _word(record, entry), str(entry.get("added", "")))


def _word(record: Path, entry: VerdictLine) -> Word:
    """Return what was found of these very bytes: a record that was changed since has no verdict."""
    for word in ("verified", "consistent"):
        if entry.get("verdict") == word:
            try:
                same = sha256_of(record) == entry.get("sha256")
            except OSError:
                same = False
            return word if same else "changed since"
    return "changed since"


def forget(record: Path) -> None:
    """Take a record off the submitted ones: it was just measured here."""
    results, encoder = record.parent.parent.parent, record.parent.name
    path, name = sidecar(results, encoder), f"records/{record.parent.name}/{record.name}"
    if name not in entries(path):
        return
    with changing(results):
        left = entries(path)
        left.pop(name, None)
        content = json.loads(read_bounded(path, LARGEST_RECORD)) | {"records": list(left.values())}
        write_whole(path, json.dumps(content, indent=1) + "\n")


def moment(created: str) -> datetime | None:
    """Return when a record says it was made; None where that is no date."""
    try:
        found = datetime.fromisoformat(created)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def date_problems(created: str) -> Iterator[str]:
    """Yield what is wrong with a record's date: the newest of several is shown, so it must not lie ahead."""
    made, now = moment(created), datetime.now(UTC)
    if made is None:
        yield f"it says it was made at {created[:40]!r}, which is no date"
    elif made - now > _SKEW:
        yield f"it says it was made on {created[:40]}, and today is {now.date()} by this machine's clock"
