"""What the tests of the analysis share."""

from __future__ import annotations

import pytest

from virb.analysis.gather import gather
from virb.analysis.scores import choose_tasks
from virb.leaderboard import Board
from virb.records.load import load


@pytest.fixture(scope="session")
def paper() -> Board:
    return choose_tasks(gather(load(["paper2021"])), None)
