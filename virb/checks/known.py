"""Checks: writes down what the sample world holds, for `virb/cards/sample_world.yaml`.

`python -m virb.checks.known` makes the world where it is not there yet, and writes the file again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from virb.cards.sample_world import PLACE, packed
from virb.cards.select import PROTOCOLS, Selection, all_tasks, protocol
from virb.cards.task import Task
from virb.core.paths import write_whole
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.images import read_image
from virb.run.options import Options
from virb.run.tasks import prepare
from virb.sample import DATASETS, ensure

_HEAD = """\
# What the built-in sample world holds for each target of a data set: how many samples each split has, the longest side
# of a picture, the marker's checksum of all files, the digests of the data under every protocol (the last two are as
# Pillow and zlib of the machine that wrote this file pack pictures), and of every sample's id the first 32 bits of its
# sha256, sorted, in base64. Made by 'python -m virb.checks.known'; a test holds it to the world.
"""


def known_targets() -> dict[tuple[str, str], list[Task]]:
    """Return the tasks of every data set and target that the sample world stands in for."""
    found: dict[tuple[str, str], list[Task]] = {}
    for card in all_tasks():
        if card.dataset in DATASETS:
            found.setdefault((card.dataset, card.target), []).append(card)
    return dict(sorted(found.items()))


def described(root: Path, target: tuple[str, str], cards: Sequence[Task]) -> str:
    """Return what is to be written of one target of a world."""
    data = read_dataset(target[0], root, target[1])
    ids = [one for split in (data.train, data.val, data.test) for one in split.ids]
    lines = [
        f"{'/'.join(target)}:",
        f"  counts: {{{', '.join(f'{split}: {count}' for split, count in data.counts.items())}}}",
        f"  longest: {max(longest(data, row) for row in range(len(data.pool)))}",
        f"  world: {data.world}",
        f"  digests: [{', '.join(digests(root, cards))}]",
        f"  ids: {packed(ids)}",
    ]
    return "\n".join(lines) + "\n"


def longest(data: Dataset, row: int) -> int:
    """Return the longest side of a picture, in pixels."""
    return max(read_image(data.pool, row).shape[1:])


def digests(root: Path, cards: Sequence[Task]) -> list[str]:
    """Return the data digests that records of these tasks have, whatever the protocol."""
    found = set()
    for name in PROTOCOLS.names():
        options = Options(protocol(name), root)
        for card in cards:
            prepared, _ = prepare(Selection((card,), frozenset()), options)
            found |= {item.dataset.digest for item in prepared}
    return sorted(found)


def main() -> None:
    """Write the file of this copy of virb."""
    wanted = known_targets()
    root = ensure({name for name, _ in wanted})
    write_whole(PLACE, _HEAD + "".join(described(root, target, cards) for target, cards in wanted.items()))


if __name__ == "__main__":
    main()
