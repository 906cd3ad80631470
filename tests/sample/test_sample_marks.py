"""The marks of the sample world: they stand beside what it made, tell what it is, and never stand for half of it."""

import hashlib
import json
import os
import shutil
from functools import partial
from pathlib import Path

import pytest
import torchvision
from worlds import MARKER, contents, leftovers, marker_of

from virb.core.errors import MissingData
from virb.data import read_dataset
from virb.data.classes import CALTECH101
from virb.sample import DATASETS, ensure, world
from virb.sample.sets import WRITERS


@pytest.mark.parametrize("name", DATASETS)
def test_the_marker_tells_what_was_made(small, name):
    top = small / WRITERS[name].folder
    marker = json.loads(marker_of(top).read_text())
    files = contents(top)
    listing = "".join(f"{path} {hashlib.sha256(data).hexdigest()}\n" for path, data in sorted(files.items()))
    assert (marker["sample"], marker["size"], marker["seed"]) == (name, 0.02, 0)
    assert (marker["files"], marker["bytes"]) == (len(files), sum(map(len, files.values())))
    assert marker["sha256"] == hashlib.sha256(listing.encode()).hexdigest()
    assert marker["generator"] == world.VERSION


def test_the_root_is_marked_and_nothing_else_is_left(small):
    assert json.loads((small / MARKER).read_text())["sample"] == "world"
    tops = {writer.folder.partition("/")[0] for writer in WRITERS.values()}
    marked = {f".{writer.folder}{MARKER}" for writer in WRITERS.values() if "/" not in writer.folder}
    assert {path.name for path in small.iterdir()} == {MARKER, *tops, *marked}


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_holds_nothing_that_its_owner_does_not_put_there(small, name):
    assert not list((small / WRITERS[name].folder).rglob(f"*{MARKER}"))


def test_torchvision_reads_the_sample_caltech_as_its_own(small, tmp_path):
    place = shutil.copytree(small / WRITERS["caltech101"].folder, tmp_path / "caltech101" / "101_ObjectCategories")
    (tmp_path / "caltech101" / "Annotations").mkdir()
    (place / "BACKGROUND_Google").mkdir(exist_ok=True)
    data = torchvision.datasets.Caltech101(tmp_path)
    assert data.categories
    assert set(data.categories) <= set(CALTECH101)
    assert len(data) == len([path for path in place.rglob("*.jpg") if path.parent.name in CALTECH101])


def test_a_world_that_was_marked_inside_is_known_for_one_and_marked_beside(small, tmp_path, monkeypatch):
    root = tmp_path / "world"
    shutil.copytree(small / "dtd", root / "dtd")
    shutil.copy(marker_of(small / "dtd"), root / "dtd" / MARKER)
    read = partial(read_dataset, "dtd", target="texture")
    assert read(root=root).digest == read(root=small).digest
    monkeypatch.setattr(world, "_make", lambda *_: pytest.fail("made again"))
    ensure(["dtd"], folder=root, size=0.02, workers=1)
    assert marker_of(root / "dtd").is_file()
    assert not (root / "dtd" / MARKER).exists()


@pytest.mark.parametrize(
    "harm", ["no marker", "a file too many", "half a marker", "a file lost", "a file cut short", "another size"]
)
def test_a_half_written_data_set_is_made_again(small, tmp_path, harm):
    root = tmp_path / "world"
    shutil.copytree(small, root)
    top = root / "CLEVR_v1.0"
    victim = top / "images" / "val" / "CLEVR_val_000001.png"
    mark = marker_of(top)
    marker = json.loads(mark.read_text())
    {
        "no marker": mark.unlink,
        "a file too many": lambda: (top / "stray.txt").write_text("left by a killed run"),
        "half a marker": lambda: mark.write_text(mark.read_text()[:40]),
        "a file lost": victim.unlink,
        "a file cut short": lambda: victim.write_bytes(victim.read_bytes()[:100]),
        "another size": lambda: mark.write_text(json.dumps({**marker, "size": 0.5})),
    }[harm]()
    ensure(["clevr"], folder=root, size=0.02, workers=1)
    assert contents(root) == contents(small)
    assert not leftovers(root)


def test_hidden_files_of_a_file_manager_do_not_spoil_a_data_set(small, monkeypatch):
    hidden = small / "dtd" / "images" / ".DS_Store"
    hidden.write_bytes(b"x")
    monkeypatch.setattr(world, "_make", lambda *_: pytest.fail("made again"))
    ensure(["dtd"], folder=small, size=0.02)
    hidden.unlink()


def test_the_marker_is_written_when_all_is_made_and_the_move_is_one_step(tmp_path, monkeypatch):
    seen = []
    place = tmp_path / "CLEVR_v1.0"
    true_rename = os.rename

    def rename(source, target):
        seen.append((place.exists(), marker_of(place).exists(), len(list(Path(source).rglob("*.png"))), Path(target)))
        true_rename(source, target)

    monkeypatch.setattr(world.os, "rename", rename)
    ensure(["clevr"], folder=tmp_path, size=0.02, workers=1, progress=lambda *_: seen.append(marker_of(place).exists()))
    assert seen.pop() == (False, True, 29, place)
    assert not any(seen)


def test_a_kill_between_marker_and_move_leaves_what_the_next_run_makes_whole(small, tmp_path):
    shutil.copy(marker_of(small / "dtd"), marker_of(tmp_path / "dtd"))
    with pytest.raises(MissingData):
        read_dataset("dtd", tmp_path, "texture")
    ensure(["dtd"], folder=tmp_path, size=0.02, workers=1)
    assert contents(tmp_path / "dtd") == contents(small / "dtd")
