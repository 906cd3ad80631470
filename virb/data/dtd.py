"""Data: Describable Textures (DTD), 47 classes, the owner's first partition."""

from __future__ import annotations

from pathlib import Path

from virb.classes import DTD
from virb.data.common import (
    check_target,
    class_of,
    compare_counts,
    locate,
    make_pool,
    make_split,
    read_lines,
    refuse_repeats,
)
from virb.types import Dataset, Split

_REMEDY = (
    "fetch https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz and unpack it in the data "
    "folder, which makes dtd/images and dtd/labels; or add --sample to run on the built-in sample world"
)
_USUAL = {"train": 1880, "val": 1880, "test": 1880}


class Dtd:
    """Reads `dtd/images/<class>/<class>_0001.jpg` by the lists `dtd/labels/{train,val,test}1.txt`."""

    def locate(self, root: Path) -> Path:
        """Return the folder that holds `images` and `labels`."""
        return locate(root, ("dtd", "dtd/dtd", "dtd-r1.0.1/dtd"), "labels/train1.txt", "DTD", _REMEDY)

    def read(self, folder: Path, target: str) -> Dataset:
        """Return the splits of partition 1; a class is the folder name in the list, looked up in the fixed list."""
        check_target("dtd", target, ("texture",))
        lists = {
            name: read_lines(folder / "labels" / f"{name}1.txt", "DTD", _REMEDY) for name in ("train", "val", "test")
        }
        refuse_repeats("DTD", lists, _REMEDY)
        every = [line for lines in lists.values() for line in lines]
        pool = make_pool("dtd", folder / "images", every, _REMEDY)

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
            notes=compare_counts("dtd", counts, _USUAL),
        )
