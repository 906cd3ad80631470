"""Submit: is a record made by the cards and the code that this copy of virb has?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from virb.cards.protocol import AnyTraining, Neighbours, PixelTraining, Protocol, Training, metrics_for
from virb.cards.select import PROTOCOLS, TASKS, protocol, task
from virb.cards.task import Task
from virb.core.errors import VirbError
from virb.core.target import PLAIN
from virb.data.facts import facts_of
from virb.encode.stream import CHUNK
from virb.heads import VERSIONS
from virb.heads.fit.pixels import grid as pixel_grid
from virb.heads.fit.stack import grid
from virb.metrics import METRICS, PIXEL_METRICS, PUBLISHED_METRICS, Metric, metric_for
from virb.records.record import CurveFacts, Record, SettingFacts, comparison_key, resume_key
from virb.run.tasks import head_for
from virb.run.virb2021 import frozen_under
from virb.submit.verdict import Finding, broken, stale

_ERROR = 0.75
"""The standard error of a share times the root of the samples is 0.5 at most; runs draw theirs from 200 replicates."""


@dataclass(frozen=True)
class Cards:
    """This copy's cards behind a record."""

    task: Task
    protocol: Protocol
    training: AnyTraining


def cards_of(record: Record) -> tuple[Cards | None, list[Finding]]:
    """Return the cards that a record was made by, if this copy has the same ones, or why not."""
    findings = []
    if record.task.name not in TASKS.names():
        findings.append(stale(f"this copy of virb has no task {record.task.name}"))
    if record.protocol.name not in PROTOCOLS.names():
        findings.append(stale(f"this copy of virb has no protocol {record.protocol.name}"))
    if findings:
        return None, findings
    own, rules = task(record.task.name), protocol(record.protocol.name)
    for what, mine, theirs in (("task", own, record.task), ("protocol", rules, record.protocol)):
        if (mine.digest(), mine.version) != (theirs.digest, theirs.version):
            findings.append(
                stale(
                    f"its card of {what} {theirs.name} has version {theirs.version} and digest {theirs.digest[:8]}; "
                    f"here it has {mine.version} and {mine.digest()[:8]}"
                )
            )
    if findings:
        return None, findings
    try:
        training = rules.training(task(own.head_of) if own.head_of else own)
    except VirbError as error:
        return None, [broken(f"no such record can be: {error.found}")]
    return Cards(own, rules, training.seeded(len(record.seeds))), []


def metrics_of(record: Record, cards: Cards | None) -> list[Metric] | None:
    """Return the metrics of a record as they are measured; None where one is unknown here."""
    names = (record.score.metric, *record.also)
    if not {*METRICS, *PIXEL_METRICS, *PUBLISHED_METRICS} >= set(names):
        return None
    facts = facts_of(cards.task.dataset, cards.task.target) if cards else PLAIN
    return [metric_for(name, record.data.classes, facts) for name in names]


def check_facts(record: Record, cards: Cards) -> Iterator[Finding]:
    """Yield what a record says of task, protocol and keys that does not follow from the cards."""
    card, rules = cards.task, cards.protocol
    if record.data.limit is not None and record.data.limit < 1:
        yield broken(f"it says it was limited to {record.data.limit} samples")
    if (record.task.level, record.task.kind) != (card.level, card.kind):
        yield broken(f"it says the task is {record.task.level}-{record.task.kind}; it is {card.quadrant}")
    if record.task.extra != card.extra:
        yield stale(f"it says extra: {record.task.extra} of the task, the card here {card.extra}")
    wanted = metrics_for(card, cards.training)
    if (record.score.metric, *record.also) != wanted:
        yield broken(f"it measures {', '.join((record.score.metric, *record.also))}; the card says {', '.join(wanted)}")
    if card.level == "image" and record.data.blank:
        yield broken("it says some pictures have no pixel that counts, and the task is of whole pictures")
    if record.view.geometry != (card.geometry if rules.tiles else "squash"):
        yield broken(f"it says geometry {record.view.geometry}, which is not the card's under this protocol")
    comparison = comparison_key(card, rules, record.data.digest, record.data.source, record.data.limit)
    if comparison != record.keys.comparison:
        yield broken("its comparison key does not follow from its task, protocol, data and limit")
    yield from _check_training(record, cards, comparison)


