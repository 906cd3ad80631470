"""Read hostile files in a process with limits, and tell of each what came of it, in which time and memory.

`python tests/hostile_run.py FOLDER FIRST END`, or with names of `hostile.PICKLES`; one line of JSON for each.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import hostile
from fuzzing import refusal
from hostile_inputs import hostile_input, sound
from limits import bound, measured, memory

from virb.cards.dataset import DataCard
from virb.cards.encoder_names import encoder_card
from virb.cards.protocol import Protocol
from virb.cards.task import Task
from virb.encode.checkpoints import inspect_file
from virb.encode.load import check_encoder

SPARE = 2 << 30
LONGEST = 60
"""Seconds after which the process ends itself."""
EMPTIES = "very many empty tensors"
KINDS = {"tasks": Task, "protocols": Protocol, "datasets": DataCard}


def use(path: Path) -> None:
    """Read a file as virb's commands do."""
    if path.suffix != ".yaml":
        report = inspect_file(encoder_card(str(path)))
        assert len(report.text()) < 100_000
        if report.error is not None:
            raise report.error
        return
    if path.parent.name in KINDS:
        KINDS[path.parent.name].read(path)
    else:
        check_encoder(encoder_card(str(path)))


def outcome(path: Path) -> tuple[str, int]:
    """Return what came of a file, and the letters of the message."""
    try:
        refused = refusal(lambda: use(path))
    except Exception as error:  # what users would see as a traceback
        return f"traceback: {type(error).__name__}: {str(error)[:200]}", 0
    if refused is None:
        return "read", 0
    whole = refused.found and refused.expected
    return "refused" if whole else f"poor message: {str(refused)[:200]}", len(str(refused))


def files(asked: list[str]) -> Iterator[tuple[str, str, bytes]]:
    """Yield names, endings and bytes."""
    if asked[0].isdigit():
        for number in range(int(asked[0]), int(asked[1])):
            yield str(number), *hostile_input(number)
        return
    for name in asked:
        if name == EMPTIES:
            yield name, ".safetensors", hostile.many_empty(130_000)
            continue
        for around in (hostile.zipped, hostile.legacy):
            yield f"{name} ({around.__name__})", ".pt", around(hostile.PICKLES[name]())


def place_of(folder: Path, ending: str) -> Path:
    """Return where a file is put; the folder of a card is its kind."""
    return folder / ending[1:-5] / "mine.yaml" if ending.endswith(".yaml") else folder / f"mine{ending}"


def main(folder: Path, asked: list[str]) -> None:
    warnings.simplefilter("ignore")
    warm = folder / "warm.pt"
    warm.write_bytes(sound()["zip"])
    inspect_file(encoder_card(str(warm)))  # what code and libraries take is there before
    refusal(lambda: check_encoder(encoder_card("random:resnet18")))
    bound(SPARE)
    for name, ending, content in files(asked):
        path = place_of(folder, ending)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        size = len(content)
        del content
        held = memory("VmRSS")
        (came, letters), seconds, peak = measured(lambda path=path: outcome(path), LONGEST)
        row = {"name": name, "bytes": size, "seconds": round(seconds, 2), "mebibytes": (peak - held) >> 20}
        print(json.dumps({**row, "letters": letters, "outcome": came}), flush=True)
        path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
