"""Leaderboard: records -> boards of comparable scores -> table, csv, markdown, json; and two encoders compared."""

from __future__ import annotations

from virb.leaderboard.board import QUADRANTS, Board, Cell, Column, Row
from virb.leaderboard.build import boards, difference
from virb.leaderboard.common import RULE, common_tasks
from virb.leaderboard.compare import Comparison, compare
from virb.leaderboard.long import as_csv, as_json, board_rows, comparison_rows, record_rows
from virb.leaderboard.overlap import overlap
from virb.leaderboard.render import FORMS, render, render_comparison

__all__ = [
    "FORMS",
    "QUADRANTS",
    "RULE",
    "Board",
    "Cell",
    "Column",
    "Comparison",
    "Row",
    "as_csv",
    "as_json",
    "board_rows",
    "boards",
    "common_tasks",
    "compare",
    "comparison_rows",
    "difference",
    "overlap",
    "record_rows",
    "render",
    "render_comparison",
]
