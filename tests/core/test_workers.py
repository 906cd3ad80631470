"""Workers that read: what they hand over arrives, also where shared memory is full."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = "mount -t tmpfs -o size=64k tmpfs /dev/shm"
"""Shared memory that holds the locks of processes and not one batch."""
FULL = f"{SMALL} && (head -c 1M /dev/zero > /dev/shm/full || true)"
SCRIPT = """
import logging, sys
from pathlib import Path
import numpy as np
from PIL import Image
from virb.core import once
from virb.core.types import Pool
from virb.data.images import decoded

once.listen(once.Stderr())
paths = [Path(sys.argv[1]) / f"{number}.png" for number in range(40)]
for number, path in enumerate(paths):
    Image.fromarray(np.full((64, 64, 3), number, np.uint8)).save(path)
pool = Pool("test", tuple(path.name for path in paths), tuple(paths))
print([int(batch[0, 0, 0, 0]) for batch in decoded(pool, np.arange(40), 64, 8, 2)])
"""


def own_mounts() -> bool:
    """Tell whether this process may give another a shared memory of its own."""
    tool = shutil.which("unshare")
    line = [tool or "", "-m", "sh", "-c", SMALL]
    return bool(tool) and subprocess.run(line, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not own_mounts(), reason="no mount of its own can be made here")
@pytest.mark.parametrize(("memory", "said"), [(SMALL, "shared memory is full"), (FULL, "reads by itself")])
def test_a_full_shared_memory_slows_reading_and_stops_nothing(tmp_path: Path, memory: str, said: str) -> None:
    line = ["unshare", "-m", "sh", "-c", f'{memory} && exec "$0" "$@"', sys.executable, "-c", SCRIPT, str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert out.strip() == "[0, 8, 16, 24, 32]", err
    assert err.count(said) == 1
    assert "--workers 0" in err
    assert "Traceback" not in err


WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


@pytest.mark.parametrize("given", [{}, {"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}, {"KMP_BLOCKTIME": "9"}])
def test_threads_that_wait_sleep_unless_the_user_says_otherwise(given: dict[str, str]) -> None:
    """They spun by default: on a busy machine two threads took ten times as long as one."""
    environment = {name: value for name, value in os.environ.items() if name not in WAITING} | given
    script = f"import virb, os, sys; print([os.environ.get(name) for name in {WAITING}], 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    wanted = given or {"OMP_WAIT_POLICY": "PASSIVE"}
    assert done.stdout.strip() == f"{[wanted.get(name) for name in WAITING]} False"


def test_the_library_that_torch_brings_heeds_it() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in WAITING}
    environment["OMP_DISPLAY_ENV"] = "VERBOSE"
    line = [sys.executable, "-c", "import virb.run.options"]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
    if "OMP_WAIT_POLICY" not in done.stderr:
        pytest.skip("this OpenMP does not tell")
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr
    assert "GOMP_SPINCOUNT" not in done.stderr or "GOMP_SPINCOUNT = '0'" in done.stderr
