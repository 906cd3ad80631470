"""Fuzz: cards, records and label files that nobody would write; each is read, or refused in three parts, in time.

`VIRB_FUZZ=10000 python -m pytest tests/test_fuzz.py` tries that many in all; by default it is a few hundred.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from virb.data import read_dataset
from virb.encode import read_image
from virb.errors import VirbError
from virb.matlab import read_mat
from virb.record import read_record
from virb.registry import read_yaml
from virb.spec import DataCard, EncoderCard, Protocol, Task
from virb.suite import TASKS, all_tasks

ALL = int(os.environ.get("VIRB_FUZZ", "400"))
SECONDS = 5.0
"""Processor time of one case at most: a hang, for files of a few kilobytes."""
KINDS: dict[str, Any] = {"tasks": Task, "encoders": EncoderCard, "protocols": Protocol, "sources": DataCard}
ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {kind: ROOT / kind if (ROOT / kind).is_dir() else ROOT / "virb" / kind for kind in KINDS}
CARDS = {kind: sorted(folder.glob("*.yaml")) for kind, folder in FOLDERS.items()}


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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@share(0.25)
@given(data=st.data())
def test_a_card_of_changed_values_is_read_or_refused(data: st.DataObject, folder: Path) -> None:
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    path = data.draw(st.sampled_from(CARDS[kind]))
    content = data.draw(changed(yaml.safe_load(path.read_text())))
    place = folder / path.name
    try:
        place.write_text(yaml.safe_dump(content, allow_unicode=True))
    except (yaml.YAMLError, UnicodeEncodeError):  # half of a pair of surrogates, which no file can hold
        return
    in_time(lambda: KINDS[kind].read(place))


@share(0.15)
@given(data=st.data())
def test_a_card_of_harmed_bytes_is_read_or_refused(data: st.DataObject, folder: Path) -> None:
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    path = data.draw(st.sampled_from(CARDS[kind]))
    place = folder / path.name
    place.write_bytes(data.draw(harmed(path.read_bytes())))
    in_time(lambda: KINDS[kind].read(place))


@share(0.05)
@given(text=st.text("{}[]&*!|>-:,?#%@`'\" \n\tab0.~<=\\", max_size=60) | st.text(max_size=60))
def test_any_text_at_all_is_a_card_or_refused(text: str, folder: Path) -> None:
    place = folder / "any.yaml"
    place.write_bytes(text.encode("utf-8", "surrogatepass"))
    in_time(lambda: read_yaml(place))
    in_time(lambda: Task.read(place))


@pytest.fixture(scope="module")
def record(folder: Path) -> bytes:
    """Return a record that a run has written."""
    from killing import make_world, options, run

    chosen = options(folder / "runs", make_world(folder / "runs"), "one")
    assert not run(chosen).failures
    return next(chosen.out.glob("records/*/pets_seg*.json")).read_bytes()


@share(0.15)
@given(data=st.data())
def test_a_record_of_changed_values_is_read_or_refused(data: st.DataObject, folder: Path, record: bytes) -> None:
    place = folder / "record.json"
    made = json.dumps(data.draw(changed(json.loads(record))))
    place.write_bytes(made.encode("utf-8", "surrogatepass"))
    in_time(lambda: read_record(place))


@share(0.1)
@given(data=st.data())
def test_a_record_of_harmed_bytes_is_read_or_refused(data: st.DataObject, folder: Path, record: bytes) -> None:
    place = folder / "record.json"
    place.write_bytes(data.draw(harmed(record)))
    in_time(lambda: read_record(place))


LABELS = (".txt", ".json", ".mat", ".csv", ".png", ".tiff", ".jpg", "", ".yaml", ".md")
LABELLED = sorted({(task.dataset, task.target) for task in all_tasks() if task.name in TASKS.names()})


@share(0.25)
@given(data=st.data())
def test_label_files_of_harmed_bytes_are_read_or_refused(data: st.DataObject, small_world: Path, folder: Path) -> None:
    """Lists, scenes, polygons, pickles and maps of every data set: read as a run reads them, with a few labels."""
    dataset, target = data.draw(st.sampled_from(LABELLED))
    whole = read_dataset(dataset, small_world, target)
    files = label_files(small_world, dataset, whole)
    path = data.draw(st.sampled_from(files))
    kept = path.with_name(f"{path.name}.kept")
    shutil.move(path, kept)
    try:
        path.write_bytes(data.draw(harmed(kept.read_bytes())))
        in_time(lambda: read_some(small_world, dataset, target))
    finally:
        shutil.move(kept, path)


def label_files(root: Path, dataset: str, whole: Any) -> list[Path]:
    """Return the lists of a data set, and some of its label maps and pictures."""
    from virb.data.common import data_card, locate

    lists = [
        path
        for path in sorted(locate(root, data_card(dataset)).rglob("*"))
        if path.is_file() and path.suffix in (".txt", ".json", ".mat", ".csv", "") and not path.name.startswith(".")
    ]
    labels = sorted(set(whole.labels.paths))[:3] if whole.labels else []
    return [*lists[:12], *labels, *whole.pool.paths[:1]]


def read_some(root: Path, dataset: str, target: str) -> None:
    """Read a data set, and the first samples' pictures and labels."""
    found = read_dataset(dataset, root, target)
    read_image(found.pool, 0)
    if found.labels is not None:
        for row in range(min(3, len(found.labels))):
            found.labels.read(row)


@share(0.05)
@given(data=st.data())
def test_polygons_of_harmed_bytes_are_read_or_refused(data: st.DataObject, small_world: Path, folder: Path) -> None:
    """On such files the usual reader ends the process now and then."""
    path = next((small_world / "egohands_data").rglob("polygons.mat"))
    place = folder / "polygons.mat"
    place.write_bytes(data.draw(harmed(path.read_bytes())))
    in_time(lambda: read_mat(place))
