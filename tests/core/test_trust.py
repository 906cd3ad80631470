"""Trust: what others may have written to the cache is refused before anything is read from it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from virb.core import trust
from virb.core.errors import VirbError
from virb.core.locks import held, lock_path
from virb.core.store import Store
from virb.core.trust import check_cache, doubt

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="owners and modes of this kind are POSIX")
AS_ROOT = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="gives files to others")
STRANGER, LAB = 54321, 54322
KEY = "features/0123abcd"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache as virb makes it, with a few folders."""
    monkeypatch.delenv(trust.TRUST, raising=False)
    folder = tmp_path / "cache"
    for name in ("", "features", "locks", "sample", KEY):
        (folder / name).mkdir(mode=0o700)
    return folder


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that says how the folders' group is called and who is in it."""

    def said(name: str, *members: str, user: str = "me") -> None:
        monkeypatch.setattr(trust.pwd, "getpwuid", lambda number: SimpleNamespace(pw_name=user))
        monkeypatch.setattr(trust.grp, "getgrgid", lambda number: SimpleNamespace(gr_name=name, gr_mem=list(members)))
        monkeypatch.setattr(trust, "_ROOT", -1)

    return said


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755])
@pytest.mark.parametrize("name", ["", "features", KEY])
def test_a_cache_that_only_its_owner_writes_to_is_trusted(cache: Path, name: str, mode: int) -> None:
    (cache / name).chmod(mode)
    assert doubt(cache) == ""
    assert check_cache(cache) == cache


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o757, 0o702])
@pytest.mark.parametrize("name", ["", "features", "locks", "sample", KEY])
def test_a_cache_that_everybody_writes_to_is_refused_sticky_or_not(cache: Path, name: str, mode: int) -> None:
    (cache / name).chmod(mode)
    with pytest.raises(VirbError) as caught:
        check_cache(cache)
    assert f"everybody may write to {cache / name}" in caught.value.found
    assert f"{mode:04o}" in caught.value.found
    assert "--trust-cache" in caught.value.remedy
    assert caught.value.expected


def test_a_group_of_one_is_its_user_and_a_group_of_several_is_not(cache: Path, groups: Callable[..., None]) -> None:
    (cache / "features").chmod(0o2775)
    groups("me")
    assert doubt(cache) == ""
    groups("me", "me")
    assert doubt(cache) == ""
    groups("me", "mallory")
    assert f"the group me may write to {cache / 'features'}" in doubt(cache)
    groups("lab")
    assert "the group lab" in doubt(cache)


@AS_ROOT
def test_a_group_that_nobody_knows_is_not_a_group_of_one(cache: Path) -> None:
    (cache / "features").chmod(0o770)
    assert doubt(cache) == "", "root's own group"
    os.chown(cache / "features", 0, LAB)
    assert f"group {LAB} may write" in doubt(cache)


@AS_ROOT
@pytest.mark.parametrize("name", ["", "features", "locks", KEY])
def test_what_belongs_to_somebody_else_is_refused(cache: Path, name: str) -> None:
    os.chown(cache / name, STRANGER, 0)
    assert f"{cache / name} belongs to user {STRANGER}" in doubt(cache)


@AS_ROOT
def test_what_root_put_there_for_all_is_trusted_by_all(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", "features", KEY):
        (cache / name).chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    assert doubt(cache) == ""
    cache.chmod(0o1777)
    assert "everybody" in doubt(cache)


@AS_ROOT
def test_a_link_of_a_stranger_to_a_folder_of_ones_own_is_refused(cache: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(cache)
    assert doubt(link) == ""
    os.lchown(link, STRANGER, 0)
    assert f"{link} belongs to" in doubt(link)


@pytest.mark.parametrize(("said", "refused"), [("1", False), ("yes", False), ("0", True), ("", True), ("false", True)])
def test_who_trusts_the_others_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch, said: str, refused: bool) -> None:
    cache.chmod(0o777)
    monkeypatch.setenv(trust.TRUST, said)
    if refused:
        with pytest.raises(VirbError):
            check_cache(cache)
    else:
        assert check_cache(cache) == cache


def make_lock(cache: Path) -> None:
    with held(lock_path("x", cache=cache), "is at it"):
        pass


@pytest.mark.parametrize("make", [check_cache, make_lock, lambda cache: Store(cache).write("aa", [], {})])
def test_a_new_cache_is_its_owners_alone_whatever_the_mask(tmp_path: Path, make: Callable[[Path], object]) -> None:
    before = os.umask(0)
    try:
        make(tmp_path / "deep" / "cache")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "deep" / "cache").stat().st_mode) == 0o700
