"""Analysis: boards -> the one table of comparable scores that a question is asked of."""

from __future__ import annotations

import math

from virb.analysis.scores import Cell, Scores, Source, Who
from virb.core.errors import UsageError, VirbError
from virb.leaderboard import Board, boards
from virb.leaderboard.board import Cell as Entry
from virb.leaderboard.board import Row
from virb.records.load import Results
from virb.records.published import PublishedEncoder


def gather(results: Results, protocol: str | None = None, source: Source | None = None) -> Scores:
    """Return the comparable scores in what was read; where there are several kinds, an error lists them."""
    found = boards(results)
    wanted = [board for board in found if protocol in (None, board.protocol) and source in (None, board.source)]
    if not wanted:
        raise VirbError(
            f"nothing that was read is of {_wish(protocol, source)}",
            "; ".join(_told(board) for board in found) or "records that 'virb evaluate' wrote",
            "leave --protocol and --source out, or name other records with --records",
        )
    if len(wanted) > 1:
        raise UsageError(
            f"what was read is of {len(wanted)} kinds that do not compare: "
            + "; ".join(_told(board) for board in wanted),
            "scores of one protocol and one kind of data",
            "choose with --protocol and --source, or name one folder with --records",
        )
    return of_board(wanted[0])


def _wish(protocol: str | None, source: str | None) -> str:
    wanted = ([f"protocol {protocol}"] if protocol else []) + ([f"source {source}"] if source else [])
    return " and ".join(wanted) or "any kind"


def _told(board: Board) -> str:
    limit = f", limit {board.limit}" if board.limit is not None else ""
    return f"source {board.source}, protocol {board.protocol}{limit}: {len(board.rows)} encoders"


def of_board(board: Board) -> Scores:
    """Return a board's ranked and unranked encoders; what stands beside it for reference is not compared."""
    columns = sorted(board.columns, key=lambda column: column.extra)
    rows = {row.encoder: place for place, row in enumerate(board.rows)}
    places = {column.name: place for place, column in enumerate(columns)}
    return Scores(
        source=board.source,
        protocol=board.protocol,
        encoders=tuple(_who(row) for row in board.rows),
        names=tuple(rows),
        tasks=tuple(columns),
        cells={
            (rows[encoder], places[task]): _cell(entry, columns[places[task]].ceiling, columns[places[task]].floor)
            for (encoder, task), entry in board.cells.items()
            if encoder in rows
        },
        left_out=tuple(board.left_out),
    )


def _who(row: Row) -> Who:
    facts = row.facts
    return Who(
        name=facts.name,
        fingerprint=row.fingerprint,
        method=facts.method,
        family="" if isinstance(facts, PublishedEncoder) else facts.family,
        pretraining=facts.pretraining,
        images=facts.images,
        epochs=facts.epochs,
        facts=facts.facts,
        guessed=isinstance(facts, PublishedEncoder) and facts.guessed,
    )


def _cell(entry: Entry, ceiling: float, floor: float | None) -> Cell:
    return Cell(
        value=entry.value,
        ceiling=ceiling,
        low=math.nan if entry.low is None else entry.low,
        high=math.nan if entry.high is None else entry.high,
        floor=math.nan if floor is None else floor,
        replicates=entry.replicates,
        units=entry.units,
        curves=entry.record.curves if entry.record else None,
    )
