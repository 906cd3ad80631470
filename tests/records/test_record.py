"""Records: keys that say what compares, files that are whole or not there, and readers that say what is wrong."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from virb.cards.protocol import Protocol
from virb.cards.task import Task
from virb.core import paths
from virb.core.errors import OutputError, VirbError
from virb.records.record import (
    FileFacts,
    Record,
    beside,
    comparison_key,
    finished,
    number,
    pack_arrays,
    read_all,
    read_record,
    record_folder,
    record_stem,
    resume_key,
    to_row,
    write,
)

RESUME = "0123456789abcdef0123456789abcdef"
FINGERPRINT = "fedcba9876543210fedcba9876543210"
SAMPLES = pack_arrays({"ids": np.array(["a", "bb"]), "predictions": np.array([[1, 0]], np.int32)})


def task(**changes: object) -> Task:
    facts: dict[str, object] = {
        "name": "textures",
        "title": "Textures",
        "level": "image",
        "kind": "semantic",
        "dataset": "dtd",
        "target": "texture",
        "head": "linear",
        "loss": "cross_entropy",
        "metric": "top1",
        "version": 1,
        "split": "train / val / test",
        "paper": "A paper",
        "licence": "open",
        "published": {"epochs": 100, "batch": 32, "learning_rate": 0.0001, "comparable": True},
    }
    return Task.model_validate(facts | changes)


def protocol(training: dict[str, object] | None = None, **changes: object) -> Protocol:
    image: dict[str, object] = {
        "optimiser": "adamw",
        "batch": 64,
        "epochs": 30,
        "schedule": "cosine",
        "learning_rates": (0.001, 0.01),
        "weight_decays": (0.0,),
        "standardise": (True,),
        "seeds": 3,
    }
    facts: dict[str, object] = {
        "name": "quick",
        "title": "Quick",
        "version": 1,
        "size": 96,
        "choice": "validation",
        "image": image | (training or {}),
    }
    return Protocol.model_validate(facts | changes)


def key(**changes: Any) -> str:
    given: dict[str, Any] = {
        "task": task(),
        "protocol": protocol(),
        "data": "d" * 32,
        "source": "real",
        "limit": None,
    } | changes
    return comparison_key(given["task"], given["protocol"], given["data"], given["source"], given["limit"])


def facts(**changes: Any) -> dict[str, Any]:
    score = {"metric": "top1", "unit": "share", "direction": "higher", "ceiling": 1.0}
    setting = {"learning_rate": 0.001, "weight_decay": 0.0, "standardise": True, "validation": 0.1 + 0.2}
    stem = record_stem("textures", "quick", RESUME)
    return {
        "kind": "measured",
        "task": {
            "name": "textures",
            "title": "Textures",
            "level": "image",
            "kind": "semantic",
            "extra": False,
            "version": 1,
            "digest": "t" * 32,
        },
        "encoder": {
            "name": "resnet",
            "title": "ResNet – größer",
            "weights": "random:resnet18",
            "arch": "resnet18",
            "fingerprint": FINGERPRINT,
            "weights_hash": "w" * 32,
            "width": 512,
            "facts": {"epochs": 200, "public": True, "rate": 0.3, "by": "us"},
        },
        "data": {
            "source": "real",
            "digest": "d" * 32,
            "test_digest": "e" * 32,
            "counts": {"train": 3, "val": 1, "test": 2},
            "classes": 47,
            "limit": None,
            "notes": ("odd count",),
        },
        "protocol": {"name": "quick", "version": 1, "digest": "p" * 32},
        "view": {"geometry": "squash", "size": 96, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
        "score": {**score, "value": 1 / 3, "low": 0.1, "high": 0.7},
        "also": {"top5": {**score, "metric": "top5", "value": 0.9, "low": 0.8, "high": 1.0}},
        "floor": {**score, "value": 1 / 47, "low": 0.0, "high": 0.1},
        "seeds": [0.3, 1 / 3, 0.1 + 0.2],
        "breakdown": {"banded": 0.5, "woven": None},
        "replicates": [0.25, 1 / 3],
        "setting": setting,
        "settings": [setting, {**setting, "validation": None}],
        "curves": {"epochs": [1, 2], "train_loss": [2.5, 1.5], "val_loss": [None, 2.0], "val_score": [None, None]},
        "train_loss": 1.5,
        "numerics": {"device": "cpu", "precision": "float32", "folded": True, "chunk": 64},
        "device": "cpu (x86_64)",
        "versions": {"virb": "0.1.0"},
        "keys": {"data": "d" * 32, "comparison": "c" * 32, "resume": RESUME},
        "samples": beside(f"{stem}.npz", SAMPLES).model_dump(),
        "created": "2026-01-01T00:00:00+00:00",
        "seconds": {"encode": 1.5},
    } | changes


def record(**changes: Any) -> Record:
    return Record.model_validate(facts(**changes))


def files(content: bytes = SAMPLES) -> dict[str, bytes]:
    return {f"{record_stem('textures', 'quick', RESUME)}.npz": content}


def folder(out: Path) -> Path:
    return record_folder(out, "resnet", FINGERPRINT)


def names(out: Path) -> set[str]:
    return {path.name for path in folder(out).iterdir()}


# --- comparison key ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"task": task(title="Reworded")},
        {"task": task(paper="Another", licence="closed", split="in other words", open=True)},
        {"protocol": protocol(title="Reworded")},
    ],
    ids=["task title", "other words", "protocol title"],
)
def test_rewording_a_card_leaves_the_comparison_key_alone(changes: dict[str, Any]) -> None:
    assert key(**changes) == key()


TELLING: dict[str, dict[str, Any]] = {
    "task name": {"task": task(name="other")},
    "task version": {"task": task(version=2)},
    "metric": {"task": task(metric="mean_per_class")},
    "data set": {"task": task(dataset="other")},
    "target": {"task": task(target="other")},
    "head": {"task": task(head="frames", frames=2)},
    "geometry": {"task": task().model_copy(update={"geometry": "crop"})},
    "protocol name": {"protocol": protocol(name="other")},
    "protocol version": {"protocol": protocol(version=2)},
    "protocol size": {"protocol": protocol(size=224)},
    "choice": {"protocol": protocol({"learning_rates": (0.001,)}, choice="none")},
    "rates": {"protocol": protocol({"learning_rates": (0.001,)})},
    "order of rates": {"protocol": protocol({"learning_rates": (0.01, 0.001)})},
    "decays": {"protocol": protocol({"weight_decays": (0.0, 0.01)})},
    "standardise": {"protocol": protocol({"standardise": (False, True)})},
    "epochs": {"protocol": protocol({"epochs": 31})},
    "batch": {"protocol": protocol({"batch": 32})},
    "schedule": {"protocol": protocol({"schedule": "constant"})},
    "optimiser": {"protocol": protocol({"optimiser": "adam"})},
    "seeds": {"protocol": protocol({"seeds": 1})},
    "data": {"data": "f" * 32},
    "source": {"source": "sample"},
    "limit": {"limit": 100},
    "another limit": {"limit": 99},
}


def test_whatever_changes_the_number_changes_the_comparison_key() -> None:
    found = {name: key(**changes) for name, changes in TELLING.items()} | {"plain": key()}
    doubled = {one for one in found for two in found if one != two and found[one] == found[two]}
    assert not doubled


def test_a_comparison_key_is_the_same_in_every_process() -> None:
    assert key() == key(task=task(), protocol=protocol())
    assert len(key()) == 32


def test_published_numbers_are_part_of_the_comparison_where_the_protocol_trains_with_them() -> None:
    """Under `published: true` the card's epochs, batch and rate are the training, as the grid is elsewhere."""
    as_published = protocol({"learning_rates": (0.0001,), "seeds": 1}, choice="none", published=True)
    longer = task(published={"epochs": 500, "batch": 32, "learning_rate": 0.0001, "comparable": True})
    assert as_published.training(longer) != as_published.training(task())
    assert key(task=longer, protocol=as_published) != key(protocol=as_published)


