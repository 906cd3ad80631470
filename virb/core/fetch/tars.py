"""Fetch: tar files of strangers, through tarfile, which believes what a header says of its own size."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from virb.core.files import open_file

_HEADS, _FOR_EACH = 1 << 20, 2
"""Bytes of headers that continue others: so many, and so many times the archive's own; reading them takes long."""
_LONGEST_HEAD = 1 << 16
_MOST_OF_ALL = 100
"""What one header says of all files: it is copied for each of them."""
_XZ_MEMORY = 1 << 28
"""Bytes that unpacking xz may take; its highest level takes a quarter."""
_BLOCK = 1 << 16
_CONTINUED = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE,
              tarfile.SOLARIS_XHDTYPE)  # fmt: skip


class Head(tarfile.TarInfo):
    """A header that is refused where its parts could be without end."""

    def _proc_member(self, archive: Any) -> Any:
        """Choose how a header is read on; this is where tarfile lets subclasses step in."""
        if self.size < 0:
            raise ValueError(f"a header claims {self.size} bytes")
        if self.type in _CONTINUED:
            archive.heads -= self.size
            if self.size > _LONGEST_HEAD or archive.heads < 0:
                raise ValueError(f"its headers are far too long, the last one claims {self.size:,} bytes")
            if len(archive.pax_headers) > _MOST_OF_ALL:
                raise ValueError("it says far too much of all its files")
        return super()._proc_member(archive)  # type: ignore[misc]

    def _holes(self, *_given: object) -> Any:
        """Refuse a file of holes: no data set has one, and the lists of holes are read without bounds."""
        raise ValueError(f"{self.name[:100]!r} is a file of holes, which is not read")

    _proc_sparse = _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _holes


class Tar(tarfile.TarFile):
    """A tar file that is read once, from its beginning to its end."""

    tarinfo = Head
    heads = _HEADS


@contextmanager
def opened(archive: Path) -> Iterator[tuple[IO[bytes], Tar]]:
    """Yield the file, which tells how much of it was read, and the tar in it; its first bytes say how it is packed."""
    with open_file(archive) as raw:
        head = raw.read(10)
        raw.seek(0)
        stream: Any = raw
        if head.startswith(b"\x1f\x8b\x08"):
            stream = gzip.GzipFile(fileobj=raw)
        elif head.startswith(b"BZh") and head[4:] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"):
            stream = bz2.BZ2File(raw)
        elif head.startswith(b"\xfd7zXZ\0"):
            stream = _Xz(raw)
        with Tar.open(fileobj=stream, mode="r|") as packed:
            packed.heads = _HEADS + _FOR_EACH * archive.stat().st_size
            yield raw, packed


class _Xz:
    """What an xz file unpacks to; a few bytes of it may ask for four gigabytes, which the library would take."""

    def __init__(self, raw: IO[bytes]) -> None:
        self.raw, self.machine = raw, _machine()

    def read(self, size: int) -> bytes:
        """Return some bytes, at most so many; none at the end."""
        while True:
            block = b""
            if self.machine.eof:  # another stream may follow, after zeros
                block = self.machine.unused_data.lstrip(b"\0") or self.raw.read(_BLOCK).lstrip(b"\0")
                if not block:
                    return b""
                self.machine = _machine()
            elif self.machine.needs_input and not (block := self.raw.read(_BLOCK)):
                raise EOFError("it ends before its end is marked")
            if found := self.machine.decompress(block, size):
                return found


def _machine() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
