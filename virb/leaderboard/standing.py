"""Leaderboard: ranks, places and quadrant means of the encoders of one board."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from virb.leaderboard.board import QUADRANTS, Cell, Column, Row
from virb.leaderboard.common import common_tasks
from virb.metrics.stats import Interval, interval, mean_ranks, places, rank_intervals
from virb.records.published import PublishedEncoder
from virb.records.record import EncoderFacts

Cells = Mapping[tuple[str, str], Cell]
_NONE = float("nan")


def standings(
    facts: Mapping[str, EncoderFacts] | Mapping[str, PublishedEncoder], columns: Sequence[Column], cells: Cells
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Return a board's rows, best first and the unranked last, and the tasks that are ranked."""
    counted = [column for column in columns if not column.extra]
    covered = {name: {column.name for column in counted if (name, column.name) in cells} for name in facts}
    chosen = common_tasks(covered)
    common = [column for column in counted if column.name in chosen]
    ranked = [name for name in facts if common and chosen <= covered[name]]
    ranks, held = _ranks(ranked, common, cells)
    shared = Counter(held.values())
    by_quadrant = _quadrant_ranks(ranked, common, cells)
    rows = [
        Row(
            encoder=name,
            facts=fact,
            covered=len(covered[name]),
            place=held.get(name),
            tied=shared[held[name]] > 1 if name in held else False,
            rank=ranks.get(name),
            quadrants=_means(name, common, cells),
            quadrant_ranks=by_quadrant.get(name, {}),
        )
        for name, fact in facts.items()
    ]
    rows.sort(key=lambda row: (row.place or np.inf, row.rank.value if row.rank else np.inf, row.encoder))
    return tuple(rows), tuple(column.name for column in common)


def _scores(names: Sequence[str], columns: Sequence[Column], cells: Cells) -> np.ndarray:
    """Return scores [K, T], higher is better."""
    return np.array([[column.turned(cells[name, column.name].value) for column in columns] for name in names])


def _replicates(names: Sequence[str], columns: Sequence[Column], cells: Cells) -> np.ndarray | None:
    """Return replicates [K, T, R], higher is better; None where one is missing or they do not pair."""
    found = [[cells[name, column.name].replicates for column in columns] for name in names]
    sizes = {None if one is None else len(one) for row in found for one in row}
    if None in sizes or len(sizes) != 1:
        return None
    signs = np.array([-1.0 if column.direction == "lower" else 1.0 for column in columns])
    return np.asarray(np.array(found) * signs[:, None])


def _ranks(names: Sequence[str], common: Sequence[Column], cells: Cells) -> tuple[dict[str, Interval], dict[str, int]]:
    """Return mean ranks and places; without replicates ranks have no interval and only equal ones share a place."""
    if not names:
        return {}, {}
    scores, replicates = _scores(names, common, cells), _replicates(names, common, cells)
    ranks = mean_ranks(scores)
    if replicates is None:
        held = [1 + int((ranks < rank).sum()) for rank in ranks]
        return {name: Interval(float(rank), _NONE, _NONE) for name, rank in zip(names, ranks, strict=True)}, dict(
            zip(names, held, strict=True)
        )
    if len(names) == 1:
        return {names[0]: Interval(1.0, 1.0, 1.0)}, {names[0]: 1}
    scale = np.array([_scale(column, scores[:, place]) for place, column in enumerate(common)])
    means, around = (scores / scale).mean(1), (replicates / scale[:, None]).mean(1)
    held = places(ranks, means, around)
    return dict(zip(names, rank_intervals(scores, replicates), strict=True)), dict(zip(names, held, strict=True))


def _scale(column: Column, scores: np.ndarray) -> float:
    """Return the way from floor to ceiling, so that tasks weigh alike; where there is none, the scores' own spread."""
    if column.normal and column.floor is not None:
        return abs(column.ceiling - column.floor)
    return float(scores.std()) or 1.0


def _means(name: str, common: Sequence[Column], cells: Cells) -> dict[str, Interval]:
    """Return quadrant means of floor-normalised scores, where an encoder has all the common tasks of a quadrant."""
    found = {}
    for quadrant in QUADRANTS:
        members = [column for column in common if column.quadrant == quadrant]
        if not members or not all(column.normal and (name, column.name) in cells for column in members):
            continue
        scored = [(column, cells[name, column.name]) for column in members]
        value = float(np.mean([column.normalised(cell.value) for column, cell in scored]))
        parts = [column.normalised(cell.replicates) for column, cell in scored if cell.replicates is not None]
        if len(parts) < len(scored) or len({np.size(part) for part in parts}) != 1:
            found[quadrant] = Interval(value, _NONE, _NONE)
            continue
        units = [cell.units for _, cell in scored if cell.units is not None]
        found[quadrant] = interval(value, np.mean(parts, axis=0), min(units) if len(units) == len(scored) else None)
    return found


def _quadrant_ranks(names: Sequence[str], common: Sequence[Column], cells: Cells) -> dict[str, dict[str, float]]:
    """Return mean ranks within each quadrant, of ranked encoders."""
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    for quadrant in QUADRANTS:
        members = [column for column in common if column.quadrant == quadrant]
        if members and names:
            for name, rank in zip(names, mean_ranks(_scores(names, members, cells)), strict=True):
                found[name][quadrant] = float(rank)
    return found
