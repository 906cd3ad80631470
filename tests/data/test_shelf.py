"""Shelf: what is there, and fetching what is not from a real server on this machine."""

from __future__ import annotations

import hashlib
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from shelves import SPLITS, make_dtd

from virb.cards.yaml_files import Registry
from virb.core.errors import DataError, UsageError
from virb.core.paths import card_folder
from virb.core.progress import Silent
from virb.data.common import data_card
from virb.data.shelf import card, fetch_dataset, names, status, targets, uses
from virb.sample import ensure


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
    monkeypatch.setattr("virb.data.shelf.listing.uses", lambda: {**used, "dtd": [other, *used["dtd"]]})
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

    monkeypatch.setattr("virb.data.shelf.fetching.settle", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch_dataset("dtd", tmp_path / "data")
    assert files(tmp_path / "data") == {".downloads/dtd/dtd.tar.gz"}


def test_the_registry_of_sources_is_the_shelf() -> None:
    assert Registry("datasets").names() == names()
