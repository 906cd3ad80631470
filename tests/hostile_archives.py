"""Archives that nobody would pack: small ones that unpack to much, and such whose members are no files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable


def tar(members: Iterable[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a tar file of these headers, each with what follows it, as they are."""
    parts = [head.tobuf(form) + body + bytes(-len(body) % 512) for head, body in members]
    return b"".join(parts) + bytes(1024)


def packed(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Return the same, packed."""
    return gzip.compress(tar(members), 6)


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    """Return the header of a member."""
    head = tarfile.TarInfo(name)
    head.type, head.size, head.linkname = kind, size, link
    return head


def linked(count: int, size: int) -> bytes:
    """Return a packed tar of one file of zeros, and so many hard links to it."""
    links = ((member(f"link{number}", tarfile.LNKTYPE, link="zeros"), b"") for number in range(count))
    return packed([(member("zeros", size=size), bytes(size)), *links])


def long_head(kind: bytes, size: int, repeats: int = 1) -> bytes:
    """Return a packed tar whose headers are continued by so many bytes."""
    heads = [(member("long", kind, size), b"x" * size), (member("file"), b"")] * repeats
    return packed(heads)


def pax(text: bytes, kind: bytes = tarfile.XHDTYPE, repeats: int = 1) -> bytes:
    """Return a packed tar with pax headers of this text."""
    return packed([(member("pax", kind, len(text)), text), (member("file"), b"")] * repeats)


def record(key: str, value: str) -> bytes:
    """Return a record of a pax header, with its own length before it."""
    body = f" {key}={value}\n".encode()
    size = len(body)
    while size != len(body) + len(str(size)):
        size = len(body) + len(str(size))
    return str(size).encode() + body


def zipped(*names: str, **options: int) -> bytes:
    """Return a zip file of members with these names."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as made:  # type: ignore[call-overload]
        for name in names:
            made.writestr(zipfile.ZipInfo(name), b"content")
    return stream.getvalue()


def nameless(name: bytes) -> bytes:
    """Return a zip file with a member of this name, which the library would not write."""
    return zipped("x" * len(name)).replace(b"x" * len(name), name)


def packed_by(method: int, size: int) -> bytes:
    """Return a zip file of zeros, packed by some method."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as made:
        made.writestr("zeros", bytes(size))
    return stream.getvalue()


def overlapping(count: int) -> bytes:
    """Return a zip file whose members are all the same bytes, under one name each."""
    local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    central = b"".join(
        struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0)
        + f"{number:06d}".encode()
        for number in range(count)
    )
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, min(count, 65535), min(count, 65535), len(central), len(local), 0)
    return local + central + end


def xz_of_a_large_window(size: int) -> bytes:
    """Return an xz file that wants gigabytes to be unpacked."""
    chain = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    made = bytearray(lzma.compress(tar([(member("zeros", size=size), bytes(size))]), filters=chain))
    place = made.index(b"\x21\x01\x10", 12, 40)  # LZMA2, one byte of properties: the size of its window
    made[place + 2] = 40
    head = bytes(made[12 : 12 + 4 * (made[12] + 1) - 4])
    made[12 + len(head) : 16 + len(head)] = struct.pack("<I", zlib.crc32(head))
    return bytes(made)


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "ten thousand links to a megabyte": ("tar.gz", lambda: linked(10_000, 1 << 20)),
    "links in turn": ("tar.gz", lambda: packed([(member("a", size=1 << 20), bytes(1 << 20)), *(
        (member(f"l{n}", tarfile.LNKTYPE, link="a" if n == 0 else f"l{n - 1}"), b"") for n in range(3000))])),
    "a name of a gigabyte": ("tar.gz", lambda: long_head(tarfile.GNUTYPE_LONGNAME, 1 << 27)),
    "a link of a gigabyte": ("tar.gz", lambda: long_head(tarfile.GNUTYPE_LONGLINK, 1 << 27)),
    "a pax header of a gigabyte": ("tar.gz", lambda: long_head(tarfile.XHDTYPE, 1 << 27)),
    "a pax header for all of a gigabyte": ("tar.gz", lambda: long_head(tarfile.XGLTYPE, 1 << 27)),
    "many long names": ("tar.gz", lambda: long_head(tarfile.GNUTYPE_LONGNAME, 1 << 15, 1000)),
    "much said of all files": ("tar.gz", lambda: pax(b"".join(record(f"k{n}", "") for n in range(4000)),
                                                     tarfile.XGLTYPE, 3)),
    "much said of each file": ("tar.gz", lambda: pax(b"".join(record(f"k{n}", "") for n in range(4000)), repeats=400)),
    "a pax size of many digits": ("tar.gz", lambda: pax(record("size", "9" * 4000))),
    "a pax size below nothing": ("tar.gz", lambda: pax(record("size", "-5000"))),
    "holes, as GNU wrote them": ("tar", lambda: tar([(member("holes", tarfile.GNUTYPE_SPARSE, 512), bytes(512))])),
    "holes of an exabyte": ("tar.gz", lambda: pax(record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0")
                                                  + record("GNU.sparse.realsize", "9" * 18))),
    "holes in a list": ("tar.gz", lambda: pax(record("GNU.sparse.map", "0,0," * 10_000 + "0,0"))),
    "headers in headers": ("tar.gz", lambda: packed([(member("p", tarfile.XHDTYPE, 8), b"8 a=bcd\n")] * 5000)),
    "xz with a window of four gigabytes": ("tar.xz", lambda: xz_of_a_large_window(1 << 20)),
    "two hundred thousand members at one place": ("zip", lambda: overlapping(200_000)),
    "a member without a name": ("zip", lambda: nameless(b"\0")),
    "a member of a name after nothing": ("zip", lambda: nameless(b"\0abc")),
    "zeros by bzip2": ("zip", lambda: packed_by(zipfile.ZIP_BZIP2, 1 << 22)),
    "zeros by LZMA": ("zip", lambda: packed_by(zipfile.ZIP_LZMA, 1 << 22)),
    "a very long name": ("zip", lambda: zipped("a" * 30_000)),
    "a very long path": ("zip", lambda: zipped("a/" * 2000 + "b")),
    "a deep path in tar": ("tar", lambda: tar([(member("a/" * 100 + "b"), b"")])),
    "a file that is a folder": ("zip", lambda: zipped("a", "a/b")),
    "a folder that is a file": ("zip", lambda: zipped("a/b", "a")),
    "half of a compressed stream": ("tar.bz2", lambda: bz2.compress(tar([(member("a", size=9), b"a" * 9)]))[:-8]),
    "nothing": ("tar.gz", lambda: b""),
}  # fmt: skip
"""Names to ending and content; every one of them is refused."""
