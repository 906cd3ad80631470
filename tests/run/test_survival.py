"""Survival: whatever stops a run, and wherever, what is finished is whole and the next run comes to the same."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import killing
import numpy as np
import pytest
import torch
from faults import Writes, not_as_root
from killing import content, leftovers, make_world, options, run

from virb.core.errors import DataError, NumericsError, OutputError, VirbError
from virb.core.locks import held, lock_path
from virb.heads.fit import StackProbe
from virb.run import harness, report
from virb.run.encoder_run import EncoderRun

HERE = Path(__file__).parents[1]
KILLS = int(os.environ.get("VIRB_KILLS", "6"))
"""How many runs are killed; 50 once by hand."""
POSIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of this kind are POSIX")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("survival")


@pytest.fixture(scope="module")
def world(place: Path) -> Path:
    return make_world(place)


@pytest.fixture(scope="module")
def undisturbed(place: Path, world: Path) -> tuple[dict[str, Any], int]:
    """Return the records of a run that nothing stopped, and how many writes it took."""
    chosen = options(place, world, "whole")
    writes = Writes()
    with writes.counted():
        assert not run(chosen).failures
    assert leftovers(chosen) == []
    return content(chosen.out), writes.count


def stopped_at(number: int, kind: str, chosen: Any) -> str:
    """Run with one write gone wrong; return which, or nothing if there are not that many."""
    writes, allowed = Writes(number, kind), OutputError if kind == "full" else KeyboardInterrupt
    with writes.counted(), suppress(allowed):
        done = run(chosen)
        assert not done.failures, [str(one.error) for one in done.failures]
    return writes.hit


def outlived(number: int, kind: str, chosen: Any, wanted: dict[str, Any]) -> bool:
    """Let one write go wrong, go on, and look at what is there; tell whether there was such a write."""
    hit = stopped_at(number, kind, chosen)
    partly = content(chosen.out) if (chosen.out / "records").is_dir() else {}
    finished = {name: facts for name, facts in partly.items() if name.endswith(".json")}
    assert finished.items() <= wanted.items(), f"after write {number} ({hit}) a record is there that is not whole"
    assert not run(chosen).failures
    assert content(chosen.out) == wanted, f"after write {number} ({hit}) the records are others"
    assert leftovers(chosen) == [], f"write {number} ({hit})"
    lines = (chosen.out / "run.log").read_text().splitlines()
    broken = [line for line in lines if not readable(line)]
    assert len(broken) <= 1
    return bool(hit)


def readable(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "stop"])
def test_every_single_write_may_go_wrong_and_the_next_run_comes_to_the_same(
    kind: str, place: Path, world: Path, undisturbed: tuple[dict[str, Any], int]
) -> None:
    wanted, count = undisturbed
    reached = sum(
        outlived(number, kind, options(place, world, f"{kind}{number}"), wanted) for number in range(1, count + 1)
    )
    assert reached > 0.95 * count  # what is written anew each few seconds may be missing at the end


@POSIX
@pytest.mark.slow
def test_real_kills_change_nothing(place: Path) -> None:
    done = script("kill", place / "killed", KILLS)
    assert done["writes"] > 100
    assert [one["code"] for one in done["kills"]] == [-9] * KILLS
    assert [(one["resumed"], one["same"], one["left"]) for one in done["kills"]] == [(0, True, [])] * KILLS


@POSIX
@pytest.mark.slow
def test_eight_processes_on_one_folder_make_everything_once(place: Path) -> None:
    done = script("crowd", place / "crowd", 8)
    assert done["codes"] == [0] * 8
    assert done["made"] == done["image sets"]
    assert done["measured"] == len(killing.TASKS.split(","))
    assert done["done before"] == 8 * done["measured"] - done["measured"]
    assert done["runs"] == 8
    assert done["same"]
    assert done["left"] == []


def script(what: str, folder: Path, times: int) -> dict[str, Any]:
    """Run tests/killing.py in a process of its own, on one thread."""
    folder.mkdir()
    line = [sys.executable, str(HERE / "killing.py"), what, str(folder), "--times", str(times)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(line, capture_output=True, text=True, timeout=580 + 20 * times, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_a_record_that_another_process_is_at_is_waited_for_and_not_made_twice(
    place: Path, world: Path, undisturbed: tuple[dict[str, Any], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one, played by this process, finishes while we wait for it."""
    chosen, other = options(place, world, "waiting"), options(place, world, "whole")
    source = next(other.out.glob("records/*/dtd*.json"))
    where = chosen.out / source.relative_to(other.out)
    asleep: list[float] = []
    lock = held(lock_path("record", str(where.resolve()), cache=chosen.cache), "is at dtd", wait=False)

    def finish(seconds: float) -> None:
        asleep.append(seconds)
        where.parent.mkdir(parents=True, exist_ok=True)
        for file in source.parent.glob("dtd*"):
            (where.parent / file.name).write_bytes(file.read_bytes())
        lock.__exit__(None, None, None)

    assert lock.__enter__()
    monkeypatch.setattr("virb.core.locks.time.sleep", finish)
    done = run(chosen)
    assert len(asleep) == 1
    assert [record.task.name for record in done.resumed] == ["dtd"]
    assert [record.task.name for record in done.records] == ["pets_seg"]
    assert "waiting for process" in (chosen.out / "run.log").read_text()
    assert content(chosen.out) == undisturbed[0]


