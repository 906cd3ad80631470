"""Shelf: every file looked at, by several workers; what is broken is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shelves import make_dtd

from virb.core.errors import DataError, MissingData, UsageError
from virb.core.types import IGNORED, Dataset, LabelKind, Labels, Pool, Split
from virb.core.workers import spread, worker_count
from virb.data.shelf import uses, verify


@pytest.mark.parametrize("workers", [0, 2])
def test_every_picture_is_opened_and_broken_ones_are_named(tmp_path: Path, workers: int) -> None:
    folder = make_dtd(tmp_path)
    assert verify("dtd", tmp_path, workers=workers).broken == ()
    cut, fake = folder / "images" / "dotted" / "dotted_0005.jpg", folder / "images" / "banded" / "banded_0001.jpg"
    cut.write_bytes(cut.read_bytes()[:400])
    fake.write_text("no picture")
    found = verify("dtd", tmp_path, workers=workers)
    assert (found.images, found.labels) == (9, 0)
    assert [(one.id, one.path) for one in found.broken] == [("banded/banded_0001", fake), ("dotted/dotted_0005", cut)]
    assert all(one.reason for one in found.broken)


def test_verifying_what_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingData):
        verify("dtd", tmp_path)
    with pytest.raises(UsageError):
        verify("dtdd", tmp_path)


def blank(path: Path, row: int) -> np.ndarray:
    """Return label map number `row` of this test."""
    maps: list[np.ndarray] = [
        np.zeros((16, 24), np.uint8),
        np.full((16, 24), IGNORED, np.uint8),
        np.full((16, 24), 2, np.uint8),
        np.zeros((24, 16), np.uint8),
        np.ones((16, 24), np.float32),
        np.ones((16, 24, 3), np.float32),
        np.full((16, 24), np.nan, np.float32),
        np.full((16, 24), np.inf, np.float32),
        np.zeros((16, 24, 2), np.float32),
    ]
    if row >= len(maps):
        raise DataError(f"{path} is damaged", "a label map", "fetch it again")
    return maps[row]


def labelled(folder: Path, kind: LabelKind, row: int) -> Dataset:
    """Return a data set of one picture (24 wide, 16 high) in every split, with one label map."""
    path = folder / "one.png"
    Image.new("RGB", (24, 16)).save(path)
    split = Split(("one",), np.zeros((1, 1), np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64))
    labels = Labels(kind, ("one",), (path,), (row,), blank)
    return Dataset(Pool("toy", ("one",), (path,)), split, split, split, ("a", "b"), "toy 1", labels=labels)


@pytest.mark.parametrize(
    ("kind", "row", "reason"),
    [
        ("classes", 0, ""),
        ("classes", 1, ""),
        ("classes", 2, "holds class 2, and there are 2"),
        ("classes", 3, "has 24 x 16 values for a picture of 16 x 24"),
        ("values", 4, ""),
        ("values", 5, ""),
        ("values", 6, "nothing is measured"),
        ("values", 7, "infinity"),
        ("values", 8, "has 16 x 24 x 2 values"),
        ("flow", 8, ""),
        ("flow", 4, "has 16 x 24 values"),
        ("flow", 9, "is damaged"),
    ],
)
def test_a_deep_look_holds_label_maps_to_their_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: LabelKind, row: int, reason: str
) -> None:
    module = "virb.data.shelf.checking"
    monkeypatch.setattr(f"{module}.read_dataset", lambda *given: labelled(tmp_path, kind, row))
    monkeypatch.setattr(f"{module}.find_dataset", lambda *given: tmp_path)
    found = verify("dtd", tmp_path, deep=True, workers=0)
    assert (found.images, found.labels) == (1, 3), "the one map of every split"
    assert len(found.broken) == (3 if reason else 0)
    assert all(reason in one.reason for one in found.broken)
    assert verify("dtd", tmp_path, workers=0).broken == (), "only a deep look reads them"


def test_a_target_that_cannot_be_read_counts_as_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_dtd(tmp_path)
    used = uses()
    other = used["dtd"][0].model_copy(update={"name": "other", "target": "nonsense"})
    monkeypatch.setattr("virb.data.shelf.checking.uses", lambda: {**used, "dtd": [*used["dtd"], other]})
    (broken,) = verify("dtd", tmp_path, workers=0).broken
    assert (broken.id, broken.path) == ("nonsense", folder)


# Workers


@pytest.mark.parametrize("workers", [0, 1])
def test_few_workers_work_here(workers: int) -> None:
    assert list(spread(lambda number: 2 * number, [1, 2, 3], workers)) == [2, 4, 6]


def test_several_workers_give_the_same_answers() -> None:
    assert sorted(spread(abs, [-1, -2, -3], 2)) == [1, 2, 3]


def test_an_error_in_a_worker_comes_back_and_nobody_is_left_behind() -> None:
    with pytest.raises(TypeError):
        list(spread(abs, ["x", 1, 2], 2))  # type: ignore[arg-type,list-item]


def test_the_count_of_workers_is_what_was_asked_for_else_every_core() -> None:
    assert worker_count(3) == 3
    assert worker_count(0) == 0
    assert worker_count(None) >= 1
