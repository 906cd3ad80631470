"""Records: what a record says of its task, its metric and its data, held to what this copy of virb knows of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from virb.cards.card import Card
from virb.cards.dataset import facts_of
from virb.cards.protocol import Protocol, metrics_for
from virb.cards.sample_world import known_samples
from virb.cards.select import added_card
from virb.cards.task import Task
from virb.core.errors import VirbError
from virb.core.paths import card_folder
from virb.core.target import PLAIN
from virb.metrics import METRICS, PIXEL_METRICS, PUBLISHED_METRICS, Metric, metric_for
from virb.records.record import Record, Score, comparison_key

MEASURED = {**METRICS, **PIXEL_METRICS, **PUBLISHED_METRICS}
_Card = TypeVar("_Card", bound=Card)


def card_of(record: Record) -> Task | None:
    """Return the card that a record's task was asked by; None where this copy has none, or another one."""
    found = _card("tasks", record.task.name, Task) or _added(record.task.name)
    same = found is not None and (found[0].version, found[1]) == (record.task.version, record.task.digest)
    return found[0] if found and same else None


def rules_of(record: Record) -> Protocol | None:
    """Return the protocol of a record; None where this copy has none, or another one."""
    found = _card("protocols", record.protocol.name, Protocol)
    same = found is not None and (found[0].version, found[1]) == (record.protocol.version, record.protocol.digest)
    return found[0] if found and same else None


def _card(kind: str, name: str, read: type[_Card]) -> tuple[_Card, str] | None:
    """Return a shipped card and its digest; names in records are any text, and most are of the same few tasks."""
    plain = re.fullmatch(r"[A-Za-z0-9_+-]+", name)
    return _read(card_folder(kind) / f"{name}.yaml", read) if plain else None


def _added(name: str) -> tuple[Task, str] | None:
    path = added_card(name)
    return _read(path, Task) if path else None


def _read(path: Path, kind: type[_Card]) -> tuple[_Card, str] | None:
    """Return a card that is read once for thousands of records, and again when it was changed."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return None
    return _kept(path, changed, kind)  # type: ignore[return-value]


@lru_cache(maxsize=256)
def _kept(path: Path, changed: int, kind: type[Card]) -> tuple[Card, str]:
    card = kind.read(path)
    return card, card.digest()


def misread(record: Record) -> str:
    """Return what a record says that its task's card, its protocol or its metric do not; nothing where it agrees."""
    if record.score.metric not in MEASURED:
        return f"nobody knows its metric {record.score.metric!r}"
    card, rules = card_of(record), rules_of(record)
    if card is not None and (record.task.level, record.task.kind) != (card.level, card.kind):
        return f"it says its task is {record.task.level}-{record.task.kind}, which is {card.quadrant}"
    if card is not None and rules is not None:
        problem = _unlike(record, card, rules)
        if problem:
            return problem
    for name, score in (("score", record.score), ("floor", record.floor), *record.also.items()):
        if name == "floor" and score.metric != record.score.metric:
            return f"its floor is of {score.metric}, and its score of {record.score.metric}"
        metric = _metric(score.metric, card, record.data.classes)
        if metric is not None and (problem := _otherwise(score, metric, card is not None)):
            return problem
    return ""


def _unlike(record: Record, card: Task, rules: Protocol) -> str:
    """Return what does not follow from card and protocol together."""
    try:
        wanted = metrics_for(card, rules.training(card))
    except VirbError:
        return f"its protocol {rules.name} asks no such task"
    if (record.score.metric, *record.also) != wanted:
        return f"it measures {', '.join((record.score.metric, *record.also))}, its task's card {', '.join(wanted)}"
    data = record.data
    if record.keys.comparison != comparison_key(card, rules, data.digest, data.source, data.limit):
        return "its comparison key does not follow from its task, protocol, data and limit"
    return ""


def _metric(name: str, card: Task | None, classes: int) -> Metric | None:
    if name not in MEASURED:
        return None
    try:
        facts = facts_of(card.dataset, card.target) if card else PLAIN
    except VirbError:  # a plug-in's task, of data that this copy has no card of
        facts = PLAIN
    return metric_for(name, classes, facts)


def _otherwise(score: Score, metric: Metric, known: bool) -> str:
    """Return how a score is to be read otherwise than its metric; only its card knows the unit of a target's values."""
    fields = ["direction", "ceiling", *(["unit"] if known or metric.unit != "value" else [])]
    for field in fields:
        mine, theirs = getattr(metric, field), getattr(score, field)
        if mine != theirs:
            return f"it says {field} {theirs!r} of {metric.name}, which is {mine!r}"
    return ""


def hides_the_sample_world(record: Record, ids: Callable[[], Iterable[str]]) -> bool:
    """Tell whether a record calls its data real, and its test samples are those of the sample world."""
    card = card_of(record) if record.data.source == "real" else None
    known = known_samples(card.dataset, card.target) if card else None
    if known is None or record.data.counts.get("test", 0) > sum(known.counts.values()):
        return False
    return known.made(record.data.digest, ids(), record.data.counts, record.data.limit)
