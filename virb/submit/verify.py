"""Submit: a bundle -> a verdict with its reasons: verified, consistent, stale or broken."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from virb.cards.encoder import EncoderCard
from virb.core.errors import OutputError, UsageError, VirbError
from virb.core.files import sha256_of
from virb.core.npz import DamagedFile
from virb.core.paths import explain_write_errors
from virb.encode.encoder import Encoder
from virb.encode.load import check_encoder, load_encoder
from virb.records.choice import Claim, contradictions
from virb.records.record import Record
from virb.run.options import Options
from virb.run.report import explained
from virb.submit import current, recompute, rerun
from virb.submit.bundle import SHARED, Bundle, Member, WeightsFacts, described, open_bundle
from virb.submit.container import BundleError
from virb.submit.heads import check_form
from virb.submit.part import Rerun
from virb.submit.recompute import Samples
from virb.submit.verdict import Finding, RecordVerdict, Verdict, broken, stale, worst

_TROUBLE = (MemoryError, OSError, RuntimeError, TypeError, ValueError, ArithmeticError, LookupError)
"""What a machine lacks, or what a stranger's architecture stumbles over, when a part is run again."""


@dataclass(frozen=True)
class Trial:
    """What a bundle is run again with, beside itself: data, and weights where they have no name to fetch them by."""

    options: Options
    weights: Path | None = None
    share: float = 0.05
    seed: int = 0


def verify(path: Path, check: Trial | None = None) -> Verdict:
    """Return the verdict on a bundle; whatever stands in it, this ends in a verdict and not in a traceback."""
    if not path.is_file():
        raise UsageError(f"there is no bundle {path}", "a zip file that 'virb submit' wrote", "check the path")
    try:
        with open_bundle(path) as bundle:
            encoder, problems = _encoder(bundle, check) if check else (None, [])
            how = Rerun(encoder, check.options, check.share, check.seed) if check and encoder else None
            records = tuple(_record(bundle, member, how) for member in bundle.members)
            reasons = [*_whole(bundle), *problems]
    except BundleError as error:
        return Verdict(str(path), sha256_of(path), "", "broken", (error.found,), ())
    verdict = worst([*(finding.word for finding in reasons), *(record.verdict for record in records)])
    again = [record for record in records if record.verdict == "verified"]
    texts = [finding.text for finding in reasons]
    if check and verdict == "consistent":
        texts.append(f"{len(again)} of {len(records)} records were run again in part, and agreed")
    return Verdict(str(path), sha256_of(path), bundle.manifest.encoder, verdict, tuple(texts), records)


def _whole(bundle: Bundle) -> Iterator[Finding]:
    """Yield what records contradict one another in, or the manifest and the card."""
    manifest, records = bundle.manifest, [member.record for member in bundle.members]
    listed = {member.file for member in bundle.members}
    for member in bundle.members:
        facts = [member.record.samples, *([member.record.heads] if member.record.heads else [])]
        listed |= {member.beside(one.file) for one in facts}
    listed.add(f"encoder/{manifest.encoder}.yaml")
    if manifest.weights is not None and manifest.weights.included:
        listed.add(f"weights/{manifest.weights.file}")
        entry = manifest.files.get(f"weights/{manifest.weights.file}")
        if entry is None or (entry.sha256, entry.bytes) != (manifest.weights.sha256, manifest.weights.bytes):
            yield broken("the weights in it are not those of its manifest")
    if loose := sorted(set(manifest.files) - listed):
        yield broken(f"it holds files that no record names: {', '.join(loose[:3])}")
    if {record.encoder.fingerprint for record in records} != {manifest.fingerprint}:
        yield broken("its records are of other encoders than the manifest says")
    for name, digests in (
        ("tasks", {record.task.name: record.task.digest for record in records}),
        ("protocols", {record.protocol.name: record.protocol.digest for record in records}),
    ):
        if digests != getattr(manifest, name):
            yield broken(f"its manifest lists other {name} than its records")
    for _, _, text in contradictions(Claim(record) for record in records):
        yield Finding("consistent", text)
    yield from _card(bundle.card, records, manifest.weights.sha256 if manifest.weights else None)


