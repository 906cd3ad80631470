"""Report: what a run came to, kept while it goes on, and each failure in words that say what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from virb.core.errors import VirbError
from virb.records.record import Record
from virb.run.journal import NAME, Journal
from virb.run.options import Options
from virb.run.tasks import Missing

_NO_MEMORY = ("can't allocate memory", "cannot allocate memory", "not enough memory")
_LESS = "free some memory, or use fewer --workers, a --limit, or a machine with more"


@dataclass(frozen=True)
class Failure:
    """A task that did not end in a record, with its reason."""

    encoder: str
    task: str
    error: Exception


@dataclass
class Report:
    """What a run came to; filled while it goes on, so that an interrupted one can still tell."""

    records: list[Record] = field(default_factory=list)
    resumed: list[Record] = field(default_factory=list)
    skipped: list[Missing] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    journal: Journal = field(default_factory=Journal)

    def follow(self, out: Path) -> Journal:
        """Return the log in a results folder; what comes before the run itself has begun it."""
        if self.journal.place is None:
            self.journal = Journal(out / NAME)
        return self.journal

    def begin(self, encoders: Sequence[str], tasks: Sequence[str], options: Options) -> None:
        """Note what the run was asked for."""
        facts = {"protocol": options.protocol.name, "asked": options.source, "device": str(options.device)}
        self.journal.write("start", encoders=list(encoders), tasks=list(tasks), limit=options.limit, **facts)

    def measured(self, record: Record) -> None:
        """Take a new record."""
        self.records.append(record)
        self.journal.write("record", **_facts(record), seconds_taken=sum(record.seconds.values()))

    def found(self, record: Record) -> None:
        """Take a record that was there."""
        self.resumed.append(record)
        self.journal.write("done before", **_facts(record))

    def left_out(self, gap: Missing) -> None:
        """Take a task without data, or that the encoder cannot be asked: a failure, or a gap in a group."""
        if gap.failed:
            self.failed(gap.encoder, gap.task.name, gap.error)
            return
        self.skipped.append(gap)
        self.journal.write("left out", task=gap.task.name, reason=str(gap.error))

    def failed(self, encoder: str, task: str, error: Exception) -> None:
        """Take a failure; want of memory and a lost worker are explained."""
        error = explained(error)
        self.failures.append(Failure(encoder, task, error))
        self.journal.write("failed", encoder=encoder, task=task, reason=f"{type(error).__name__}: {error}")

    def end(self) -> None:
        """Note that the run has come to its end."""
        counts = {"records": len(self.records), "done_before": len(self.resumed)}
        lost = {"left_out": len(self.skipped), "failures": len(self.failures)}
        self.journal.write("end", status="failed" if self.failures else "done", **counts, **lost)


def _facts(record: Record) -> dict[str, object]:
    score = record.score
    names = {"encoder": record.encoder.name, "task": record.task.name, "protocol": record.protocol.name}
    names["source"] = record.data.source
    return {**names, "metric": score.metric, "value": score.value, "low": score.low, "high": score.high}


def explained(error: Exception) -> Exception:
    """Return what the machine lacked in three parts; any other error as it is."""
    text = str(error)
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(words in text for words in _NO_MEMORY):
        return VirbError(f"there is not enough memory: {text or 'nothing was left'}", "memory for this task", _LESS)
    if isinstance(error, RuntimeError) and "DataLoader worker" in text:
        ended = "a process that reads pictures ended; the system may have taken its memory back"
        return VirbError(ended, "worker processes that live until they are done", f"{_LESS}; --workers 0 uses none")
    return error
