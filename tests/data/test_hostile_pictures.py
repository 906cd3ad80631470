"""Pictures of strangers: only known formats, only regular files, and no more memory than the largest real picture."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_pictures import CLAIMS, POSTSCRIPT, png, saved
from PIL import Image, features

import virb
from virb.core.errors import DataError
from virb.core.files import open_file
from virb.core.types import Pool
from virb.data.formats.claims import odd_scans, too_large
from virb.data.images import image_size, read_image, squash
from virb.data.pictures import FORMATS, picture_size, read_rgb, rgb_pixels, stored_pixels

FOREIGN = ("DDS", "ICO", "TGA", "PCX", "SGI", "IM", "MSP", "XBM", "JPEG2000", "PDF", "SPIDER", "ICNS", "BLP", "AVIF")
"""Formats that Pillow writes, and reads when nobody says which it may."""


def every_reader(path: Path) -> list[str]:
    """Return what each way to open a picture says of a file that none may take."""
    readers = (
        lambda: read_image(Pool("test", ("one",), (path,)), 0),
        lambda: image_size(Pool("test", ("one",), (path,)), 0),
        lambda: read_rgb(path),
        lambda: picture_size(path),
        lambda: stored_pixels(path, "a label picture", "fetch it again"),
    )
    said = []
    for read in readers:
        with pytest.raises(DataError) as caught:
            read()
        assert caught.value.expected
        assert caught.value.remedy
        assert str(path) in caught.value.found
        assert len(caught.value.found) < 600
        said.append(caught.value.found)
    return said


def test_no_other_module_opens_pictures_and_this_one_names_the_formats() -> None:
    top = Path(virb.__file__).parent
    opening = {
        path.relative_to(top).as_posix(): re.findall(r"Image\.open\([^\n]*", path.read_text(encoding="utf-8"))
        for path in top.rglob("*.py")
    }
    found = {name: calls for name, calls in opening.items() if calls}
    assert list(found) == ["data/pictures.py"]
    assert all("formats=FORMATS" in call for calls in found.values() for call in calls)
    assert not [path for path in top.rglob("*.py") if re.search(r"decode_image|io\.read_image", path.read_text())]


@pytest.mark.skipif(os.name == "nt", reason="a script is no program there")
@pytest.mark.parametrize("name", ["picture.jpg", "picture.eps", "map.png"])
def test_a_postscript_picture_starts_no_program(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "started"
    (tmp_path / "bin").mkdir()
    for program in ("gs", "gsc", "ghostscript"):
        script = tmp_path / "bin" / program
        script.write_text(f"#!/bin/sh\ntouch {trace}\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / name).write_bytes(POSTSCRIPT)
    said = every_reader(tmp_path / name)
    assert all(f"it is none of {', '.join(FORMATS)}" in one for one in said)
    assert not trace.exists()


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_format_that_no_data_set_uses_is_refused_under_any_name(tmp_path: Path, kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    mode = {"MSP": "1", "XBM": "1", "BLP": "P", "SPIDER": "F"}.get(kind, "RGB")
    path = tmp_path / "picture.jpg"
    path.write_bytes(saved(kind, mode, size=(64, 64)))
    assert all("it is none of" in one for one in every_reader(path))


@pytest.mark.parametrize("content", [b"\x01\0\0\0" + bytes(36) + b" EMF" + bytes(60), b"\xd7\xcd\xc6\x9a" + bytes(80)])
def test_pictures_that_only_windows_draws_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "picture.jpg").write_bytes(content)
    assert all("it is none of" in one for one in every_reader(tmp_path / "picture.jpg"))


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_beyond_all_bounds_is_refused_before_it_is_believed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(CLAIMS[name]())
    assert path.stat().st_size < 5_000_000
    with pytest.raises(DataError) as caught:
        read_image(Pool("test", ("one",), (path,)), 0)
    assert str(path) in caught.value.found
    with pytest.raises(DataError) as caught:
        stored_pixels(path, "a label picture", "fetch it again")
    assert str(path) in caught.value.found


def test_a_label_picture_has_fewer_pixels_than_a_picture_may(tmp_path: Path) -> None:
    """Its numbers are looked up, which takes ten times the memory."""
    (tmp_path / "map.png").write_bytes(png(5000, 5000, colour=0))
    assert picture_size(tmp_path / "map.png") == (5000, 5000)
    with pytest.raises(DataError, match="5,000 x 5,000"):
        stored_pixels(tmp_path / "map.png", "a label picture", "fetch it again")


def test_the_largest_pictures_of_real_data_are_within_the_bounds() -> None:
    """ImageNet's largest has 9331 x 6530 pixels; Cityscapes' all have 2048 x 1024."""
    for width, height in ((9331, 6530), (2048, 1024), (20_000, 3000)):
        assert not too_large(width, height, 12)
        assert not odd_scans(b"\xff\xd8\xff" + b"\xff\xda" * 12, width, height, 7)


@pytest.mark.parametrize("size", [(31, 17), (5000, 4000)])
def test_pixels_that_are_copied_in_bands_are_all_there(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virb.data.pictures._BAND", 100_000)
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    assert np.array_equal(rgb_pixels(Image.fromarray(noise)), noise)


@pytest.mark.parametrize("size", [(1 << 15, 2), (2, 1 << 15)])
def test_the_longest_side_is_resized_in_little_memory(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "long.png").write_bytes(png(*size))
    assert torch.equal(squash(read_image(Pool("t", ("a",), (tmp_path / "long.png",)), 0), 32), torch.zeros(3, 32, 32))


# What is no file

WAITS = """
import sys
from pathlib import Path
from virb.core.errors import VirbError
from virb.core.types import Pool
from virb.data.common import read_lines
from virb.data.formats.mat import read_mat
from virb.data.formats.png16 import read_gray16, read_png16
from virb.data.formats.video import read_frame
from virb.data.images import image_size, read_image, unreadable
from virb.data.pictures import stored_pixels
from virb.data.sets import cifar, clevr, coco, imagenet, kinetics, nuscenes, nyu_official
from virb.data.common import data_card
path = Path(sys.argv[1])
pool = Pool("test", ("one",), (path,))
for read in (
    lambda: read_image(pool, 0), lambda: image_size(pool, 0), lambda: stored_pixels(path, "a", "b"),
    lambda: read_lines(path, "a", "b"), lambda: read_mat(path), lambda: read_gray16(path), lambda: read_png16(path),
    lambda: cifar.load_plain(path), lambda: nuscenes._pairs(path, data_card("nuscenes")),
    lambda: kinetics._csv_classes(path, data_card("kinetics400")), lambda: nyu_official._opened(path, 0),
    lambda: kinetics._json_classes(path, data_card("kinetics400")), lambda: read_frame(path, 0),
):
    try:
        read()
    except VirbError as error:
        assert str(path) in error.found, error.found
        print("refused", flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names there")
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "nothing"])
def test_what_is_no_regular_file_is_refused_by_every_reader_and_waited_for_by_none(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture.jpg"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    done = subprocess.run([sys.executable, "-c", WAITS, str(path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("refused") == 13


def test_a_regular_file_is_opened_also_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with open_file(tmp_path / "link") as stream:
        assert stream.read() == b"content"
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "none")
