"""Archives: unpacked whole or not at all, and moved into place without overwriting anything."""

from __future__ import annotations

import errno
import io
import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import IO, Any

import pytest
from sites import (
    assert_three_parts,
)

from virb.core.errors import DataError, OutputError, VirbError
from virb.core.fetch import archives, is_archive, settle, unpack

# Archives

FILES = {"set/images/a.jpg": b"a" * 1000, "set/images/b.jpg": b"b" * 10, "set/list.txt": b"a\nb\n"}


TARS = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}


ENDINGS = [".zip", *TARS]


def pack(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
            for name, content in files.items():
                made.writestr(name, content)
        return path
    with tarfile.open(path, TARS[next(end for end in sorted(TARS, key=len)[::-1] if path.name.endswith(end))]) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def odd_tar(path: Path, **given: Any) -> Path:
    """Write a tar with a good file and then a member of these features."""
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("set/good.txt")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"good"))
        odd = tarfile.TarInfo("set/odd")
        for name, value in given.items():
            setattr(odd, name, value)
        tar.addfile(odd, io.BytesIO(bytes(odd.size)))
    return path


def content(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder, hidden ones included."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def refused(archive: Path, into: Path, words: str) -> DataError:
    """Unpack what must be refused: nothing is left behind, inside or outside."""
    before = content(into.parent)
    with pytest.raises(DataError, match=words) as caught:
        unpack(archive, into)
    assert content(into.parent) == before
    assert not into.exists(), "not even an empty folder"
    assert_three_parts(caught.value)
    assert str(archive) in caught.value.found
    return caught.value


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_archive_is_unpacked_whole(tmp_path: Path, ending: str) -> None:
    unpack(pack(tmp_path / f"set{ending}", FILES), tmp_path / "into")
    assert content(tmp_path / "into") == FILES


def test_archives_are_known_by_their_ending() -> None:
    assert all(is_archive(f"set{ending}") for ending in ENDINGS)
    assert is_archive("SET.ZIP")
    assert not any(is_archive(name) for name in ("splits.mat", "labels.gz", "zip", ".zip", "set.zip.part"))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", ["../out.txt", "set/../../out.txt", "/tmp/out.txt", "C:/out.txt", "..\\out.txt"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, ending: str, name: str) -> None:
    archive = pack(tmp_path / "in" / f"set{ending}", {"set/good.txt": b"good", name: b"evil"})
    refused(archive, tmp_path / "in" / "into", "does not lie in it")


@pytest.mark.parametrize("name", ["set/nul", "aux.txt", "set/COM1.jpg", "set/a\nb.txt", "set/\x1b[2J.txt"])
def test_names_of_devices_and_control_signs_are_refused(tmp_path: Path, name: str) -> None:
    refused(pack(tmp_path / "set.zip", {"a.txt": b"", name: b"x"}), tmp_path / "into", "does not lie in it")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_a_zip_with_a_link_or_a_device_is_refused(tmp_path: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as made:
        made.writestr("set/good.txt", "good")
        member = zipfile.ZipInfo("set/odd")
        member.external_attr = (kind | 0o777) << 16
        made.writestr(member, "/etc/passwd")
    refused(tmp_path / "set.zip", tmp_path / "into", "link or a device")


@pytest.mark.parametrize(
    "given",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.SYMTYPE, "linkname": "../../.."},
        {"type": tarfile.SYMTYPE, "linkname": "good.txt"},
        {"type": tarfile.CHRTYPE},
        {"type": tarfile.BLKTYPE},
        {"type": tarfile.FIFOTYPE},
    ],
    ids=lambda given: f"{given['type']}{given.get('linkname', '')}",
)
def test_a_tar_with_a_symbolic_link_or_a_device_is_refused(tmp_path: Path, given: dict[str, Any]) -> None:
    refused(odd_tar(tmp_path / "set.tar", **given), tmp_path / "into", "link or a device")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../etc/passwd", "set/later.txt"])
def test_a_hard_link_to_what_is_not_in_the_archive_is_refused(tmp_path: Path, target: str) -> None:
    archive = odd_tar(tmp_path / "set.tar", type=tarfile.LNKTYPE, linkname=target)
    refused(archive, tmp_path / "into", "does not lie in it|not before it")


