"""Kinetics-400: clips as the original benchmark kept them (pictures) and as others do (videos), made by hand."""

from __future__ import annotations

import csv
import json
import pickle
import sys
from pathlib import Path

import pytest

from virb.core.errors import CardError, DataError
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.common import class_list
from virb.data.formats import video
from virb.data.sets import kinetics

NAMES = class_list("kinetics400")
LABELS = ("abseiling", "massaging person's head", "passing American football (in game)")


def clips(split: str) -> dict[str, str]:
    """Clip to label; names hold the signs that YouTube's do, and one is how others begin."""
    count = 10 if split == "train" else 3
    made = {f"{'a-_b'[number % 4]}{split[:2]}Q_{place}{number}": label
            for place, label in enumerate(LABELS) for number in range(count)}  # fmt: skip
    return {**made, "ab": LABELS[0], "ab_1": LABELS[1], "ab_1_2": LABELS[2]} if split == "train" else made


def build_frames(root: Path, count: int = 12, sample: bool = True) -> Path:
    """Write pictures numbered without padding: in the order of names, 10 stands before 2."""
    folder = root / "kinetics400"
    for split in ("train", "validate"):
        listed = clips(split)
        for name in listed:
            place = folder / split / name[:2]
            place.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                (place / f"{name}_{number * 4}.jpg").touch()
            (place / f"{name}_thumb.jpg").touch()
        (folder / "annotations").mkdir(exist_ok=True)
        annotations = {name: {"annotations": {"label": label}, "duration": 10.0} for name, label in listed.items()}
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(annotations))
    if sample:
        (folder / ".virb-sample.json").write_text("{}")
    return folder


def read(root: Path) -> Dataset:
    return read_dataset("kinetics400", root, "action")


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(root)
    assert type(caught.value) is DataError, "half-present data is no gap that a group may skip"
    assert caught.value.remedy
    return caught.value.found


def shown(data: Dataset, name: str) -> list[str]:
    for split in (data.train, data.val, data.test):
        if name in split.ids:
            return [data.pool.paths[place].name for place in split.index[split.ids.index(name)]]
    raise AssertionError(name)


def test_there_are_400_classes_in_alphabetical_order_however_they_are_spelt() -> None:
    assert len(set(NAMES)) == len({kinetics._plain(name) for name in NAMES}) == 400
    assert list(NAMES) == sorted(NAMES)
    assert (NAMES[0], NAMES[-1]) == ("abseiling", "zumba")


def test_a_clip_is_six_frames_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    build_frames(tmp_path)
    data = read(tmp_path)
    assert data.train.index.shape[1] == data.test.index.shape[1] == 6
    name = data.test.ids[0].partition("/")[2]
    assert shown(data, data.test.ids[0]) == [f"{name}_{number * 4}.jpg" for number in (1, 3, 5, 7, 9, 11)]


def test_six_frames_are_taken_as_they_are(tmp_path: Path) -> None:
    build_frames(tmp_path, count=6)
    data = read(tmp_path)
    name = data.test.ids[0].partition("/")[2]
    assert shown(data, data.test.ids[0]) == [f"{name}_{number * 4}.jpg" for number in range(6)]


def test_a_name_that_begins_another_one_keeps_its_frames_to_itself(tmp_path: Path) -> None:
    build_frames(tmp_path)
    data = read(tmp_path)
    for name in ("ab", "ab_1", "ab_1_2"):
        assert shown(data, f"train/{name}") == [f"{name}_{number * 4}.jpg" for number in (1, 3, 5, 7, 9, 11)]


def test_a_tenth_of_every_class_of_train_is_validation_and_the_old_archives_validate_is_tested(tmp_path: Path) -> None:
    build_frames(tmp_path)
    data = read(tmp_path)
    assert data.counts == {"train": 30, "val": 3, "test": 9}
    assert sorted(data.val.targets.tolist()) == sorted(NAMES.index(label) for label in LABELS)
    assert set(data.test.ids) == {f"val/{name}" for name in clips("validate")}
    for row, name in enumerate(data.train.ids):
        assert NAMES[data.train.targets[row]] == clips("train")[name.partition("/")[2]]


def remove(folder: Path, split: str, names: list[str], keep: int = 0) -> None:
    for name in names:
        for number in range(keep, 12):
            (folder / split / name[:2] / f"{name}_{number * 4}.jpg").unlink()


def test_lost_and_short_clips_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = build_frames(tmp_path)
    before = read(tmp_path)
    names = list(clips("train"))
    remove(folder, "train", names[:2])
    remove(folder, "train", names[4:5], keep=5)
    data = read(tmp_path)
    (note,) = data.notes
    assert "3 of 33 listed clips of train are left out, 1 of them for having fewer than 6 frames" in note
    assert data.counts["train"] + data.counts["val"] == 30
    assert before.notes == ()


def test_what_is_carved_does_not_depend_on_the_clips_that_are_lost(tmp_path: Path) -> None:
    folder = build_frames(tmp_path)
    before = read(tmp_path)
    remove(folder, "train", list(clips("train"))[::3])
    after = read(tmp_path)
    assert set(after.val.ids) <= set(before.val.ids)
    assert set(after.train.ids) <= set(before.train.ids)


def test_less_than_half_of_the_listed_clips_is_half_present_data(tmp_path: Path) -> None:
    folder = build_frames(tmp_path)
    remove(folder, "validate", list(clips("validate"))[:5])
    assert "4 of 9 listed clips of val" in refused(tmp_path)


def test_real_data_without_some_class_are_half_there(tmp_path: Path) -> None:
    build_frames(tmp_path, sample=False)
    found = refused(tmp_path)
    assert "397 of 400 classes" in found
    assert "'air drumming'" in found


