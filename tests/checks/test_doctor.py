"""Doctor: a line for everything a run would meet, with the remedy where something is amiss; it changes nothing."""

from __future__ import annotations

import json
from collections import namedtuple
from pathlib import Path

import pytest

from virb.checks.doctor import examine, machine
from virb.checks.doctor.check import Diagnosis
from virb.checks.doctor.places import cache_health, cache_place, data_health, records_health, writable
from virb.cli import main
from virb.core.locks import held, lock_path
from virb.core.store import Store

NAMES = [
    "versions", "cache folder", "results folder", "disk", "memory", "shared memory", "threads", "cache", "records",
    "data", "device",
]  # fmt: skip
Usage = namedtuple("Usage", "total used free")


def everything(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def test_every_check_has_its_line_and_nothing_is_changed(tmp_path: Path) -> None:
    before = everything(tmp_path)
    found = list(examine(None, tmp_path / "out" / "results", tmp_path / "cache"))
    assert [check.name for check in found] == NAMES
    assert all(check.remedy for check in found if check.state != "ok")
    assert everything(tmp_path) == before


def test_the_command_prints_the_same_as_lines_and_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRB_CACHE", str(tmp_path / "cache"))
    line = ["doctor", "--out", str(tmp_path / "results")]
    code = main(line)
    printed = capsys.readouterr().out.splitlines()
    assert main([*line, "--json"]) == code
    facts = json.loads(capsys.readouterr().out)
    assert [fact["name"] for fact in facts] == NAMES
    assert [text.split()[0] for text in printed] == [fact["state"] for fact in facts]
    assert code == int(any(fact["state"] == "stop" for fact in facts))


def test_lines_are_printed_as_they_come_and_do_not_wait_for_the_slowest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before: list[str] = []

    def slow() -> Diagnosis:
        before.extend(capsys.readouterr().out.splitlines())
        return machine.device()

    monkeypatch.setenv("VIRB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("virb.checks.doctor.device", slow)
    main(["doctor", "--out", str(tmp_path / "results")])
    assert [line.split(":")[0].split(maxsplit=1)[1] for line in before] == NAMES[:-1]


def test_what_would_stop_a_run_ends_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results").write_text("a file")
    assert main(["doctor", "--out", str(tmp_path / "results")]) == 1
    out = capsys.readouterr().out
    assert "stop  results folder:" in out
    assert "--out" in out
    assert main(["doctor", "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path)]) == 1


def test_a_check_that_fails_itself_does_not_take_the_others_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd() -> Diagnosis:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr("virb.checks.doctor.memory", odd)
    found = {check.name: check for check in examine(None, tmp_path, tmp_path)}
    assert "ZeroDivisionError" in found["memory"].text
    assert len(found) == len(NAMES)


def test_too_little_disk_or_memory_stops_and_little_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((100 << 20, "stop"), (2 << 30, "note"), (1 << 40, "ok")):
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda place, free=free: Usage(0, 0, free))
        monkeypatch.setattr(machine, "free_memory", lambda free=free: free)
        assert machine.disk(tmp_path / "cache", tmp_path / "out").state == state
        assert machine.memory().state == state


def test_a_cache_that_others_write_to_would_stop_a_run_unless_they_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    assert cache_place(cache).state == "ok"
    cache.chmod(0o1777)
    found = cache_place(cache)
    assert found.state == "stop"
    assert "everybody may write to" in found.text
    assert "--trust-cache" in found.remedy
    monkeypatch.setenv("VIRB_TRUST_CACHE", "1")
    assert cache_place(cache).state == "note"


def test_more_threads_than_a_container_may_use_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_GROUP", tmp_path)
    (tmp_path / "cpu.max").write_text("150000 100000")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    found = machine.threads()
    assert found.state == "note"
    assert "OMP_NUM_THREADS=1" in found.remedy
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert machine.threads().state == "ok"


def test_more_threads_than_a_busy_machine_has_to_spare_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_share", lambda: None)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda number: set(range(8)), raising=False)
    for load, asked, state in ((0.4, "", "ok"), (6.2, "", "note"), (6.2, "1", "ok"), (40.0, "2", "note")):
        monkeypatch.setattr(machine.os, "getloadavg", lambda load=load: (load, 0.0, 0.0), raising=False)
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
        found = machine.threads()
        assert found.state == state, found
        assert f"load {load:.1f}" in found.text
        assert ("OMP_NUM_THREADS=1" in found.remedy) == (state == "note")


def test_a_library_that_is_older_than_required_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_required", lambda: ["torch>=99.0", "numpy>=1.0", "no_such_thing>=1"])
    found = machine.versions()
    assert found.state == "stop"
    assert "torch>=99.0, no_such_thing>=1" in found.text


def test_damaged_entries_and_what_killed_runs_left_are_counted(tmp_path: Path) -> None:
    import numpy as np

    store = Store(tmp_path, 1 << 30)
    for key in ("aa", "bb"):
        store.write(key, [{"pooled.f32": np.ones((4, 2), "<f4")}], {"source": "test"})
    assert cache_health(tmp_path).state == "ok"
    (store.folder / ".cc.00000000-1-00000000.tmp").mkdir()
    assert "1 unfinished" in cache_health(tmp_path).text
    with held(lock_path("entry", "aa", cache=tmp_path), "is making it"):
        assert "1 being made" in cache_health(tmp_path).text
    file = store.folder / "aa" / "pooled.f32"
    file.write_bytes(file.read_bytes()[:-1])
    (store.folder / "bb" / "entry.json").unlink()
    found = cache_health(tmp_path)
    assert found.state == "note"
    assert "2 damaged" in found.text


def test_a_record_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert records_health(tmp_path).state == "ok"
    (tmp_path / "records" / "one").mkdir(parents=True)
    (tmp_path / "records" / "one" / "dtd.json").write_text("{")
    assert "dtd.json" in records_health(tmp_path).text


def test_data_sets_are_counted_by_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIRB_DATA", raising=False)
    assert data_health(tmp_path).state == "note"
    (tmp_path / "dtd" / "labels").mkdir(parents=True)
    (tmp_path / "dtd" / "labels" / "train1.txt").write_text("")
    assert data_health(tmp_path).text.startswith("1 of ")
    (tmp_path / "dtd" / "labels" / "train1.txt").rename(tmp_path / "dtd" / "labels" / "other.txt")
    assert data_health(tmp_path).state == "stop"


def test_a_folder_that_was_made_to_try_is_removed(tmp_path: Path) -> None:
    assert writable("results folder", tmp_path / "a" / "b", "").state == "ok"
    assert not (tmp_path / "a").exists()
