"""Data: Kinetics-400, what people do in clips, six frames of each.

Frames are pictures, as the original benchmark kept them, or come out of videos, as everyone else keeps them. Clips
vanish from the web, so every copy lacks some.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image

from virb.cards.dataset import DataCard
from virb.core.errors import DataError, did_you_mean
from virb.core.files import read_bytes, read_text
from virb.core.types import Dataset, Pool, Split
from virb.data.common import (
    carve_stratified,
    check_target,
    class_list,
    data_card,
    is_sample,
    list_pictures,
    make_split,
    reading,
)
from virb.data.formats.video import FRAMES, list_videos, read_frame, refuse_without_decoder

_CARVED = 0.1
_SPLITS = {"train": ("train",), "val": ("val", "validate", "validation")}
"""What annotations and folders call the splits; val is tested, for the owner's test set has no labels."""

_SEGMENT = ("time_start", "time_end")


@dataclass(frozen=True)
class _Clip:
    """A clip with its frames: files, and for a video which of its frames."""

    frames: tuple[tuple[Path, int], ...]
    marks: tuple[str, ...]
    """What the ids of the frames end with."""


@dataclass(frozen=True)
class _Half:
    """One of the owner's splits: the class of every clip that is listed, the clips that are there, the short ones."""

    classes: dict[str, int]
    clips: dict[str, _Clip]
    short: int


def read(folder: Path, target: str) -> Dataset:
    """Read frames by `annotations/{train,validate}.json`, else videos by their folders or `annotations/*.csv`.

    Splits are train less a tenth of each class, these, and val. What is carved follows the lists, whichever clips of
    them are lost, so that two copies differ by the lost clips alone.
    """
    check_target("kinetics400", target, ("action",))
    card = data_card("kinetics400")
    pictures = (folder / "annotations" / "train.json").is_file()
    if not pictures:
        refuse_without_decoder(card.title)
    halves = {split: (_frame_half if pictures else _video_half)(folder, split, card) for split in _SPLITS}
    for split, half in halves.items():
        _refuse_loss(half, split, is_sample(folder), card)
    pool = _pool(halves, None if pictures else read_frame)
    train = halves["train"].classes
    held = dict(zip(train, carve_stratified(list(train), list(train.values()), _CARVED, "kinetics400"), strict=True))

    def split_of(half: _Half, chosen: Iterable[str]) -> Split:
        there = [name for name in chosen if name in half.clips]
        frames = [[f"{name}/{mark}" for mark in half.clips[name].marks] for name in there]
        return make_split(pool, there, frames, [half.classes[name] for name in there])

    kind = "pictures" if pictures else "videos"
    return Dataset(
        pool,
        split_of(halves["train"], (name for name in train if not held[name])),
        split_of(halves["train"], (name for name in train if held[name])),
        split_of(halves["val"], halves["val"].classes),
        class_list("kinetics400"),
        rule=f"kinetics400 1: {FRAMES} frames of {kind}, train less a tenth of each class / these / val",
        notes=tuple(note for split, half in halves.items() for note in _losses(half, split)),
    )


def _pool(halves: dict[str, _Half], reader: Callable[[Path, int], Image] | None) -> Pool:
    """Return all frames; those of one clip stand side by side, for a video is decoded once for all of them."""
    found = {
        f"{name}/{mark}": frame
        for half in halves.values()
        for name, clip in half.clips.items()
        for mark, frame in zip(clip.marks, clip.frames, strict=True)
    }
    ids = tuple(sorted(found))
    rows = tuple(found[name][1] for name in ids) if reader else ()
    return Pool("kinetics400", ids, tuple(found[name][0] for name in ids), rows, reader)


def _refuse_loss(half: _Half, split: str, sample: bool, card: DataCard) -> None:
    """Refuse a copy that lacks most of what it lists, or all of a class."""
    listed, there = len(half.classes), len(half.clips)
    if not there or 2 * there < listed:
        raise DataError(
            f"{card.title}: only {there:,} of {listed:,} listed clips of {split} are there",
            "at least half of them",
            card.remedy,
        )
    names = class_list("kinetics400")
    lacking = sorted(set(range(len(names))) - {half.classes[name] for name in half.clips})
    if lacking and not sample:
        raise DataError(
            f"{card.title}: {split} has no clip of {len(lacking)} of {len(names)} classes, "
            f"the first is '{names[lacking[0]]}'",
            "clips of every class",
            card.remedy,
        )


def _losses(half: _Half, split: str) -> tuple[str, ...]:
    lost = len(half.classes) - len(half.clips)
    if not lost:
        return ()
    short = f", {half.short:,} of them for having fewer than {FRAMES} frames" if half.short else ""
    return (f"kinetics400: {lost:,} of {len(half.classes):,} listed clips of {split} are left out{short}",)


def _class_of(label: str, where: object, card: DataCard) -> int:
    """Return a label's class; folders spell it with other signs than lists do."""
    names = class_list("kinetics400")
    found = _numbers().get(_plain(label))
    if found is None:
        raise DataError(
            f"{card.title}: unknown label '{label}' in {where}{did_you_mean(label, names)}",
            f"one of the {len(names)} classes, such as '{names[0]}'",
            "check that the annotations are those of Kinetics-400, not 600 or 700",
        )
    return found