@pytest.mark.parametrize("label", ["abseil", "acting in play"])
def test_an_unknown_label_is_an_error_that_names_the_list(tmp_path: Path, label: str) -> None:
    folder = build_frames(tmp_path)
    (folder / "annotations" / "validate.json").write_text(json.dumps({"x": {"annotations": {"label": label}}}))
    found = refused(tmp_path)
    assert f"'{label}'" in found
    assert "validate.json" in found


@pytest.mark.parametrize("content", ["", "[]", '{"x": {}}', '{"x": 3}', "<html>"])
def test_broken_annotations_are_an_error_that_names_the_file(tmp_path: Path, content: str) -> None:
    folder = build_frames(tmp_path)
    (folder / "annotations" / "train.json").write_text(content)
    assert "train.json" in refused(tmp_path)


def test_missing_annotations_of_one_split_are_an_error(tmp_path: Path) -> None:
    folder = build_frames(tmp_path)
    (folder / "annotations" / "validate.json").unlink()
    assert "validate.json" in refused(tmp_path)


def test_a_target_that_kinetics_does_not_have_is_refused(tmp_path: Path) -> None:
    build_frames(tmp_path)
    with pytest.raises(CardError, match="did you mean 'action'"):
        read_dataset("kinetics400", tmp_path, "actions")


# Videos


def video_name(name: str) -> str:
    return f"{name}_000010_000020"


def build_videos(root: Path, folders: bool, lists: bool) -> Path:
    """Write empty videos in torchvision's folders or flat as the CVDF ships them, with its csv or without."""
    folder = root / "kinetics400"
    for split in ("train", "val"):
        for name, label in clips(split).items():
            inner = "".join(sign for sign in label.replace(" ", "_") if sign not in "'()") if folders else ""
            path = folder / split / inner / f"{video_name(name)}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        if lists:
            (folder / "annotations").mkdir(exist_ok=True)
            with open(folder / "annotations" / f"{split}.csv", "w", newline="") as stream:
                rows = csv.writer(stream)
                rows.writerow(["label", "youtube_id", "time_start", "time_end", "split", "is_cc"])
                rows.writerows([label, name, 10, 20, split, 0] for name, label in clips(split).items())
    (folder / ".virb-sample.json").write_text("{}")
    return folder


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the videos pass for readable ones: which frames there are can be told without decoding any."""
    monkeypatch.setattr(video, "find_spec", lambda _: object())


@pytest.mark.parametrize(("folders", "lists"), [(True, False), (True, True), (False, True)])
@pytest.mark.usefixtures("decoder")
def test_videos_in_folders_and_flat_ones_with_a_csv_are_the_same_data(
    tmp_path: Path, folders: bool, lists: bool
) -> None:
    folder = build_videos(tmp_path / "one", folders, lists)
    build_videos(tmp_path / "two", True, True)
    data, other = read(tmp_path / "one"), read(tmp_path / "two")
    assert data.counts == {"train": 30, "val": 3, "test": 9}
    for split in ("train", "val", "test"):
        one, two = getattr(data, split), getattr(other, split)
        assert dict(zip(one.ids, one.targets, strict=True)) == dict(zip(two.ids, two.targets, strict=True))
    first = data.test.index[0]
    assert [data.pool.rows[place] for place in first] == [0, 1, 2, 3, 4, 5]
    assert len({data.pool.paths[place] for place in first}) == 1
    assert data.pool.paths[first[0]].is_relative_to(folder)
    assert pickle.loads(pickle.dumps(data.pool)) == data.pool


@pytest.mark.usefixtures("decoder")
def test_frames_of_pictures_and_of_videos_never_share_a_digest(tmp_path: Path) -> None:
    build_videos(tmp_path / "videos", True, False)
    build_frames(tmp_path / "pictures")
    assert read(tmp_path / "videos").rule != read(tmp_path / "pictures").rule


@pytest.mark.usefixtures("decoder")
def test_flat_videos_without_a_csv_say_where_to_get_it(tmp_path: Path) -> None:
    build_videos(tmp_path, False, False)
    with pytest.raises(DataError, match=r"annotations/train\.csv"):
        read(tmp_path)


@pytest.mark.usefixtures("decoder")
def test_a_folder_of_no_class_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build_videos(tmp_path, True, False)
    (folder / "train" / "abseiling").rename(folder / "train" / "opening_coconuts")
    assert "'opening_coconuts'" in refused(tmp_path)


@pytest.mark.usefixtures("decoder")
def test_videos_that_a_csv_lists_and_nobody_has_are_counted(tmp_path: Path) -> None:
    folder = build_videos(tmp_path, False, True)
    for name in list(clips("val"))[:2]:
        (folder / "val" / f"{video_name(name)}.mp4").unlink()
    assert read(tmp_path).notes == ("kinetics400: 2 of 9 listed clips of val are left out",)


@pytest.mark.usefixtures("decoder")
def test_a_csv_without_its_columns_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = build_videos(tmp_path, False, True)
    (folder / "annotations" / "val.csv").write_text("label,id\nabseiling,x\n")
    assert "val.csv" in refused(tmp_path)


def test_without_a_decoder_videos_are_refused_with_the_way_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_videos(tmp_path, True, False)
    monkeypatch.setattr(video, "find_spec", lambda _: None)
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert caught.value.remedy == "pip install 'virb[video]'"


def test_pictures_need_no_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr(video, "find_spec", lambda _: None)
    build_frames(tmp_path)
    assert len(read(tmp_path).test) == 9
