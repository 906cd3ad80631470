"""CIFAR-100: tiny pickles made by hand, as Python 2 and 3 write them, and pickles that must never run."""

from __future__ import annotations

import codecs
import os
import pickle
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from virb.core.errors import CardError, DataError
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.classes import CIFAR100
from virb.data.sets import cifar

Content = dict[Any, Any]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar, "_WHOLE", {"train and val": 1000, "test": 200})


def content(count: int, seed: int) -> Content:
    """Pictures whose colour planes differ, so that a wrong order of bytes shows."""
    data = np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)
    return {
        "filenames": [f"x_s_{number:06d}.png" for number in range(count)],
        "batch_label": "training batch 1 of 1",
        "fine_labels": [number % 100 for number in range(count)],
        "coarse_labels": [number % 20 for number in range(count)],
        "data": data,
    }


def build(root: Path, top: str = "cifar-100-python", edit: Callable[[Content], Content] | None = None) -> Path:
    folder = root / top
    folder.mkdir(parents=True)
    train = content(1000, 1)
    (folder / "train").write_bytes(pickle.dumps(edit(train) if edit else train, protocol=2))
    (folder / "test").write_bytes(pickle.dumps(content(200, 2), protocol=2))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": list(CIFAR100)}, protocol=2))
    return folder


def read(root: Path) -> Dataset:
    return read_dataset("cifar100", root, "fine")


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(root)
    assert type(caught.value) is DataError
    assert caught.value.remedy
    return caught.value.found


def test_there_are_a_hundred_classes_in_alphabetical_order() -> None:
    assert len(set(CIFAR100)) == 100
    assert list(CIFAR100) == sorted(CIFAR100)


