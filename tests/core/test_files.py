"""Files that virb reads by a fixed name or finds in a folder: no pipe is waited for, no huge one is read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from virb.data.classes import SAMPLE_MARKER

READERS = {
    "a record": ("x.json", "virb.records.record", "read_record(path)"),
    "a record's statistics": ("x.npz", "virb.core.npz", "read_bounded(path, LARGEST_ARRAYS)"),
    "a verdict": ("verdict.json", "virb.records.origins", "entries(path)"),
    "published numbers": ("x.json", "virb.records.published", "read_references(path.parent)"),
    "a card": ("x.yaml", "virb.cards.yaml_files", "read_yaml(path)"),
    "a bundle": ("x.zip", "virb.submit.bundle", "open_bundle(path).__enter__()"),
    "a file of Python": ("x.py", "virb.encode.schemes.from_python", "choose_name(path, 'Mine')"),
    "what lies beside weights": ("config.json", "virb.encode.checkpoints.beside", "activation(path.with_name('x.pt'))"),
    "the marker of a cache entry": ("entry.json", "virb.core.store", "Store(path.parents[2]).entries()"),
    "the sample world's mark": (SAMPLE_MARKER, "virb.data", "_world(path.parent)"),
}
"""What is read, its name, and where and how it is read."""
SCRIPT = """
import resource, sys
from pathlib import Path
from virb.core.errors import VirbError
from virb.core.npz import DamagedFile
import {module} as room
globals().update(vars(room))
path = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    {reads}
except (VirbError, OSError, DamagedFile) as error:
    assert str(error)
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10, "it was read"
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names there")
@pytest.mark.parametrize("kind", ["pipe", "3 GB of nothing"])
@pytest.mark.parametrize("what", READERS)
def test_what_is_no_file_of_its_kind_is_neither_waited_for_nor_read(tmp_path: Path, what: str, kind: str) -> None:
    name, module, reads = READERS[what]
    path = tmp_path / "features" / "0123" / name
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.touch()
        os.truncate(path, 3 << 30)
    script = SCRIPT.format(module=module, reads=reads)
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
