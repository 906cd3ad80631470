"""Trust: features, weights and sample data that lie in the cache are used as if this user's virb had put them there.

So a cache that others may write to is refused, as ssh refuses such keys and pip such caches, until somebody says that
those others are trusted. Owner and mode of the folders decide; a new cache is made for its owner alone.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from virb.core.errors import VirbError
from virb.core.paths import cache_folder

if sys.platform != "win32":
    import grp
    import pwd

TRUST = "VIRB_TRUST_CACHE"
"""The variable that says what `--trust-cache` says."""
_SAYS_NO = ("", "0", "false", "no")
_ROOT = 0
_DEPTH = 2
"""How deep folders are looked at: each entry of features, weights and sample data is one."""


def make_private(folder: Path) -> None:
    """Make a folder of the cache, if it is not there, that only its owner may enter."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def check_cache(cache: Path | None = None) -> Path:
    """Return the cache folder, made if need be; refuse one that others may have written to."""
    place = cache or cache_folder()
    with suppress(OSError):  # what cannot be made is told of when something is to be written
        make_private(place)
    reason = "" if trusted() else doubt(place)
    if reason:
        raise VirbError(
            f"the cache is not trusted: {reason}",
            f"a folder that only you write to: what lies in {place} is used as if you had computed it",
            remedy(place),
        )
    return place


def remedy(cache: Path) -> str:
    """Return what to do about a cache that is not trusted."""
    return (
        f"'chmod -R go-w {cache}' if it is yours and nobody else has used it, or set $VIRB_CACHE to a folder of your "
        f"own; if you trust all who may write there, --trust-cache or {TRUST}=1"
    )


def trusted() -> bool:
    """Tell whether the user trusts all who may write to the cache."""
    return os.environ.get(TRUST, "").lower() not in _SAYS_NO


@contextmanager
def trusting(asked: bool) -> Iterator[None]:
    """Trust them inside the block, in processes that are started there too, if that was asked."""
    before = os.environ.get(TRUST)
    if asked:
        os.environ[TRUST] = "1"
    try:
        yield
    finally:
        if asked and before is None:
            del os.environ[TRUST]
        elif asked and before is not None:
            os.environ[TRUST] = before


def doubt(cache: Path) -> str:
    """Return why what lies in a cache may be the work of others, or nothing."""
    if sys.platform == "win32":  # which keeps the folders of a user from others by itself
        return ""
    return next(filter(None, map(_doubt, _folders(cache, _DEPTH))), "")


def _folders(place: Path, depth: int) -> Iterator[Path]:
    """Yield a folder and those in it, links to folders too; what is gone or cannot be listed cannot be used either."""
    yield place
    if depth:
        with suppress(OSError), os.scandir(place) as inner:
            for one in inner:
                if one.is_dir():
                    yield from _folders(Path(one.path), depth - 1)


def _doubt(place: Path) -> str:
    """Return who else may have put something into a folder, or in its stead."""
    try:
        link, facts = place.lstat(), place.stat()
    except OSError:
        return ""
    for owner in (link.st_uid, facts.st_uid):
        if owner not in (os.geteuid(), _ROOT):
            return f"{place} belongs to {_user(owner)}"
    if facts.st_mode & stat.S_IWOTH:
        return f"everybody may write to {place} (mode {stat.S_IMODE(facts.st_mode):04o})"
    if facts.st_mode & stat.S_IWGRP and not _alone(facts.st_gid, place):
        return f"{_group(facts.st_gid)} may write to {place} (mode {stat.S_IMODE(facts.st_mode):04o})"
    return ""


def _alone(group: int, place: Path) -> bool:
    """Tell whether a group is the private one of this user, as many systems give everybody one, or root's.

    With an access list, the bits of the group stand for all whom the list names.
    """
    if hasattr(os, "listxattr"):
        with suppress(OSError):
            if "system.posix_acl_access" in os.listxattr(place):
                return False
    try:
        user, facts = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(group)
    except KeyError:
        return False
    return (facts.gr_name == user or group == _ROOT) and set(facts.gr_mem) <= {user, "root"}


def _user(number: int) -> str:
    with suppress(KeyError):
        return f"the user {pwd.getpwuid(number).pw_name}"
    return f"user {number}"


def _group(number: int) -> str:
    with suppress(KeyError):
        return f"the group {grp.getgrgid(number).gr_name}"
    return f"group {number}"
