"""File formats: PNG files of 16 bits made here by another encoder, MATLAB files, and everything broken."""

from __future__ import annotations

import io
import itertools
import re
import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from virb.core.errors import DataError
from virb.data.formats.png16 import (
    kitti_flow_decode,
    kitti_flow_encode,
    read_gray16,
    read_png16,
    write_gray16,
    write_png16,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint16]:
    """Return smooth colours with noise, so that every branch of every filter is taken."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    slopes = np.stack([rows * 211 + columns * 97, rows * 1301 - columns * 53, rows * columns * 7], axis=2)
    return (slopes + generator.integers(0, 4000, (height, width, 3))).astype(np.uint16)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def header(width: int, height: int, depth: int = 16, colour: int = 2, interlaced: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def filtered(rows: list[bytes], kinds: list[int], pixel: int = 6) -> bytes:
    """Return rows as the PNG standard's text filters them, byte by byte."""
    lines = bytearray()
    above = bytes(len(rows[0]))
    for row, kind in zip(rows, kinds, strict=True):
        lines.append(kind)
        for place, value in enumerate(row):
            left = row[place - pixel] if place >= pixel else 0
            up, corner = above[place], above[place - pixel] if place >= pixel else 0
            nearest = min((left, up, corner), key=lambda one: abs(left + up - corner - one))  # the first one wins
            lines.append((value - (0, left, up, (left + up) // 2, nearest)[kind]) % 256)
        above = row
    return bytes(lines)


def encoded(array: NDArray[np.uint16], kinds: list[int], pieces: int = 1) -> bytes:
    """Return a PNG file whose rows have these filters, its data in several chunks, with a comment in between."""
    height, width, _ = array.shape
    packed = zlib.compress(filtered([row.astype(">u2").tobytes() for row in array], kinds))
    step = -(-len(packed) // pieces)
    parts = b"".join(chunk(b"IDAT", packed[start : start + step]) for start in range(0, len(packed), step))
    return SIGNATURE + header(width, height) + chunk(b"tEXt", b"a comment") + parts + chunk(b"IEND", b"")


def torchvision_reads(content: bytes) -> NDArray[np.uint16]:
    torch = pytest.importorskip("torch")
    io_module = pytest.importorskip("torchvision.io")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = io_module.decode_png(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        except (AttributeError, RuntimeError) as error:
            pytest.skip(f"this torchvision decodes no PNG files: {error}")
    return np.asarray(found.to(torch.int32).permute(1, 2, 0).numpy().astype(np.uint16))


@pytest.mark.parametrize("kind", range(5))
def test_each_filter_is_undone(kind: int) -> None:
    array = picture(9, 11)
    assert (read_png16(encoded(array, [kind] * 9)) == array).all()


def test_rows_may_differ_in_their_filters() -> None:
    for seed, (height, width) in enumerate(((25, 7), (25, 1), (1, 25), (40, 31), (2, 2))):
        array = picture(height, width, seed)
        kinds = np.random.default_rng(seed).integers(0, 5, height).tolist()
        assert (read_png16(encoded(array, kinds, pieces=3)) == array).all()


def test_every_pair_of_filters_may_follow_one_another() -> None:
    kinds = list(itertools.chain(*itertools.product(range(5), repeat=2)))
    array = picture(len(kinds), 6, 3)
    content = encoded(array, kinds)
    assert (read_png16(content) == array).all()
    assert (torchvision_reads(content) == array).all()


def test_what_is_written_is_read_back_here_and_by_others(tmp_path: Path) -> None:
    array = picture(30, 41, 1)
    array[0, 0], array[0, 1] = 0, 65535
    content = write_png16(array)
    (tmp_path / "flow.png").write_bytes(content)
    read = read_png16(tmp_path / "flow.png")
    assert read.dtype == np.uint16
    assert (read == array).all()
    assert (torchvision_reads(content) == array).all()
    with Image.open(io.BytesIO(content)) as shown:
        assert shown.size == (41, 30)
        assert (np.asarray(shown) == array >> 8).all()  # why there is a decoder here at all


def whole() -> bytes:
    return encoded(picture(12, 10), [4] * 12)


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not a PNG file"),
    "text": (b"<html>not found</html>", "is not a PNG file"),
    "only the signature": (SIGNATURE, "is cut short"),
    "no header": (SIGNATURE + chunk(b"IEND", b""), "has no header"),
    "8 bits": (SIGNATURE + header(4, 4, depth=8), "has 8 bits per channel"),
    "gray": (SIGNATURE + header(4, 4, colour=0), "colour type 0"),
    "interlaced": (SIGNATURE + header(4, 4, interlaced=1), "is interlaced"),
    "no pixels": (SIGNATURE + header(0, 4), "claims 0 x 4 pixels"),
    "too many pixels": (SIGNATURE + header(2**31 - 1, 2**31 - 1), "claims 2147483647 x 2147483647"),
    "short header": (SIGNATURE + chunk(b"IHDR", b"1234"), "has a header of 4 bytes"),
    "unknown chunk": (SIGNATURE + header(1, 1) + chunk(b"ABCD", b""), "unknown chunk"),
    "rubbish inside": (SIGNATURE + header(1, 1) + chunk(b"IDAT", b"rubbish") + chunk(b"IEND", b""), "is damaged"),
    "no data": (SIGNATURE + header(1, 1) + chunk(b"IEND", b""), "fewer pixels"),
    "fewer rows": (
        SIGNATURE + header(1, 2) + chunk(b"IDAT", zlib.compress(bytes(7))) + chunk(b"IEND", b""),
        "fewer pixels",
    ),
    "more rows": (
        SIGNATURE + header(1, 2) + chunk(b"IDAT", zlib.compress(bytes(21))) + chunk(b"IEND", b""),
        "more pixels",
    ),
    "filter 5": (
        SIGNATURE + header(1, 1) + chunk(b"IDAT", zlib.compress(b"\x05" + bytes(6))) + chunk(b"IEND", b""),
        "filter 5",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_or_other_file_is_refused_by_name(tmp_path: Path, case: str) -> None:
    content, message = BROKEN[case]
    path = tmp_path / "000007_10.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_png16(path)
    assert str(path) in str(caught.value)
    with pytest.raises(DataError, match="the PNG data"):
        read_png16(content)


def test_a_file_cut_anywhere_is_refused() -> None:
    content = whole()
    for length in range(len(content) - 12, 8, -7):
        with pytest.raises(DataError):
            read_png16(content[:length])


def test_a_flipped_bit_anywhere_is_refused() -> None:
    content = whole()
    for place in range(8, len(content) - 12, 5):
        harmed = bytearray(content)
        harmed[place] ^= 4
        with pytest.raises(DataError):
            read_png16(bytes(harmed))


def test_a_wrong_checksum_is_named() -> None:
    harmed = bytearray(whole())
    harmed[harmed.index(b"IDAT") + 20] ^= 1
    with pytest.raises(DataError, match="checksum of its chunk b'IDAT' is wrong"):
        read_png16(bytes(harmed))


def test_a_small_file_cannot_fill_the_memory() -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    content = SIGNATURE + header(1, 1) + chunk(b"IDAT", bomb) + chunk(b"IEND", b"")
    tracemalloc.start()
    with pytest.raises(DataError, match="more pixels"):
        read_png16(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for read in (read_png16, read_gray16):
        with pytest.raises(DataError, match=re.escape(str(tmp_path / "gone"))):
            read(tmp_path / "gone")


def test_gray_files_keep_all_16_bits(tmp_path: Path) -> None:
    array = (np.arange(600).reshape(20, 30) * 109).astype(np.uint16)
    path = tmp_path / "depth.png"
    path.write_bytes(write_gray16(array))
    read = read_gray16(path)
    assert read.dtype == np.uint16
    assert (read == array).all()


def test_gray_files_of_8_bits_and_broken_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "depth.png"
    for mode in ("L", "RGB", "P"):
        Image.new(mode, (4, 4)).save(path)
        with pytest.raises(DataError, match=f"mode {mode}"):
            read_gray16(path)
    path.write_bytes(write_gray16(picture(30, 30)[:, :, 0])[:200])
    with pytest.raises(DataError, match=re.escape(str(path))):
        read_gray16(path)


def test_flow_goes_to_kittis_code_and_back() -> None:
    flow = np.random.default_rng(0).uniform(-300, 300, (6, 8, 2)).astype(np.float32)
    valid = np.random.default_rng(1).random((6, 8)) < 0.6
    stored = kitti_flow_encode(flow, valid)
    assert (stored[~valid] == 0).all()
    assert (stored[..., 2] == valid).all()
    assert stored[valid][:, 0] == pytest.approx(flow[valid][:, 0] * 64 + 2**15, abs=0.51)
    found = kitti_flow_decode(stored)
    assert found.dtype == np.float32
    assert np.isnan(found[~valid]).all()
    assert np.abs(found[valid] - flow[valid]).max() <= 1 / 128 + 1e-4
    assert (kitti_flow_encode(found, valid) == stored).all()


def test_flow_without_a_code_is_not_valid() -> None:
    flow = np.array([[[600.0, 0.0], [0.0, -512.1], [np.nan, 0.0], [-512.0, 511.98]]], np.float32)
    assert kitti_flow_encode(flow, np.ones((1, 4), np.bool_))[0, :, 2].tolist() == [0, 0, 0, 1]
