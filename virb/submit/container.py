"""Submit: the zip file of a bundle: the same content gives the same bytes, and it is read without trust.

Nothing in it is compressed: another version of a compressor would give other bytes, and what is not compressed
cannot unpack to more than it is. Every header must be exactly the one that would be written here, so no byte of the
file is free, and a file that was made otherwise is refused before any of it is read.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from virb.core.errors import OutputError, VirbError
from virb.core.files import open_file
from virb.core.npz import LARGEST_ARRAYS, LARGEST_RECORD, ZIP_DAMAGE, DamagedFile, check_end
from virb.core.paths import written_whole

MANIFEST = "manifest.json"
_MOST_ENTRIES = 4096
_LONGEST_NAME = 480
_PART = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,239}"
_NAMES = re.compile(
    rf"{re.escape(MANIFEST)}|encoder/{_PART}\.yaml|weights/{_PART}|records/{_PART}/{_PART}\.(json|npz|safetensors)"
)
_LARGEST = {".json": LARGEST_RECORD, ".yaml": 256 << 10, ".npz": LARGEST_ARRAYS, ".safetensors": 1 << 30}
"""Bytes, by ending: far above any honest file. Weights may be as large as a zip file without extensions holds."""
_DAMAGE = (*ZIP_DAMAGE, OSError)


class BundleError(VirbError):
    """A bundle that cannot be read or must not be trusted."""


def refuse(where: Path | str, found: str, cause: BaseException | None = None) -> NoReturn:
    """Refuse a bundle: it is not what `virb submit` writes."""
    raise BundleError(
        f"{where} {found}; nothing of it was unpacked",
        "a bundle as 'virb submit' writes it",
        "ask whoever made it to run 'virb submit' again and to send the file unchanged",
    ) from cause


def write_container(path: Path, members: Mapping[str, bytes | Path]) -> None:
    """Write members, contents or files to copy, in one fixed order; the file is there whole or not at all."""
    with (
        written_whole(path) as temporary,
        _explain_size(path),
        zipfile.ZipFile(temporary, "w", allowZip64=False) as made,
    ):
        for name in _ordered(members):
            content = members[name]
            if isinstance(content, bytes):
                made.writestr(_header(name), content)
            else:
                with open(content, "rb") as source, made.open(_header(name), "w") as target:
                    shutil.copyfileobj(source, target, 1 << 20)


@contextmanager
def _explain_size(path: Path) -> Iterator[None]:
    try:
        yield
    except zipfile.LargeZipFile as error:
        raise OutputError(
            f"{path} would be larger than 4 GB",
            "a bundle that can be passed around",
            "leave the weights out and give their address with --weights-url",
        ) from error


def _ordered(names: Mapping[str, object]) -> list[str]:
    return sorted(names, key=lambda name: (name != MANIFEST, name))


def _header(name: str) -> zipfile.ZipInfo:
    """Return the header that every member gets, whatever the hour and the machine."""
    header = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    header.create_system, header.external_attr = 3, 0o100644 << 16
    return header


@dataclass(frozen=True)
class Container:
    """An open bundle whose directory was found sound; contents are read and checked one at a time."""

    path: Path
    archive: zipfile.ZipFile
    sizes: dict[str, int]

    def read(self, name: str) -> bytes:
        """Return a member's content; its size was checked before."""
        with self._explained(), self.archive.open(name) as stream:
            content = stream.read()
        if len(content) != self.sizes[name]:
            refuse(self.path, f"is damaged: {name} is shorter than it says")
        return content

    def sha256(self, name: str) -> str:
        """Return a member's hash, read in blocks."""
        with self._explained(), self.open(name) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]

    def open(self, name: str) -> IO[bytes]:
        """Return a member as a stream."""
        return self.archive.open(name)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            refuse(self.path, f"is damaged: {error or type(error).__name__}", error)


@contextmanager
def open_container(path: Path) -> Iterator[Container]:
    """Open a bundle: names, sizes and every byte of its directory are checked before anything is read."""
    with ExitStack() as opened:
        try:
            stream = opened.enter_context(open_file(path))
            count = check_end(stream, _MOST_ENTRIES, _LONGEST_NAME)
            archive = zipfile.ZipFile(stream)
            members = archive.infolist()
            if len(members) != count:
                refuse(path, f"says it holds {count:,} files, and its directory lists {len(members):,}")
            _check_directory(path, stream, members, archive.start_dir)
        except DamagedFile as error:
            refuse(path, str(error), error)
        except _DAMAGE as error:
            refuse(path, f"is damaged or no bundle: {error or type(error).__name__}", error)
        # Outside: what goes wrong with it later, such as want of memory, is not the bundle's fault.
        yield Container(path, archive, {member.filename: member.file_size for member in members})


def _check_directory(path: Path, stream: IO[bytes], members: list[zipfile.ZipInfo], end: int) -> None:
    """Check that members follow one another without gap, in order, under names and headers as they are written."""
    names = [member.filename for member in members]
    if len({name.lower() for name in names}) != len(names):
        refuse(path, "holds two files of one name")
    strange = next((name for name in names if not _NAMES.fullmatch(name)), None)
    if strange is not None:
        refuse(path, f"holds {strange[:80]!r}, which is no part of a bundle")
    if names != _ordered(dict.fromkeys(names)):
        refuse(path, "holds its files in another order")
    offset = 0
    for member in members:
        limit = _LARGEST[Path(member.filename).suffix] if not member.filename.startswith("weights/") else 1 << 32
        if member.file_size > limit:
            refuse(path, f"holds {member.filename} of {member.file_size:,} bytes, where {limit:,} are the most")
        expected = _header(member.filename)
        expected.CRC, expected.file_size, expected.compress_size = member.CRC, member.file_size, member.file_size
        expected.header_offset = offset
        if _facts(member) != _facts(expected):
            refuse(path, f"has a header of {member.filename} that was written otherwise (compressed, linked or moved)")
        header = expected.FileHeader(zip64=False)
        stream.seek(offset)
        if stream.read(len(header)) != header:
            refuse(path, f"has two headers of {member.filename} that differ")
        offset += len(header) + member.file_size
    if offset != end:
        refuse(path, "holds bytes that belong to no file")


def _facts(info: zipfile.ZipInfo) -> tuple[object, ...]:
    return (
        info.filename,
        info.orig_filename,
        info.date_time,
        info.compress_type,
        info.comment,
        info.extra,
        info.create_system,
        info.create_version,
        info.extract_version,
        info.reserved,
        info.flag_bits,
        info.volume,
        info.internal_attr,
        info.external_attr,
        info.header_offset,
        info.CRC,
        info.compress_size,
        info.file_size,
    )
