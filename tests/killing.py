"""Processes that are killed, and processes that run at once: each a fork of this one, which has imported everything.

`python tests/killing.py kill FOLDER --times 50` kills a run of two tasks with signal 9 that often, half of them at the
n-th write and half at a random moment, resumes each, and prints as JSON what became of it; `crowd` runs several
processes on one results folder and one cache. The tests run both in a process of its own, on one thread: a fork after
threads were at work may hang.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from faults import Writes

TASKS = "dtd,pets_seg"
IMAGE_SETS = 3
"""What is written once to the cache: features of two data sets, and targets of one."""


def make_world(folder: Path) -> Path:
    """Return a data folder with the two tasks' data."""
    from virb.sample import ensure

    return ensure(["dtd", "pets"], folder=folder / "world", size=0.12, workers=1)


def options(folder: Path, world: Path, name: str, workers: int = 0) -> Any:
    """Return options of a run in a folder of its own: two epochs, one seed, a few pictures."""
    from virb.cards.select import protocol
    from virb.run.options import Asked

    rules = protocol("quick")
    assert rules.pixel is not None
    short = rules.model_copy(
        update={
            "size": 32,
            "image": rules.image.model_copy(update={"epochs": 2, "seeds": 1}),
            "pixel": rules.pixel.model_copy(update={"epochs": 2, "seeds": 1, "search_seeds": 1}),
        }
    )
    place = folder / name
    plain = Asked(data=world, device="cpu", limit=8, workers=workers, out=place / "results").options()
    return replace(plain, protocol=short, source="sample", cache=place / "cache")


def run(chosen: Any) -> Any:
    """Evaluate the two tasks."""
    from virb.cards.encoder_names import encoder_cards
    from virb.cards.select import select_tasks
    from virb.run import harness

    return harness.run(encoder_cards(["baseline:pixels"]), select_tasks(TASKS), chosen)


def content(out: Path) -> dict[str, Any]:
    """Return every file of the records, JSON without what may differ between two runs."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in (out / "records").rglob("*") if path.is_file()):
        name = str(path.relative_to(out))
        if path.suffix == ".json":
            facts = json.loads(path.read_text())
            found[name] = {key: value for key, value in facts.items() if key not in ("created", "seconds")}
        else:
            found[name] = path.read_bytes()
    return found


def leftovers(chosen: Any) -> list[str]:
    """Return what a run should not leave behind: temporary files, and entries that are not whole to the last row."""
    from virb.core.store import Store

    found = [str(path) for place in (chosen.out, chosen.cache) for path in place.rglob("*.tmp")]
    store = Store(chosen.cache)
    entries = store.entries()
    unfinished = {path.name for path in store.folder.iterdir()} - {entry.key for entry in entries}
    return found + sorted(unfinished) + [entry.key for entry in entries if not sound(store, entry)]


def sound(store: Any, entry: Any) -> bool:
    """Tell whether every row of every array of an entry is what was written."""
    for name in entry.facts["arrays"]:
        sums = (entry.folder / name).with_suffix(".crc").stat().st_size // 4
        width = (entry.folder / name).stat().st_size // sums
        if store.read(entry.key, name, sums, width, "|u1") is None:
            return False
    return True


def forked(work: Callable[[], object]) -> int:
    """Run something in a process of its own, which ends with 0 if it went well; return its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def ended(child: int, limit: float = 60) -> int:
    """Return how a process ended, as a shell says it; one that hangs is killed and said to."""
    last = time.monotonic() + limit
    while time.monotonic() < last:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise SystemExit(f"process {child} hung")


def killed_after(seconds: float, chosen: Any) -> int:
    """Kill a run after some time; one that was faster is run again and killed sooner."""
    child = forked(lambda: run(chosen))
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    code = ended(child)
    if code == 0:
        shutil.rmtree(chosen.out.parent)
        return killed_after(seconds / 2, chosen)
    return code


def kill(folder: Path, times: int, seed: int) -> dict[str, Any]:
    """Kill a run again and again, each time from nothing, and resume it once."""
    draw, world = random.Random(seed), make_world(folder)
    whole = options(folder, world, "whole")
    writes = Writes()
    with writes.counted():
        started = time.monotonic()
        run(whole)
        seconds = time.monotonic() - started
    wanted, said = content(whole.out), []
    for number in range(times):
        chosen = options(folder, world, f"run{number}", workers=number % 4 // 2)
        at = draw.randrange(1, writes.count + 1) if number % 2 == 0 else None
        if at is not None:
            code = ended(forked(lambda at=at, chosen=chosen: Writes(at, "kill").around(lambda: run(chosen))))
        else:
            code = killed_after(draw.uniform(0, seconds), chosen)
        before = len(list(chosen.out.glob("records/*/*.json")))
        resumed = ended(forked(lambda chosen=chosen: run(chosen)))
        same = content(chosen.out) == wanted
        said.append({"at": at, "code": code, "records before": before, "resumed": resumed, "same": same,
                     "left": leftovers(chosen)})  # fmt: skip
    return {"writes": writes.count, "kills": said}


def crowd(folder: Path, size: int) -> dict[str, Any]:
    """Run several processes at once on one results folder and one cache."""
    from virb.data import targets
    from virb.encode.features import Pass

    world = make_world(folder)
    run(options(folder, world, "alone"))
    chosen, made = options(folder, world, "crowd"), folder / "made"
    original, chunks = Pass.chunks, targets._chunks

    def noted(work: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*given: Any) -> Any:
            with open(made, "ab", buffering=0) as stream:
                stream.write(b"x")
            return work(*given)

        return noting

    Pass.chunks, targets._chunks = noted(original), noted(chunks)  # type: ignore[method-assign]
    children = [forked(lambda: run(chosen)) for _ in range(size)]
    codes = [ended(child, 300) for child in children]
    lines = [json.loads(line) for line in (chosen.out / "run.log").read_text().splitlines()]
    return {
        "codes": codes,
        "made": made.stat().st_size,
        "image sets": IMAGE_SETS,
        "measured": sum(line["event"] == "record" for line in lines),
        "done before": sum(line["event"] == "done before" for line in lines),
        "runs": len({line["run"] for line in lines}),
        "same": content(chosen.out) == content(folder / "alone" / "results"),
        "left": leftovers(chosen),
    }


def main() -> None:
    """Do what the command line asks, and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("kill", "crowd"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    work = kill(asked.folder, asked.times, asked.seed) if asked.what == "kill" else crowd(asked.folder, asked.times)
    print(json.dumps(work, indent=1))


if __name__ == "__main__":
    main()
