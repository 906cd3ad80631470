"""Records laid into a results folder, as a run writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from virb.checks.bench.records import TaskSplit, recording
from virb.records.record import Record, read_record, write


def lay(out: Path, encoder: str, split: TaskSplit, statistics: np.ndarray, **facts: Any) -> tuple[Record, Path]:
    """Write a record as a run does; return it as it is read again, and its file."""
    record, files = recording(encoder, split, statistics, **facts)
    path = write(record, out, files)
    return read_record(path), path