def test_a_picture_that_gets_lost_during_the_run_fails_its_tasks_by_name_and_the_others_go_on(
    place: Path, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, lost = EncoderRun.features, []

    def losing(run: EncoderRun, image_set: Any) -> Any:
        images = image_set.images
        if images.pool.source == "dtd":
            lost.append(images.pool.paths[images.rows[3]])
            lost[0].rename(lost[0].with_suffix(".away"))
        return original(run, image_set)

    monkeypatch.setattr(EncoderRun, "features", losing)
    try:
        done = run(options(place, world, "lost"))
    finally:
        lost[0].with_suffix(".away").rename(lost[0])
    assert [(one.task, type(one.error)) for one in done.failures] == [("dtd", DataError)]
    assert lost[0].name in str(done.failures[0].error)
    assert [record.task.name for record in done.records] == ["pets_seg"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: 8 bytes"),
        RuntimeError("DataLoader worker (pid(s) 4711) exited unexpectedly"),
    ],
)
def test_want_of_memory_fails_one_task_in_three_parts_and_the_others_go_on(
    place: Path, world: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, tmp_path: Path
) -> None:
    def wanting(*given: Any, **named: Any) -> Any:
        raise error

    monkeypatch.setattr(StackProbe, "fit", wanting)
    done = run(replace(options(place, world, "memory"), out=tmp_path))
    (failure,) = done.failures
    assert failure.task == "dtd"
    assert isinstance(failure.error, VirbError)
    assert failure.error.remedy
    assert [record.task.name for record in done.records] == ["pets_seg"]


def test_other_errors_stay_what_they_are() -> None:
    error = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert report.explained(error) is error


def test_an_encoder_that_answers_nan_is_told_and_leaves_no_record(place: Path, world: Path, tmp_path: Path) -> None:
    from virb.cards.select import select_tasks

    class Broken(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3)) / 0 * 0

    chosen = replace(options(place, world, "nan"), out=tmp_path)
    done = harness.run([Broken()], select_tasks("dtd"), chosen)
    assert [type(one.error) for one in done.failures] == [NumericsError]
    assert list(tmp_path.rglob("*.npz")) == []
    assert leftovers(chosen) == []


