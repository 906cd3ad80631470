"""Encode: pictures as data sets really hold them, read to colours that are known beforehand and not asked of Pillow."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from virb.core.errors import DataError
from virb.core.types import Pool
from virb.data.formats.png16 import write_png16
from virb.data.images import decoded, read_image, squash

HEIGHT, WIDTH = 24, 32
RED, GREEN, BLUE, GREY = (220, 30, 40), (20, 200, 60), (30, 50, 210), (90, 90, 90)
RAMP = np.broadcast_to(np.linspace(0, 65535, WIDTH), (HEIGHT, WIDTH))
"""From black to white in as many steps as there are columns, in 16 bits."""


def quarters() -> np.ndarray:
    """Return a picture of four colours, no two of them in the same corner, uint8 [H,W,3]."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    rows, columns = slice(0, HEIGHT // 2), slice(0, WIDTH // 2)
    picture[rows, columns], picture[rows, WIDTH // 2 :] = RED, GREEN
    picture[HEIGHT // 2 :, columns], picture[HEIGHT // 2 :, WIDTH // 2 :] = BLUE, GREY
    return picture


def pool_of(path: Path) -> Pool:
    return Pool("test", (path.stem,), (path,))


def colours(path: Path) -> np.ndarray:
    """Return what is read, [H,W,3], after a look at its form."""
    found = read_image(pool_of(path), 0)
    assert found.dtype == torch.uint8
    assert found.shape[0] == 3
    return found.permute(1, 2, 0).numpy()


def assert_quarters(path: Path, tolerance: int) -> None:
    """Compare away from the borders between colours, over which JPEG bleeds."""
    found = colours(path)
    assert found.shape == (HEIGHT, WIDTH, 3)
    for row in (3, HEIGHT - 4):
        for column in (3, WIDTH - 4):
            difference = np.abs(found[row, column].astype(int) - quarters()[row, column])
            assert difference.max() <= tolerance, (row, column, found[row, column])


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM"])
@pytest.mark.parametrize("name", ["picture.jpg", "picture.JPEG", "picture"])
def test_the_content_and_not_the_name_decides_the_format(tmp_path: Path, kind: str, name: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(quarters()).save(tmp_path / name, format=kind, **options)
    assert_quarters(tmp_path / name, 0)


def test_a_jpeg_that_is_called_png_is_read(tmp_path: Path) -> None:
    Image.fromarray(quarters()).save(tmp_path / "picture.png", format="JPEG", quality=98, subsampling=0)
    assert_quarters(tmp_path / "picture.png", 4)


@pytest.mark.parametrize("name", ["grey.jpg", "grey.png"])
def test_grey_is_the_same_in_all_three_channels(tmp_path: Path, name: str) -> None:
    grey = np.broadcast_to(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, WIDTH))
    Image.fromarray(grey).save(tmp_path / name, **({"quality": 98} if name.endswith("jpg") else {}))
    found = colours(tmp_path / name).astype(int)
    assert (found == found[:, :, :1]).all()
    assert np.abs(found[:, :, 0] - grey).max() <= 3


def cmyk(picture: np.ndarray) -> np.ndarray:
    """Return inks for colours, black ink where all three others would be."""
    inks = 255 - picture.astype(int)
    black = inks.min(axis=2, keepdims=True)
    rest = np.where(black < 255, (inks - black) * 255 // np.maximum(255 - black, 1), 0)
    return np.concatenate([rest, black], axis=2).astype(np.uint8)


def test_inks_become_colours(tmp_path: Path) -> None:
    """Printers' JPEG, as a few pictures of ImageNet are: paper is white, not black."""
    white = np.full_like(quarters(), 255)
    for number, picture in enumerate((quarters(), white)):
        Image.fromarray(cmyk(picture), "CMYK").save(tmp_path / f"{number}.jpg", quality=98, subsampling=0)
    assert_quarters(tmp_path / "0.jpg", 6)
    assert colours(tmp_path / "1.jpg").min() > 250


@pytest.mark.parametrize("alpha", [255, 128, 0])
def test_transparency_is_left_out_and_the_colours_under_it_are_kept(tmp_path: Path, alpha: int) -> None:
    Image.fromarray(np.dstack([quarters(), np.full((HEIGHT, WIDTH), alpha, np.uint8)])).save(tmp_path / "rgba.png")
    grey = np.full((HEIGHT, WIDTH, 2), alpha, np.uint8)
    grey[:, :, 0] = 77
    Image.fromarray(grey).save(tmp_path / "la.png")
    assert_quarters(tmp_path / "rgba.png", 0)
    assert (colours(tmp_path / "la.png") == 77).all()


TRANSPARENT = [pytest.param(0, id="one colour"), pytest.param(bytes([0, 128, 255, 255]), id="a share for each")]


def palette_png(path: Path, transparency: object) -> None:
    numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
    numbers[: HEIGHT // 2, WIDTH // 2 :] = 1
    numbers[HEIGHT // 2 :, : WIDTH // 2] = 2
    numbers[HEIGHT // 2 :, WIDTH // 2 :] = 3
    picture = Image.fromarray(numbers)
    picture.putpalette([*RED, *GREEN, *BLUE, *GREY])
    picture.save(path, transparency=transparency)


@pytest.mark.parametrize("transparency", TRANSPARENT)
@pytest.mark.filterwarnings("ignore:Palette images")
def test_a_palette_with_transparency_gives_its_colours(tmp_path: Path, transparency: object) -> None:
    palette_png(tmp_path / "palette.png", transparency)
    with Image.open(tmp_path / "palette.png") as picture:
        assert (picture.mode, picture.info["transparency"]) == ("P", transparency)
    assert_quarters(tmp_path / "palette.png", 0)


@pytest.mark.filterwarnings("error")
def test_a_palette_with_transparency_is_nothing_to_warn_of(tmp_path: Path) -> None:
    palette_png(tmp_path / "palette.png", bytes([0, 128, 255, 255]))
    colours(tmp_path / "palette.png")


def test_black_and_white_of_one_bit_is_read(tmp_path: Path) -> None:
    marks = np.indices((HEIGHT, WIDTH)).sum(0) % 3 == 0
    Image.fromarray(marks).save(tmp_path / "bits.png")
    assert (colours(tmp_path / "bits.png") == np.where(marks, 255, 0)[:, :, None]).all()


def test_the_first_picture_of_several_is_read(tmp_path: Path) -> None:
    first, *others = (Image.fromarray(np.roll(quarters(), turn, 2)) for turn in range(3))
    first.save(tmp_path / "several.jpg", format="GIF", save_all=True, append_images=others)
    assert_quarters(tmp_path / "several.jpg", 0)


def test_a_note_on_how_the_camera_was_held_turns_nothing(tmp_path: Path) -> None:
    """Labels lie over the pixels as they are stored, and the usual loaders do not turn either."""
    note = Image.Exif()
    note[0x0112] = 6
    Image.fromarray(quarters()).save(tmp_path / "turned.jpg", exif=note, quality=98, subsampling=0)
    assert_quarters(tmp_path / "turned.jpg", 4)


# Sixteen bits


def grey_png(path: Path) -> None:
    Image.fromarray(RAMP.astype(np.uint16)).save(path, format="PNG")


def grey_tiff(path: Path) -> None:
    Image.fromarray(RAMP.astype(np.uint16)).save(path, format="TIFF")


def colour_png(path: Path) -> None:
    path.write_bytes(write_png16(np.dstack([RAMP] * 3).astype(np.uint16)))


def grey_alpha_png(path: Path) -> None:
    """Write grey with transparency, 16 bits each, which Pillow cannot write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    pixels = np.dstack([RAMP, np.full_like(RAMP, 65535)]).astype(">u2").reshape(HEIGHT, -1)
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 4, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "write",
    [grey_png, grey_tiff, colour_png, grey_alpha_png],
)
def test_sixteen_bits_are_scaled_to_eight_or_refused_but_not_cut_to_white(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    """Depth, microscopes, satellites: a picture that silently turns white would be encoded and scored."""
    write(tmp_path / "sixteen.png")
    try:
        found = colours(tmp_path / "sixteen.png").astype(int)
    except DataError:
        return
    assert np.abs(found - (RAMP / 257)[:, :, None]).max() <= 1


@pytest.mark.parametrize("kind", [np.float32, np.int32])
@pytest.mark.parametrize("largest", [1, 1000])
def test_a_picture_of_numbers_without_a_scale_is_refused(tmp_path: Path, kind: type, largest: int) -> None:
    Image.fromarray((RAMP / 65535 * largest).astype(kind)).save(tmp_path / "numbers.tiff")
    with pytest.raises(DataError, match=r"numbers\.tiff"):
        read_image(pool_of(tmp_path / "numbers.tiff"), 0)


# Damage


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_picture_cut_short_in_any_format_is_an_error_in_three_parts(tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / "cut.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    Image.fromarray(noise).save(path, format=kind)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError) as caught:
        read_image(pool_of(path), 0)
    assert str(path) in caught.value.found
    assert caught.value.expected
    assert caught.value.remedy


def test_a_jpeg_whose_last_bytes_are_missing_is_an_error_and_no_grey_strip(tmp_path: Path) -> None:
    path = tmp_path / "strip.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"strip\.jpg"):
        read_image(pool_of(path), 0)


@pytest.mark.parametrize("place", ["folder", "absent.jpg"])
def test_what_is_no_file_is_an_error_that_names_it(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=place):
        read_image(pool_of(tmp_path / place), 0)


def test_a_small_file_that_unfolds_to_a_huge_picture_is_an_error(tmp_path: Path) -> None:
    """A bomb: 400 million pixels in a few kilobytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    (tmp_path / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 999)) + chunk(b"IEND", b"")
    )
    with pytest.raises(DataError, match=r"bomb\.png"):
        read_image(pool_of(tmp_path / "bomb.png"), 0)


# Resized


def test_pictures_of_any_kind_meet_in_one_batch(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(4)]
    for path, mode in zip(paths, ("RGB", "RGBA", "L", "P"), strict=True):
        Image.fromarray(quarters()).convert(mode).save(path, format="PNG")
    pool = Pool("test", tuple("0123"), tuple(paths))
    (batch,) = decoded(pool, np.arange(4), 16, 8, 0)
    assert batch.shape == (4, 3, 16, 16)
    assert torch.equal(batch[0], batch[1])
    assert (batch[0, :, 2, 2] - torch.tensor(RED)).abs().max() <= 1


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 50), (50, 1), (7, 500)])
def test_pictures_of_extreme_shapes_are_squashed(tmp_path: Path, height: int, width: int) -> None:
    Image.new("RGB", (width, height), BLUE).save(tmp_path / "odd.png")
    found = squash(read_image(pool_of(tmp_path / "odd.png"), 0), 32)
    assert found.shape == (3, 32, 32)
    assert (found == torch.tensor(BLUE)[:, None, None]).all()
