"""Reads hostile inputs, one after another, in this process; tells at the end how long and how much memory they took.

`python tests/hostile_reading.py WORLD FOLDER KIND=COUNT...` reads so many of each kind; a count of 0 stands for those
that are made by hand. WORLD is a sample world whose files are replaced and put back.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostile_archives import BOMBS
from hostile_data import GROWN, archives, harmed, matrices, pickles, pictures, sealed, swapped, worded
from hostile_pictures import CLAIMS, HEAVY
from hostile_servers import ANSWERS, ENDLESS, TAKEN, answering
from limits import bound, measured, memory
from test_fuzz import LABELLED, label_files, read_some

from virb.core.errors import VirbError
from virb.core.fetch import download, transfer, unpack
from virb.core.types import Pool
from virb.data import read_dataset
from virb.data.formats.mat import read_mat
from virb.data.formats.png16 import read_gray16, read_png16
from virb.data.images import image_size, read_image, squash
from virb.data.pictures import stored_pixels
from virb.data.sets import cifar

Work = Callable[[], object]
SECONDS, MEMORY = 10.0, 1 << 30
"""Processor time and bytes above the idle process that one input may take."""
_ROOM, _LONGEST = 3 << 29, 300
"""Bytes of address space above the idle process, and seconds after which it ends itself."""


@dataclass(frozen=True)
class Case:
    """An input, and what reads it."""

    name: str
    work: Work


def every(path: Path, *readers: Callable[[Path], object]) -> Work:
    """Return what tries several readers on one file; each may refuse it."""

    def work() -> None:
        for read in readers:
            try:
                read(path)
            except VirbError as error:
                check(error)

    return work


def check(error: VirbError) -> None:
    """Hold a refusal to its three parts."""
    assert error.found
    assert error.expected or error.remedy
    str(error)


def picture_cases(folder: Path, count: int) -> Iterator[Case]:
    """Yield pictures for every reader of pictures and label pictures."""
    path, whole = folder / "picture.png", pictures()
    pool = Pool("test", ("one",), (path,))
    readers = every(
        path,
        lambda path: squash(read_image(pool, 0), 64),
        lambda path: image_size(pool, 0),
        lambda path: stored_pixels(path, "a label picture", "fetch it again"),
        read_gray16,
        read_png16,
    )
    for name, made in {**CLAIMS, **HEAVY}.items() if not count else ():
        path.write_bytes(made())
        yield Case(name, readers)
    for number in range(count):
        draw = random.Random(number)
        name = draw.choice(sorted(whole))
        content = harmed(draw, whole[name])
        path.write_bytes(sealed(content) if content.startswith(b"\x89PNG") and draw.random() < 0.7 else content)
        yield Case(f"{name} {number}", readers)


def file_cases(folder: Path, count: int, whole: dict[str, bytes], read: Callable[[Path], object]) -> Iterator[Case]:
    """Yield harmed files for one reader."""
    path = folder / "file"
    for number in range(count):
        draw = random.Random(number)
        name = draw.choice(sorted(whole))
        path.write_bytes(harmed(draw, whole[name]))
        yield Case(f"{name} {number}", every(path, read))


def archive_cases(folder: Path, count: int) -> Iterator[Case]:
    """Yield archives, unpacked into a folder that goes again."""
    into = folder / "into"

    def clean(archive: Path) -> None:
        try:
            unpack(archive, into)
        finally:
            shutil.rmtree(into, ignore_errors=True)

    for name, (ending, made) in BOMBS.items() if not count else ():
        path = folder / f"set.{ending}"
        path.write_bytes(made())
        yield Case(name, every(path, clean))
    whole = archives()
    for number in range(count):
        draw = random.Random(number)
        ending = draw.choice(sorted(whole))
        path = folder / f"set.{ending}"
        path.write_bytes(harmed(draw, whole[ending]))
        yield Case(f"{ending} {number}", every(path, clean))


def server_cases(folder: Path, count: int) -> Iterator[Case]:
    """Yield answers to a download."""
    transfer.time = type("Clock", (), {"sleep": staticmethod(lambda seconds: None)})  # type: ignore[attr-defined]
    transfer._PATIENCE = 5.0
    whole = {**ANSWERS, **TAKEN}

    def fetch(answer: Callable[[], Iterator[bytes]], known: dict[str, Any]) -> Work:
        def work() -> None:
            place = folder / "downloads" / "data.zip"
            shutil.rmtree(place.parent, ignore_errors=True)
            with answering(answer) as (address, _):
                try:
                    download(f"{address}/data.zip", place, **known)
                except VirbError as error:
                    check(error)
                    assert not place.exists()
                else:
                    assert place.stat().st_size

        return work

    for name, endless in ENDLESS.items() if not count else ():
        yield Case(name, fetch(endless, {}))
    for number in range(count):
        draw = random.Random(number)
        name = draw.choice(sorted(whole))
        made, known = harmed(draw, whole[name]), draw.choice(({}, {"md5": "0" * 32}, {"bytes": 7}))
        yield Case(f"{name} {number}", fetch(lambda made=made: iter([made]), known))  # type: ignore[misc]


def label_cases(world: Path, count: int) -> Iterator[Case]:
    """Yield label files of every data set in the place of whole ones; each is put back."""
    files = {
        (dataset, target): label_files(world, dataset, read_dataset(dataset, world, target))
        for dataset, target in LABELLED
    }
    lists = [(key, path, name) for key, paths in sorted(files.items()) for path in paths for name in GROWN
             if path.suffix in (".txt", ".json", ".csv") and path == first(paths, path.suffix)]  # fmt: skip
    for key, path, name in lists if not count else ():
        yield from replaced(path, GROWN[name], f"{key[0]}: {path.name} of {name}", world, key)
    for number in range(count):
        draw = random.Random(number)
        key = draw.choice(sorted(files))
        path = draw.choice(files[key])
        kinds = [harmed] + [swapped] * 3 * (path.suffix == ".json") + [worded] * 3 * (path.suffix in (".txt", ".csv"))
        kind = draw.choice(kinds)
        made = lambda content, draw=draw, kind=kind: kind(draw, content)  # noqa: E731
        yield from replaced(path, made, f"{key[0]}: {path.name} {number}", world, key)


def first(paths: list[Path], suffix: str) -> Path:
    """Return the first list of this kind: the others are read alike."""
    return next(path for path in paths if path.suffix == suffix)


def replaced(
    path: Path, made: Callable[[bytes], bytes], name: str, world: Path, key: tuple[str, str]
) -> Iterator[Case]:
    """Yield the case of a file in the place of another, for as long as it is read."""
    kept = path.read_bytes()
    try:
        path.unlink()  # it may be a link to a file that others read
        path.write_bytes(made(kept))
        yield Case(name, every(path, lambda path: read_some(world, *key)))
    finally:
        path.unlink()
        path.write_bytes(kept)


def cases(kind: str, world: Path, folder: Path, count: int) -> Iterator[Case]:
    """Return the cases of a kind."""
    files: dict[str, tuple[Callable[[], dict[str, bytes]], Callable[[Path], object]]] = {
        "pickles": (pickles, cifar._content),
        "matrices": (matrices, read_mat),
    }
    if kind in files:
        whole, read = files[kind]
        return file_cases(folder, count, whole(), read)
    if kind == "labels":
        return label_cases(world, count)
    return {"pictures": picture_cases, "archives": archive_cases, "servers": server_cases}[kind](folder, count)


def fault_of(case: Case) -> str:
    """Read one input; return what went wrong."""
    try:
        case.work()
    except BaseException:
        return traceback.format_exc()
    return ""


def main(world: Path, folder: Path, kinds: dict[str, int]) -> dict[str, Any]:
    """Read so many inputs of each kind; return how many there were, and what the worst of them took."""
    folder.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    slowest, largest, read = ("", 0.0), ("", 0), 0
    for dataset, target in LABELLED:  # what is read first loads what reads it
        read_some(world, dataset, target)
    idle = memory("VmRSS")
    bound(_ROOM)
    for kind, count in kinds.items():
        for case in cases(kind, world, folder, count):
            (folder / "now").write_text(f"{kind} {case.name}")  # who ends this process is found here
            fault, seconds, peak = measured(lambda case=case: fault_of(case), _LONGEST)
            size, read = peak - idle, read + 1
            slowest, largest = max(slowest, (case.name, seconds), key=last), max(largest, (case.name, size), key=last)
            if fault or seconds > SECONDS or size > MEMORY:
                faults.append(f"{kind} {case.name}: {seconds:.1f} s, {size >> 20} MiB\n{fault}")
    return {"inputs": read, "idle": idle, "slowest": slowest, "largest": largest, "faults": faults}


def last(pair: tuple[str, float]) -> float:
    """Return what two cases are compared by."""
    return pair[1]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    given = sys.argv[1:]
    asked = {kind: int(count) for kind, _, count in (one.partition("=") for one in given[2:])}
    print(json.dumps(main(Path(given[0]), Path(given[1]), asked)))
