"""Shelf: what is there, fetching what is not from a real server on this machine, and looking at every file."""

from __future__ import annotations

import hashlib
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from virb.cards.yaml_files import Registry
from virb.core.errors import DataError, MissingData, UsageError
from virb.core.paths import card_folder
from virb.core.progress import Silent
from virb.core.types import IGNORED, Dataset, LabelKind, Labels, Pool, Split
from virb.core.workers import spread, worker_count
from virb.data.common import data_card
from virb.data.shelf import card, fetch_dataset, names, status, targets, uses, verify
from virb.sample import ensure

CLASSES = ("banded", "dotted", "zigzagged")
SPLITS = ("train", "val", "test")


def make_dtd(root: Path) -> Path:
    """Write a tiny DTD in the owner's layout below a root, and return its folder."""
    folder = root / "dtd"
    (folder / "labels").mkdir(parents=True)
    number = 0
    for split in SPLITS:
        lines = []
        for name in CLASSES:
            number += 1
            (folder / "images" / name).mkdir(parents=True, exist_ok=True)
            lines.append(f"{name}/{name}_{number:04d}.jpg")
            Image.new("RGB", (24, 16), (number * 20, 0, 0)).save(folder / "images" / lines[-1])
        (folder / "labels" / f"{split}1.txt").write_text("\n".join(lines) + "\n")
    return folder


class Notes(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and keeps silent about it."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Return the address of a server and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder of cards in the stead of the shipped ones; tasks stay as they are."""
    folder = tmp_path / "cards"
    folder.mkdir()
    monkeypatch.setattr(
        "virb.cards.yaml_files.card_folder", lambda kind: folder if kind == "datasets" else card_folder(kind)
    )
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    data_card.cache_clear()
    yield folder
    data_card.cache_clear()


def write_card(folder: Path, name: str, **changes: Any) -> None:
    shipped = yaml.safe_load((card_folder("datasets") / "dtd.yaml").read_text())
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({**shipped, "name": name, **changes}))


@pytest.fixture
def shop(tmp_path: Path, cards: Path, served: tuple[str, Path]) -> Path:
    """Return the folder of a server that has DTD as its owner packs it, with a card that leads there."""
    address, folder = served
    make_dtd(tmp_path / "owner")
    pack(tmp_path / "owner", folder / "dtd.tar.gz")
    write_card(cards, "dtd", archives=[archive(address, folder / "dtd.tar.gz")])
    return folder


def pack(root: Path, place: Path) -> None:
    with tarfile.open(place, "w:gz") as tar:
        tar.add(root / "dtd", "dtd")


def archive(address: str, file: Path, **more: Any) -> dict[str, Any]:
    data = file.read_bytes()
    known = {"bytes": len(data), "md5": hashlib.md5(data).hexdigest()}
    return {"url": f"{address}/{file.name}", "file": file.name, **known, **more}


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# Status


def test_every_card_has_a_reader_and_a_task() -> None:
    used = uses()
    assert set(used) == set(names()), "a task names a data set without a card"
    for name in names():
        assert card(name).name == name


def test_an_unknown_data_set_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'clevr'") as caught:
        card("clever")
    assert "virb data status" in caught.value.remedy
    with pytest.raises(UsageError):
        status(Path("nowhere"), ["clever"])


def test_an_empty_shelf_is_all_missing_and_each_says_how_it_comes(tmp_path: Path) -> None:
    rows = status(tmp_path / "nowhere")
    assert [row.card.name for row in rows] == names()
    assert {row.state for row in rows} == {"missing"}
    for row in rows:
        if row.card.access == "open":
            assert row.next_step == f"virb data download {row.card.name}"
        else:
            assert row.next_step == row.card.steps
    assert not (tmp_path / "nowhere").exists(), "looking makes nothing"


def test_what_is_there_is_counted_and_other_counts_than_usual_are_noted(tmp_path: Path) -> None:
    make_dtd(tmp_path)
    (row,) = status(tmp_path, ["dtd"])
    assert (row.state, dict(row.counts), row.sample) == ("found", dict.fromkeys(SPLITS, 3), False)
    assert row.folder == tmp_path / "dtd"
    assert any("counts differ" in note for note in row.notes)
    assert [task.name for task in row.tasks] == ["dtd"]
    assert row.next_step == "virb data verify dtd"


