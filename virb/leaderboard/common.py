"""Leaderboard: which encoders and tasks are ranked together when not everyone has everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set

RULE = (
    "Ranks and means run over the largest set of tasks that at least half of the encoders share; an encoder that lacks "
    "one of them is shown with its coverage and not ranked."
)


def common_tasks(covered: Mapping[str, Set[str]]) -> set[str]:
    """Return the tasks that are ranked, given what each encoder has.

    One sparse encoder must not shrink everyone's ranks to its own few tasks, and one rich one must not be alone: the
    encoder whose tasks the fewest others have is set aside, one after another, as long as half of them are left.
    """
    left = {encoder: set(tasks) for encoder, tasks in covered.items() if tasks}
    half = max(2, (len(left) + 1) // 2)
    best: set[str] = set()
    counts = Counter(task for tasks in left.values() for task in tasks)
    while left:
        shared = {task for task, count in counts.items() if count == len(left)}
        if len(shared) > len(best) and (len(left) >= half or not best):
            best = shared
        if len(shared) == sum(count > 0 for count in counts.values()):
            break  # the others have no task more
        counts.subtract(left.pop(min(left, key=lambda name: (sum(counts[task] for task in left[name]), name))))
        if len(left) < half and (best or len(left) < 2):
            break
    return best