def _card(card: EncoderCard, records: list[Record], sha256: str | None) -> Iterator[Finding]:
    if any(record.encoder != described(record.encoder, card) or record.encoder.name != card.name for record in records):
        yield broken(f"its card says other things of the encoder than its records ({', '.join(SHARED)})")
    if sha256 is not None and card.sha256 != sha256:
        yield broken("its card and its manifest name other weights")
    if len({(record.encoder.weights_hash, record.encoder.arch, record.encoder.weights) for record in records}) != 1:
        yield broken("its records are of several encoders")
    if card.origin.typed and any(record.encoder.weights != card.weights for record in records):
        yield broken(f"its card says the weights are {card.weights}, its records say others")
    known = [record.encoder.checkpoint for record in records if record.encoder.checkpoint is not None]
    if any(other != known[0] for other in known):
        yield broken("its records say different things of the weights file")
    if known and not _as_allowed(card.allow_missing, known[0].allowed):
        yield broken("its card lets other tensors be missing than its records say were")


def _as_allowed(patterns: Sequence[str], missing: Sequence[str]) -> bool:
    """Tell whether patterns let go of just these tensors: each was missing for one, and each lets go of one."""
    return all(any(fnmatchcase(name, pattern) for pattern in patterns) for name in missing) and all(
        any(fnmatchcase(name, pattern) for name in missing) for pattern in patterns
    )


def _record(bundle: Bundle, member: Member, how: Rerun | None) -> RecordVerdict:
    record = member.record
    findings = _findings(bundle, member, how)
    verdict = worst([finding.word for finding in findings])
    return RecordVerdict(
        file=member.file,
        encoder=record.encoder.name,
        task=record.task.name,
        protocol=record.protocol.name,
        source=record.data.source,
        resume=record.keys.resume,
        sha256=bundle.manifest.files[member.file].sha256,
        value=record.score.value,
        verdict=verdict,
        reasons=tuple(finding.text for finding in findings if finding.word == verdict and finding.text),
    )


def _findings(bundle: Bundle, member: Member, how: Rerun | None) -> list[Finding]:
    """Return what is found of one record: first what it is, then whether it adds up, then whether it runs again."""
    record = member.record
    findings = list(recompute.check_files(member.file, record))
    parts = {}
    for facts in (record.samples, record.heads):
        if facts is not None:
            place = member.beside(facts.file)
            entry = bundle.manifest.files.get(place)
            if entry is None or entry.sha256 != facts.sha256:
                findings.append(broken(f"{facts.file} is not in it, or is not the file that the record names"))
            parts[facts.file] = place
    if record.picture is not None:
        findings.append(broken("it names a picture, which no bundle holds"))
    if record.head is None or record.units is None:
        findings.append(stale("an older version of virb made it, and lacks what could be checked"))
    cards, problems = current.cards_of(record)
    findings += problems
    if current.metrics_of(record, cards) is None:
        findings.append(broken(f"it measures {record.score.metric}, which no version of virb does"))
    if record.head is None or any(finding.word == "broken" for finding in findings):
        return findings
    try:
        arrays = bundle.allowance.arrays(bundle.container.read(parts[record.samples.file]))
        if record.heads is not None:
            _check_heads(bundle, parts[record.heads.file], len(record.seeds))
    except DamagedFile as error:
        findings.append(broken(f"{record.samples.file} {error}"))
        return findings
    except BundleError as error:
        return [*findings, broken(error.found)]
    samples, problems = recompute.samples_of(record, arrays)
    findings += problems
    if samples is None:
        return findings
    findings += _guarded(_adds_up(record, samples, cards))
    if any(finding.word in ("broken", "stale") for finding in findings):
        return findings
    return [*findings, _again(bundle, member, samples, cards, how)]


def _check_heads(bundle: Bundle, name: str, seeds: int) -> None:
    with bundle.container.open(name) as stream:
        check_form(stream, bundle.container.sizes[name], seeds, name.rpartition("/")[2])


