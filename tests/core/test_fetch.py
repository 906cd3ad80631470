"""Fetch: against a real server on this machine that cuts, lies, changes its mind and redirects."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest

from virb.core.errors import DataError, OutputError, VirbError
from virb.core.fetch import archives, download, is_archive, settle, transfer, unpack
from virb.core.fetch.disk import by_megabyte, size_text
from virb.core.fetch.part import PartFile, claimed
from virb.core.fetch.web import Cut, network, opener
from virb.core.progress import Silent

CONTENT = bytes(range(256)) * 2000
MD5, SHA256 = hashlib.md5(CONTENT).hexdigest(), hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """A server's behaviour: one answer per request, the last one for ever; and what was asked of it."""

    address: str = ""
    content: bytes = CONTENT
    tag: str | None = '"one"'
    answers: list[Callable[[Handler], None]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.address}/data.zip"


class Handler(BaseHTTPRequestHandler):
    """Answers as its site says; by default like any good server, with ranges."""

    site: Site

    def do_GET(self) -> None:
        site = self.site
        site.asked.append(dict(self.headers.items()))
        answer = site.answers[min(len(site.asked), len(site.answers)) - 1] if site.answers else good
        answer(self)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def head(self, code: int, length: int | None, **more: str) -> None:
        self.send_response(code)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if self.site.tag:
            self.send_header("ETag", self.site.tag)
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


def good(handler: Handler) -> None:
    """Honour ranges as the standard says."""
    send(handler, len(handler.site.content))


def send(handler: Handler, until: int) -> None:
    """Answer with ranges, but cut the connection at a byte of the file."""
    content, wanted = handler.site.content, re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    condition = handler.headers.get("If-Range")
    start = int(wanted[1]) if wanted and condition in (None, handler.site.tag) else 0
    if start > len(content) or (start and start == len(content)):
        handler.head(416, 0, Content_Range=f"bytes */{len(content)}")
        return
    if start:
        handler.head(206, len(content) - start, Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}")
    else:
        handler.head(200, len(content))
    handler.wfile.write(content[start:until])


def cut(until: int) -> Callable[[Handler], None]:
    return lambda handler: send(handler, until)


def status(code: int, **more: str) -> Callable[[Handler], None]:
    return lambda handler: handler.head(code, 0, **more)


def whole(handler: Handler) -> None:
    """Ignore ranges."""
    handler.head(200, len(handler.site.content))
    handler.wfile.write(handler.site.content)


def whole_but_cut(handler: Handler) -> None:
    """Ignore ranges and cut the connection halfway, always."""
    handler.head(200, len(handler.site.content))
    handler.wfile.write(handler.site.content[: len(handler.site.content) // 2])


def unmeasured(handler: Handler) -> None:
    handler.head(200, None)
    handler.wfile.write(handler.site.content)


def redirect(place: str) -> Callable[[Handler], None]:
    return lambda handler: handler.head(302, 0, Location=place)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return a server that runs; waiting between attempts takes no time."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(transfer.time, "sleep", lambda seconds: None)
    made = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"site": made}))
    server.daemon_threads = True
    made.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "data.zip"