def _plain(label: str) -> str:
    """`massaging person's head`, `massaging_persons_head` -> `massagingpersonshead`."""
    return "".join(sign for sign in label.lower() if sign.isalnum())


def _numbers() -> dict[str, int]:
    return {_plain(name): row for row, name in enumerate(class_list("kinetics400"))}


# Frames as pictures


def _frame_half(folder: Path, split: str, card: DataCard) -> _Half:
    """Return the clips of `annotations/<split>.json` whose frames lie in `<split>/<id[:2]>/<id>_<k>.jpg`."""
    path = _first(folder / "annotations", split, ".json", card)
    classes = {f"{split}/{name}": row for name, row in _json_classes(path, card).items()}
    frames = _frames(folder / path.stem, [name.partition("/")[2] for name in classes])
    clips = {f"{split}/{name}": _spread(numbered) for name, numbered in frames.items() if len(numbered) >= FRAMES}
    return _Half(classes, clips, len(frames) - len(clips))


def _first(folder: Path, split: str, ending: str, card: DataCard) -> Path:
    paths = [folder / f"{name}{ending}" for name in _SPLITS[split]]
    found = next((path for path in paths if path.exists()), None)
    if found is None:
        raise DataError(
            f"{card.title}: {folder} has no {' or '.join(path.name for path in paths)}", f"{paths[0]}", card.remedy
        )
    return found


def _json_classes(path: Path, card: DataCard) -> dict[str, int]:
    """Return clip to class of the old archive's annotations: {id: {"annotations": {"label": ...}}}."""
    expected = 'JSON of the form {id: {"annotations": {"label": ...}}}'
    with reading(path, card.title, "list of annotations", expected, card.remedy):
        labels = {str(name): str(clip["annotations"]["label"]) for name, clip in json.loads(read_bytes(path)).items()}
    numbers = {label: _class_of(label, path, card) for label in dict.fromkeys(labels.values())}
    return {name: numbers[label] for name, label in labels.items()}


def _frames(folder: Path, names: Iterable[str]) -> dict[str, list[tuple[int, Path]]]:
    """Return the numbered frames of each clip that has any.

    A name ends where the last underscore is: one clip's may begin another's, and both hold underscores.
    """
    wanted = set(names)
    found: dict[str, list[tuple[int, Path]]] = {}
    for part in sorted({name[:2] for name in wanted}):
        for picture in list_pictures(folder / part):
            name, _, number = picture.rpartition(".")[0].rpartition("_")
            if name in wanted and name[:2] == part and number.isascii() and number.isdigit():
                found.setdefault(name, []).append((int(number), folder / part / picture))
    return found


def _spread(numbered: list[tuple[int, Path]]) -> _Clip:
    """Return six frames in the order of their numbers, each from the middle of a sixth of the clip."""
    ordered = sorted(numbered)
    chosen = [ordered[(2 * place + 1) * len(ordered) // (2 * FRAMES)] for place in range(FRAMES)]
    return _Clip(tuple((path, 0) for _, path in chosen), tuple(str(number) for number, _ in chosen))


# Videos


def _video_half(folder: Path, split: str, card: DataCard) -> _Half:
    """Return the videos of `<split>/<label>/` or `<split>/`, with the classes of a csv where there is one."""
    place = _first(folder, split, "", card)
    videos = list_videos(place)
    lists = [folder / part / f"{name}.csv" for name in _SPLITS[split] for part in ("annotations", ".")]
    path = next((path for path in lists if path.is_file()), None)
    classes = _csv_classes(path, card) if path else _folder_classes(videos, place, lists[0], card)
    clips = {
        f"{split}/{name}": _Clip(tuple((videos[name], row) for row in range(FRAMES)), tuple(map(str, range(FRAMES))))
        for name in classes
        if name in videos
    }
    return _Half({f"{split}/{name}": row for name, row in classes.items()}, clips, 0)


def _folder_classes(videos: dict[str, Path], place: Path, wanted: Path, card: DataCard) -> dict[str, int]:
    """Return the class of each video's folder; videos in no folder need a list."""
    flat = [path for path in videos.values() if path.parent == place]
    if flat:
        raise DataError(
            f"{card.title}: {len(flat):,} videos lie in {place} itself, such as {flat[0].name}, and no list has their "
            "labels",
            f"{wanted}, or {place}/<label>/<id>_<start>_<end>.mp4",
            f"put https://s3.amazonaws.com/kinetics/400/annotations/{wanted.name} there",
        )
    folders = {path.parent for path in videos.values()}
    numbers = {path: _class_of(path.name, place, card) for path in sorted(folders)}
    return {name: numbers[path.parent] for name, path in sorted(videos.items())}


def _csv_classes(path: Path, card: DataCard) -> dict[str, int]:
    """Return `<id>_<start>_<end>` to class of the columns label, youtube_id, time_start, time_end."""
    expected = "the columns label, youtube_id, time_start, time_end"
    with reading(path, card.title, "list of annotations", expected, card.remedy):
        rows = [
            (
                "{}_{:06d}_{:06d}".format(row["youtube_id"], *(int(float(row[key])) for key in _SEGMENT)),
                str(row["label"]),
            )
            for row in csv.DictReader(io.StringIO(read_text(path), newline=""))
        ]
    numbers = {label: _class_of(label, path, card) for label in dict.fromkeys(label for _, label in rows)}
    return {name: numbers[label] for name, label in rows}
