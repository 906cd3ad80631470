"""Gap (run): is an encoder any better than its own architecture untrained? Nearest neighbours on one sample task.

Weights that were loaded under a wrong prefix, or not at all, look like this: a score that a random network has too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from virb.cards.encoder import EncoderCard
from virb.cards.select import protocol, select_tasks
from virb.core.errors import Unsuited, UsageError, VirbError
from virb.core.progress import Progress
from virb.core.text import safe_name
from virb.encode.encoder import Encoder
from virb.encode.load import check_encoder, load_encoder
from virb.encode.schemes.from_random import seed_of
from virb.metrics.stats import Interval, paired_difference
from virb.records.record import Record
from virb.run.harness import run
from virb.run.options import Options
from virb.run.report import Report
from virb.sample import ensure

TASK, RULES = "dtd", "knn_quick"
"""Of the sample tasks this one has the fewest pixels to render and to encode."""
DRAWS = 5
"""How many untrained networks are made: one draw of random weights can be twice as good as another."""


@dataclass(frozen=True)
class Gap:
    """An encoder's score, that of the best of several untrained networks, and their difference with its interval."""

    encoder: str
    arch: str
    score: float
    untrained: float
    difference: Interval
    unit: str

    @property
    def differs(self) -> bool:
        """Whether the encoder is better, beyond what other test pictures would change."""
        return self.difference.low > 0


def random_gap(encoder: Encoder, options: Options, progress: Progress | None = None) -> Gap:
    """Return what training has brought, on the cheapest sample task; measured once, then read from the cache folder."""
    twins = [untrained(encoder, seed) for seed in _seeds(encoder.card)]
    task = select_tasks(TASK)
    there = replace(
        options,
        protocol=protocol(RULES),
        root=ensure([one.dataset for one in task.tasks]),
        source="sample",
        out=options.cache / "check",
        limit=None,
        seeds=None,
        force=False,
        save_heads=False,
        skip_bad=0,
    )
    report = run([encoder, *twins], task, there, progress)
    own = _record(report, encoder)
    other = max((_record(report, twin) for twin in twins), key=lambda record: record.score.value)
    difference = paired_difference((own.score.value, own.replicates), (other.score.value, other.replicates))
    return Gap(encoder.card.name, encoder.arch, own.score.value, other.score.value, difference, own.score.unit)


def _seeds(card: EncoderCard) -> list[int]:
    """Return the seeds of the untrained networks: none of them is the encoder's own, where that is random too."""
    own = seed_of(card) if card.origin.scheme == "random" else -1
    return [seed for seed in range(DRAWS + 1) if seed != own][:DRAWS]


def untrained(encoder: Encoder, seed: int = 0) -> Encoder:
    """Return the same architecture with random weights, under the same view."""
    arch = encoder.arch.split(".")[0]
    card = EncoderCard(
        name=safe_name(f"untrained-{seed}-{encoder.card.name}"),
        title=f"{arch}, untrained",
        weights=f"random:{arch}@{seed}",
        mean=encoder.mean,
        std=encoder.std,
        size=encoder.fixed_size,
    )
    try:
        check_encoder(card)
    except UsageError as error:
        raise Unsuited(
            f"encoder {encoder.card.name} ({encoder.arch}) is of no architecture that timm could make untrained",
            "a checkpoint of one of timm's architectures",
            "leave --check out for this encoder",
        ) from error
    return load_encoder(card)


def _record(report: Report, encoder: Encoder) -> Record:
    records: Sequence[Record] = [*report.records, *report.resumed]
    for record in records:
        if record.encoder.fingerprint == encoder.fingerprint:
            return record
    error = report.failures[0].error if report.failures else None
    raise error if isinstance(error, VirbError) else VirbError(f"the check of {encoder.card.name} failed: {error}")
