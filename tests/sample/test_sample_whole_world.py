"""The whole sample world, every writer of it: the same bytes from any machine, process and number of workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__

from virb.cards.yaml_files import Registry
from virb.sample.sets import WRITERS

REPOSITORY = Path(__file__).parents[2]
SIZE = 0.02
SCRIPT = f"""
import sys
from pathlib import Path
from virb.sample import DATASETS, ensure
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
ensure(DATASETS, folder=Path(sys.argv[1]), size={SIZE}, workers=int(sys.argv[2]))
print(sum(__cpu_features__[name] for name in __cpu_dispatch__))
"""
ELSEWHERE = {"PYTHONHASHSEED": "12345", "TZ": "Asia/Tokyo", "LC_ALL": "C", "OMP_NUM_THREADS": "2"}
"""Another process: another order of sets, another clock, other texts, more threads."""
OLD_MACHINE = {
    "NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__),
    "OPENBLAS_CORETYPE": "Prescott",
    "JSIMD_FORCENONE": "1",
}
"""A processor with none of the vector units that numpy, its linear algebra and the JPEG library would choose."""


def contents(root: Path) -> dict[str, bytes]:
    """Return every file of a world, markers and all."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def make(root: Path, workers: int, environment: dict[str, str]) -> int:
    """Make the world in a new process, and return how many vector units numpy had there."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(root), str(workers)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        cwd=root.parent,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def assert_equal_worlds(root: Path, other: Path) -> None:
    one, two = contents(root), contents(other)
    assert sorted(one) == sorted(two)
    assert [path for path in one if one[path] != two[path]] == []


@pytest.mark.slow
def test_three_workers_of_another_process_write_the_bytes_of_one_here(small: Path, tmp_path: Path) -> None:
    make(tmp_path / "world", 3, ELSEWHERE)
    assert_equal_worlds(small, tmp_path / "world")


@pytest.mark.slow
def test_a_processor_without_vector_units_writes_the_same_bytes(small: Path, tmp_path: Path) -> None:
    assert make(tmp_path / "world", 1, OLD_MACHINE) == 0
    assert_equal_worlds(small, tmp_path / "world")


def test_the_whole_world_holds_every_data_set_and_each_has_files_of_its_own(small: Path) -> None:
    """Another order of writers would go unseen if they wrote into one folder."""
    folders = [writer.folder for writer in WRITERS.values()]
    assert len(set(folders)) == len(folders) == len(Registry("datasets").names())
    files = contents(small)
    assert {path.partition("/")[0] for path in files if "/" in path} == set(folders)
    assert sum(map(len, files.values())) < 20e6


def test_no_picture_of_the_world_is_written_twice(small: Path) -> None:
    """Two samples with the same bytes would stand in train and in test at once."""
    pictures: dict[bytes, str] = {}
    twins = []
    for path, content in contents(small).items():
        if path.endswith((".jpg", ".JPEG", ".jpeg")) or "/image" in path or "rgb" in path:
            if content in pictures:
                twins.append((pictures[content], path))
            pictures[content] = path
    assert not twins
