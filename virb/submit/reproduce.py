"""Submit: a record -> the command that made it, and what the same command gives today."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from virb.cards.encoder_names import encoder_card
from virb.cards.select import ENCODERS
from virb.cards.weights import Weights
from virb.core.digest import digest
from virb.core.errors import UsageError, VirbError
from virb.core.text import clean, safe_name
from virb.records.record import Record, read_record
from virb.submit.current import cards_of

_SAME = 1e-9


@dataclass(frozen=True)
class Repeated:
    """One fact of a record and of its repetition."""

    name: str
    recorded: str
    now: str

    @property
    def same(self) -> bool:
        """Whether both say the same."""
        return self.recorded == self.now


def command(record: Record, *, encoder: str = "", data: str = "", out: str = "") -> list[str]:
    """Return the arguments of `virb` that make a record again; every word of the record stands after a '='."""
    if record.kind != "measured":
        raise UsageError(
            f"the record of {record.encoder.name} on {record.task.name} was published by others, not measured",
            "a measured record",
            "choose one from a results folder",
        )
    parts = ["evaluate", f"--encoder={encoder or _encoder(record)}", f"--tasks={record.task.name}"]
    parts.append(f"--protocol={record.protocol.name}")
    if data:
        parts.append(f"--data={data}")
    elif record.data.source == "sample":
        parts.append("--sample")
    parts += [f"--seeds={len(record.seeds)}", f"--device={record.numerics.get('device', 'auto')}"]
    parts.append(f"--precision={record.numerics.get('precision', 'auto')}")
    if record.data.limit is not None:
        parts.append(f"--limit={record.data.limit}")
    if record.data.skipped:
        parts.append(f"--skip-bad={len(record.data.skipped)}")
    if record.heads is not None:
        parts.append("--save-heads")
    own = {f"--encoder={encoder}", f"--data={data}"}
    if strange := [part for part in parts if not part.isprintable() and part not in own]:
        raise UsageError(
            f"the record names {clean(strange[0])}, with characters that a terminal acts on",
            "names as virb writes them",
            "trust nothing in this record",
        )
    return [*parts, *([f"--out={out}"] if out else [])]


def as_line(arguments: list[str]) -> str:
    """Return a command as it can be pasted into a shell."""
    return shlex.join(["virb", *arguments])


def _encoder(record: Record) -> str:
    """Return what to pass as `--encoder`: the shipped card of this name, the weights' name, or their file."""
    facts = record.encoder
    if facts.name in ENCODERS.names() and encoder_card(facts.name).weights == facts.weights:
        return facts.name
    return facts.weights


def check_runnable(record: Record, encoder: str) -> None:
    """Refuse to run what cannot give the same number, and files that a stranger's record names."""
    _, findings = cards_of(record)
    if findings:
        raise VirbError(
            f"this copy of virb cannot make the record again: {'; '.join(finding.text for finding in findings)}",
            f"the version that made it (virb {record.versions.get('virb', '?')})",
            "install that version in an environment of its own",
        )
    if encoder:
        return
    facts = record.encoder
    known = facts.name in ENCODERS.names() or facts.name == safe_name(facts.weights.replace(":", "-"))
    if not known or not Weights.parse(facts.weights).typed:
        raise UsageError(
            f"the record names the encoder {facts.name} ({facts.weights}), and files and cards that a record names "
            "are not opened by themselves",
            "the weights file or the card of this encoder",
            "pass it with --encoder FILE",
        )


def made_again(record: Record, out: Path) -> Record:
    """Return the record that a run left in a folder in the place of this one."""
    for path in sorted((out / "records").glob("*/*.json")):
        found = read_record(path)
        if (found.task.name, found.protocol.name) == (record.task.name, record.protocol.name):
            return found
    raise VirbError(
        f"the run left no record of {record.task.name} in {out}/records",
        "a record to compare with",
        "read above why the run failed",
    )


def differences(record: Record, now: Record) -> list[Repeated]:
    """Return what is compared, the score first; where and when it ran are shown and judge nothing."""
    rows = [
        Repeated(record.score.metric, _score(record), _score(now)),
        Repeated("seeds", _numbers(record.seeds), _numbers(now.seeds)),
        *(
            Repeated(name, f"{other.value:.6f}", f"{now.also[name].value:.6f}" if name in now.also else "-")
            for name, other in record.also.items()
        ),
        Repeated("floor", f"{record.floor.value:.6f}", f"{now.floor.value:.6f}"),
        Repeated("setting", record.setting.text, now.setting.text),
        Repeated("validation", _validation(record), _validation(now)),
        Repeated("curves", _curves(record), _curves(now)),
        Repeated("data", record.data.digest[:8], now.data.digest[:8]),
        Repeated("weights", record.encoder.weights_hash[:8], now.encoder.weights_hash[:8]),
        Repeated("weights file", _reading(record), _reading(now)),
        Repeated("encoder", record.encoder.fingerprint[:8], now.encoder.fingerprint[:8]),
        Repeated("comparison key", record.keys.comparison[:8], now.keys.comparison[:8]),
        Repeated("numerics", _words(record.numerics), _words(now.numerics)),
        Repeated("device", record.device, now.device),
    ]
    versions = {**record.versions, **now.versions}
    rows += [Repeated(name, record.versions.get(name, "-"), now.versions.get(name, "-")) for name in sorted(versions)]
    return rows


def judgement(record: Record, now: Record) -> tuple[bool, str]:
    """Return whether a record was made again, and in one sentence how closely."""
    apart = now.score.value - record.score.value
    if record.keys.comparison != now.keys.comparison or record.encoder.weights_hash != now.encoder.weights_hash:
        return False, "Another encoder, other data or other rules: the two numbers do not compare."
    if abs(apart) <= _SAME and np.allclose(record.seeds, now.seeds, rtol=0, atol=_SAME):
        return True, "The same score, to the last digit."
    if record.score.low <= now.score.value <= record.score.high:
        return True, f"Not the same score: it differs by {apart:+.6f}, within the recorded interval."
    return False, f"Not the same score: it differs by {apart:+.6f}, outside the recorded interval."


def _score(record: Record) -> str:
    score = record.score
    return f"{score.value:.6f} [{score.low:.6f}, {score.high:.6f}]"


def _numbers(values: list[float]) -> str:
    return " ".join(f"{value:.6f}" for value in values)


def _validation(record: Record) -> str:
    """Return every setting's validation score."""
    return " ".join("-" if one.validation is None else f"{one.validation:.6f}" for one in record.settings)


def _curves(record: Record) -> str:
    """Return how many points the curves have, and the digest of these, to six digits as other machines have them."""
    columns = record.curves.model_dump()
    rounded = [[None if one is None else f"{one:.6g}" for one in column] for column in columns.values()]
    return f"{len(record.curves.epochs)} points, {digest(rounded)[:8]}"


def _reading(record: Record) -> str:
    """Return what a weights file was understood to be, and what was allowed to be missing."""
    facts = record.encoder.checkpoint
    return "none" if facts is None else f"{len(facts.allowed)} tensors let go, {digest(facts.model_dump())[:8]}"


def _words(facts: dict[str, str | int | bool]) -> str:
    return " ".join(f"{name}={value}" for name, value in facts.items())
