"""Fetch: against a real server on this machine that cuts, lies, changes its mind and redirects."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from sites import (
    CONTENT,
    MD5,
    SHA256,
    Handler,
    Notes,
    Site,
    alone,
    assert_three_parts,
    cut,
    good,
    part_of,
    redirect,
    send,
    status,
    unmeasured,
    whole,
    whole_but_cut,
)

from virb.core.errors import DataError, OutputError
from virb.core.fetch import download
from virb.core.fetch.disk import by_megabyte, size_text
from virb.core.fetch.part import PartFile, claimed
from virb.core.fetch.web import Cut, network, opener

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

    def opened(path: Path, mode: str, **given: Any) -> IO[bytes]:
        return Full(io.FileIO(path, mode.replace("b", ""), **given))

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


def test_the_note_of_a_version_is_json(site: Site, place: Path) -> None:
    site.answers = [cut(1000), status(404)]
    with pytest.raises(DataError):
        download(site.url, place)
    assert json.loads(part_of(place).with_name("data.zip.part.json").read_text()) == {"validator": '"one"'}
