"""Data: what every adapter shares: looking for folders, counting what is missing, carving validation."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

from virb.cards.dataset import DATASETS as DATASETS
from virb.cards.dataset import DataCard
from virb.cards.dataset import data_card as data_card
from virb.core.digest import seed_of
from virb.core.errors import CardError, DataError, MissingData, VirbError, did_you_mean
from virb.core.files import read_text
from virb.core.paths import is_stray
from virb.core.types import Pool, Split
from virb.data.classes import SAMPLE_MARKER

LARGEST_MARKER = 1 << 20
"""Bytes of the sample world's mark: far above any that is written."""
_PICTURES = (".jpg", ".jpeg", ".png")


@cache
def class_list(name: str) -> tuple[str, ...]:
    """Return a fixed class list that is too long for a line of code."""
    text = (Path(__file__).parent / "lists" / f"{name}.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def locate(root: Path, card: DataCard) -> Path:
    """Return the first folder of the card below `root` that holds its proof.

    A folder of the right name without proof is half-present data, which is never skipped in silence.
    """
    present = [root / folder for folder in card.folders if (root / folder).is_dir()]
    for folder in present:
        if is_sample(folder) or any((folder / proof).exists() for proof in card.proof):
            return folder
    proof = " or ".join(card.proof)
    for folder in present:
        if found := sorted(path.name for path in folder.iterdir() if not is_stray(path.name)):
            shown = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
            raise DataError(
                f"{card.title}: {folder} is there, but {proof} is not in it (it holds {shown})",
                f"{folder / card.proof[0]}",
                card.remedy,
            )
    where = f"{root} is not a folder" if not root.is_dir() else f"no {' or '.join(card.folders)} in {root}"
    raise MissingData(f"{card.title} is missing: {where}", f"{root / card.folders[0] / card.proof[0]}", card.remedy)


def is_sample(folder: Path) -> bool:
    """Tell whether the sample world made this folder: it holds a few classes of the many that real data must have."""
    return any(marker.is_file() for marker in sample_markers(folder))


def sample_markers(folder: Path) -> tuple[Path, Path]:
    """Return where the sample world marks a folder that it made, and where it once did.

    The mark stands beside the folder, for an owner's folder holds nothing of ours: torchvision takes every name in
    Caltech-101's for a class.
    """
    return folder.with_name(f".{folder.name}{SAMPLE_MARKER}"), folder / SAMPLE_MARKER


@contextmanager
def reading(path: Path, title: str, what: str, expected: str, remedy: str) -> Iterator[None]:
    """Say of whatever goes wrong while a file of labels is read that it is not the owner's, and name it.

    Such a file may hold anything in any place, so that its reader may fail in almost any way.
    """
    try:
        yield
    except VirbError:
        raise
    except OSError as error:
        raise DataError(f"{title}: cannot read {path}: {error.strerror or error}", expected, remedy) from error
    except Exception as error:
        raise DataError(f"{title}: {path} is no {what}: {complaint(error)}", expected, remedy) from error


def complaint(error: Exception) -> str:
    """Return what an exception says, on one line and short: some repeat the file in it."""
    try:
        said = str(error)
    except ValueError:  # a number too long to be written out
        said = ""
    return f"{type(error).__name__}: {said[:_LONGEST]}".rstrip(": ")


_LONGEST = 200
_MOST_LINES = 2_000_000
"""Lines of a list: ten times those of the longest in use."""


def read_lines(path: Path, title: str, remedy: str) -> list[str]:
    """Return the non-empty lines of a list file, stripped."""
    with reading(path, title, "readable text", "a readable text file", remedy):
        lines = [line.strip() for line in read_text(path, "utf-8-sig").splitlines() if line.strip()]
    if len(lines) > _MOST_LINES:
        raise DataError(f"{title}: {path} has {len(lines):,} lines", f"at most {_MOST_LINES:,}", remedy)
    if not lines:
        raise DataError(f"{title}: {path} is empty", "a line per sample", remedy)
    return lines


def make_pool(source: str, folder: Path, files: Iterable[str], remedy: str) -> Pool:
    """Return the pool of these files (relative, with suffix), sorted; missing ones are an error that counts them."""
    names = sorted(set(files))
    outside = [name for name in names if os.path.isabs(name) or ".." in name.split("/")]
    if outside:
        raise DataError(
            f"{source}: a label file names {outside[0]}, outside its folder", f"files below {folder}", remedy
        )
    present = _present(folder, {os.path.dirname(name) for name in names})
    missing = [name for name in names if name not in present]
    if missing:
        raise DataError(
            f"{source}: {len(missing):,} of {len(names):,} listed images are missing from {folder}, "
            f"the first is {missing[0]}",
            f"all {len(names):,} images that the label files list",
            remedy,
        )
    ids = tuple(os.path.splitext(name)[0] for name in names)
    if len(set(ids)) < len(ids):
        twin = Counter(ids).most_common(1)[0][0]
        raise DataError(f"{source}: {twin} is listed with two endings", "one picture to a name", remedy)
    return Pool(source, ids, tuple(folder / name for name in names))


def _present(folder: Path, parents: set[str]) -> set[str]:
    """List each folder once: asking for 85,000 files one by one is slow on network disks."""
    found: set[str] = set()
    for parent in parents:
        try:
            with os.scandir(folder / parent) as entries:
                names = [entry.name for entry in entries if not entry.is_dir()]
            found.update(f"{parent}/{name}" if parent else name for name in names)
        except (OSError, ValueError):  # what cannot be listed is not there: the caller says what is missing
            continue
    return found


def list_pictures(folder: Path) -> list[str]:
    """Return the names of the pictures in a folder, sorted; what a desktop or an archive left beside them is none."""
    try:
        names = names_in(folder, folders=False)
    except (OSError, ValueError):  # what cannot be listed holds nothing: the caller says what is missing
        return []
    return [name for name in names if name.lower().endswith(_PICTURES)]


def names_in(folder: Path, *, folders: bool) -> list[str]:
    """Return the names of the files, or of the folders, in a folder, sorted and without strays."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not is_stray(entry.name) and entry.is_dir() == folders)


def make_split(
    pool: Pool,
    ids: Sequence[str],
    frames: Sequence[Sequence[str]],
    targets: Sequence[int],
    groups: Sequence[str] | None = None,
) -> Split:
    """Return a split whose frames are pool ids; without groups every sample stands for itself."""
    place = {name: row for row, name in enumerate(pool.ids)}
    index = np.array([[place[frame] for frame in sample] for sample in frames], dtype=np.int64)
    codes = np.arange(len(ids)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    width = len(frames[0]) if frames else 1
    return Split(tuple(ids), index.reshape(len(ids), width), np.asarray(targets, np.int64), codes.astype(np.int64))


def refuse_repeats(source: str, lists: Mapping[str, Sequence[str]], remedy: str) -> None:
    """Refuse a sample that stands in two splits, which leaks, or twice in one, which counts double."""
    seen: dict[str, str] = {}
    for split, names in lists.items():
        for name in names:
            if name in seen:
                where = "twice in " + split if seen[name] == split else f"in {seen[name]} and in {split}"
                raise DataError(f"{source}: {name} stands {where}", "each sample once, in one split", remedy)
            seen[name] = split


def carve_groups(groups: Sequence[str], share: float, seed: str) -> np.ndarray:
    """Return a mask of samples whose group is drawn for validation; at least one group, never all."""
    names = sorted(set(groups))
    if len(names) < 2:
        raise DataError(
            f"{seed}: only {len(names)} group to carve validation from",
            "two groups or more",
            "fetch the whole data set",
        )
    count = min(max(1, round(share * len(names))), len(names) - 1)
    drawn = np.random.default_rng(seed_of(f"carve/{seed}")).permutation(len(names))[:count]
    chosen = {names[position] for position in drawn}
    return np.array([group in chosen for group in groups])


def carve_stratified(names: Sequence[str], targets: Sequence[int], share: float, seed: str) -> np.ndarray:
    """Return a mask of samples drawn by this share from every class: one at least, never a whole class.

    Drawn by name and class by class, so that neither the order of a list nor another class changes the draw.
    """
    mask = np.zeros(len(names), bool)
    for label, rows in _classes_by_name(names, targets):
        count = min(max(1, round(share * len(rows))), len(rows) - 1)
        mask[_shuffled(rows, label, seed)[:count]] = True
    if names and not mask.any():
        raise DataError(
            f"{seed}: none of {len(names)} images can be set aside, for no class holds two of those that are left",
            "several images of each class",
            "fetch the whole data set",
        )
    return mask


def carve_per_class(
    names: Sequence[str], targets: Sequence[int], counts: Sequence[int], seed: str, classes: Sequence[str]
) -> np.ndarray:
    """Return each sample's part, [N]: so many of every class for each of `counts`, the last part takes the rest.

    Drawn without replacement, by name; a class too small to leave anything over is an error.
    """
    parts = np.full(len(names), len(counts))
    for label, rows in _classes_by_name(names, targets):
        if len(rows) <= sum(counts):
            raise DataError(
                f"{seed}: class {classes[label]} holds {len(rows)} images",
                f"more than the {sum(counts)} that train and validation take of every class",
                "fetch the whole data set",
            )
        drawn = _shuffled(rows, label, seed)
        for part, stop in enumerate(np.cumsum(counts)):
            parts[drawn[stop - counts[part] : stop]] = part
    return parts


def _classes_by_name(names: Sequence[str], targets: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each class with the rows of its samples in the order of their names."""
    rows = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
    labels = np.asarray(targets, np.int64)[rows]
    order = np.argsort(labels, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        if len(part):
            yield int(labels[part[0]]), rows[part]


def _shuffled(rows: np.ndarray, label: int, seed: str) -> np.ndarray:
    return rows[np.random.default_rng(seed_of(f"carve/{seed}/{label}")).permutation(len(rows))]


def taken(names: Sequence[str], mask: np.ndarray) -> list[str]:
    """Return the names that a mask marks, in their order."""
    return [names[row] for row in np.flatnonzero(mask).tolist()]


def check_target(source: str, target: str, known: Sequence[str]) -> None:
    """Refuse a target that the adapter does not offer."""
    if target not in known:
        raise CardError(
            f"{source} offers no target '{target}'{did_you_mean(target, known)}",
            "one of " + ", ".join(known),
            "correct 'target' in the task card",
        )


def class_of(label: str, classes: Sequence[str], source: str, where: str) -> int:
    """Return a label's fixed index; an unknown one is an error, never a new class."""
    try:
        return classes.index(label)
    except ValueError:
        raise DataError(
            f"{source}: unknown label '{label}' for {where}",
            "one of " + ", ".join(classes),
            "check that the label file is the owner's",
        ) from None


def compare_counts(source: str, counts: dict[str, int], usual: dict[str, int]) -> tuple[str, ...]:
    """Return a note where counts differ from those usually quoted; such numbers warn and never assert."""
    odd = [f"{name} {counts[name]:,} (usually {usual[name]:,})" for name in usual if counts[name] != usual[name]]
    return (f"{source}: counts differ: {', '.join(odd)}",) if odd else ()


def refuse_part(source: str, counts: Mapping[str, int], whole: Mapping[str, int], remedy: str) -> None:
    """Refuse a split with less than 99 % of the files that its owner ships; a few lost ones are a note, not this."""
    for split, count in whole.items():
        if counts[split] < 0.99 * count:
            raise DataError(
                f"{source}: {split} holds {counts[split]:,} of {count:,} images", f"all {count:,} of them", remedy
            )