def test_a_hard_link_to_an_earlier_file_becomes_a_file_of_its_own(tmp_path: Path) -> None:
    unpack(odd_tar(tmp_path / "set.tar", type=tarfile.LNKTYPE, linkname="set/good.txt"), tmp_path / "into")
    assert content(tmp_path / "into") == {"set/good.txt": b"good", "set/odd": b"good"}
    assert (tmp_path / "into" / "set" / "odd").stat().st_nlink == 1


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_a_bomb_is_refused(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gigabyte that is always free is lowered here, to keep the test small."""
    monkeypatch.setattr(archives, "_FREE_BYTES", 1 << 20)
    refused(pack(tmp_path / f"bomb{ending}", {"zeros": bytes(8 << 20)}), tmp_path / "into", "would unpack")


def test_a_real_bomb_of_a_gigabyte_is_refused_by_its_headers_alone(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w") as made:
        made.writestr("zeros", "")
        made.filelist[0].file_size = 1 << 31
    refused(tmp_path / "bomb.zip", tmp_path / "into", "would unpack")


def test_a_bomb_inside_an_archive_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_FREE_BYTES", 1 << 20)
    inner = pack(tmp_path / "inner.zip", {"zeros": bytes(8 << 20)})
    outer = pack(tmp_path / "outer.zip", {"a.txt": b"a", "inner.zip": inner.read_bytes()})
    with pytest.raises(DataError, match="would unpack"):
        unpack(outer, tmp_path / "into", inner=["*.zip"])
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_too_many_files_are_refused(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_ENTRIES", 2)
    refused(pack(tmp_path / f"set{ending}", FILES), tmp_path / "into", "more than 2 files")


def test_a_highly_compressed_small_archive_is_no_bomb(tmp_path: Path) -> None:
    unpack(pack(tmp_path / "set.zip", {"zeros": bytes(4 << 20)}), tmp_path / "into")
    assert (tmp_path / "into" / "zeros").stat().st_size == 4 << 20


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.9])
def test_an_archive_cut_short_leaves_nothing(tmp_path: Path, ending: str, kept: float) -> None:
    random = os.urandom(50_000)
    archive = pack(tmp_path / f"set{ending}", {"set/a.bin": random, "set/b.bin": random[::-1]})
    data = archive.read_bytes()
    archive.write_bytes(data[: int(kept * len(data)) if kept < 1 else int(kept)])
    refused(archive, tmp_path / "into", "damaged|cannot be read")


@pytest.mark.parametrize("ending", [".zip", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_a_flipped_byte_is_found(tmp_path: Path, ending: str) -> None:
    archive = pack(tmp_path / f"set{ending}", {"set/a.bin": os.urandom(50_000)})
    data = bytearray(archive.read_bytes())
    data[20_000] ^= 255
    archive.write_bytes(bytes(data))
    refused(archive, tmp_path / "into", "damaged|cannot be read|not as long")


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path: Path) -> None:
    archive = pack(tmp_path / "set.tar", FILES)
    data = bytearray(archive.read_bytes())
    data[data.index(b"set/images/b.jpg") + 150] ^= 255
    archive.write_bytes(bytes(data))
    refused(archive, tmp_path / "into", "more after its end")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_page_in_place_of_an_archive_is_named(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"set{ending}").write_text("<!DOCTYPE html><title>Log in</title>" * 50)
    refused(tmp_path / f"set{ending}", tmp_path / "into", "damaged or no archive|cannot be read")


def test_an_encrypted_zip_is_named(tmp_path: Path) -> None:
    archive = pack(tmp_path / "set.zip", FILES)
    data = bytearray(archive.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := data.find(mark, start + 1)) >= 0:
            data[start + place] |= 1
    archive.write_bytes(bytes(data))
    refused(archive, tmp_path / "into", "encrypted")


def test_a_file_and_a_folder_of_one_name_are_refused(tmp_path: Path) -> None:
    archive = pack(tmp_path / "set.zip", {"a": b"file", "a/b": b"inside"})
    with pytest.raises(VirbError):
        unpack(archive, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_inner_archives_are_unpacked_where_they_lie_when_they_are_named(tmp_path: Path) -> None:
    inner = pack(tmp_path / "inner.zip", {"panoptic_val2017/1.png": b"png"}).read_bytes()
    files = {"annotations/panoptic_val2017.zip": inner, "annotations/other.zip": inner, "annotations/a.json": b"{}"}
    unpack(pack(tmp_path / "set.zip", files), tmp_path / "into", inner=["annotations/panoptic_*.zip"])
    assert content(tmp_path / "into") == {
        "annotations/a.json": b"{}",
        "annotations/other.zip": inner,
        "annotations/panoptic_val2017/1.png": b"png",
    }


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_names_in_any_script_are_taken_as_they_are(tmp_path: Path, ending: str) -> None:
    files = {"søt/bilde\u00a01.jpg": b"1", "セット/画像.jpg": b"2"}
    unpack(pack(tmp_path / f"set{ending}", files), tmp_path / "into")
    assert content(tmp_path / "into") == files


def test_an_archive_that_is_gone_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        unpack(tmp_path / "gone.zip", tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_what_one_system_adds_to_every_archive_is_left_out(tmp_path: Path) -> None:
    unpack(pack(tmp_path / "set.zip", {**FILES, "__MACOSX/set/._a.jpg": b"junk"}), tmp_path / "into")
    assert content(tmp_path / "into") == FILES


def test_a_full_disk_while_unpacking_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, mode: str) -> IO[bytes]:
        if mode == "wb" and path.name == "b.jpg":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return open(path, mode)

    archive = pack(tmp_path / "set.zip", FILES)
    monkeypatch.setattr("virb.core.fetch.archives.open", full, raising=False)
    with pytest.raises(OutputError, match="No space left") as caught:
        unpack(archive, tmp_path / "into")
    assert_three_parts(caught.value)
    assert content(tmp_path) == {"set.zip": archive.read_bytes()}


def test_an_archive_that_the_disk_cannot_hold_is_refused_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack(tmp_path / "set.zip", {"zeros": bytes(1 << 20)})
    monkeypatch.setattr("virb.core.fetch.disk.shutil.disk_usage", lambda path: type("Usage", (), {"free": 1 << 19})())
    with pytest.raises(OutputError, match="free"):
        unpack(archive, tmp_path / "into")


# Moving into place


def test_what_is_there_is_never_overwritten_and_nothing_is_moved(tmp_path: Path) -> None:
    (tmp_path / "into" / "set").mkdir(parents=True)
    (tmp_path / "into" / "set" / "list.txt").write_text("mine")
    archive = pack(tmp_path / "set.zip", {**FILES, "another/c.jpg": b"c"})
    with pytest.raises(DataError, match="1 other file") as caught:
        unpack(archive, tmp_path / "into")
    assert "list.txt" in caught.value.remedy
    assert content(tmp_path / "into") == {"set/list.txt": b"mine"}


def test_what_is_there_and_the_same_is_completed(tmp_path: Path) -> None:
    (tmp_path / "into" / "set" / "images").mkdir(parents=True)
    (tmp_path / "into" / "set" / "list.txt").write_bytes(FILES["set/list.txt"])
    (tmp_path / "into" / "set" / "images" / "mine.jpg").write_bytes(b"mine")
    unpack(pack(tmp_path / "set.zip", FILES), tmp_path / "into")
    assert content(tmp_path / "into") == {**FILES, "set/images/mine.jpg": b"mine"}


@pytest.mark.parametrize("there", ["file", "link"])
def test_a_file_or_a_dead_link_in_the_place_of_a_folder_stops_all_of_it(tmp_path: Path, there: str) -> None:
    (tmp_path / "into").mkdir()
    if there == "file":
        (tmp_path / "into" / "set").write_text("mine")
    else:
        (tmp_path / "into" / "set").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match="1 other file"):
        unpack(pack(tmp_path / "set.zip", FILES), tmp_path / "into")
    assert [path.name for path in (tmp_path / "into").iterdir()] == ["set"]


def test_a_move_that_fails_halfway_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, into = tmp_path / "made", tmp_path / "into"
    for name in ("a", "b", "c"):
        (made / name).mkdir(parents=True)
        (made / name / "file").write_text(name)
    rename = os.rename

    def failing(source: Path, target: Path) -> None:
        if target == into / "c":
            raise OSError(errno.EACCES, "not allowed")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OutputError, match="not allowed"):
        settle(made, into)
    assert list(into.iterdir()) == []
    assert sorted(path.name for path in made.iterdir()) == ["a", "b", "c"]


def test_what_a_killed_run_left_is_swept_up_by_the_next(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    from virb.core.paths import temporary_beside

    mark = temporary_beside(tmp_path / "into" / "set.zip").name.split(f"-{os.getpid()}-")
    left = tmp_path / "into" / f"{mark[0]}-{done.stdout.strip()}-{mark[1]}"
    left.mkdir(parents=True)
    (left / "half").write_text("half")
    unpack(pack(tmp_path / "set.zip", FILES), tmp_path / "into")
    assert content(tmp_path / "into") == FILES