def test_a_tenth_of_every_class_of_train_is_validation(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    assert data.counts == {"train": 900, "val": 100, "test": 200}
    assert np.bincount(data.val.targets).tolist() == [1] * 100
    assert data.test.ids[:2] == ("test/00000", "test/00001")
    assert data.test.targets.tolist() == [number % 100 for number in range(200)]


def test_each_sample_shows_its_own_row_with_red_green_and_blue_in_order(tmp_path: Path) -> None:
    build(tmp_path)
    data = read(tmp_path)
    planes = {"train": content(1000, 1)["data"], "test": content(200, 2)["data"]}
    for split, row in ((data.train, 7), (data.val, 3), (data.test, 199)):
        place = split.index[row, 0]
        part, number = split.ids[row].split("/")
        assert data.pool.reader is not None
        picture = np.asarray(data.pool.reader(data.pool.paths[place], data.pool.rows[place]))
        assert picture.shape == (32, 32, 3)
        assert np.array_equal(picture, planes[part][int(number)].reshape(3, 32, 32).transpose(1, 2, 0))


def test_the_reader_can_be_handed_to_another_process_and_sees_a_replaced_file(tmp_path: Path) -> None:
    folder = build(tmp_path)
    data = pickle.loads(pickle.dumps(read(tmp_path).pool))
    first = np.asarray(data.reader(folder / "test", 0))
    other = content(200, 9)
    (folder / "test").write_bytes(pickle.dumps(other, protocol=2))
    os.utime(folder / "test", ns=(1, 1))
    assert not np.array_equal(np.asarray(data.reader(folder / "test", 0)), first)


def python2(value: Any) -> Any:
    """The owner's keys are byte strings of Python 2; re-saved with `encoding='bytes'` they stay bytes."""
    return {key.encode(): value for key, value in value.items()}


def arrays(value: Content) -> Content:
    return {**value, "fine_labels": np.array(value["fine_labels"])}


def turned(value: Content) -> Content:
    return dict(reversed(value.items()))


@pytest.mark.parametrize("edit", [python2, arrays, turned])
def test_entries_go_by_name_whatever_their_kind_and_order(tmp_path: Path, edit: Callable[[Content], Content]) -> None:
    build(tmp_path / "one")
    build(tmp_path / "two", edit=edit)
    one, two = read(tmp_path / "one"), read(tmp_path / "two")
    assert one.digest == two.digest


def test_a_pickle_as_python_2_wrote_it_is_read(tmp_path: Path) -> None:
    """Protocol 2 with byte strings, and numpy under its old name."""
    folder = build(tmp_path)
    data = content(200, 2)["data"]
    body = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    body += b"(I1\n(I200\nI3072\ntcnumpy\ndtype\n(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\n"
    body += b"T" + len(data.tobytes()).to_bytes(4, "little") + data.tobytes() + b"tb"
    labels = b"(l" + b"".join(b"I%d\na" % (number % 100) for number in range(200))
    (folder / "test").write_bytes(b"(dS'data'\n" + body + b"sS'fine_labels'\n" + labels + b"s.")
    found = read(tmp_path)
    assert np.array_equal(cifar.load_plain(folder / "test")["data"], data)
    assert found.test.targets.tolist() == [number % 100 for number in range(200)]


class Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_would_run_a_command_is_refused_by_name_and_runs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    build(tmp_path, edit=lambda value: {**value, "extra": Runs(trace)})
    found = refused(tmp_path)
    assert f"'{os.name}.system'" in found
    assert "train" in found
    assert not trace.exists()


@pytest.mark.parametrize(
    ("program", "name"),
    [
        (b"cbuiltins\neval\n(S'1'\ntR.", "builtins.eval"),
        (b"c__builtin__\ngetattr\n.", "__builtin__.getattr"),
        (b"cnumpy\nload\n.", "numpy.load"),
        (b"cnumpy.testing._private.utils\nrunstring\n.", "numpy.testing._private.utils.runstring"),
        (b"cposix\nsystem\n(S'true'\ntR.", "posix.system"),
        (b"cnumpy\nndarray.tofile\n.", "numpy.ndarray.tofile"),
        (b"(S'true'\niposix\nsystem\n.", "posix.system"),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", "posix.system"),
        (b"S'x'\nQ.", "outside itself"),
        (b"c_codecs\nencode\n(S'x'\nS'zlib'\ntR.", "zlib"),
    ],
)
def test_whatever_else_a_pickle_asks_for_is_refused_with_the_way_out(tmp_path: Path, program: bytes, name: str) -> None:
    folder = build(tmp_path)
    (folder / "test").write_bytes(program)
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert name in caught.value.found
    assert "virb data download cifar100" in caught.value.remedy


def test_bytes_of_python_3_in_an_old_protocol_are_plain_data(tmp_path: Path) -> None:
    """Such a pickle calls `_codecs.encode`; only latin1 is let through."""
    path = tmp_path / "file"
    path.write_bytes(pickle.dumps({"x": b"\xff\x00"}, protocol=2))
    assert b"_codecs" in path.read_bytes()
    assert cifar.load_plain(path) == {"x": b"\xff\x00"}
    assert codecs.lookup("latin1").name == "iso8859-1"


@pytest.mark.parametrize("damage", [b"", b"<html>", b"\x80\x02}q", b"\x80\x02]q\x00."])
def test_a_damaged_pickle_is_an_error_that_names_it(tmp_path: Path, damage: bytes) -> None:
    folder = build(tmp_path)
    (folder / "test").write_bytes(damage)
    assert str(folder / "test") in refused(tmp_path)


def short(value: Content) -> Content:
    return {**value, "fine_labels": value["fine_labels"][:-1]}


def floats(value: Content) -> Content:
    return {**value, "data": value["data"].astype(np.float32)}


def high(value: Content) -> Content:
    return {**value, "fine_labels": [*value["fine_labels"][:-1], 100]}


def ten(value: Content) -> Content:
    return {"data": value["data"], "labels": value["fine_labels"]}


@pytest.mark.parametrize(
    ("edit", "named"), [(short, "999 labels"), (floats, "float32"), (high, "label 100"), (ten, "data, labels")]
)
def test_sizes_kinds_and_labels_are_looked_at(tmp_path: Path, edit: Callable[[Content], Content], named: str) -> None:
    build(tmp_path, edit=edit)
    assert named in refused(tmp_path)


def test_a_pickle_with_half_of_the_pictures_is_half_present_data(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "test").write_bytes(pickle.dumps(content(100, 2), protocol=2))
    assert "100 of 200" in refused(tmp_path)
    (folder / ".virb-sample.json").write_text("{}")
    assert read(tmp_path).counts["test"] == 100


def test_train_without_test_is_half_present_data(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "test").unlink()
    assert str(folder / "test") in refused(tmp_path)


@pytest.mark.parametrize("top", ["cifar-100-python", "cifar-100", "cifar100/cifar-100-python"])
def test_the_usual_folders_are_found_and_leave_no_trace_in_the_digest(tmp_path: Path, top: str) -> None:
    build(tmp_path / "one", top=top)
    build(tmp_path / "two")
    assert read(tmp_path / "one").digest == read(tmp_path / "two").digest


def test_a_target_that_cifar_does_not_have_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(CardError, match="'coarse'"):
        read_dataset("cifar100", tmp_path, "coarse")


def array(kind: bytes, flags: int, shape: tuple[int, ...], data: bytes) -> bytes:
    """Return the part of a pickle that makes an array of a kind of numbers with these flags."""
    sides = b"".join(b"I%d\n" % side for side in shape)
    body = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(" + sides
    body += b"tcnumpy\ndtype\n(S'" + kind + b"'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI%d\ntbI00\n" % flags
    return body + b"T" + len(data).to_bytes(4, "little") + data + b"tb"


READ = "import sys; from pathlib import Path; from virb.data.sets import cifar; cifar._content(Path(sys.argv[1]))"


@pytest.mark.parametrize("kind", [b"O8", b"V8", b"i8", b"U2", b"M8"])
@pytest.mark.parametrize("flags", [0, 63])
def test_numbers_of_the_file_are_never_followed_as_pointers(tmp_path: Path, kind: bytes, flags: int) -> None:
    """In a process of its own, which ended with a segmentation fault."""
    pictures = array(b"u1", 0, (2, 3072), bytes(2 * 3072))
    labels = array(kind, flags, (2,), b"\x41" * 16)
    (tmp_path / "train").write_bytes(b"(dS'data'\n" + pictures + b"sS'fine_labels'\n" + labels + b"s.")
    done = subprocess.run([sys.executable, "-c", READ, str(tmp_path / "train")], capture_output=True, text=True)
    assert done.returncode == 1
    assert "virb.core.errors.DataError: CIFAR-100:" in done.stderr


def nested(times: int) -> bytes:
    """Return a text in a pair with itself, in a pair with itself, and so on: a hash of it takes 2 ** times steps."""
    return b"S'x'\np0\n" + b"".join(b"(g%d\ng%d\ntp%d\n" % (step, step, step + 1) for step in range(times))


BOMBS = {
    "a key whose hash takes for ever": b"}" + nested(60) + b"S'x'\ns.",
    "a label whose text takes for ever": b"}S'data'\n" + array(b"u1", 0, (1, 3072), bytes(3072)) + b"sS'fine_labels'\n]"
    + nested(60) + b"as.",
    "a place far away": b"\x80\x02]r\xff\xff\xff\x7f.",
    "a piece longer than the file": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x0fx.",
    "a list for every byte": b"]" * 3_000_000 + b".",
    "one text as bytes again and again": b"S'" + b"x" * 100_000 + b"'\np0\n"
    + b"c_codecs\nencode\n(g0\nS'latin1'\ntR" * 50_000 + b".",
    "an encoding whose text takes for ever": nested(60) + b"c_codecs\nencode\n(S'x'\ng60\ntR.",
    "an array larger than its bytes": b"}S'data'\n" + array(b"u1", 0, (1 << 30, 1 << 30), b"x") + b"s.",
    "an array of a shape of half a number": array(b"u1", 0, (-1,), b"x") + b".",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_pickle_takes_neither_much_time_nor_much_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / "train"
    path.write_bytes(BOMBS[name])
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(DataError) as caught:
            cifar._content(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 29
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < 60
    assert len(str(caught.value)) < 2000
    assert str(path) in caught.value.found