class Notes(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def part_of(place: Path) -> Path:
    return place.with_name(place.name + ".part")


def alone(place: Path) -> bool:
    """Tell whether nothing but the file itself is left."""
    return [path.name for path in place.parent.iterdir()] == [place.name]


def assert_three_parts(error: VirbError) -> None:
    assert error.found
    assert error.expected
    assert error.remedy


# Downloads that come to a good end


@pytest.mark.parametrize("known", [{}, {"bytes": len(CONTENT)}, {"md5": MD5}, {"sha256": SHA256, "md5": MD5}])
def test_a_file_is_fetched_whole_and_nothing_else_is_left(site: Site, place: Path, known: dict[str, Any]) -> None:
    assert download(site.url, place, **known) == place
    assert place.read_bytes() == CONTENT
    assert alone(place)
    assert site.asked[0]["User-Agent"].startswith("virb/")


def test_without_a_known_checksum_the_one_that_was_found_is_said(site: Site, place: Path) -> None:
    notes = Notes()
    download(site.url, place, progress=notes)
    assert any(SHA256 in line for line in notes.said)


def test_with_a_known_checksum_nothing_is_said_of_it(site: Site, place: Path) -> None:
    notes = Notes()
    download(site.url, place, md5=MD5, progress=notes)
    assert notes.said == []


def test_a_file_that_is_there_already_is_checked_and_not_fetched_again(site: Site, place: Path) -> None:
    place.parent.mkdir()
    place.write_bytes(CONTENT)
    download(site.url, place, bytes=len(CONTENT), sha256=SHA256)
    assert site.asked == []


def test_a_wrong_file_that_is_there_already_is_named_and_left_to_its_owner(site: Site, place: Path) -> None:
    place.parent.mkdir()
    place.write_bytes(b"something else")
    with pytest.raises(DataError, match="has the md5") as caught:
        download(site.url, place, md5=MD5)
    assert_three_parts(caught.value)
    assert str(place) in caught.value.remedy
    assert place.read_bytes() == b"something else"


def test_a_cut_connection_is_gone_on_from_where_it_was_cut(site: Site, place: Path) -> None:
    site.answers = [cut(100_000), cut(300_000), good]
    notes = Notes()
    download(site.url, place, sha256=SHA256, progress=notes)
    assert place.read_bytes() == CONTENT
    assert [asked.get("Range") for asked in site.asked] == [None, "bytes=100000-", "bytes=300000-"]
    assert all(asked["If-Range"] == '"one"' for asked in site.asked[1:])
    assert len(notes.said) == 2
    assert "cut at 100.0 kB of 512.0 kB" in notes.said[0]
    assert alone(place)


def test_a_later_run_goes_on_from_the_part_that_an_earlier_one_left(site: Site, place: Path) -> None:
    site.answers = [cut(100_000), status(404)]
    with pytest.raises(DataError, match="404"):
        download(site.url, place)
    assert part_of(place).stat().st_size == 100_000
    site.answers, site.asked = [good], []
    download(site.url, place)
    assert site.asked[0]["Range"] == "bytes=100000-"
    assert place.read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_starts_the_file_over(site: Site, place: Path) -> None:
    site.answers = [cut(100_000), whole]
    download(site.url, place, sha256=SHA256)
    assert place.read_bytes() == CONTENT


def test_a_file_that_changed_in_between_is_started_over(site: Site, place: Path) -> None:
    def changed(handler: Handler) -> None:
        handler.site.tag, handler.site.content = '"two"', b"new" * 1000
        good(handler)

    site.answers = [cut(100_000), changed, good]
    download(site.url, place)
    assert place.read_bytes() == b"new" * 1000


def test_a_server_that_heeds_ranges_but_not_versions_is_found_out(site: Site, place: Path) -> None:
    def careless(handler: Handler) -> None:
        handler.site.tag, handler.site.content = '"two"', bytes(len(CONTENT))
        del handler.headers["If-Range"]
        send(handler, len(CONTENT))

    site.answers = [cut(100_000), careless, good]
    download(site.url, place)
    assert place.read_bytes() == bytes(len(CONTENT)), "not half of each"


def test_a_server_that_begins_elsewhere_is_not_believed(site: Site, place: Path) -> None:
    def elsewhere(handler: Handler) -> None:
        handler.head(206, 10, Content_Range=f"bytes 5-14/{len(CONTENT)}")
        handler.wfile.write(CONTENT[5:15])

    site.answers = [cut(100_000), elsewhere, good]
    download(site.url, place, sha256=SHA256)
    assert place.read_bytes() == CONTENT


def test_without_any_sign_of_the_version_or_a_checksum_a_part_is_not_trusted(site: Site, place: Path) -> None:
    site.tag, site.answers = None, [cut(100_000), good]
    download(site.url, place)
    assert "Range" not in site.asked[1]
    assert place.read_bytes() == CONTENT


def test_with_a_checksum_a_part_of_unknown_version_is_gone_on_from(site: Site, place: Path) -> None:
    site.tag, site.answers = None, [cut(100_000), good]
    download(site.url, place, md5=MD5)
    assert site.asked[1]["Range"] == "bytes=100000-"


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_part_that_is_whole_already_only_needs_its_name(site: Site, place: Path, size: int | None) -> None:
    place.parent.mkdir()
    part_of(place).write_bytes(CONTENT)
    download(site.url, place, bytes=size, sha256=SHA256)
    assert place.read_bytes() == CONTENT
    assert len(site.asked) == (1 if size is None else 0)


def test_a_part_that_is_longer_than_the_file_is_thrown_away(site: Site, place: Path) -> None:
    place.parent.mkdir()
    part_of(place).write_bytes(CONTENT + b"more")
    download(site.url, place, sha256=SHA256)
    assert place.read_bytes() == CONTENT


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(site: Site, place: Path, code: int) -> None:
    site.answers = [status(code), status(code, Retry_After="1"), good]
    download(site.url, place, sha256=SHA256)
    assert len(site.asked) == 3


def test_a_redirect_is_followed_and_ranges_with_it(site: Site, place: Path) -> None:
    site.answers = [redirect("/other"), cut(100_000), redirect("/other"), good]
    download(site.url, place, sha256=SHA256)
    assert site.asked[-1]["Range"] == "bytes=100000-"


def test_a_server_that_does_not_tell_the_length_is_believed_when_the_size_is_right(site: Site, place: Path) -> None:
    site.answers = [unmeasured]
    download(site.url, place, bytes=len(CONTENT))
    assert place.read_bytes() == CONTENT


# Downloads that do not


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_file_that_will_not_be_there_is_an_error_with_address_and_way_out(site: Site, place: Path, code: int) -> None:
    site.answers = [status(code)]
    with pytest.raises(DataError, match=str(code)) as caught:
        download(site.url, place, home="https://example.org/data")
    assert len(site.asked) == 1, "asking again would not help"
    assert site.url in caught.value.found
    assert "https://example.org/data" in caught.value.remedy
    assert str(place) in caught.value.remedy
    assert_three_parts(caught.value)
    assert not place.exists()


@pytest.mark.parametrize("answer", [status(503), cut(0), whole_but_cut], ids=["busy", "silent", "circles"])
def test_a_server_that_never_gets_further_is_given_up_and_the_part_is_kept(
    site: Site, place: Path, answer: Callable[[Handler], None]
) -> None:
    site.answers = [cut(300_000), answer]
    with pytest.raises(DataError, match="5 times in a row") as caught:
        download(site.url, place, sha256=SHA256)
    assert_three_parts(caught.value)
    assert "goes on" in caught.value.remedy
    assert part_of(place).exists()
    assert not place.exists()


def test_a_server_that_is_not_there_is_given_up(place: Path, site: Site) -> None:
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9/") as caught:
        download("http://127.0.0.1:9/data.zip", place)
    assert_three_parts(caught.value)


@pytest.mark.parametrize("known", [{"md5": "0" * 32}, {"sha256": "0" * 64}, {"md5": MD5, "sha256": "0" * 64}])
def test_a_wrong_checksum_removes_what_came_and_says_so(site: Site, place: Path, known: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"has the (md5|sha256)") as caught:
        download(site.url, place, **known)
    assert site.url in caught.value.found
    assert "0" * 32 in caught.value.expected
    assert "removed" in caught.value.remedy
    assert list(place.parent.iterdir()) == []


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_file_of_another_size_is_refused_before_it_is_fetched(site: Site, place: Path, size: int) -> None:
    with pytest.raises(DataError, match=f"holds {len(CONTENT):,} bytes") as caught:
        download(site.url, place, bytes=size)
    assert f"{size:,} bytes" in caught.value.expected
    assert not place.exists()


def test_a_server_that_sends_more_than_the_file_is_stopped(site: Site, place: Path) -> None:
    site.answers = [unmeasured]
    with pytest.raises(DataError, match="more than 1,000"):
        download(site.url, place, bytes=1000)
    assert list(place.parent.iterdir()) == []


def test_a_file_without_known_length_that_ends_early_is_fetched_again(site: Site, place: Path) -> None:
    site.answers = [unmeasured]
    with pytest.raises(DataError, match="in a row"):
        download(site.url, place, bytes=len(CONTENT) + 1)
    assert len(site.asked) > 1
    assert not place.exists()


@pytest.mark.parametrize("elsewhere", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x"])
def test_a_redirect_to_anything_but_the_web_is_refused(site: Site, place: Path, elsewhere: str) -> None:
    site.answers = [redirect(elsewhere)]
    with pytest.raises(DataError) as caught:
        download(site.url, place)
    assert_three_parts(caught.value)
    assert not place.exists()


def test_a_redirect_in_circles_is_refused(site: Site, place: Path) -> None:
    site.answers = [redirect("/data.zip")]
    with pytest.raises(DataError):
        download(site.url, place)


def test_a_redirect_from_https_to_http_is_refused() -> None:
    from urllib.request import HTTPRedirectHandler, Request

    (handler,) = (one for one in opener().handlers if isinstance(one, HTTPRedirectHandler))
    asked = Request("https://example.org/data.zip")
    with pytest.raises(DataError, match="leads to http://example"):
        handler.redirect_request(asked, io.BytesIO(), 302, "Found", {}, "http://example.org/data.zip")  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x"])
def test_only_the_web_can_be_opened(address: str) -> None:
    with pytest.raises(Exception, match="unknown url type"):
        opener().open(address)


def test_a_certificate_that_cannot_be_trusted_is_no_reason_to_try_again() -> None:
    import ssl
    from urllib.error import URLError

    bad = ssl.SSLCertVerificationError(1, "certificate verify failed")
    bad.verify_message = "self-signed certificate"
    with pytest.raises(DataError, match="self-signed") as caught, network("https://x", "by hand"):
        raise URLError(bad)
    assert "SSL_CERT_FILE" in caught.value.remedy
    with pytest.raises(Cut), network("https://x", "by hand"):
        raise URLError(ConnectionRefusedError("refused"))


def test_a_full_disk_is_an_error_with_the_way_out_and_the_part_is_kept(
    site: Site, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BufferedWriter):
        def write(self, block: Any) -> int:
            if self.tell() > 200_000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(block)

    def opened(path: Path, mode: str) -> IO[bytes]:
        return Full(io.FileIO(path, mode.replace("b", "")))

    monkeypatch.setattr("virb.core.fetch.part.open", opened, raising=False)
    with pytest.raises(OutputError, match="No space left") as caught:
        download(site.url, place, sha256=SHA256)
    assert_three_parts(caught.value)
    assert "same command again" in caught.value.remedy
    assert len(site.asked) == 1, "no server can help"
    monkeypatch.undo()
    assert part_of(place).stat().st_size > 200_000
    download(site.url, place, sha256=SHA256)
    assert place.read_bytes() == CONTENT


def test_a_disk_without_room_for_the_file_is_refused_before_the_first_byte(
    site: Site, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virb.core.fetch.disk.shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(OutputError, match=r"1\.0 kB free"):
        download(site.url, place)
    assert not place.exists()


def test_ctrl_c_keeps_the_part_and_the_next_run_goes_on(
    site: Site, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = PartFile.write

    def interrupted(part: PartFile, block: bytes) -> None:
        write(part, block)
        raise KeyboardInterrupt

    monkeypatch.setattr(PartFile, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download(site.url, place)
    kept = part_of(place).stat().st_size
    assert 0 < kept < len(CONTENT)
    monkeypatch.setattr(PartFile, "write", write)
    download(site.url, place)
    assert site.asked[-1]["Range"] == f"bytes={kept}-"
    assert place.read_bytes() == CONTENT


@pytest.mark.skipif(sys.platform == "win32", reason="locks of this kind are POSIX")
def test_two_processes_do_not_write_one_part(site: Site, place: Path) -> None:
    place.parent.mkdir()
    with claimed(part_of(place)), pytest.raises(DataError, match="another process") as caught:
        download(site.url, place)
    assert_three_parts(caught.value)
    download(site.url, place)
    assert place.read_bytes() == CONTENT


def test_the_note_beside_a_part_may_be_damaged(site: Site, place: Path) -> None:
    place.parent.mkdir()
    part_of(place).write_bytes(b"half")
    part_of(place).with_name("data.zip.part.json").write_text("{")
    download(site.url, place)
    assert place.read_bytes() == CONTENT
    assert alone(place)


def test_megabytes_add_up_and_sizes_are_readable() -> None:
    told: list[int] = []
    count = by_megabyte(told.append)
    for _ in range(7):
        count(300_000)
    assert sum(told) == 3
    assert [size_text(size) for size in (12, 3400, 5_600_000, 19_021_600_724)] == [
        "12 bytes", "3.4 kB", "5.6 MB", "19.0 GB",
    ]  # fmt: skip


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


def test_the_note_of_a_version_is_json(site: Site, place: Path) -> None:
    site.answers = [cut(1000), status(404)]
    with pytest.raises(DataError):
        download(site.url, place)
    assert json.loads(part_of(place).with_name("data.zip.part.json").read_text()) == {"validator": '"one"'}
