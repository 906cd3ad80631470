"""Hostile inputs for every reader of data: no traceback, at most ten seconds, at most a gigabyte.

They are read in a process of its own, whose memory is bounded. `VIRB_FUZZ=10000` tries 2,500 inputs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fuzzing import ALL

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the highest mark of memory is read as Linux tells it")

SHARES = {"pictures": 0.1, "labels": 0.05, "archives": 0.04, "servers": 0.02, "pickles": 0.02, "matrices": 0.02}
"""Of the number of all inputs that fuzz tests try."""


def run(world: Path, folder: Path, kinds: dict[str, int]) -> None:
    """Read so many inputs of each kind; none may fail."""
    own = folder / "world"
    shutil.copytree(world, own)
    script = Path(__file__).with_name("hostile_reading.py")
    arguments = [str(own), str(folder / "inputs"), *(f"{kind}={count}" for kind, count in kinds.items())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, env=environment, check=False
    )
    now = folder / "inputs" / "now"
    assert done.returncode == 0, f"ended at {now.read_text() if now.exists() else 'the start'}\n{done.stderr[-3000:]}"
    told = json.loads(done.stdout.splitlines()[-1])
    print(f"{'/'.join(kinds)}: {told['inputs']} inputs, slowest {told['slowest']}, largest {told['largest']}")
    assert told["inputs"]
    assert not told["faults"], "\n".join(told["faults"][:5])


def test_harmed_inputs_are_read_or_refused_within_bounds(small_world: Path, tmp_path: Path) -> None:
    run(small_world, tmp_path, {kind: max(8, int(ALL * share)) for kind, share in SHARES.items()})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pictures", "labels", "archives", "servers"])
def test_inputs_that_grow_or_claim_all_they_may_are_within_bounds(small_world: Path, tmp_path: Path, kind: str) -> None:
    run(small_world, tmp_path, {kind: 0})
