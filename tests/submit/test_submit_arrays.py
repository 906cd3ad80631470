"""Hostile arrays beside a record: refused before memory is taken, and never with a traceback."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from virb.core.npz import DamagedFile, read_arrays
from virb.records.record import pack_arrays
from virb.submit.bundle import Allowance
from virb.submit.verify import verify


def npz(**arrays: np.ndarray) -> bytes:
    return pack_arrays(arrays)


def member(header: bytes, data: bytes = b"") -> bytes:
    """Return an npz with one array of this header."""
    padded = header + b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ids.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + data)
    return buffer.getvalue()


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, ids=np.array([{"a": 1}], dtype=object))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        pickled(),
        member(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, )}"),
        member(b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1, )}", b"x" * 8),
        member(b"{'descr': '<f8', 'fortran_order': False, 'shape': (2, )}", b"x" * 8),
        member(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, )}", b"x" * 80),
        member(b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 99999999999, 0)}"),
        member(b"{'descr': '|V8', 'fortran_order': False, 'shape': (1, )}", b"x" * 8),
        member(b"{'descr': '<U0', 'fortran_order': False, 'shape': (1000000, )}"),
        member(b"{'descr': '<U1', 'fortran_order': False, 'shape': (1, )}", b"\xff\xff\xff\xff"),
        member(b"{'descr': '<f8', 'fortran_order': True, 'shape': (1, )}", b"x" * 8),
        member(b"__import__('os').system('id')"),
        member(b"(" * 3000),
        npz(ids=np.zeros(3))[:-30],
    ],
    ids=range(15),
)
def test_arrays_that_are_none_are_refused(content: bytes) -> None:
    with pytest.raises(DamagedFile):
        read_arrays(content)


def test_an_array_that_unpacks_to_more_than_it_says_takes_no_memory() -> None:
    """The directory says 128 bytes, the stream holds a gigabyte of zeros."""
    packed = bytearray(npz(ids=np.zeros(1 << 24)))
    start = packed.rindex(b"PK\x01\x02")
    packed[start + 24 : start + 28] = struct.pack("<L", 128)
    tracemalloc.start()
    with pytest.raises(DamagedFile):
        read_arrays(bytes(packed))
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_arrays_that_say_they_are_huge_are_refused_unread() -> None:
    packed = bytearray(npz(ids=np.zeros(10)))
    start = packed.rindex(b"PK\x01\x02")
    packed[start + 24 : start + 28] = struct.pack("<L", 0xFFFFFFF0)
    with pytest.raises(DamagedFile, match="would unpack"):
        read_arrays(bytes(packed))


def test_arrays_that_are_fine_one_by_one_are_too_many_together() -> None:
    content = npz(ids=np.zeros(1000))
    allowance = Allowance(2 * 8200)
    assert len(allowance.arrays(content)["ids"]) == len(allowance.arrays(content)["ids"])
    with pytest.raises(DamagedFile, match="would unpack"):
        allowance.arrays(content)


@pytest.mark.parametrize("change", ["nan", "class", "negative", "shape", "type", "extra", "gone", "huge"])
def test_samples_that_no_record_has_break_it(forger: Callable[[], Any], change: str) -> None:
    forged = forger()
    name = next(name for name in forged.records if "/pets." in name)
    arrays = forged.arrays(name)
    rows = arrays["statistics.mean_per_class"]
    if change == "nan":
        rows[0, 0, 1] = np.nan
    elif change == "class":
        rows[0, 0, 0] = 1e9  # as many classes would be made room for
    elif change == "negative":
        arrays["predictions"][0, 0] = -1
    elif change == "shape":
        arrays["statistics.top1"] = arrays["statistics.top1"][:, :, :1]
    elif change == "type":
        arrays["ids"] = np.arange(len(arrays["ids"]))
    elif change == "extra":
        arrays["more"] = np.zeros(3)
    elif change == "gone":
        del arrays["groups"]
    else:
        arrays["groups"] = arrays["groups"].astype(np.uint64) + np.uint64(1 << 63)
    forged.put_arrays(name, arrays)
    verdict = verify(forged.write())
    assert verdict.verdict == "broken"
    assert verdict.records[forged.records.index(name)].reasons