def test_the_sample_world_is_found_as_such_and_its_counts_are_not_odd(tmp_path: Path) -> None:
    root = ensure(["dtd"], folder=tmp_path / "sample", size=0.1, workers=1)
    dtd, clevr = status(root, ["dtd", "clevr"], sample=True)
    assert (dtd.state, dtd.sample, dtd.notes) == ("found", True, ())
    assert (clevr.state, clevr.next_step) == ("missing", "virb data sample clevr")


@pytest.mark.parametrize("lost", ["labels/train1.txt", "labels/test1.txt", "images/dotted"])
def test_half_present_data_are_broken_and_say_what_is_missing(tmp_path: Path, lost: str) -> None:
    place = make_dtd(tmp_path) / lost
    if place.is_dir():
        for path in place.iterdir():
            path.unlink()
    else:
        place.unlink()
    (row,) = status(tmp_path, ["dtd"])
    assert row.state == "broken"
    assert row.problem
    assert row.next_step


def test_a_data_set_that_nothing_reads_is_told_apart_from_a_broken_one(tmp_path: Path, cards: Path) -> None:
    write_card(cards, "mine", folders=["mine"], proof=["a.txt"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("a")
    (row,) = status(tmp_path, ["mine"])
    assert (row.state, row.tasks) == ("unreadable", ())


def test_a_target_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_dtd(tmp_path)
    used = uses()
    other = used["dtd"][0].model_copy(update={"name": "other", "target": "nonsense"})
    monkeypatch.setattr(import_module("virb.data.shelf.status"), "uses", lambda: {**used, "dtd": [other, *used["dtd"]]})
    (row,) = status(tmp_path, ["dtd"])
    assert row.state == "found"
    assert row.notes[0].startswith("nonsense: dtd offers no target")


def test_targets_stand_once_and_core_tasks_come_first() -> None:
    for tasks in uses().values():
        assert len(set(targets(tasks))) == len(targets(tasks))
        assert [task.extra for task in tasks] == sorted(task.extra for task in tasks)


# Fetching


def test_a_data_set_is_fetched_unpacked_read_and_nothing_else_is_left(tmp_path: Path, shop: Path) -> None:
    row = fetch_dataset("dtd", tmp_path / "data")
    assert (row.state, dict(row.counts)) == ("found", dict.fromkeys(SPLITS, 3))
    assert files(tmp_path / "data") == files(tmp_path / "owner")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["dtd"]


def test_the_archives_are_kept_when_asked_for(tmp_path: Path, shop: Path) -> None:
    fetch_dataset("dtd", tmp_path / "data", keep=True)
    assert files(tmp_path / "data" / ".downloads") == {"dtd/dtd.tar.gz"}
    assert status(tmp_path / "data", ["dtd"])[0].state == "found"


def test_what_is_there_already_is_said_and_left_as_it_is(tmp_path: Path, shop: Path) -> None:
    fetch_dataset("dtd", tmp_path / "data")
    (shop / "dtd.tar.gz").unlink()
    notes = Notes()
    assert fetch_dataset("dtd", tmp_path / "data", progress=notes).state == "found"
    assert "there already" in notes.said[0]


def test_an_archive_put_there_by_hand_is_taken(tmp_path: Path, shop: Path) -> None:
    folder = tmp_path / "data" / ".downloads" / "dtd"
    folder.mkdir(parents=True)
    (shop / "dtd.tar.gz").rename(folder / "dtd.tar.gz")
    assert fetch_dataset("dtd", tmp_path / "data").state == "found"


def test_half_a_data_set_is_completed_and_nothing_in_it_overwritten(tmp_path: Path, shop: Path) -> None:
    folder = make_dtd(tmp_path / "data")
    (folder / "labels" / "val1.txt").unlink()
    (folder / "notes.txt").write_text("mine")
    notes = Notes()
    assert fetch_dataset("dtd", tmp_path / "data", progress=notes).state == "found"
    assert (folder / "notes.txt").read_text() == "mine"
    assert "val1.txt" in notes.said[0]


def test_a_damaged_file_that_is_there_is_not_overwritten_but_named(tmp_path: Path, shop: Path) -> None:
    folder = make_dtd(tmp_path / "data")
    (folder / "labels" / "val1.txt").write_text("")
    before = files(tmp_path / "data")
    with pytest.raises(DataError, match=r"val1\.txt") as caught:
        fetch_dataset("dtd", tmp_path / "data")
    assert "out of the way" in caught.value.remedy
    assert files(tmp_path / "data") - before == {".downloads/dtd/dtd.tar.gz"}, "what was fetched is not lost"


def test_what_cannot_be_read_after_unpacking_is_not_put_into_place(
    tmp_path: Path, cards: Path, served: tuple[str, Path]
) -> None:
    address, folder = served
    (make_dtd(tmp_path / "owner") / "labels" / "test1.txt").unlink()
    pack(tmp_path / "owner", folder / "dtd.tar.gz")
    write_card(cards, "dtd", archives=[archive(address, folder / "dtd.tar.gz")])
    with pytest.raises(DataError, match="not put into place") as caught:
        fetch_dataset("dtd", tmp_path / "data")
    assert ".downloads" in caught.value.remedy
    assert files(tmp_path / "data") == {".downloads/dtd/dtd.tar.gz"}


def test_of_several_archives_all_come_or_none(
    tmp_path: Path, shop: Path, cards: Path, served: tuple[str, Path]
) -> None:
    first = archive(served[0], shop / "dtd.tar.gz")
    lists = {**first, "url": f"{served[0]}/lists.txt", "file": "lists.txt", "md5": None, "bytes": 5, "into": "dtd/more"}
    write_card(cards, "dtd", archives=[first, lists])
    with pytest.raises(DataError, match="404"):
        fetch_dataset("dtd", tmp_path / "data")
    assert files(tmp_path / "data") == {".downloads/dtd/dtd.tar.gz"}
    (shop / "lists.txt").write_text("lists")
    assert fetch_dataset("dtd", tmp_path / "data").state == "found"
    assert (tmp_path / "data" / "dtd" / "more" / "lists.txt").read_text() == "lists", "no archive: put there as it is"


def test_an_archive_within_an_archive_is_unpacked_too(
    tmp_path: Path, shop: Path, cards: Path, served: tuple[str, Path]
) -> None:
    with zipfile.ZipFile(shop / "outer.zip", "w") as outer:
        outer.write(shop / "dtd.tar.gz", "dtd.tar.gz")
    write_card(cards, "dtd", archives=[archive(served[0], shop / "outer.zip")])
    assert fetch_dataset("dtd", tmp_path / "data").state == "found"
    assert files(tmp_path / "data") == files(tmp_path / "owner")


def test_a_changed_archive_is_refused_and_nothing_is_unpacked(tmp_path: Path, shop: Path) -> None:
    data = bytearray((shop / "dtd.tar.gz").read_bytes())
    data[100] ^= 255
    (shop / "dtd.tar.gz").write_bytes(bytes(data))
    with pytest.raises(DataError, match="has the md5"):
        fetch_dataset("dtd", tmp_path / "data")
    assert files(tmp_path / "data") == set()


@pytest.mark.parametrize(("access", "words"), [("registration", "registration"), ("gone", "no longer")])
def test_closed_data_are_refused_with_the_steps(tmp_path: Path, cards: Path, access: str, words: str) -> None:
    write_card(cards, "dtd", access=access, archives=[], steps="write to the owner")
    with pytest.raises(DataError, match=words) as caught:
        fetch_dataset("dtd", tmp_path / "data")
    assert caught.value.remedy == "write to the owner"
    assert caught.value.exit_code == 1
    assert not (tmp_path / "data").exists()


def test_a_failure_in_the_middle_leaves_no_folder_behind(
    tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("virb.data.shelf.download"), "settle", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch_dataset("dtd", tmp_path / "data")
    assert files(tmp_path / "data") == {".downloads/dtd/dtd.tar.gz"}


# Verifying


@pytest.mark.parametrize("workers", [0, 2])
def test_every_picture_is_opened_and_broken_ones_are_named(tmp_path: Path, workers: int) -> None:
    folder = make_dtd(tmp_path)
    assert verify("dtd", tmp_path, workers=workers).broken == ()
    cut, fake = folder / "images" / "dotted" / "dotted_0005.jpg", folder / "images" / "banded" / "banded_0001.jpg"
    cut.write_bytes(cut.read_bytes()[:400])
    fake.write_text("no picture")
    found = verify("dtd", tmp_path, workers=workers)
    assert (found.images, found.labels) == (9, 0)
    assert [(one.id, one.path) for one in found.broken] == [("banded/banded_0001", fake), ("dotted/dotted_0005", cut)]
    assert all(one.reason for one in found.broken)


def test_verifying_what_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingData):
        verify("dtd", tmp_path)
    with pytest.raises(UsageError):
        verify("dtdd", tmp_path)


def blank(path: Path, row: int) -> np.ndarray:
    """Return label map number `row` of this test."""
    maps: list[np.ndarray] = [
        np.zeros((16, 24), np.uint8),
        np.full((16, 24), IGNORED, np.uint8),
        np.full((16, 24), 2, np.uint8),
        np.zeros((24, 16), np.uint8),
        np.ones((16, 24), np.float32),
        np.ones((16, 24, 3), np.float32),
        np.full((16, 24), np.nan, np.float32),
        np.full((16, 24), np.inf, np.float32),
        np.zeros((16, 24, 2), np.float32),
    ]
    if row >= len(maps):
        raise DataError(f"{path} is damaged", "a label map", "fetch it again")
    return maps[row]


def labelled(folder: Path, kind: LabelKind, row: int) -> Dataset:
    """Return a data set of one picture (24 wide, 16 high) in every split, with one label map."""
    path = folder / "one.png"
    Image.new("RGB", (24, 16)).save(path)
    split = Split(("one",), np.zeros((1, 1), np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64))
    labels = Labels(kind, ("one",), (path,), (row,), blank)
    return Dataset(Pool("toy", ("one",), (path,)), split, split, split, ("a", "b"), "toy 1", labels=labels)


@pytest.mark.parametrize(
    ("kind", "row", "reason"),
    [
        ("classes", 0, ""),
        ("classes", 1, ""),
        ("classes", 2, "holds class 2, and there are 2"),
        ("classes", 3, "has 24 x 16 values for a picture of 16 x 24"),
        ("values", 4, ""),
        ("values", 5, ""),
        ("values", 6, "nothing is measured"),
        ("values", 7, "infinity"),
        ("values", 8, "has 16 x 24 x 2 values"),
        ("flow", 8, ""),
        ("flow", 4, "has 16 x 24 values"),
        ("flow", 9, "is damaged"),
    ],
)
def test_a_deep_look_holds_label_maps_to_their_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: LabelKind, row: int, reason: str
) -> None:
    module = import_module("virb.data.shelf.verify")
    monkeypatch.setattr(module, "read_dataset", lambda *given: labelled(tmp_path, kind, row))
    monkeypatch.setattr(module, "find_dataset", lambda *given: tmp_path)
    found = verify("dtd", tmp_path, deep=True, workers=0)
    assert (found.images, found.labels) == (1, 3), "the one map of every split"
    assert len(found.broken) == (3 if reason else 0)
    assert all(reason in one.reason for one in found.broken)
    assert verify("dtd", tmp_path, workers=0).broken == (), "only a deep look reads them"


def test_a_target_that_cannot_be_read_counts_as_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_dtd(tmp_path)
    used = uses()
    other = used["dtd"][0].model_copy(update={"name": "other", "target": "nonsense"})
    monkeypatch.setattr(import_module("virb.data.shelf.verify"), "uses", lambda: {**used, "dtd": [*used["dtd"], other]})
    (broken,) = verify("dtd", tmp_path, workers=0).broken
    assert (broken.id, broken.path) == ("nonsense", folder)


# Workers


@pytest.mark.parametrize("workers", [0, 1])
def test_few_workers_work_here(workers: int) -> None:
    assert list(spread(lambda number: 2 * number, [1, 2, 3], workers)) == [2, 4, 6]


def test_several_workers_give_the_same_answers() -> None:
    assert sorted(spread(abs, [-1, -2, -3], 2)) == [1, 2, 3]


def test_an_error_in_a_worker_comes_back_and_nobody_is_left_behind() -> None:
    with pytest.raises(TypeError):
        list(spread(abs, ["x", 1, 2], 2))  # type: ignore[arg-type,list-item]


def test_the_count_of_workers_is_what_was_asked_for_else_every_core() -> None:
    assert worker_count(3) == 3
    assert worker_count(0) == 0
    assert worker_count(None) >= 1


def test_the_registry_of_sources_is_the_shelf() -> None:
    assert Registry("datasets").names() == names()
