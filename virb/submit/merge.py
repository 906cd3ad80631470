"""Submit: a bundle that holds together -> records in a results folder, and its verdict beside them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from os.path import isfile
from pathlib import Path

from virb.core.errors import VirbError
from virb.core.files import sha256_of
from virb.core.paths import write_whole
from virb.records.choice import Claim, contradictions
from virb.records.origins import Provenance, VerdictLine, changing, entries, origin_of, sidecar, sidecars
from virb.records.record import read_record
from virb.submit.bundle import Bundle, open_bundle
from virb.submit.verdict import WORDS, Verdict, as_text, worst

_NEW = Provenance(word="consistent", added="today")
"""Of records that are not in the folder yet: later than all that are."""


@dataclass(frozen=True)
class Merged:
    """What a bundle brought into a results folder."""

    added: int
    there: int
    contradictions: tuple[str, ...] = ()
    """Where its records and others of the same encoder cannot both be right."""


def merge(path: Path, results: Path, verdict: Verdict) -> Merged:
    """Add a bundle's records and its verdict to a results folder; nothing that is there is ever overwritten."""
    if verdict.verdict in ("broken", "stale"):
        raise VirbError(
            f"{as_text(verdict)}",
            "a bundle that is verified or consistent",
            "ask its maker for one that 'virb verify' accepts; nothing was added",
        )
    with changing(results):
        if sha256_of(path) != verdict.sha256:
            raise VirbError(f"{path} has changed since it was verified", "the same file", "run the same command again")
        with open_bundle(path) as bundle:
            return _merged(bundle, path.name, results, verdict)


def _merged(bundle: Bundle, bundle_name: str, results: Path, verdict: Verdict) -> Merged:
    names = [name for name in bundle.manifest.files if name.startswith("records/")]
    names.sort(key=lambda name: (name.endswith(".json"), name))  # a record that is there is whole
    _refuse_clashes(bundle, names, results)
    added = [name for name in names if not (results / name).exists()]
    new = [name for name in added if name.endswith(".json")]
    encoder = f"{bundle.manifest.encoder}-{bundle.manifest.fingerprint[:8]}"
    place = sidecar(results, encoder)
    joined = _joined(verdict, entries(place), new)
    # Before the records: a board never shows one from a bundle without its verdict.
    write_whole(place, json.dumps(joined | {"bundle": bundle_name}, indent=1) + "\n")
    for name in added:
        write_whole(results / name, bundle.container.read(name))
    records = [name for name in names if name.endswith(".json")]
    return Merged(len(new), len(records) - len(new), tuple(_contradictions(bundle, results)))


def _refuse_clashes(bundle: Bundle, names: list[str], results: Path) -> None:
    there = [name for name in names if (results / name).exists()]
    clashes = [name for name in there if not _holds(results / name, bundle.manifest.files[name].sha256)]
    if clashes:
        raise VirbError(
            f"{results} holds {len(clashes)} other files in the places of new ones: {', '.join(clashes[:3])}"
            + (", ..." if len(clashes) > 3 else ""),
            "nothing there, or the same content",
            f"move {results / clashes[0]} and its like away, or name another folder with --out; nothing was added",
        )


def _holds(path: Path, sha256: str) -> bool:
    """Tell whether a file has this hash; what cannot be read, a pipe or a folder, is another one."""
    try:
        return sha256_of(path) == sha256
    except OSError:
        return False


def _joined(verdict: Verdict, before: Mapping[str, VerdictLine], new: list[str]) -> dict[str, object]:
    """Return a verdict with what was found before: of an encoder's other records, or better of the same ones.

    A record that was run again stays verified when the same bytes are later looked at without weights. One that was
    measured here before its bundle came is no submitted one, and keeps its rank.
    """
    today = datetime.now(UTC).isoformat()
    now = dict(before)
    for record in verdict.records:
        old = before.get(record.file)
        if old is None and record.file not in new:
            continue
        same = old if old is not None and old.get("sha256") == record.sha256 else None
        if same is not None and same.get("verdict") == "verified":
            continue
        now[record.file] = asdict(record) | {"added": same.get("added", "") if same is not None else today}
    words = [word for word in WORDS if any(one.get("verdict") == word for one in now.values())]
    return asdict(verdict) | {"verdict": worst(words), "records": [now[name] for name in sorted(now)]}


def contradicting(path: Path, results: Path) -> list[str]:
    """Return where a bundle and a results folder say different things of the same network."""
    with open_bundle(path) as bundle:
        return _contradictions(bundle, results)


def _contradictions(bundle: Bundle, results: Path) -> list[str]:
    """Return where records of a bundle and others of the same network cannot both be right."""
    there: dict[str, Claim] = {}
    for path in sorted((results / "records").glob(f"*-{bundle.manifest.fingerprint[:8]}/*.json")):
        try:
            there[f"records/{path.parent.name}/{path.name}"] = Claim(read_record(path), path.parent, origin_of(path))
        except VirbError:
            continue  # a board names it
    own = set()
    for one in bundle.members:
        known = there.get(one.file)
        name = one.file if known and known.record == one.record else f"bundle/{one.file}"
        own.add(id(there.setdefault(name, Claim(one.record, None, _NEW))))
    return [text for first, other, text in contradictions(there.values()) if {id(first), id(other)} & own]


def verdicts(results: Path) -> dict[str, str]:
    """Return the verdict of each record that came in a bundle, by its resume key.

    A record that was changed since has none: what was checked is no longer what is there.
    """
    return {
        str(entry.get("resume")): origin.word
        for path in sidecars(results)
        for entry, origin in _found(results, path)
        if origin is not None and origin.word != "changed since"
    }


def _found(results: Path, path: Path) -> list[tuple[VerdictLine, Provenance | None]]:
    """Return what was found of an encoder's submitted records, and where those that are there stand today."""
    known = entries(path)
    places = [(entry, results / name) for name, entry in known.items()]
    # Unlike pathlib's, this takes names that no file can have.
    return [(entry, origin_of(place, 0, known) if isfile(place) else None) for entry, place in places]


def board_notes(results: Path) -> list[str]:
    """Return what a board says of the records that were submitted: each encoder with its records' verdicts."""
    notes = []
    for path in sidecars(results):
        words = Counter(origin.word if origin else "changed since" for _, origin in _found(results, path))
        listed = ", ".join(f"{count} {word}" for word, count in sorted(words.items()))
        notes += [f"Submitted: {path.parent.name}: {listed}"] if words else []
    return notes
