"""Fetch: archives unpacked without trust, beside their place first, and moved there whole or not at all.

What is taken out is files and folders, below the folder that was named, and nothing else: stricter than tarfile's own
data filter, for zip files too, and without links that a later member could be written through.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, NoReturn

from virb.core.errors import DataError, VirbError
from virb.core.fetch import tars
from virb.core.fetch.disk import by_megabyte, explain_disk, megabytes, need_space, size_text
from virb.core.files import open_file
from virb.core.paths import sweep, temporary_beside
from virb.core.progress import Advance, Progress, Silent

_ENDINGS = re.compile(r".+\.(zip|tar|tar\.(gz|bz2|xz)|tgz|tbz2?|txz)", re.IGNORECASE)
_MOST_ENTRIES, _FREE_ENTRIES, _PER_ENTRY = 5_000_000, 20_000, 256
"""Entries of an archive: so many, so many in any, and one more for so many bytes of it, names and heads included."""
_FREE_BYTES, _MOST_TIMES = 1 << 28, 100
"""An archive that unpacks to more than both a quarter of a gigabyte and so many times its own size is a bomb."""
_LONGEST_PATH, _LONGEST_NAME, _DEEPEST = 1000, 255, 64
"""Bytes of a path and of a name in it, and names in one another."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How members of a zip file are packed; what else there is unpacks without a bound on memory."""
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_BLOCK = 1 << 20
_REMEDY = "remove the archive and fetch it again, from its owner"


@dataclass(frozen=True)
class _Entry:
    """A member of an archive: a folder, a file with its size, or a file that is the same as another one."""

    name: str
    size: int = 0
    open: Callable[[], IO[bytes] | None] | None = None
    same_as: str = ""


