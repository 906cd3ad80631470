"""The command line and the cache: shown, cleared all or in part, and refused where others may write to it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from commands import COLOR, FAST, Run, assert_three_parts, records

from virb.core.locks import held, lock_path
from virb.core.store import Store

pytestmark = pytest.mark.usefixtures("as_it_was")


def test_the_cache_is_shown_and_cleared(run: Run, data: Path, tmp_path: Path) -> None:
    line = ("evaluate", *COLOR, "--tasks", "dtd", "--data", data, *FAST)
    empty = run("cache", "show", "--json")
    assert (empty.code, json.loads(empty.out)["entries"]) == (0, [])
    run(*line)
    shown = json.loads(run("cache", "show", "--json").out)
    assert Path(shown["folder"]).is_relative_to(tmp_path)
    assert [(entry["encoder"], entry["source"], entry["images"]) for entry in shown["entries"]] == [
        ("baseline-color", "dtd", 27)
    ]
    assert "baseline-color" in run("cache").out
    assert "removed" in run("cache", "clear").out
    assert json.loads(run("cache", "show", "--json").out)["entries"] == []
    assert run("cache", "clear").code == 0
    assert len(records(Path("results"))) == 1, "records are no cache"


def test_the_cache_prints_json_like_tasks_and_encoders_do(run: Run) -> None:
    done = run("cache", "--json")
    assert done.code == 0
    assert json.loads(done.out)["entries"] == []


@pytest.fixture
def filled(tmp_path: Path) -> Store:
    """Return a cache with entries of two encoders over two image sets, one of them not used for ten days."""
    store = Store(tmp_path / "cache", 1 << 30)
    for number, (encoder, source) in enumerate(
        [("mine-1", "dtd"), ("mine-1", "pets"), ("mine-2", "dtd"), ("x", "dtd")]
    ):
        facts = {"encoder": encoder, "source": source, "images": 4, "size": 32}
        store.write(f"{number:08x}", [{"pooled.f32": np.ones((4, 2), "<f4")}], facts)
    ago = time.time() - 10 * 86400
    os.utime(store.folder / "00000003" / "entry.json", (ago, ago))
    return store


def left(store: Store) -> list[str]:
    return sorted(entry.key[-1] for entry in store.entries())


@pytest.mark.parametrize(
    ("selection", "stay"),
    [
        (["--encoder", "mine-1"], "23"),
        (["--encoder", "mine-*"], "3"),
        (["--source", "pets"], "023"),
        (["--encoder", "mine-1", "--source", "dtd"], "123"),
        (["--older-than", "9d"], "012"),
        (["--older-than", "2w"], "0123"),
        (["--older-than", "12h", "--encoder", "mine-2"], "0123"),
        ([], ""),
    ],
)
def test_what_is_cleared_can_be_chosen_and_seen_before(
    run: Run, filled: Store, selection: list[str], stay: str
) -> None:
    told = json.loads(run("cache", "clear", *selection, "--dry-run", "--json").out)
    assert (told["dry_run"], told["bytes_removed"], left(filled)) == (True, 0, list("0123"))
    listing = run("cache", "clear", *selection, "--dry-run")
    assert f"would remove {len(told['entries'])} entr" in listing.out
    assert all(entry["key"] in listing.out for entry in told["entries"])
    done = json.loads(run("cache", "clear", *selection, "--json").out)
    assert left(filled) == list(stay)
    assert [entry["key"] for entry in done["entries"]] == [entry["key"] for entry in told["entries"]]
    assert sorted(entry["key"][-1] for entry in done["entries"]) == sorted(set("0123") - set(stay))


@pytest.mark.parametrize("wrong", [["--encoder", "mine"], ["--source", "imagenet"], ["--older-than", "soon"]])
def test_a_selection_that_can_mean_nothing_removes_nothing_and_says_what_is_there(
    run: Run, filled: Store, wrong: list[str]
) -> None:
    done = run("cache", "clear", *wrong)
    assert done.code == 2
    assert_three_parts(done.err)
    assert left(filled) == list("0123")


def test_what_a_running_process_makes_stays_and_is_told(run: Run, filled: Store, tmp_path: Path) -> None:
    with held(lock_path("entry", "00000000", cache=tmp_path / "cache"), "is making it"):
        done = run("cache", "clear", "--encoder", "mine-1")
    assert "1 entry left" in done.out
    assert left(filled) == list("023")


def test_a_cache_that_others_write_to_is_refused_before_any_work_and_used_where_they_are_trusted(
    run: Run, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "cache").chmod(0o777)
    line = ("evaluate", *COLOR, "--tasks", "dtd", "--data", data, *FAST)
    done = run(*line)
    assert done.code == 1
    assert_three_parts(done.err)
    assert "the cache is not trusted" in done.err
    assert not any((tmp_path / "cache").iterdir())
    assert not Path("results").exists()
    assert run(*line, "--trust-cache").code == 0
    assert run(*line).code == 1, "it is said anew each time"
    assert run("--trust-cache", *line).code == 0
    (tmp_path / "cache").chmod(0o755)
    assert run(*line).code == 0
