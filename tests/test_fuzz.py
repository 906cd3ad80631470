"""Fuzz: cards, records and label files that nobody would write; each is read, or refused in three parts, in time."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from fuzzing import ALL, beyond_bounds, changed, harmed, in_time, read_apart, share
from hypothesis import given
from hypothesis import strategies as st

from virb.cards.dataset import DataCard
from virb.cards.encoder import EncoderCard
from virb.cards.protocol import Protocol
from virb.cards.select import TASKS, all_tasks
from virb.cards.task import Task
from virb.cards.yaml_files import read_yaml
from virb.core.paths import card_folder
from virb.data import read_dataset
from virb.data.formats.mat import read_mat
from virb.data.images import read_image
from virb.records.record import read_record

KINDS: dict[str, Any] = {"tasks": Task, "encoders": EncoderCard, "protocols": Protocol, "datasets": DataCard}
CARDS = {kind: sorted(card_folder(kind).glob("*.yaml")) for kind in KINDS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@share(0.2)
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


@share(0.1)
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


@share(0.1)
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


@share(0.2)
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


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process as Linux tells it")
def test_hostile_checkpoints_and_cards_are_read_or_refused_in_time_and_memory(tmp_path: Path) -> None:
    """Archives, old pickles, safetensors, numpy, tar, indexes and cards: harmed, made up, or two in one."""
    rows = read_apart(tmp_path, "0", str(max(100, ALL // 4)))
    assert beyond_bounds(rows) == []
    assert len(rows) == max(100, ALL // 4)
