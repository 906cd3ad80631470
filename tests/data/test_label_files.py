"""Label files whose values no owner would write: each is refused in words, not by whatever its reader stumbles over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from virb.core.errors import DataError
from virb.data.common import data_card, read_lines, reading
from virb.data.sets import clevr, coco, kinetics, nuscenes

SCENE = '{"scenes": [{"image_index": %s, "image_filename": "a.png", "objects": [{"pixel_coords": [0, 0, 9]}]}]}'
PANOPTIC = '{"categories": [%s], "images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, '
PANOPTIC += '"file_name": "a.png", "segments_info": [{"id": %s, "category_id": 1}]}]}'
CLIP = "label,youtube_id,time_start,time_end\n"


def scenes(path: Path) -> object:
    (path.parent / "scenes").mkdir()
    return clevr._scenes(path.rename(path.parent / "scenes" / "CLEVR_val_scenes.json").parents[1], "val", "distance")


def panoptic(path: Path) -> object:
    (path.parent / "annotations").mkdir()
    return coco._listed(path.rename(path.parent / "annotations" / "panoptic_val2017.json").parents[1], "val2017")


def clips(path: Path) -> object:
    return kinetics._csv_classes(path, data_card("kinetics400"))


def pairs(path: Path) -> object:
    return nuscenes._pairs(path, data_card("nuscenes"))


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (scenes, SCENE % "Infinity"),
        (scenes, SCENE % ("9" * 5000)),
        (panoptic, PANOPTIC % ("", "Infinity")),
        (panoptic, PANOPTIC % ('{"id": 900}, {"id": "a"}', "1")),
        (panoptic, PANOPTIC % ('{"id": []}', "1")),
        (clips, CLIP + "abseiling,a,inf,1\n"),
        (clips, CLIP + "abseiling,a,nan,1\n"),
        (clips, CLIP + "abseiling,a\n"),
        (clips, CLIP.replace("label", "other") + "abseiling,a,0,1\n"),
        (clips, CLIP + '"' + "a" * 200_000 + '",a,0,1\n'),
        (pairs, "[" * 100_000),
        (pairs, '[{"img_a": "a"}]'),
        (pairs, "\ufeff[]"),
    ],
)
def test_a_value_that_no_owner_writes_is_refused_in_words(
    tmp_path: Path, read: Callable[[Path], object], text: str
) -> None:
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(tmp_path) in caught.value.found
    assert caught.value.expected
    assert caught.value.remedy
    assert len(str(caught.value)) < 2000


def test_a_list_of_far_too_many_lines_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virb.data.common._MOST_LINES", 3)
    (tmp_path / "list.txt").write_text("a\n" * 4)
    with pytest.raises(DataError, match="4 lines"):
        read_lines(tmp_path / "list.txt", "Set", "fetch it again")


@pytest.mark.parametrize("error", [ValueError("a" * 10**6), KeyError(10**5000), MemoryError(), RecursionError("deep")])
def test_whatever_a_reader_stumbles_over_is_told_shortly(error: Exception) -> None:
    with pytest.raises(DataError, match="file is no list") as caught, reading(Path("file"), "Set", "list", "a", "b"):
        raise error
    assert len(caught.value.found) < 300
