"""Submit: an encoder's card and its records in a results folder -> a bundle that anyone can check."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from virb.cards.encoder import EncoderCard
from virb.core.errors import UsageError, VirbError, did_you_mean
from virb.core.files import read_bytes, sha256_of
from virb.core.text import many
from virb.records.origins import origin_of
from virb.records.record import FileFacts, Record, read_record
from virb.submit.bundle import WeightsFacts, card_as_yaml, described, make_manifest, open_bundle, record_as_bytes
from virb.submit.container import MANIFEST, write_container

_CODE = ("python:", "plugin:", "module")


@dataclass(frozen=True)
class Wish:
    """What a submission was asked to hold, beside card and records."""

    fingerprint: str = ""
    pixel_heads: bool = False
    with_weights: bool = False
    weights_url: str = ""


@dataclass(frozen=True)
class Written:
    """A bundle that was written, and what its maker should know of it."""

    path: Path
    records: tuple[Record, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    path: Path
    record: Record


def make_bundle(card: EncoderCard, results: Path, out: Path, wish: Wish | None = None) -> Written:
    """Write the bundle of an encoder; the same card, records and wish give the same bytes."""
    wish = wish or Wish()
    _refuse_code(card)
    found = _chosen(card, results, wish.fingerprint)
    weights = _weights(card, wish)
    shown = _shown_card(card, weights[0] if weights else None, found)
    files: dict[str, bytes] = {f"encoder/{card.name}.yaml": card_as_yaml(shown)}
    records, problems = [], []
    for one in found:
        try:
            record, parts = _parts(one, shown, wish)
        except VirbError as error:
            problems.append(error.found)
            continue
        records.append(record)
        files |= parts
    if problems:
        raise VirbError(
            f"{len(problems)} of {len(found)} records cannot be submitted:\n"
            + "\n".join(f"  - {problem}" for problem in problems),
            "records whose files are whole, as 'virb evaluate' wrote them",
            "run 'virb evaluate' again for these tasks, or remove their records",
        )
    manifest = make_manifest(shown, records, files, weights)
    members: dict[str, bytes | Path] = {MANIFEST: manifest.as_bytes(), **files}
    if weights and weights[0].included:
        members[f"weights/{weights[0].file}"] = weights[1]
    write_container(out, members)
    with open_bundle(out):  # what is handed on has been read back
        return Written(out, tuple(records), _notes(records, shown, wish))


def _refuse_code(card: EncoderCard) -> None:
    if card.weights.startswith(_CODE):
        raise UsageError(
            f"encoder {card.name} is code ({card.weights.partition(':')[0]}), and a bundle never holds any",
            "weights by name or in a file",
            "save its weights with torch.save(model.state_dict(), 'weights.pt'), evaluate that file and submit it",
        )


def _chosen(card: EncoderCard, results: Path, fingerprint: str) -> list[_Found]:
    """Return the measured records of this encoder, of one fingerprint."""
    everything, unreadable = [], []
    for path in sorted((results / "records").glob("*/*.json")):
        try:
            everything.append(_Found(path, read_record(path)))
        except VirbError:
            unreadable.append(path)
    if broken := [path for path in unreadable if path.parent.name.startswith(f"{card.name}-")]:
        raise VirbError(
            f"{len(broken)} records of {card.name} cannot be read: {', '.join(str(path) for path in broken[:3])}",
            "whole records",
            "remove them, or run 'virb evaluate' again",
        )
    named = [one for one in everything if one.record.encoder.name == card.name and one.record.kind == "measured"]
    mine = [one for one in named if not origin_of(one.path).submitted]
    if named and not mine:
        raise UsageError(
            f"all {len(named)} records of '{card.name}' in {results}/records came in bundles",
            "records that were measured here",
            "hand on the bundles themselves, or run 'virb evaluate' and submit what it measures",
        )
    if not named:
        known = sorted({one.record.encoder.name for one in everything})
        raise UsageError(
            f"{results}/records holds no record of encoder '{card.name}'{did_you_mean(card.name, known)}",
            f"records of one of: {', '.join(known)}" if known else "records that 'virb evaluate' wrote",
            "run 'virb evaluate --encoder ... --tasks all --save-heads' first, or give the card the name that its "
            "records have",
        )
    return _one_fingerprint(card, mine, fingerprint)


def _one_fingerprint(card: EncoderCard, named: list[_Found], fingerprint: str) -> list[_Found]:
    kept = [one for one in named if one.record.encoder.fingerprint.startswith(fingerprint)]
    prints = sorted({one.record.encoder.fingerprint[:8] for one in named})
    if len({one.record.encoder.fingerprint for one in kept}) != 1:
        raise UsageError(
            f"the records of '{card.name}' are of {len(prints)} encoders with other weights or views: "
            + ", ".join(prints),
            "records of one encoder",
            f"choose with --fingerprint {prints[0]}",
        )
    weights = {one.record.encoder.weights for one in kept}
    if card.origin.typed and weights != {card.weights}:
        raise UsageError(
            f"the card of {card.name} says weights: {card.weights}, its records {', '.join(sorted(weights))}",
            "the card of the encoder that was evaluated",
            "correct 'weights' in the card, or evaluate what it names",
        )
    return kept


def _weights(card: EncoderCard, wish: Wish) -> tuple[WeightsFacts, Path] | None:
    """Return the facts of the weights file and where it lies; weights that have a name need neither."""
    path = Path(card.weights)
    if not path.is_file():
        if wish.with_weights:
            raise UsageError(
                f"--with-weights, but encoder {card.name} has no weights file here ({card.weights})",
                "a card that names a file beside it",
                "leave --with-weights out",
            )
        return None
    sha256 = sha256_of(path)
    if card.sha256 not in (None, sha256):
        raise UsageError(
            f"{path} has sha256 {sha256[:16]}..., the card says {str(card.sha256)[:16]}...",
            "the file that was evaluated",
            "correct the card, or pass the right file",
        )
    facts = WeightsFacts(
        file=path.name, sha256=sha256, bytes=path.stat().st_size, included=wish.with_weights, address=wish.weights_url
    )
    return facts, path


def _shown_card(card: EncoderCard, weights: WeightsFacts | None, found: Sequence[_Found] = ()) -> EncoderCard:
    """Return the card as others read it: no folder of this machine, and the file pinned by its hash.

    What of it was allowed to be missing stands there by name, also where a command said that and no card.
    """
    if weights is None:
        return card
    facts = next((checkpoint for one in found if (checkpoint := one.record.encoder.checkpoint)), None)
    allowed = card.allow_missing if facts is None else tuple(map(escape, facts.allowed))
    return card.model_copy(update={"weights": weights.file, "sha256": weights.sha256, "allow_missing": allowed})


def _parts(found: _Found, card: EncoderCard, wish: Wish) -> tuple[Record, dict[str, bytes]]:
    """Return a record as it is submitted, and its files by their place in the bundle."""
    record, folder = found.record, f"records/{found.path.parent.name}"
    keep_heads = record.task.level == "image" or wish.pixel_heads
    heads = record.heads if keep_heads else None
    shown = record.model_copy(update={"encoder": described(record.encoder, card), "heads": heads, "picture": None})
    parts = {f"{folder}/{found.path.name}": record_as_bytes(shown)}
    for facts in (record.samples, heads):
        if facts is not None:
            parts[f"{folder}/{facts.file}"] = _whole(found.path, facts)
    return shown, parts


def _whole(path: Path, facts: FileFacts) -> bytes:
    try:
        content = read_bytes(path.parent / facts.file)
    except OSError as error:
        raise VirbError(f"{path.parent / facts.file}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != facts.sha256:
        raise VirbError(f"{path.parent / facts.file} is not the file that its record names")
    return content


def _lacks_heads(record: Record) -> bool:
    """Tell whether heads were trained and not kept; of neighbours there are none."""
    return record.heads is None and record.setting.neighbours is None


def _notes(records: list[Record], card: EncoderCard, wish: Wish) -> tuple[str, ...]:
    notes = []
    levels = ("image", "pixel") if wish.pixel_heads else ("image",)
    if bare := [record.task.name for record in records if _lacks_heads(record) and record.task.level in levels]:
        notes.append(
            f"{many(len(bare), 'record')} without heads, so nobody can score them again on a part of the data: "
            f"{', '.join(bare[:5])}{', ...' if len(bare) > 5 else ''}. "
            "'virb evaluate ... --save-heads' trains and keeps them"
        )
    if not card.origin.typed and not wish.with_weights and not wish.weights_url:
        notes.append("nobody can fetch the weights: give their address with --weights-url, or --with-weights")
    sources = {record.data.source for record in records}
    if "sample" in sources:
        notes.append("records of the sample world are synthetic: they never stand beside real ones")
    return tuple(notes)
