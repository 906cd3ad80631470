"""Doctor: the folders: may they be written to, is what lies in them whole."""

from __future__ import annotations

import os
from pathlib import Path

from virb.cards.yaml_files import Registry
from virb.checks.doctor.check import Diagnosis, gib, note, stop, well
from virb.core import trust
from virb.core.errors import DataError, MissingData, OutputError
from virb.core.locks import free
from virb.core.paths import data_folder, try_writing
from virb.core.store import Store
from virb.data.common import data_card, locate
from virb.records.record import read_all


def writable(name: str, folder: Path, remedy: str) -> Diagnosis:
    """Write a file where a run would, and remove it and every folder that was made for it."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        try_writing(folder)
    except OutputError as error:
        return stop(name, error.found, remedy)
    finally:
        for place in made:
            if place.is_dir():
                place.rmdir()
    return well(name, f"{folder} can be written to")


def cache_place(cache: Path) -> Diagnosis:
    """Write a file in the cache, and look who else may."""
    found = writable("cache folder", cache, "set $VIRB_CACHE to a folder that you may write to")
    reason = trust.doubt(cache)
    if not reason or found.state == "stop":
        return found
    if trust.trusted():
        return note(found.name, f"{found.text}; {reason}, and is trusted", f"{trust.TRUST} or --trust-cache says so")
    return stop(found.name, f"{found.text}; {reason}", trust.remedy(cache))


def cache_health(cache: Path) -> Diagnosis:
    """Count the entries, what is half there, and what other processes are at."""
    store = Store(cache)
    entries = store.entries()
    folders = list(store.folder.glob("[0-9a-f]*")) if store.folder.is_dir() else []
    damaged = [entry for entry in entries if not store.whole(entry)]
    left = [*store.folder.glob(".*.tmp"), *cache.glob("sample/*/.*.tmp")]
    busy = [path for path in (cache / "locks").glob("*.lock") if not free(path)]
    text = f"{len(entries)} entries, {gib(sum(entry.bytes for entry in entries))} in {store.folder}"
    if busy:
        text += f"; {len(busy)} being made or used by running processes"
    broken = len(damaged) + len(folders) - len(entries)
    if broken:
        return note("cache", f"{text}; {broken} damaged, which are made anew when needed", "virb cache clear")
    if left and not busy:
        first = f"{len(left)} unfinished left by killed runs, such as {left[0].name}"
        return note("cache", f"{text}; {first}", "the next run on the same machine removes its own")
    return well("cache", text)


def records_health(out: Path) -> Diagnosis:
    """Count the records, and name the first that cannot be read."""
    records, problems = read_all(out)
    if problems:
        return note("records", f"{len(records)} in {out}; {problems[0]}", "remove the file; the same command redoes it")
    return well("records", f"{len(records)} in {out / 'records'}")


def data_health(given: Path | None) -> Diagnosis:
    """Look which data sets lie where a run would look for them, by their folders alone."""
    root = data_folder(given)
    asked = given is not None or bool(os.environ.get("VIRB_DATA"))
    if not root.is_dir():
        text = f"there is no data folder {root}"
        if asked:
            return stop("data", text, "correct --data or $VIRB_DATA")
        return note("data", text, "pass --data or set $VIRB_DATA; --sample needs none")
    found, broken, names = 0, [], Registry("datasets").names()
    for name in names:
        try:
            locate(root, data_card(name))
            found += 1
        except MissingData:
            continue
        except DataError as error:
            broken.append(error.found)
    text = f"{found} of {len(names)} data sets in {root}"
    if broken:
        return stop("data", f"{text}; {broken[0]}", "virb data status says what is missing of each")
    if not found:
        return note("data", text, "virb data download NAME fetches the open ones; --sample needs none")
    return well("data", text)
