"""Data: what every adapter shares: looking for folders, counting what is missing, carving validation."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from virb.digest import seed_of
from virb.errors import CardError, DataError, MissingData, did_you_mean
from virb.types import Pool, Split


def locate(root: Path, candidates: Sequence[str], proof: str, title: str, remedy: str) -> Path:
    """Return the first candidate folder below `root` that holds `proof`.

    A folder of the right name without its proof is half-present data, which is never skipped in silence.
    """
    present = [root / candidate for candidate in candidates if (root / candidate).is_dir()]
    for folder in present:
        if (folder / proof).exists():
            return folder
    for folder in present:
        if any(folder.iterdir()):
            raise DataError(f"{title}: {folder} is there, but {proof} is not in it", f"{folder / proof}", remedy)
    where = f"{root} is not a folder" if not root.is_dir() else f"no {' or '.join(candidates)} in {root}"
    raise MissingData(f"{title} is missing: {where}", f"{root / candidates[0] / proof}", remedy)


def read_lines(path: Path, title: str, remedy: str) -> list[str]:
    """Return the non-empty lines of a list file, stripped."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{title}: cannot read {path}: {reason}", "a readable text file", remedy) from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
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
                found.update(f"{parent}/{entry.name}" if parent else entry.name for entry in entries)
        except (OSError, ValueError):  # what cannot be listed is not there: the caller says what is missing
            continue
    return found


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
