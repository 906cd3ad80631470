"""Paths: where cards and caches live, and how a file is written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from virb.core.errors import OutputError

_PACKAGE = Path(__file__).resolve().parents[1]


def card_folder(kind: str) -> Path:
    """Return the folder of the shipped YAML cards: inside an installed package, else beside it.

    A wheel maps the top-level `tasks` and `encoders` into the package; a checkout keeps them at the top.
    """
    places = (_PACKAGE / kind, _PACKAGE / "cards" / kind)
    return next((place for place in places if place.is_dir()), _PACKAGE.parent / kind)


def reference_folder(name: str) -> Path:
    """Return the folder of a shipped set of published numbers: inside an installed package, else in `results`."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / "results" / name


def cache_folder() -> Path:
    """Return `$VIRB_CACHE`, or the place where this system's programs keep what can be made again."""
    chosen = os.environ.get("VIRB_CACHE")
    if chosen:
        return user_path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "virb"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "virb"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "virb"


def user_path(text: str | Path) -> Path:
    """Return a path as a user types it; where `~name` is nobody's home it is a file's name like any other."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def physical_memory() -> int | None:
    """Return the bytes of memory that this machine has, where the system tells."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def is_file(path: str | Path) -> bool:
    """Tell whether there is such a file; a name that no system takes, such as one of 300 letters, is none."""
    return os.path.isfile(path)


def data_folder(given: str | Path | None) -> Path:
    """Return the folder with the data sets: the given one, else `$VIRB_DATA`, else `data` here."""
    return user_path(given or os.environ.get("VIRB_DATA") or "data")


_STRAYS = {"thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "#recycle", "$recycle.bin", "__macosx", "lost+found"}


def is_stray(name: str) -> bool:
    """Tell whether a file or folder is hidden, or is what desktops, archives and network disks leave anywhere."""
    return name.startswith(".") or name.lower() in _STRAYS


def temporary_beside(path: Path) -> Path:
    """Return a name next to `path` that tells who is writing it, so that a later run can sweep it up."""
    return path.with_name(f".{path.name}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _host() -> str:
    """Return eight digits for this machine: on a shared disk, process numbers of others mean nothing here."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


_WAY_OUT = (
    "free some space, fix the folder's permissions, or choose another folder "
    "(--out for results, $VIRB_CACHE for the cache)"
)


@contextmanager
def explain_write_errors(path: Path, remedy: str = _WAY_OUT) -> Iterator[None]:
    """Turn a read-only or full disk into a message that names the place and the way out."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}",
            "a folder with free space that this user may write to",
            remedy,
        ) from error


def try_writing(folder: Path) -> None:
    """Find out whether files can be made in a folder, by making one; the folder is made if it is not there."""
    probe = temporary_beside(folder / "probe")
    with explain_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_text("virb")
        finally:
            probe.unlink(missing_ok=True)


def not_followed(path: str, flags: int) -> int:
    """Open a file that has a fixed name, for `open(..., opener=...)`: never through a link, nor waiting for a pipe.

    Whoever may write to the folder could have put a link there, to a file that is none of virb's.
    """
    try:
        return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a link, and is not followed", path) from error
        raise


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary name that becomes `path` on success and vanishes on any failure."""
    temporary = temporary_beside(path)
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with open(temporary, "rb") as stream:
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a small file so that a reader sees the old content or the new one, never a part."""
    data = content.encode() if isinstance(content, str) else content
    with written_whole(path) as temporary:
        temporary.write_bytes(data)


def replace_folder(made: Path, place: Path) -> None:
    """Move a finished folder into place, in the stead of what is there."""
    with explain_write_errors(place):
        old = temporary_beside(place)
        with suppress(FileNotFoundError):
            os.replace(place, old)
        try:
            os.replace(made, place)
        except OSError:
            if not place.is_dir():  # else another process was faster, and its folder is as good as ours
                raise
        finally:
            shutil.rmtree(old, ignore_errors=True)
            shutil.rmtree(made, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what killed runs left: a temporary name carries the number of the process that made it."""
    for path in folder.glob(".*.tmp"):
        host, _, rest = path.name.split(".")[-2].partition("-")
        pid = rest.partition("-")[0]
        if host != _host() or not pid.isdigit() or process_lives(int(pid)):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def process_lives(pid: int) -> bool:
    """Tell whether a process of this machine still runs; in doubt it does."""
    if sys.platform == "win32":  # signal 0 would end the process there
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
