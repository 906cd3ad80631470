"""Locks and other files of a fixed name in folders that others may write to: nothing planted there is followed."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from virb.core import locks
from virb.core.errors import OutputError
from virb.core.fetch.part import claimed
from virb.core.locks import held, lock_path
from virb.core.store import Store
from virb.run.journal import Journal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links of this kind are POSIX")


def hold(folder: Path) -> None:
    with held(lock_path("x", cache=folder), "is at it") as mine:
        assert mine


def begin_part(folder: Path) -> None:
    with claimed(folder / "data.zip.part") as part:
        part.begin("version 1")
        part.write(b"content")


def write_log(folder: Path) -> None:
    Journal(folder / "run.log").write("start")


WRITERS: dict[str, tuple[Callable[[Path], None], Callable[[Path], Path]]] = {
    "a lock": (hold, lambda folder: lock_path("x", cache=folder)),
    "who holds a lock": (hold, lambda folder: lock_path("x", cache=folder).with_suffix(".holder")),
    "the log of a run": (write_log, lambda folder: folder / "run.log"),
    "what was fetched so far": (begin_part, lambda folder: folder / "data.zip.part"),
    "what the server calls it": (begin_part, lambda folder: folder / "data.zip.part.json"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_link_that_somebody_planted_is_never_written_through(tmp_path: Path, name: str) -> None:
    write, place = WRITERS[name]
    kept = tmp_path / "kept"
    kept.write_text("precious")
    planted = place(tmp_path)
    planted.parent.mkdir(exist_ok=True)
    planted.symlink_to(kept)
    with suppress(OutputError):
        write(tmp_path)
    assert kept.read_text() == "precious"


@pytest.mark.parametrize("name", WRITERS)
def test_a_pipe_that_somebody_planted_keeps_nobody_waiting(tmp_path: Path, name: str) -> None:
    _, place = WRITERS[name]
    planted = place(tmp_path)
    planted.parent.mkdir(exist_ok=True)
    os.mkfifo(planted)
    script = f"from test_locks import WRITERS; from pathlib import Path; WRITERS[{name!r}][0](Path({str(tmp_path)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 or "OutputError" in done.stderr, done.stderr


def test_what_was_fetched_into_a_link_is_told_in_three_parts(tmp_path: Path) -> None:
    (tmp_path / "data.zip.part").symlink_to(tmp_path / "kept")
    with pytest.raises(OutputError, match="it is a link") as caught:
        begin_part(tmp_path)
    assert str(tmp_path / "data.zip.part") in caught.value.found
    assert caught.value.expected
    assert caught.value.remedy


def test_who_holds_a_lock_is_told_by_its_number_and_a_host_that_moves_no_cursor(tmp_path: Path) -> None:
    note = lock_path("x", cache=tmp_path).with_suffix(".holder")
    note.parent.mkdir()
    for written, told in (
        (f"{os.getpid()} {platform.node()}".encode(), f"process {os.getpid()}"),
        (b"12 far\x1b[2Jaway", "process 12 on far\ufffd[2Jaway"),
        (b"12 " + b"x" * (1 << 20), "process 12 on " + "x" * 63 + "\u2026"),
        (b"\x1b[2J", "another process"),
        (b"", "another process"),
        (b"\xff 1", "another process"),
    ):
        note.write_bytes(written)
        assert locks._holder(lock_path("x", cache=tmp_path)) == told
    note.unlink()
    note.symlink_to("/dev/zero")
    assert locks._holder(lock_path("x", cache=tmp_path)) == "another process"


def test_reading_an_entry_marks_no_file_but_its_own_as_used(tmp_path: Path) -> None:
    store = Store(tmp_path, 1 << 20)
    store.write("aa", [{"pooled.f32": np.ones((4, 2), "<f4")}], {})
    marker, kept = store.folder / "aa" / "entry.json", tmp_path / "kept"
    os.replace(marker, kept)
    os.utime(kept, (7, 7))
    marker.symlink_to(kept)
    assert store.read("aa", "pooled.f32", 4, 2) is not None
    assert kept.stat().st_mtime == 7