def test_published_numbers_are_no_part_of_the_comparison_elsewhere() -> None:
    longer = task(published={"epochs": 500, "batch": 32, "learning_rate": 0.0001, "comparable": True})
    assert key(task=longer) == key()


# --- resume key ----------------------------------------------------------------------------------------------------


def resume(**changes: Any) -> str:
    given: dict[str, Any] = {
        "comparison": key(),
        "fingerprint": FINGERPRINT,
        "training": protocol().image.model_dump(mode="json"),
        "numerics": {"device": "cpu", "precision": "float32", "folded": True, "chunk": 64},
        "head_version": 1,
    }
    return resume_key(**(given | changes))


def test_a_resume_key_follows_everything_that_makes_the_number() -> None:
    training = protocol().image.model_dump(mode="json")
    numerics = {"device": "cpu", "precision": "float32", "folded": True, "chunk": 64}
    others = [
        resume(comparison=key(limit=5)),
        resume(fingerprint="0" * 32),
        resume(training={**training, "seeds": 1}),
        resume(training={**training, "epochs": 2}),
        resume(numerics={**numerics, "precision": "bfloat16"}),
        resume(numerics={**numerics, "device": "cuda"}),
        resume(numerics={**numerics, "chunk": 32}),
        resume(head_version=2),
    ]
    assert len({resume(), *others}) == len(others) + 1


