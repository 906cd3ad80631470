"""Analysis: boards -> the one that a question is asked of."""

from __future__ import annotations

from virb.core.errors import UsageError, VirbError
from virb.leaderboard import Board, boards
from virb.leaderboard.board import Source
from virb.records.load import Results


def gather(results: Results, protocol: str | None = None, source: Source | None = None) -> Board:
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
    return wanted[0]


def _wish(protocol: str | None, source: str | None) -> str:
    wanted = ([f"protocol {protocol}"] if protocol else []) + ([f"source {source}"] if source else [])
    return " and ".join(wanted) or "any kind"


def _told(board: Board) -> str:
    limit = f", limit {board.limit}" if board.limit is not None else ""
    return f"source {board.source}, protocol {board.protocol}{limit}: {len(board.rows)} encoders"
