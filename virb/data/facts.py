"""Facts: metrics as they are measured on a target, by what the card of its data set says."""

from __future__ import annotations

from virb.cards.dataset import facts_of as facts_of
from virb.cards.task import Task
from virb.metrics import Metric, metric_for


def metric_of(task: Task, name: str, classes: int) -> Metric:
    """Return a metric as it is measured on the target of a task, whose classes there are so many of."""
    return metric_for(name, classes, facts_of(task.dataset, task.target))