@dataclass
class _Budget:
    """How much may come out of one archive, the archives inside it included."""

    archive: Path
    packed: int
    entries: int = 0
    unpacked: int = 0

    def spend(self, entries: int, size: int) -> None:
        self.entries += entries
        self.unpacked += size
        most = min(_MOST_ENTRIES, _FREE_ENTRIES + self.packed // _PER_ENTRY)
        if self.entries > most:
            _refuse(self.archive, f"holds more than {most:,} files")
        if self.unpacked > _FREE_BYTES and self.unpacked > _MOST_TIMES * self.packed:
            _refuse(self.archive, f"would unpack {size_text(self.packed)} to {size_text(self.unpacked)} or more")


def is_archive(name: str) -> bool:
    """Tell by its ending whether a file is one that can be unpacked."""
    return bool(_ENDINGS.fullmatch(name))


def unpack(archive: Path, into: Path, *, inner: Sequence[str] = (), progress: Progress | None = None) -> None:
    """Unpack an archive into a folder: everything or nothing, and never over what is there.

    Archives inside it whose path matches a pattern of `inner` are unpacked where they lie, and go.
    """
    with staging(into, archive.name) as made:
        extract(archive, made, inner=inner, progress=progress)
        settle(made, into)


@contextmanager
def staging(into: Path, name: str) -> Iterator[Path]:
    """Yield a new folder inside `into`, on its disk; whatever is still in it at the end goes, as killed runs' do."""
    new = not into.exists()
    with explain_disk(into):
        into.mkdir(parents=True, exist_ok=True)
        sweep(into)
        made = temporary_beside(into / name)
        made.mkdir()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        if new:
            with suppress(OSError):  # it holds something now
                into.rmdir()


def extract(archive: Path, folder: Path, *, inner: Sequence[str] = (), progress: Progress | None = None) -> None:
    """Unpack an archive into an empty folder, and the archives inside it that `inner` names."""
    with _explain_damage(archive):
        budget = _Budget(archive, archive.stat().st_size)
    _extract(archive, folder, budget, progress or Silent())
    files = sorted(path for path in folder.rglob("*") if is_archive(path.name) and path.is_file()) if inner else []
    for path in files:
        if any(fnmatch(path.relative_to(folder).as_posix(), one) for one in inner):
            _extract(path, path.parent, budget, progress or Silent())
            path.unlink()


def _extract(archive: Path, folder: Path, budget: _Budget, progress: Progress) -> None:
    read = _zip_entries if archive.suffix.lower() == ".zip" else _tar_entries
    total = megabytes(archive.stat().st_size)
    with _explain_damage(archive), progress.stage(f"unpack {archive.name}", total, "MB") as advance:
        for entry in read(archive, folder, budget, advance):
            _put(entry, archive, folder, budget)


@contextmanager
def _explain_damage(archive: Path) -> Iterator[None]:
    """Say of whatever a decoder stumbles over that the archive is damaged, and name it: it may fail in any way."""
    try:
        yield
    except VirbError:
        raise
    except (RuntimeError, NotImplementedError) as error:
        _refuse(archive, f"cannot be unpacked: {str(error)[:200]}", error)
    except OSError as error:  # gzip and bz2 speak so of wrong checksums; writing is explained where it is done
        _refuse(archive, f"cannot be read: {error.strerror or error}", error)
    except Exception as error:
        _refuse(archive, f"is damaged or no archive: {str(error)[:200] or type(error).__name__}", error)


def _refuse(archive: Path, found: str, cause: BaseException | None = None) -> NoReturn:
    raise DataError(f"{archive} {found}; nothing of it was unpacked", "the owner's archive", _REMEDY) from cause


def _zip_entries(archive: Path, folder: Path, budget: _Budget, advance: Advance) -> Iterator[_Entry]:
    count = by_megabyte(advance)
    with open_file(archive) as raw, zipfile.ZipFile(raw) as packed:
        members = packed.infolist()
        budget.spend(len(members), sum(member.file_size for member in members))
        need_space(folder, sum(member.file_size for member in members))
        for member in members:
            if not member.filename:
                _refuse(archive, "holds a member without a name")
            if member.compress_type not in _METHODS:
                _refuse(archive, f"packs {member.filename[:100]!r} by method {member.compress_type}, which is not read")
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                _refuse(archive, f"holds {member.filename!r}, which is a link or a device")
            if member.flag_bits & 1:
                _refuse(archive, f"is encrypted: {member.filename!r} needs a password")
            if member.is_dir():
                yield _Entry(member.filename)
            else:
                yield _Entry(member.filename, member.file_size, lambda member=member: packed.open(member))  # type: ignore[misc]
            count(member.compress_size)


def _tar_entries(archive: Path, folder: Path, budget: _Budget, advance: Advance) -> Iterator[_Entry]:
    count, before = by_megabyte(advance), 0
    need_space(folder, archive.stat().st_size)  # what it unpacks to stands nowhere; less than itself it will not be
    with tars.opened(archive) as (raw, packed):
        while member := packed.next():
            budget.spend(1, member.size if member.isreg() else 0)
            if member.isdir():
                yield _Entry(member.name)
            elif member.islnk():
                yield _Entry(member.name, same_as=member.linkname)
            elif member.isreg():
                yield _Entry(member.name, member.size, lambda member=member: packed.extractfile(member))  # type: ignore[misc]
            else:
                _refuse(archive, f"holds {member.name!r}, which is a link or a device")
            packed.members = []  # type: ignore[attr-defined]  # else every header stays in memory
            count(max(0, raw.tell() - before))
            before = max(before, raw.tell())
        _read_out(packed, archive, budget)


def _read_out(packed: tars.Tar, archive: Path, budget: _Budget) -> None:
    """Read to the very end, where the checksum of all that was compressed stands.

    A damaged header in the middle looks like the end to tarfile; what follows gives it away.
    """
    assert packed.fileobj is not None
    while block := packed.fileobj.read(_BLOCK):
        budget.spend(0, len(block))
        if block.strip(b"\0"):
            _refuse(archive, "is damaged: there is more after its end")


def _put(entry: _Entry, archive: Path, folder: Path, budget: _Budget) -> None:
    """Write one entry below the folder."""
    parts = _parts(entry.name, archive)
    if not parts or parts[0] == "__MACOSX":  # what one system adds to every archive would collide in one data folder
        return
    place = folder.joinpath(*parts)
    _make_room(place, archive, is_folder=not (entry.open or entry.same_as))
    if entry.same_as:
        _copy(folder.joinpath(*_parts(entry.same_as, archive)), place, archive, budget)
    elif entry.open:
        stream = entry.open()
        assert stream is not None  # tarfile has none for what is no file
        with stream:
            _write(stream, place, entry, archive)


def _make_room(place: Path, archive: Path, is_folder: bool) -> None:
    """Make the folder that an entry is, or lies in; one that is a file in another place of the archive is refused."""
    with explain_disk(place):
        try:
            (place if is_folder else place.parent).mkdir(parents=True, exist_ok=True)
            clash = not is_folder and place.is_dir()
        except (FileExistsError, NotADirectoryError):
            clash = True
    if clash:
        _refuse(archive, f"holds {place.name!r}, or what it lies in, as a file and as a folder")


def _parts(name: str, archive: Path) -> list[str]:
    """Return a member's path in parts; one that leads out of the folder, or to a device, is refused."""
    plain = name.replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    outside = plain.startswith("/") or re.match(r"[A-Za-z]:", plain) or ".." in parts
    if outside or _CONTROLS.search(name) or any(_DEVICES.fullmatch(part) for part in parts):
        _refuse(archive, f"holds {name[:200]!r}, which does not lie in it")
    sizes = [len(os.fsencode(part)) for part in parts]
    if len(parts) > _DEEPEST or sum(sizes) > _LONGEST_PATH or max(sizes, default=0) > _LONGEST_NAME:
        _refuse(archive, f"holds {name[:200]!r}, whose name is too long")
    return parts


def _write(stream: IO[bytes], place: Path, entry: _Entry, archive: Path) -> None:
    """Copy a stream that must be as long as its header says."""
    written = 0
    with explain_disk(place), open(place, "wb") as target:
        for block in _blocks(stream, archive):
            written += len(block)
            if written > entry.size:
                break
            target.write(block)
    if written != entry.size:
        _refuse(archive, f"is damaged: {entry.name!r} is not as long as it says")


def _blocks(stream: IO[bytes], archive: Path) -> Iterator[bytes]:
    """Yield what a stream holds; a failure to read is the archive's, one to write is the disk's."""
    while True:
        with _explain_damage(archive):
            block = stream.read(_BLOCK)
        if not block:
            return
        yield block


def _copy(source: Path, place: Path, archive: Path, budget: _Budget) -> None:
    """Copy what another entry brought: each copy takes as much of the disk as what it is a copy of."""
    if not source.is_file():
        _refuse(archive, f"holds {place.name!r} as a link to {source.name!r}, which is not before it")
    budget.spend(0, source.stat().st_size)
    if source != place:
        with explain_disk(place):
            shutil.copyfile(source, place)


def settle(made: Path, into: Path) -> None:
    """Move what was made into place; identical files are left, and any other that is there stops all of it."""
    with explain_disk(into):
        into.mkdir(parents=True, exist_ok=True)
        moves, clashes = _plan_moves(made, into)
        if not clashes:
            _rename(moves)
    if clashes:
        shown = ", ".join(str(path) for path in clashes[:3]) + (", ..." if len(clashes) > 3 else "")
        raise DataError(
            f"{into} holds {len(clashes):,} other files or folders in the places of new ones: {shown}",
            "nothing there, or the same content",
            f"move {clashes[0]} out of the way (nothing was overwritten), then run the same command again",
        )


def _plan_moves(made: Path, into: Path) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Return what to rename to what, and what stands in the way."""
    moves: list[tuple[Path, Path]] = []
    clashes: list[Path] = []
    for source in sorted(made.iterdir()):
        target = into / source.name
        if not os.path.lexists(target):
            moves.append((source, target))
        elif source.is_dir() and target.is_dir():
            inner = _plan_moves(source, target)
            moves += inner[0]
            clashes += inner[1]
        elif not (source.is_file() and target.is_file() and filecmp.cmp(source, target, shallow=False)):
            clashes.append(target)
    return moves, clashes


def _rename(moves: list[tuple[Path, Path]]) -> None:
    """Rename all of them or, when one fails, none."""
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            os.rename(source, target)
            done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            os.rename(target, source)
        raise
