"""Fuzz: how many cases, what a case may end in, and files and values that nobody would write.

`VIRB_FUZZ=10000 python -m pytest -s tests/test_fuzz.py tests/test_hostile_readers.py tests/submit/test_submit_fuzz.py`
tries that many in all; by default it is a few hundred.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from virb.core.errors import VirbError

ALL = int(os.environ.get("VIRB_FUZZ", "400"))
SECONDS = 5.0
"""Processor time of one case at most: a hang, for files of a few kilobytes."""


def share(part: float) -> Any:
    """Return settings for a part of all cases; deterministic, so that a failure is everybody's."""
    return settings(
        max_examples=max(10, int(ALL * part)),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def refusal(work: Any) -> VirbError | None:
    """Return the error in three parts that something ends in, if any."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            work()
        except VirbError as error:
            return error
    return None


def in_time(work: Any) -> None:
    """Do something that may only fail with an error in three parts, and soon."""
    started, refused = time.process_time(), refusal(work)
    assert refused is None or (refused.found and (refused.expected or refused.remedy))
    assert time.process_time() - started < SECONDS


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        10**400,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "\0",
        "../../etc/passwd",
        "a" * 5000,
        "🎈",
        [],
        {},
    ]
)
VALUES = st.recursive(
    ODD | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@st.composite
def changed(draw: st.DrawFn, content: Any) -> Any:
    """Return a tree of values with one to three of its parts lost, doubled, or put in the stead of others."""
    made = json.loads(json.dumps(content))
    for _ in range(draw(st.integers(1, 3))):
        places = list(branches(made))
        if not places:
            return draw(VALUES)
        holder, key = draw(st.sampled_from(places))
        kind = draw(st.sampled_from(["lose", "set", "swap", "wrap", "new"]))
        if kind == "lose":
            del holder[key]
        elif kind == "set":
            holder[key] = draw(VALUES)
        elif kind == "swap":
            other, name = draw(st.sampled_from(places))
            try:
                holder[key] = json.loads(json.dumps(other[name]))
            except (KeyError, IndexError):
                holder[key] = None
        elif kind == "wrap":
            holder[key] = [holder[key]]
        elif isinstance(holder, dict):
            holder[draw(st.text(max_size=8))] = draw(VALUES)
    return made


def branches(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (holder, key) of a tree; of long lists the first few."""
    inner = list(value.items()) if isinstance(value, dict) else list(enumerate(value[:6]))
    for key, part in inner:
        yield value, key
        if isinstance(part, (dict, list)):
            yield from branches(part)


@st.composite
def harmed(draw: st.DrawFn, whole: bytes) -> bytes:
    """Return a file's bytes with bits flipped, a piece cut out, doubled or replaced, or its end lost."""
    made = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        # The head and the tail of a file say most; a place there is as likely as one in all the rest.
        size = max(1, len(made))
        place = draw(
            st.integers(0, size - 1) | st.integers(0, min(200, size - 1)) | st.integers(max(0, size - 60), size - 1)
        )
        length = draw(st.integers(1, 40))
        kind = draw(st.sampled_from(["flip", "cut", "double", "write", "end"]))
        if kind == "flip" and made:
            made[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del made[place : place + length]
        elif kind == "double":
            made[place:place] = made[place : place + length]
        elif kind == "write":
            made[place : place + length] = draw(st.binary(min_size=length, max_size=length))
        elif kind == "end":
            del made[place:]
    return bytes(made)


def read_apart(folder: Path, *asked: str) -> list[dict[str, Any]]:
    """Return what came of hostile files that a process with limits read; a hang or a crash leaves rows out."""
    command = [sys.executable, str(Path(__file__).with_name("hostile_run.py")), str(folder), *asked]
    places = os.pathsep.join([*(path for path in sys.path if path), str(Path(__file__).parent)])
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=3600, env={**os.environ, "PYTHONPATH": places}
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (rows[-1:], done.stderr[-2000:])
    worst = {key: max(row[key] for row in rows) for key in ("seconds", "mebibytes", "letters", "bytes")}
    print(f"{len(rows)} hostile files; at worst {worst}")
    return rows


def beyond_bounds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of the rows that break the promise: a traceback, over 10 s, over 1 GiB beside the idle process.

    A long message breaks it too.
    """
    most = {"seconds": 10, "mebibytes": 1024, "letters": 10_000}
    return [
        row
        for row in rows
        if row["outcome"] not in ("read", "refused") or any(row[key] > limit for key, limit in most.items())
    ]
