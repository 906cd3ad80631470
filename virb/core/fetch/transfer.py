"""Fetch: one file from the web, resumed where it was cut, checked before anyone sees it under its name."""

from __future__ import annotations

import hashlib
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from virb.core.errors import DataError
from virb.core.fetch.disk import by_megabyte, explain_disk, megabytes, need_space, size_text
from virb.core.fetch.part import PartFile, claimed, finish
from virb.core.fetch.web import Cut, content_range, network, number, opener, validator_of
from virb.core.progress import Progress, Silent

_BLOCK = 1 << 18
_ATTEMPTS = 5
"""Connections in a row that may bring nothing new."""
_PATIENCE = 60.0
"""Seconds without a byte, and the longest wait between two attempts."""
_LATER = (408, 425, 429, 500, 502, 503, 504)
_AGAIN = "run the same command again: it goes on where it was cut"


@dataclass(frozen=True)
class _Wanted:
    """A file to fetch: where from, where to, and how to tell that it came whole."""

    url: str
    place: Path
    bytes: int | None
    md5: str | None
    sha256: str | None
    home: str

    @property
    def by_hand(self) -> str:
        page = f" (its owner's page is {self.home})" if self.home else ""
        return f"find out where the file lies today{page}, put it at {self.place}, and run the same command again"


def download(
    url: str,
    place: Path,
    *,
    bytes: int | None = None,
    md5: str | None = None,
    sha256: str | None = None,
    home: str = "",
    progress: Progress | None = None,
) -> Path:
    """Fetch a file to `place`, which holds it whole and checked or not at all.

    What came before a cut stays in `<place>.part` and is gone on from. A file that is at `place` already, such as one
    put there by hand, is checked and taken.
    """
    wanted, progress = _Wanted(url, place, bytes, md5, sha256, home), progress or Silent()
    with explain_disk(place):
        place.parent.mkdir(parents=True, exist_ok=True)
    if not place.is_file():
        with claimed(place.with_name(place.name + ".part")) as part:
            if place.is_file():  # another process was faster
                part.remove()
                return place
            _fill(wanted, part, progress)
            _refuse_empty(wanted, part)
            _check(wanted, part.path, progress, part)
            finish(part, place)
    else:
        _check(wanted, place, progress)
    return place


def _fill(wanted: _Wanted, part: PartFile, progress: Progress) -> None:
    """Fetch until the part is whole; a cut connection is tried again while it brings something new."""
    furthest, failures = part.size, 0
    while True:
        try:
            _attempt(wanted, part, progress)
            return
        except Cut as cut:
            failures = 0 if part.size > furthest else failures + 1
            furthest = max(furthest, part.size)
            if failures >= _ATTEMPTS:
                raise DataError(
                    f"cannot fetch {wanted.url}: {cut} ({failures} times in a row); "
                    f"{size_text(part.size)} of it are kept in {part.path}",
                    "a server that answers and a connection that holds",
                    f"check the network and {_AGAIN}; or {wanted.by_hand}",
                ) from cut
            wait = min(_PATIENCE, 2.0**failures if cut.wait is None else cut.wait)
            progress.say(f"{wanted.place.name}: {cut}; trying again in {wait:.0f} s")
            time.sleep(wait)


def _attempt(wanted: _Wanted, part: PartFile, progress: Progress) -> None:
    """Ask for what is missing and write what comes."""
    if wanted.bytes is not None and part.size == wanted.bytes:
        return
    with network(wanted.url, wanted.by_hand), _ask(wanted, part) as answer:
        if answer.status == 416:
            return
        total = _agree(wanted, part, answer)
        if wanted.bytes is not None and total is not None and total != wanted.bytes:
            _wrong_size(wanted, f"{total:,}")
        missing = max(0, (total or 0) - part.size)
        need_space(part.path.parent, missing)
        with progress.stage(f"fetch {wanted.place.name}", megabytes(missing), "MB") as advance:
            count = by_megabyte(advance)
            while block := answer.read(_BLOCK):
                part.write(block)
                count(len(block))
                if wanted.bytes is not None and part.size > wanted.bytes:
                    part.remove()
                    _wrong_size(wanted, f"more than {wanted.bytes:,}")
    if total is not None and part.size < total:
        raise Cut(f"the connection was cut at {size_text(part.size)} of {size_text(total)}")