def _check_training(record: Record, cards: Cards, comparison: str) -> Iterator[Finding]:
    training = cards.training
    if record.setting not in record.settings:
        yield broken("its chosen setting is none of its settings")
    if isinstance(training, Neighbours):
        yield from _check_neighbours(record, cards, training)
    else:
        yield from _check_trained(record, training)
    own = cards.task.head_of is None and record.data.counts.get("val") == 0
    if own and any(one.validation is not None for one in record.settings):
        yield broken("it has validation scores, and no sample was held out")
    head = head_for(cards.task, cards.training)
    assert record.head is not None
    if record.head.name != head:
        yield broken(f"it says the head is {record.head.name}; it is {head}")
    elif record.head.version != VERSIONS[head]:
        yield stale(f"its head {head} has version {record.head.version}, here it has {VERSIONS[head]}")
    elif record.keys.resume not in _resume_keys(record, cards, comparison, head):
        yield broken("its resume key does not follow from its encoder, training, numerics and head")
    if record.frozen != frozen_under(head):
        yield broken(f"it says {record.frozen} was frozen, which is not so under its head")


def _check_trained(record: Record, training: Training | PixelTraining) -> Iterator[Finding]:
    cells = [setting.model_dump(exclude={"validation"}, exclude_none=True) for setting in record.settings]
    wanted = pixel_grid(training) if isinstance(training, PixelTraining) else grid(training)
    if cells != [asdict(setting) for setting in wanted]:
        yield broken("its settings are not the grid of its protocol")
    curves = record.curves
    if curves.train_loss[-1:] != [record.train_loss] or curves.val_score[-1:] != [record.setting.validation]:
        yield broken("its training loss and validation score are not the ends of its curves")
    if curves.epochs[-1:] != [training.epochs] or len({len(column) for column in curves.model_dump().values()}) != 1:
        yield broken(f"its curves do not end after {training.epochs} epochs")
    yield from _check_choice(record)


def _check_choice(record: Record) -> Iterator[Finding]:
    """Yield that another setting does plainly better on validation: one within a standard error of the best is taken.

    The other settings' heads are nowhere, but a share of right answers has a standard error that is known to be small.
    """
    held, mine = record.data.counts.get("val", 0), record.setting.validation
    scores = [one.validation for one in record.settings if one.validation is not None]
    if record.score.metric == "top1" and held and mine is not None and max(scores) - mine > _ERROR / held**0.5:
        yield broken(f"another setting has {max(scores):.4g} on validation, and the chosen one {mine:.4g}")


def _check_neighbours(record: Record, cards: Cards, training: Neighbours) -> Iterator[Finding]:
    """Yield what cannot be where nothing is trained; the number of neighbours is the first that does best."""
    settings, scores = record.settings, [setting.validation for setting in record.settings]
    numbers = [setting.neighbours or 0 for setting in settings]
    samples = max(numbers, default=0) if cards.task.head_of else record.data.counts.get("train", 0)
    wanted = sorted({min(count, samples) for count in training.neighbours})
    if numbers != wanted or settings != [
        SettingFacts(neighbours=n, validation=v) for n, v in zip(numbers, scores, strict=True)
    ]:
        yield broken("its settings are not the numbers of neighbours of its protocol")
    if len(record.seeds) != 1:
        yield broken(f"it has {len(record.seeds)} seeds, and neighbours draw nothing")
    if record.heads is not None:
        yield broken("it names heads, and neighbours have none")
    one = record.setting.validation
    if record.train_loss is not None or record.curves != CurveFacts(
        epochs=[0], train_loss=[None], val_loss=[None], val_score=[one]
    ):
        yield broken("it has curves of training, and nothing is trained")
    known = [score for score in scores if score is not None]
    best = (max(known) if record.score.direction == "higher" else min(known)) if known else None
    if settings and record.setting != settings[scores.index(best)]:
        yield broken("its number of neighbours is not the one that does best on validation")


def _resume_keys(record: Record, cards: Cards, comparison: str, head: str) -> set[str]:
    """Return the keys that this record can have: maps that were streamed came in smaller chunks than the key says."""
    training, found = cards.training.model_dump(mode="json"), set()
    chunks = {record.numerics.get("chunk")}
    if record.numerics.get("chunk") == CHUNK and record.numerics.get("device") in ("cpu", "cuda"):
        chunks |= {1 << power for power in range(4, 10)}
    for chunk in chunks:
        numerics = {**record.numerics, "chunk": chunk}
        found.add(resume_key(comparison, record.encoder.fingerprint, training, numerics, VERSIONS[head]))
    return found