def test_a_resume_key_does_not_follow_key_order_or_tuples() -> None:
    training = protocol().image.model_dump(mode="python")
    assert resume(training=dict(reversed(training.items()))) == resume()


def test_a_record_lies_where_the_design_says(tmp_path: Path) -> None:
    path = write(record(), tmp_path, files())
    assert path == tmp_path / "records" / "resnet-fedcba98" / "textures.quick.01234567.json"
    assert names(tmp_path) == {"textures.quick.01234567.json", "textures.quick.01234567.npz"}


# --- packing ---------------------------------------------------------------------------------------------------------


def arrays() -> dict[str, np.ndarray]:
    return {
        "ids": np.array(["banded/banded_0001", "ü"]),
        "statistics.top1": np.arange(12, dtype=np.float32).reshape(2, 3, 2)[:, ::-1],
        "targets": np.array([3, 1], dtype=np.int32),
        "none": np.zeros((0, 4)),
    }


def test_packed_arrays_are_the_same_bytes_at_any_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    first = pack_arrays(arrays())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 90_000_000)
    assert pack_arrays(arrays()) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_numpy_reads_packed_arrays_without_pickle() -> None:
    with np.load(io.BytesIO(pack_arrays(arrays())), allow_pickle=False) as archive:
        assert archive.files == list(arrays())
        for name, array in arrays().items():
            np.testing.assert_array_equal(archive[name], array)
            assert archive[name].dtype == array.dtype


def test_arrays_that_would_need_pickle_are_refused() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        pack_arrays({"ids": np.array(["a", None], dtype=object)})


def test_a_file_beside_a_record_is_known_by_its_hash() -> None:
    assert beside("a.npz", b"abc") == FileFacts(file="a.npz", sha256=hashlib.sha256(b"abc").hexdigest())


# --- reading and writing ----------------------------------------------------------------------------------------------


def test_a_record_comes_back_from_its_file_as_it_went_in(tmp_path: Path) -> None:
    assert read_record(write(record(), tmp_path, files())) == record()
    assert record().score.value == 1 / 3, "to the last digit"


