"""Archives of strangers: what a small one asks for is held against its size before it is done."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from hostile_archives import BOMBS, linked, member, tar, zipped

from virb.core.errors import DataError
from virb.core.fetch import archives, unpack


@pytest.mark.parametrize("name", BOMBS)
def test_an_archive_that_asks_for_too_much_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    ending, made = BOMBS[name]
    archive = tmp_path / f"set.{ending}"
    archive.write_bytes(made())
    assert archive.stat().st_size < 20_000_000
    with pytest.raises(DataError) as caught:
        unpack(archive, tmp_path / "into")
    assert str(archive) in caught.value.found
    assert caught.value.remedy
    assert len(str(caught.value)) < 2000
    assert list(tmp_path.iterdir()) == [archive]


def test_hard_links_count_as_the_files_that_they_become(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "set.tar.gz"
    archive.write_bytes(linked(10, 1 << 20))
    monkeypatch.setattr(archives, "_FREE_BYTES", 12 << 20)
    unpack(archive, tmp_path / "into")
    assert len(list((tmp_path / "into").iterdir())) == 11
    monkeypatch.setattr(archives, "_FREE_BYTES", 10 << 20)
    with pytest.raises(DataError, match="would unpack"):
        unpack(archive, tmp_path / "other")


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_notes_of_usual_tars_are_read(tmp_path: Path, form: int) -> None:
    name = "folder/" + "n" * 200 + ".jpg"
    with tarfile.open(tmp_path / "set.tar.xz", "w:xz", format=form) as made:
        for place in (name, "set/å.txt"):
            head = member(place, size=4)
            head.pax_headers = {"mtime": "1234567890.25", "comment": "a note"} if form == tarfile.PAX_FORMAT else {}
            made.addfile(head, io.BytesIO(b"text"))
    unpack(tmp_path / "set.tar.xz", tmp_path / "into")
    assert (tmp_path / "into" / name).read_bytes() == b"text"
    assert (tmp_path / "into" / "set" / "å.txt").read_bytes() == b"text"


def test_a_tar_is_known_by_its_first_bytes_and_not_by_its_ending(tmp_path: Path) -> None:
    """A name may begin as packed data do."""
    (tmp_path / "set.tar.gz").write_bytes(tar([(member("BZh9", size=4), b"text")]))
    unpack(tmp_path / "set.tar.gz", tmp_path / "into")
    assert (tmp_path / "into" / "BZh9").read_bytes() == b"text"


def test_xz_of_several_streams_and_zeros_between_them_is_read(tmp_path: Path) -> None:
    import lzma

    whole = tar([(member("a", size=100_000), bytes(range(250)) * 400)])
    (tmp_path / "set.tar.xz").write_bytes(lzma.compress(whole[:60_000]) + bytes(8) + lzma.compress(whole[60_000:]))
    unpack(tmp_path / "set.tar.xz", tmp_path / "into")
    assert (tmp_path / "into" / "a").read_bytes() == bytes(range(250)) * 400


def test_many_small_files_are_as_many_as_their_bytes_allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_FREE_ENTRIES", 3)
    (tmp_path / "few.zip").write_bytes(zipped("a", "b", "c", "d"))
    unpack(tmp_path / "few.zip", tmp_path / "into")
    monkeypatch.setattr(archives, "_PER_ENTRY", 1 << 20)
    with pytest.raises(DataError, match="more than 3 files"):
        unpack(tmp_path / "few.zip", tmp_path / "other")


def test_the_usual_methods_of_zip_are_read(tmp_path: Path) -> None:
    for number, method in enumerate((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w", method) as made:
            made.writestr(f"{number}", b"content" * 100)
        unpack(tmp_path / f"{number}.zip", tmp_path / "into")
    assert (tmp_path / "into" / "1").read_bytes() == b"content" * 100
