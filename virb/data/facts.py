"""Facts: what the card of a data set says of one of its targets, and metrics as they are measured on it."""

from __future__ import annotations

from virb.cards.task import Task
from virb.core.target import PLAIN, TargetFacts
from virb.data.common import data_card
from virb.metrics import Metric, metric_for


def facts_of(dataset: str, target: str) -> TargetFacts:
    """Return what is particular about a target of a data set."""
    return data_card(dataset).targets.get(target, PLAIN)


def metric_of(task: Task, name: str, classes: int) -> Metric:
    """Return a metric as it is measured on the target of a task, whose classes there are so many of."""
    return metric_for(name, classes, facts_of(task.dataset, task.target))