def test_a_record_is_json_that_others_can_read(tmp_path: Path) -> None:
    content = json.loads(write(record(), tmp_path, files()).read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert content["score"]["value"] == 1 / 3
    assert content["curves"]["val_loss"] == [None, 2.0]
    assert content["encoder"]["title"] == "ResNet – größer"


def test_what_is_no_finite_number_has_no_value() -> None:
    assert number(float("nan")) is number(float("inf")) is number(-float("inf")) is None
    assert number(0.25) == 0.25


def test_the_record_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        order.append(Path(target).suffix)
        real(source, target)

    monkeypatch.setattr(paths.os, "replace", replace)
    write(record(), tmp_path, {**files(), "textures.quick.01234567.safetensors": b"heads"})
    assert len(order) == 3
    assert order[-1] == ".json"


def fail_at(call: int, error: BaseException) -> Callable[[Path, Path], None]:
    """Return an `os.replace` that dies when it is called for the nth time."""
    real, calls = os.replace, iter(range(1, 100))

    def replace(source: Path, target: Path) -> None:
        if next(calls) == call:
            raise error
        real(source, target)

    return replace


@pytest.mark.parametrize("call", [1, 2])
def test_a_crash_leaves_no_new_record_and_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    monkeypatch.setattr(paths.os, "replace", fail_at(call, OSError(28, "No space left on device")))
    with pytest.raises(OutputError, match="No space left"):
        write(record(), tmp_path, files())
    assert read_all(tmp_path) == ([], [])
    assert names(tmp_path) == set(files() if call == 2 else ())


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_crash_at_the_record_leaves_the_old_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    write(record(), tmp_path, files())
    monkeypatch.setattr(paths.os, "replace", fail_at(2, error))
    with pytest.raises((OutputError, KeyboardInterrupt)):
        write(record(train_loss=9.0), tmp_path, files())
    assert read_all(tmp_path) == ([record()], [])
    assert finished(folder(tmp_path), record().stem, RESUME) == record()
    assert names(tmp_path) == {f"{record().stem}.json", f"{record().stem}.npz"}


def test_a_crash_between_the_samples_and_the_record_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(record(), tmp_path, files())
    monkeypatch.setattr(paths.os, "replace", fail_at(2, OSError(28, "No space left on device")))
    with pytest.raises(OutputError):
        write(record(), tmp_path, files(b"other samples"))
    assert finished(folder(tmp_path), record().stem, RESUME) is None


def test_a_crash_while_bytes_are_written_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    paths.write_whole(path, "old")

    def broken(self: Path, data: bytes) -> int:
        self.open("wb").close()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", broken)
    with pytest.raises(OutputError, match="No space left"):
        paths.write_whole(path, "new")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("file", "old")]


def test_a_results_folder_that_is_a_file_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(OutputError, match="--out"):
        write(record(), tmp_path / "results", files())


def test_a_record_never_lies_outside_the_results_folder(tmp_path: Path) -> None:
    """Records come from strangers too, and the encoder's name makes the folder."""
    out = tmp_path / "a" / "b" / "results"
    with pytest.raises((VirbError, ValueError)):
        write(record(encoder={**facts()["encoder"], "name": "../../../stray"}), out, files())
    assert not list(tmp_path.glob("stray*")) + list(tmp_path.glob("a/stray*")) + list(tmp_path.glob("a/b/stray*"))


# --- finished ---------------------------------------------------------------------------------------------------------


def test_a_whole_record_is_finished_work(tmp_path: Path) -> None:
    write(record(), tmp_path, files())
    assert finished(folder(tmp_path), record().stem, RESUME) == record()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [flip, cut, empty, Path.unlink])
def test_damaged_or_lost_samples_are_unfinished_work(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    write(record(), tmp_path, files())
    damage(folder(tmp_path) / f"{record().stem}.npz")
    assert finished(folder(tmp_path), record().stem, RESUME) is None


@pytest.mark.parametrize("damage", [cut, empty, Path.unlink])
def test_a_damaged_or_lost_record_is_unfinished_work(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = write(record(), tmp_path, files())
    damage(path)
    if path.exists():
        damage(path)  # the last byte is a line end, which nobody misses
    assert finished(folder(tmp_path), record().stem, RESUME) is None


def test_a_record_of_another_key_is_not_this_work(tmp_path: Path) -> None:
    write(record(), tmp_path, files())
    other = RESUME[:8] + "f" * 24
    assert record_stem("textures", "quick", other) == record().stem, "the file name alone cannot tell"
    assert finished(folder(tmp_path), record().stem, other) is None


@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_damaged_or_lost_heads_are_unfinished_work(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    heads = f"{record().stem}.safetensors"
    with_heads = record(heads=beside(heads, b"heads").model_dump())
    write(with_heads, tmp_path, {**files(), heads: b"heads"})
    assert finished(folder(tmp_path), record().stem, RESUME) == with_heads
    damage(folder(tmp_path) / heads)
    assert finished(folder(tmp_path), record().stem, RESUME) is None


# --- read_all ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"kind": "measured"}', b"\xff\xfe"])
def test_an_unreadable_record_is_reported_and_the_others_are_kept(tmp_path: Path, content: bytes) -> None:
    write(record(), tmp_path, files())
    other = record(encoder={**facts()["encoder"], "name": "vit", "fingerprint": "1" * 32})
    write(other, tmp_path, files())
    broken = folder(tmp_path) / "a.quick.00000000.json"
    broken.write_bytes(content)
    records, problems = read_all(tmp_path)
    assert records == [record(), other]
    assert len(problems) == 1
    assert str(broken) in problems[0]


def test_a_record_with_a_field_that_nobody_knows_or_without_one_is_unreadable(tmp_path: Path) -> None:
    path = write(record(), tmp_path, files())
    content = json.loads(path.read_text())
    short = {name: value for name, value in content.items() if name != "floor"}
    odd = {**content, "score": {**content["score"], "direction": "up"}}
    for changed, place in (({**content, "bonus": 1}, "bonus"), (short, "floor"), (odd, r"score\.direction")):
        path.write_text(json.dumps(changed))
        with pytest.raises(VirbError, match=f"{place}: "):
            read_record(path)


def test_a_record_of_another_schema_is_unreadable_and_not_misread(tmp_path: Path) -> None:
    path = write(record(), tmp_path, files())
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 2}))
    with pytest.raises(VirbError, match="schema 1"):
        read_record(path)