def test_a_clock_that_jumps_changes_nothing(
    place: Path, world: Path, undisturbed: tuple[dict[str, Any], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back by a day at every look, as after a wrong time zone; only what is shown to people may notice."""
    import time

    now = [4e9]

    def jumping() -> float:
        now[0] -= 86400
        return now[0]

    monkeypatch.setattr(time, "time", jumping)
    chosen = options(place, world, "clock")
    done = run(chosen)
    assert content(chosen.out) == undisturbed[0]
    assert all(value >= 0 for record in done.records for value in record.seconds.values())
    assert len(run(chosen).resumed) == 2


@pytest.mark.parametrize("array", ["maps.f16", "targets.u8"])
def test_a_damaged_row_of_a_large_array_is_noticed_when_it_is_read_and_made_again(
    place: Path,
    world: Path,
    undisturbed: tuple[dict[str, Any], int],
    monkeypatch: pytest.MonkeyPatch,
    array: str,
) -> None:
    """Such arrays are not summed when they are opened: the damage shows in the midst of training."""
    chosen = options(place, world, f"damaged {array}")
    assert not run(chosen).failures
    shutil.rmtree(chosen.out)
    monkeypatch.setattr("virb.core.store._WHOLE", 0)
    (file,) = chosen.cache.rglob(array)
    content_of = bytearray(file.read_bytes())
    content_of[len(content_of) // 2] ^= 1
    file.write_bytes(content_of)
    done = run(chosen)
    assert not done.failures
    assert content(chosen.out) == undisturbed[0]
    assert f"pets_seg begins anew: the cached array {file} is damaged" in notes(chosen)
    assert leftovers(chosen) == []
    assert bytes(content_of) != file.read_bytes()


def notes(chosen: Any) -> list[str]:
    log = [json.loads(line) for line in (chosen.out / "run.log").read_text().splitlines()]
    return [line["text"] for line in log if line["event"] == "note"]


def test_a_damaged_array_that_cannot_be_removed_fails_its_task_alone_with_the_remedy(
    place: Path, world: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chosen = options(place, world, "stuck")
    assert not run(chosen).failures
    monkeypatch.setattr("virb.core.store._WHOLE", 0)
    monkeypatch.setattr("virb.core.store.shutil.rmtree", lambda *given, **named: None)
    (file,) = chosen.cache.rglob("maps.f16")
    file.write_bytes(bytes(len(file.read_bytes())))
    done = run(replace(chosen, out=tmp_path))
    assert [one.task for one in done.failures] == ["pets_seg"]
    assert "virb cache clear" in str(done.failures[0].error)
    assert [record.task.name for record in done.records] == ["dtd"]


@POSIX
def test_a_cache_that_has_become_read_only_is_still_read(
    place: Path, world: Path, undisturbed: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    cache = shutil.copytree(options(place, world, "whole").cache, tmp_path / "cache")
    chosen = replace(options(place, world, "whole"), out=tmp_path / "out", cache=cache)
    before = sorted(cache.rglob("*"))
    try:
        for path in (cache, *before):
            path.chmod(0o555 if path.is_dir() else 0o444)
        with not_as_root():
            with pytest.raises(PermissionError):
                (cache / "new").touch()
            assert not run(chosen).failures
    finally:
        for path in (cache, *before):
            path.chmod(0o755)
    assert content(chosen.out) == undisturbed[0]
    assert sorted(cache.rglob("*")) == before


def test_without_locks_a_run_warns_once_and_goes_on(
    place: Path,
    world: Path,
    undisturbed: tuple[dict[str, Any], int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    import errno

    from filelock import BaseFileLock

    def none(*given: Any, **named: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(BaseFileLock, "acquire", none)
    chosen = options(place, world, "unlocked")
    assert not run(chosen).failures
    assert content(chosen.out) == undisturbed[0]
    log = [json.loads(line) for line in (chosen.out / "run.log").read_text().splitlines()]
    assert sum(line["event"] == "warning" and "no locks" in line["text"] for line in log) == 1


def test_a_run_leaves_denormal_numbers_to_its_caller_as_they_were(place: Path, world: Path) -> None:
    def kept() -> bool:
        return bool((torch.tensor([2.0**-1060], dtype=torch.float64) * 1.0).item())

    try:
        for flushed in (False, True):
            torch.set_flush_denormal(flushed)
            run(options(place, world, "whole"))
            assert kept() is not flushed
    finally:
        torch.set_flush_denormal(False)


def test_no_row_of_a_mapped_array_changes_when_its_entry_is_replaced(place: Path, world: Path) -> None:
    """Another process may make an entry anew, or clear the cache, while this one reads it."""
    chosen = options(place, world, "whole")
    store = chosen.features().store
    entry = next(entry for entry in store.entries() if "maps.f16" in entry.facts["arrays"])  # type: ignore[operator]
    rows = (entry.folder / "pooled.crc").stat().st_size // 4
    width = (entry.folder / "pooled.f32").stat().st_size // rows // 4
    stored = store.read(entry.key, "pooled.f32", rows, width)
    assert stored is not None
    before = stored.take(np.arange(rows)).clone()
    files = {path.name: path.read_bytes() for path in entry.folder.iterdir()}
    store.clear()
    gc.collect()
    assert torch.equal(stored.take(np.arange(rows)), before)
    entry.folder.mkdir(parents=True)
    for name, data in files.items():
        (entry.folder / name).write_bytes(data)
