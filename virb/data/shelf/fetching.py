"""Shelf: a data set fetched, unpacked and read to prove it, before it is moved into place."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from virb.cards.dataset import Archive, DataCard
from virb.core.errors import DataError, VirbError
from virb.core.fetch import download, extract, is_archive, settle, staging
from virb.core.fetch.disk import explain_disk, need_space
from virb.core.progress import Progress, Silent
from virb.data import read_dataset
from virb.data.common import locate
from virb.data.shelf.listing import ShelfRow, card, status, targets, uses

_INNER = ("*",)
"""Owners ship archives within archives: COCO its panoptic maps, Caltech-101 all of its pictures."""


def fetch_dataset(name: str, root: Path, *, keep: bool = False, progress: Progress | None = None) -> ShelfRow:
    """Fetch a data set that may be fetched, and return its state; one that is there already is left as it is.

    Everything is unpacked and read beside its place first, so that the place holds all of it or nothing. The archives
    are removed at the end unless they are to be kept.
    """
    chosen, progress = card(name), progress or Silent()
    (row,) = status(root, [name])
    if row.state in ("found", "unreadable"):
        progress.say(f"{chosen.title} is there already: {row.folder}")
        return row
    if chosen.access != "open":
        _refuse(chosen)
    if row.state == "broken":
        progress.say(f"{row.problem}\nWhat is missing is fetched; nothing that is there is overwritten.")
    archives = _archives(chosen, root / ".downloads" / name, progress)
    with staging(root, name) as made:
        for archive, path in zip(chosen.archives, archives, strict=True):
            _put(archive, path, made / archive.into, progress)
        _prove(chosen, made, root / ".downloads" / name, progress)
        settle(made, root)
    if not keep:
        _remove(root / ".downloads", name)
    return status(root, [name])[0]


def _refuse(card: DataCard) -> None:
    """Say why a program may not fetch this, and what a person does instead."""
    why = {
        "registration": f"{card.title} has to be fetched by hand: its owner wants a registration ({card.home})",
        "by hand": f"{card.title} has to be fetched by hand ({card.home})",
        "gone": f"{card.title} cannot be fetched: its owner no longer offers it ({card.home})",
    }
    raise DataError(why[card.access], f"{card.size} of data, in {card.folders[0]} below the data folder", card.steps)


def _archives(card: DataCard, folder: Path, progress: Progress) -> list[Path]:
    """Fetch every archive of a data set, the checks of each included."""
    with explain_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
    waiting = [one for one in card.archives if not (folder / one.file).is_file()]
    need_space(folder, sum(one.bytes or 0 for one in waiting) - sum(_size(folder, one) for one in waiting))
    return [
        download(
            one.url,
            folder / one.file,
            bytes=one.bytes,
            md5=one.md5,
            sha256=one.sha256,
            home=card.home,
            progress=progress,
        )
        for one in card.archives
    ]


def _size(folder: Path, archive: Archive) -> int:
    """Return how much of an archive is there already."""
    with suppress(OSError):
        return (folder / f"{archive.file}.part").stat().st_size
    return 0


def _put(archive: Archive, path: Path, folder: Path, progress: Progress) -> None:
    """Unpack an archive, or put a file that is none, where the card says."""
    with explain_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not is_archive(path.name):
            _same_or_copied(path, folder / path.name)
    if is_archive(path.name):
        extract(path, folder, inner=_INNER, progress=progress)


def _same_or_copied(path: Path, place: Path) -> None:
    """Put a file in a second place; where the disk can, the content is there once."""
    try:
        os.link(path, place)
    except OSError:
        shutil.copyfile(path, place)


def _prove(card: DataCard, made: Path, archives: Path, progress: Progress) -> None:
    """Read what was unpacked, for every task that will: what nobody could read is not put into place.

    One target that cannot be read may only want for a library, and does not keep the others from their place.
    """
    failures: list[VirbError] = []
    asked = targets(uses()[card.name])
    for target in asked:
        progress.say(f"{card.title}: reading it ({target})")
        try:
            read_dataset(card.name, made, target)
        except VirbError as error:
            failures.append(error)
            progress.say(f"{card.title} ({target}): {error}")
    if failures and len(failures) == len(asked):
        first = failures[0]
        raise DataError(
            f"{card.title} was fetched and unpacked, but cannot be read, and was not put into place:\n{first.found}",
            first.expected,
            f"compare with {card.home}: the owner may have changed it. The archives are kept in {archives}",
        ) from first
    locate(made, card)


def _remove(downloads: Path, name: str) -> None:
    shutil.rmtree(downloads / name, ignore_errors=True)
    with suppress(OSError):  # others are in it
        downloads.rmdir()
