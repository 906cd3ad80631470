"""Data: Describable Textures (DTD), 47 classes, the owner's first partition."""

from __future__ import annotations

from pathlib import Path

from virb.core.types import Dataset, Split
from virb.data.classes import DTD
from virb.data.common import (
    check_target,
    class_of,
    compare_counts,
    data_card,
    is_sample,
    make_pool,
    make_split,
    read_lines,
    refuse_repeats,
)


def read(folder: Path, target: str) -> Dataset:
    """Read `images/<class>/<class>_0001.jpg` by the lists `labels/{train,val,test}1.txt`: partition 1."""
    check_target("dtd", target, ("texture",))
    card = data_card("dtd")
    lists = {
        name: read_lines(folder / "labels" / f"{name}1.txt", card.title, card.remedy)
        for name in ("train", "val", "test")
    }
    refuse_repeats(card.title, lists, card.remedy)
    every = [line for lines in lists.values() for line in lines]
    pool = make_pool("dtd", folder / "images", every, card.remedy)

    def split(lines: list[str]) -> Split:
        ids = [line.rsplit(".", 1)[0] for line in lines]
        targets = [class_of(line.split("/")[0], DTD, "dtd", line) for line in lines]
        return make_split(pool, ids, [[name] for name in ids], targets)

    counts = {name: len(lines) for name, lines in lists.items()}
    return Dataset(
        pool,
        split(lists["train"]),
        split(lists["val"]),
        split(lists["test"]),
        DTD,
        rule="dtd 1: owner's partition 1",
        notes=() if is_sample(folder) else compare_counts("dtd", counts, card.counts),
    )