def test_no_results_folder_holds_no_records(tmp_path: Path) -> None:
    assert read_all(tmp_path / "nowhere") == ([], [])


def test_a_flat_row_holds_what_tables_need() -> None:
    row = to_row(record())
    assert (row["encoder"], row["task"], row["quadrant"]) == ("resnet", "textures", "image-semantic")
    assert (row["metric"], row["value"], row["low"], row["high"]) == ("top1", 1 / 3, 0.1, 0.7)
    assert (row["floor"], row["protocol"], row["source"]) == (1 / 47, "quick", "real")


# --- sweeping ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def dead() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-E", "-c", ""])
    process.wait()
    return process.pid


def test_a_process_lives_until_it_has_ended(dead: int) -> None:
    assert paths.process_lives(os.getpid())
    assert paths.process_lives(os.getppid())
    assert not paths.process_lives(dead)


def test_sweeping_takes_what_dead_processes_left_and_nothing_else(tmp_path: Path, dead: int) -> None:
    host = paths.temporary_beside(tmp_path / "a.json").name.split(".")[-2].split("-")[0]
    kept = [
        f".a.json.{host}-{os.getpid()}-00ff.tmp",
        f".a.json.{host}-{os.getppid()}-00ff.tmp",
        f".a.json.{'0' * 8}-{dead}-00ff.tmp",  # of another machine on a shared disk
        f".a.json.{dead}-00ff.tmp",
        f"a.json.{host}-{dead}-00ff.tmp",
        f".a.json.{host}-{dead}-00ff.tmp.json",
        ".notes.tmp",
        f".{dead}.json",
        "a.json",
    ]
    for name in [*kept, f".a.json.{host}-{dead}-00ff.tmp", f".with.dots.npz.{host}-{dead}-12ab.tmp"]:
        (tmp_path / name).write_text("")
    (tmp_path / f".entry.{host}-{dead}-ab12.tmp").mkdir()
    (tmp_path / f".entry.{host}-{dead}-ab12.tmp" / "array").write_text("")
    paths.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


def test_sweeping_knows_the_names_that_writing_makes(
    tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = paths.temporary_beside(tmp_path / "a.json")
    assert mine.parent == tmp_path
    assert mine != paths.temporary_beside(tmp_path / "a.json"), "two threads may write one file"
    mine.write_text("")
    paths.sweep(tmp_path)
    assert mine.exists()
    monkeypatch.setattr(paths.os, "getpid", lambda: dead)
    theirs = paths.temporary_beside(tmp_path / "a.json")
    theirs.write_text("")
    paths.sweep(tmp_path)
    assert not theirs.exists()
    assert mine.exists()


def test_a_foreign_name_with_an_impossible_process_number_stops_nobody(tmp_path: Path) -> None:
    foreign = tmp_path / ".backup.20260101123456789-1.tmp"
    foreign.write_text("")
    paths.sweep(tmp_path)


def test_replicates_are_kept_as_one_block_and_written_as_a_list(tmp_path: Path) -> None:
    """Lists of Python's numbers cost a board of thousands of records half a second and four times the memory."""
    made = record()
    assert memoryview(made.replicates).format == "d"  # type: ignore[arg-type]
    assert json.loads(made.model_dump_json())["replicates"] == list(made.replicates)
    assert Record.model_validate(made.model_dump()) == made