def _ask(wanted: _Wanted, part: PartFile) -> Any:
    """Return the server's answer; one of 416 stands for a part that is whole already."""
    from virb import __version__

    headers = {"User-Agent": f"virb/{__version__}", "Accept-Encoding": "identity"}
    size, validator = part.size, part.validator
    if size and (validator or wanted.md5 or wanted.sha256):
        headers["Range"] = f"bytes={size}-"
        headers |= {"If-Range": validator} if validator else {}
    try:
        return opener().open(urllib.request.Request(wanted.url, headers=headers), timeout=_PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code == 416 and "Range" in headers and content_range(error.headers) == (None, size):
            return error
        with error:
            _refused(wanted, part, error)


def _refused(wanted: _Wanted, part: PartFile, error: urllib.error.HTTPError) -> NoReturn:
    """Say what an error of the server means: try later, start over, or it will never be there."""
    said = f"the server says {error.code} {str(error.reason)[:100]}"
    if error.code == 416 and part.size:
        part.begin("")
        raise Cut("the server has another file than before: starting over", wait=0.0)
    if error.code in _LATER:
        raise Cut(said, number(error.headers.get("Retry-After", "")))
    raise DataError(
        f"{wanted.url} cannot be fetched: {said}",
        "the file",
        wanted.by_hand,
    ) from error


def _agree(wanted: _Wanted, part: PartFile, answer: Any) -> int | None:
    """Set the part to where the answer begins; return the size of the whole file where the server tells it."""
    now, start = validator_of(answer.headers), part.size
    if answer.status not in (200, 206):
        raise DataError(f"{wanted.url} cannot be fetched: the server says {answer.status}", "the file", wanted.by_hand)
    if answer.status == 206:
        first, total = content_range(answer.headers)
        before = part.validator
        told = total is not None or wanted.bytes or wanted.md5 or wanted.sha256
        if first == start and told and (not before or not now or before == now):
            return total
        part.begin("")
        raise Cut("the server has another file than before: starting over", wait=0.0)
    part.begin(now)
    length = None if answer.chunked else number(answer.headers.get("Content-Length", ""))
    return wanted.bytes if length is None else length


def _wrong_size(wanted: _Wanted, found: str) -> NoReturn:
    raise DataError(
        f"{wanted.url} holds {found} bytes",
        f"{wanted.bytes:,} bytes: another size is another file, or a page that asks for something",
        wanted.by_hand,
    )


def _refuse_empty(wanted: _Wanted, part: PartFile) -> None:
    """Refuse nothing at all, which no checksum of ours is of: a page that only sets a cookie is such."""
    if not part.size and not (wanted.bytes or wanted.md5 or wanted.sha256):
        part.remove()
        raise DataError(f"{wanted.url} holds 0 bytes", "the file", wanted.by_hand)


def _check(wanted: _Wanted, path: Path, progress: Progress, part: PartFile | None = None) -> None:
    """Compare size and checksums; a wrong part is removed, a wrong file that someone put there is only named."""
    found = {"size": f"{path.stat().st_size} bytes"}
    expected = {"size": f"{wanted.bytes} bytes" if wanted.bytes is not None else None}
    expected |= {"md5": wanted.md5, "sha256": wanted.sha256}
    kinds = [kind for kind in ("md5", "sha256") if expected[kind]]
    if found["size"] == (expected["size"] or found["size"]):
        found |= _sums(path, kinds or ["sha256"], progress)
    if not kinds:
        progress.say(f"{wanted.place.name}: no checksum is known for it; its sha256 is {found.get('sha256')}")
    for kind in ("size", *kinds):
        if expected[kind] and found.get(kind, expected[kind]) != expected[kind]:
            if part:
                part.remove()
            raise DataError(
                f"{wanted.url if part else path} has the {kind} {found[kind]}",
                f"the {kind} {expected[kind]}",
                "run the same command again (what came was removed); if the same happens, the owner has changed the "
                f"file: {wanted.by_hand}"
                if part
                else f"remove {path} and run the same command again",
            )


def _sums(path: Path, kinds: list[str], progress: Progress) -> dict[str, str]:
    """Return checksums of a file, read once."""
    hashes = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    with (
        progress.stage(f"check {path.name.removesuffix('.part')}", megabytes(path.stat().st_size), "MB") as advance,
        open(path, "rb") as stream,
    ):
        count = by_megabyte(advance)
        while block := stream.read(1 << 20):
            for one in hashes.values():
                one.update(block)
            count(len(block))
    return {kind: one.hexdigest() for kind, one in hashes.items()}
