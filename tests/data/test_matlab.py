"""Matlab: our reader against the library's, and what it makes of files that nobody should be given."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse
from scipy.io import loadmat, savemat

from virb.core.errors import DataError
from virb.data.formats.mat import read_mat, write_mat

NAMES = st.text("abcdefgh_", min_size=1, max_size=8).map(lambda name: "v" + name)
KINDS = st.sampled_from(["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
NUMBERS = KINDS.flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=4))
)
WORDS = st.text(st.characters(codec="latin1", categories=("L", "N")), min_size=1, max_size=6)


def cells(values: list[Any]) -> np.ndarray:
    made = np.empty((1, len(values)), object)
    for place, value in enumerate(values):
        made[0, place] = value
    return made


VALUES = st.recursive(
    NUMBERS | WORDS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(cells) | st.dictionaries(NAMES, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


def plain(value: Any) -> Any:
    """Return what the library reads in the form that ours has."""
    if not isinstance(value, np.ndarray):
        return value
    names = value.dtype.names
    if names is not None:
        return [{name: plain(record[name]) for name in names} for record in value.ravel(order="F")]
    if value.dtype == object:
        made = np.empty(value.shape, object)
        for place in np.ndindex(value.shape):
            made[place] = plain(value[place])
        return made
    return value


def same(one: Any, two: Any) -> bool:
    if isinstance(one, list) or isinstance(two, list):
        return (
            isinstance(one, list)
            and isinstance(two, list)
            and len(one) == len(two)
            and all(a.keys() == b.keys() and all(same(a[k], b[k]) for k in a) for a, b in zip(one, two, strict=True))
        )
    if one.shape != two.shape or (one.dtype == object) != (two.dtype == object):
        return False
    if one.dtype == object:
        return all(same(a, b) for a, b in zip(one.ravel(), two.ravel(), strict=True))
    if one.dtype.kind == "U":
        return one.tolist() == two.tolist()
    return np.array_equal(one, two, equal_nan=one.dtype.kind == "f")


@settings(max_examples=60, deadline=None)
@given(content=st.dictionaries(NAMES, VALUES, min_size=1, max_size=3), packed=st.booleans())
def test_every_variable_is_what_the_library_reads(
    content: dict[str, Any], packed: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("mat") / "any.mat"
    savemat(path, content, do_compression=packed)
    found, wanted = read_mat(path), loadmat(path)
    for name in content:
        assert same(found[name], plain(wanted[name])), name


def test_the_other_order_of_bytes_is_read(tmp_path: Path) -> None:
    """As files of old workstations have it."""
    body = struct.pack(">IIII", 6, 8, 6, 0) + struct.pack(">IIii", 5, 8, 1, 2)
    body += struct.pack(">HH4s", 1, 1, b"v\0\0\0") + struct.pack(">IIdd", 9, 16, 1.5, -2.0)
    (tmp_path / "big.mat").write_bytes(b"MATLAB 5.0".ljust(124) + b"\1\0MI" + struct.pack(">II", 14, len(body)) + body)
    assert read_mat(tmp_path / "big.mat")["v"].tolist() == [[1.5, -2.0]]
    assert loadmat(tmp_path / "big.mat")["v"].tolist() == [[1.5, -2.0]]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "gone"))):
        read_mat(tmp_path / "gone")


def test_a_small_file_cannot_grow_beyond_what_was_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virb.data.formats.mat._LARGEST", 1 << 16)
    bomb = zlib.compress(bytes(1 << 20))
    path = tmp_path / "bomb.mat"
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\0\1IM" + struct.pack("<II", 15, len(bomb)) + bomb)
    with pytest.raises(DataError, match="far too large"):
        read_mat(path)


def test_arrays_in_arrays_without_end_are_refused(tmp_path: Path) -> None:
    inner: Any = 1.0
    for _ in range(40):
        inner = {"a": inner}
    savemat(tmp_path / "deep.mat", {"deep": inner})
    with pytest.raises(DataError, match="too often"):
        read_mat(tmp_path / "deep.mat")


@pytest.mark.parametrize("value", [np.array([[1 + 2j]]), sparse.eye(3).tocsc()])
def test_what_no_data_set_uses_is_refused_by_name(tmp_path: Path, value: Any) -> None:
    savemat(tmp_path / "odd.mat", {"odd": value})
    with pytest.raises(DataError, match=r"complex|sparse"):
        read_mat(tmp_path / "odd.mat")


def test_no_flipped_bit_does_more_than_an_error(tmp_path: Path) -> None:
    """The library's reader ends the process on some of these."""
    random = np.random.default_rng(0)
    whole = write_mat({"polygons": [{"a": np.arange(40.0).reshape(20, 2), "b": np.zeros((0, 0)), "c": "word"}] * 5})
    path, refused = tmp_path / "polygons.mat", 0
    for place in random.integers(0, len(whole) * 8, 400):
        harmed = bytearray(whole)
        harmed[place // 8] ^= 1 << place % 8
        path.write_bytes(harmed)
        try:
            read_mat(path)
        except DataError:
            refused += 1
    assert 20 < refused < 400


def test_structs_are_lists_of_dictionaries_however_few(tmp_path: Path) -> None:
    path = tmp_path / "polygons.mat"
    hand, empty = np.arange(8.0).reshape(4, 2), np.zeros((0, 0))
    for count in (1, 3):
        path.write_bytes(write_mat({"polygons": [{"left": hand + k, "right": empty} for k in range(count)]}))
        found = read_mat(path)["polygons"]
        assert len(found) == count
        assert [list(record) for record in found] == [["left", "right"]] * count
        assert all((record["left"] == hand + k).all() for k, record in enumerate(found))
        assert all(record["right"].size == 0 for record in found)
        assert loadmat(path)["polygons"].shape == (1, count)


def test_a_struct_in_a_struct_and_a_cell_are_read(tmp_path: Path) -> None:
    """As PASCAL3D+ has them: one record with one object, whose box and class a squeeze would take apart."""
    path = tmp_path / "record.mat"
    names = np.empty((1, 2), object)
    names[0, 0], names[0, 1] = "car", "bus"
    inner: dict[str, Any] = {"class": "car", "bbox": [[1.0, 2.0, 3.0, 4.0]], "viewpoint": {"azimuth": 30.0}}
    savemat(path, {"record": {"objects": inner, "filename": "a.jpg"}, "names": names, "one": 5.0})
    found = read_mat(path)
    assert set(found) == {"record", "names", "one"}
    objects = found["record"][0]["objects"]
    assert objects[0]["class"].tolist() == ["car"]
    assert objects[0]["bbox"].shape == (1, 4)
    assert objects[0]["viewpoint"][0]["azimuth"].tolist() == [[30.0]]
    assert [str(cell[0]) for cell in found["names"].ravel()] == ["car", "bus"]
    assert found["one"].tolist() == [[5.0]]


def test_matlab_files_hold_no_time() -> None:
    content = write_mat({"numbers": np.arange(3.0)})
    assert content == write_mat({"numbers": np.arange(3.0)})
    assert content.startswith(b"MATLAB 5.0 MAT-file, written by virb ")
    assert len(content[:116].rstrip()) < 60


def test_matlab_files_that_are_broken_or_of_another_kind_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "splits.mat"
    content = write_mat({"polygons": [{"a": np.arange(40.0).reshape(20, 2), "b": np.zeros((0, 0))}] * 5})
    hdf = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n" + bytes(400)
    for harmed in (b"", b"<html></html>" * 30, hdf, content[:400], content[:131]):
        path.write_bytes(harmed)
        with pytest.raises(DataError, match=re.escape(str(path))):
            read_mat(path)
