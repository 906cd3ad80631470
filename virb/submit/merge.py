"""Submit: a bundle that holds together -> records in a results folder, and its verdict beside them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from virb.core.errors import VirbError
from virb.core.paths import write_whole
from virb.submit.bundle import Bundle, open_bundle
from virb.submit.container import sha256_of
from virb.submit.verdict import WORDS, Verdict, as_text, worst

_SIDECAR = "verdict.json"


@dataclass(frozen=True)
class Merged:
    """What a bundle brought into a results folder."""

    added: int
    there: int


def merge(path: Path, results: Path, verdict: Verdict) -> Merged:
    """Add a bundle's records and its verdict to a results folder; nothing that is there is ever overwritten."""
    if verdict.verdict in ("broken", "stale"):
        raise VirbError(
            f"{as_text(verdict)}",
            "a bundle that is verified or consistent",
            "ask its maker for one that 'virb verify' accepts; nothing was added",
        )
    if sha256_of(path) != verdict.sha256:
        raise VirbError(f"{path} has changed since it was verified", "the same file", "run the same command again")
    with open_bundle(path) as bundle:
        names = [name for name in bundle.manifest.files if name.startswith("records/")]
        names.sort(key=lambda name: (name.endswith(".json"), name))  # a record that is there is whole
        _refuse_clashes(bundle, names, results)
        added = [name for name in names if not (results / name).exists()]
        folder = f"{bundle.manifest.encoder}-{bundle.manifest.fingerprint[:8]}"
        sidecar = results / "submissions" / folder / _SIDECAR
        # Before the records: a board never shows one from a bundle without its verdict.
        write_whole(sidecar, json.dumps(_joined(verdict, sidecar) | {"bundle": path.name}, indent=1) + "\n")
        for name in added:
            write_whole(results / name, bundle.container.read(name))
    records = [name for name in names if name.endswith(".json")]
    new = sum(name in added for name in records)
    return Merged(new, len(records) - new)


def _refuse_clashes(bundle: Bundle, names: list[str], results: Path) -> None:
    there = [name for name in names if (results / name).exists()]
    clashes = [name for name in there if sha256_of(results / name) != bundle.manifest.files[name].sha256]
    if clashes:
        raise VirbError(
            f"{results} holds {len(clashes)} other files in the places of new ones: {', '.join(clashes[:3])}"
            + (", ..." if len(clashes) > 3 else ""),
            "nothing there, or the same content",
            f"move {results / clashes[0]} and its like away, or name another folder with --out; nothing was added",
        )


def _joined(verdict: Verdict, sidecar: Path) -> dict[str, object]:
    """Return a verdict with what was found before: of an encoder's other records, or better of the same ones.

    A record that was run again stays verified when the same bytes are later looked at without weights.
    """
    before = {str(one.get("file")): one for one in _listed(sidecar)}
    now = {record.file: asdict(record) for record in verdict.records}
    for name, old in before.items():
        new = now.setdefault(name, old)
        if old.get("sha256") == new["sha256"] and old.get("verdict") == "verified":
            now[name] = old
    words = [word for word in WORDS if any(one["verdict"] == word for one in now.values())]
    return asdict(verdict) | {"verdict": worst(words), "records": [now[name] for name in sorted(now)]}


def verdicts(results: Path) -> dict[str, str]:
    """Return the verdict of each record that came in a bundle, by its resume key.

    A record that was changed since has none: what was checked is no longer what is there.
    """
    found: dict[str, str] = {}
    for path in sorted((results / "submissions").glob(f"*/{_SIDECAR}")):
        for one in _listed(path):
            place = results / str(one.get("file", ""))
            inside = ".." not in place.parts and place.is_relative_to(results)
            if inside and place.is_file() and sha256_of(place) == one.get("sha256"):
                found[str(one.get("resume"))] = str(one.get("verdict"))
    return found


def board_notes(results: Path) -> list[str]:
    """Return what a board says of the records that were submitted: each encoder with its records' verdicts."""
    found: dict[str, Counter[str]] = {}
    known = verdicts(results)
    for path in sorted((results / "submissions").glob(f"*/{_SIDECAR}")):
        words = [known.get(str(one.get("resume")), "changed since") for one in _listed(path)]
        found[path.parent.name] = Counter(words)
    return [
        f"Submitted: {name}: " + ", ".join(f"{count} {word}" for word, count in sorted(words.items()))
        for name, words in found.items()
    ]


def _listed(path: Path) -> list[dict[str, object]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [one for one in content["records"] if isinstance(one, dict)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