def _adds_up(record: Record, samples: Samples, cards: current.Cards | None) -> Iterator[Finding]:
    yield from recompute.check_samples(record, samples)
    if cards is not None:
        yield from current.check_facts(record, cards)
    metrics = current.metrics_of(record, cards)
    if metrics is not None and record.units is not None:
        yield from recompute.check_predictions(samples, metrics)
        yield from recompute.check_values(record, samples, metrics)


def _guarded(checks: Iterator[Finding]) -> list[Finding]:
    """Return findings as a list; what a stranger's numbers make of a formula is a finding too."""
    found: list[Finding] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            found.extend(checks)
        except (ValueError, ArithmeticError, LookupError, MemoryError) as error:
            found.append(broken(f"its statistics cannot be added up: {str(error).splitlines()[0][:160]}"))
    return found


def _again(bundle: Bundle, member: Member, samples: Samples, cards: current.Cards | None, how: Rerun | None) -> Finding:
    record = member.record
    metrics = current.metrics_of(record, cards)
    if how is None or cards is None or metrics is None:
        return Finding("consistent", "")
    if how.options.source == "sample" and record.data.source == "real":
        return Finding("consistent", "not run again: it is of real data")
    if problem := rerun.check_encoder(record, how.encoder):
        return problem
    heads = bundle.container.read(member.beside(record.heads.file)) if record.heads else None
    try:
        return rerun.rerun(record, cards, samples, metrics, heads, how)
    except _TROUBLE as error:
        return Finding("consistent", f"not run again: {_told(error)}")


def _told(error: Exception) -> str:
    """Return what stood in the way of a second run; that it was not the bundle's fault is all that can be said."""
    shown = explained(error)
    return shown.found if isinstance(shown, VirbError) else f"{type(error).__name__}: {error}".splitlines()[0]


def _encoder(bundle: Bundle, check: Trial) -> tuple[Encoder | None, list[Finding]]:
    """Return the encoder that the bundle is about: its weights were given, lie in it, or have a name; or why not.

    Nothing is fetched from an address that a stranger wrote. A file that the caller gave has to be the right one.
    """
    card, facts = bundle.card, bundle.manifest.weights
    if check.weights is not None:
        _check_file(check.weights, card, facts)
        return _loaded(card, check.weights), []
    included = facts is not None and facts.included
    try:
        if facts is not None and included:
            return _unpacked(bundle, facts), []
        if card.origin.typed:
            return _loaded(card, None), []
    except OutputError as error:
        return None, [Finding("consistent", f"not run again: {error.found}")]
    except VirbError as error:
        return None, [Finding("broken" if included else "consistent", error.found)]
    except _TROUBLE as error:
        return None, [Finding("consistent", f"not run again: {_told(error)}")]
    address = f", from {facts.address}" if facts and facts.address else ""
    why = f"its weights are a file ({card.weights}{address}), and none was given with --weights"
    return None, [Finding("consistent", f"not run again: {why}")]


def _unpacked(bundle: Bundle, facts: WeightsFacts) -> Encoder:
    """Return the encoder of the weights in a bundle."""
    with tempfile.TemporaryDirectory(prefix="virb-") as folder:
        copy = Path(folder) / facts.file
        with (
            bundle.container.open(f"weights/{facts.file}") as source,
            explain_write_errors(copy),
            open(copy, "wb") as target,
        ):
            shutil.copyfileobj(source, target, 1 << 20)
        return _loaded(bundle.card, copy)


def _check_file(path: Path, card: EncoderCard, facts: WeightsFacts | None) -> None:
    if not path.is_file():
        raise UsageError(f"there is no weights file {path}", "the encoder's weights", "check the path")
    if card.sha256 is not None and sha256_of(path) != card.sha256:
        raise UsageError(
            f"{path} is not the file that the bundle names ({card.weights}, sha256 {card.sha256[:16]}...)",
            "the very file" + (f", from {facts.address}" if facts and facts.address else ""),
            "fetch it, and pass it with --weights",
        )


def _loaded(card: EncoderCard, path: Path | None) -> Encoder:
    source = card if path is None else card.model_copy(update={"weights": str(path.resolve())})
    try:
        check_encoder(source)
        return load_encoder(source)
    except VirbError as error:
        raise VirbError(f"the weights cannot be used: {error.found}", error.expected, error.remedy) from error
