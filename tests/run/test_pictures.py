"""Pictures: that colours land where the labels are, and that a sheet holds what was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from virb.core.errors import DataError
from virb.core.types import IGNORED, Dataset, LabelKind, Labels, Pool, Split
from virb.run.pictures import contact_sheet
from virb.run.pictures.colours import (
    UNKNOWN_CLASS,
    UNKNOWN_FLOW,
    Scale,
    arrow_factor,
    class_colours,
    colour_bar,
    colour_wheel,
    draw_target,
    overlay,
    range_text,
    scale_of,
    shrink,
)
from virb.run.pictures.layout import LINE
from virb.run.pictures.sheet import _BANDS, _PANEL, _drawn

NAMES = ("road", "tree", "sky")
RED, BLUE = (220, 30, 30), (30, 30, 220)
NONE = Scale(0.0, 1.0)


def split(prefix: str, rows: range, targets: list[int], frames: int = 1) -> Split:
    index = np.arange(rows.start, rows.stop).reshape(-1, frames)
    ids = tuple(f"{prefix}/{number}" for number in range(len(index)))
    return Split(ids, index, np.asarray(targets), np.arange(len(index)))


def half_map(path: Path, row: int) -> np.ndarray:
    """Return what lies over a picture of 40 x 20 that is red on the left and blue on the right."""
    values = np.zeros((20, 40), np.uint8)
    values[:, 20:] = 1
    values[:5] = IGNORED
    return values


def half_depth(path: Path, row: int) -> np.ndarray:
    values = np.full((20, 40), 1.0, np.float32)
    values[:, 20:] = 5.0
    values[:5] = np.nan
    return values


def half_flow(path: Path, row: int) -> np.ndarray:
    values = np.zeros((20, 40, 2), np.float32)
    values[:, 20:, 0] = 3.0
    values[:5] = np.nan
    return values


def wrong_size(path: Path, row: int) -> np.ndarray:
    return np.zeros((40, 20), np.uint8)


def halves(folder: Path, kind: LabelKind | None, frames: int = 1) -> Dataset:
    """Return a data set of nine pictures, three a split, red on the left and blue on the right."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20], pixels[:, 20:] = RED, BLUE
    count = 9 * frames
    paths = [folder / f"{number:02d}.png" for number in range(count)]
    for path in paths:
        Image.fromarray(pixels).save(path)
    pool = Pool("toy", tuple(path.stem for path in paths), tuple(paths))
    rows = [range(start * 3 * frames, (start + 1) * 3 * frames) for start in range(3)]
    labels = None
    if kind:
        reader = {"classes": half_map, "values": half_depth, "flow": half_flow}[kind]
        labels = Labels(kind, tuple(map(str, range(9))), tuple(paths[:9]), (0,) * 9, reader)
    targets = [[0, 1, 2], [3, 4, 5], [6, 7, 8]] if kind else [[0, 1, 2]] * 3
    train, val, test = (split(name, *pair, frames) for name, *pair in zip("abc", rows, targets, strict=True))
    return Dataset(pool, train, val, test, NAMES, "toy 1", labels=labels)


def share(sheet: Image.Image, colour: tuple[int, ...], slack: int = 2) -> float:
    """Return which share of a sheet has a colour."""
    away = np.abs(np.asarray(sheet).astype(int) - colour).max(2)
    return float((away <= slack).mean())


# Colours


@pytest.mark.parametrize("count", [1, 2, 10, 18, 19, 47, 133])
def test_classes_have_colours_of_their_own_that_do_not_move(count: int) -> None:
    names = [f"class {number}" for number in range(count)]
    colours = class_colours(names)
    assert colours.shape == (count, 3)
    assert len({tuple(colour) for colour in colours.tolist()}) == count
    assert np.array_equal(colours, class_colours(names))


def test_background_is_gray_and_does_not_take_a_colour_from_the_others() -> None:
    background, hand = class_colours(["background", "hand"]).tolist()
    assert len(set(background)) == 1
    assert hand == class_colours(["hand"])[0].tolist()


def test_a_label_has_its_colour_where_it_is() -> None:
    colours = class_colours(NAMES)
    drawn = draw_target("classes", half_map(Path(), 0), NONE, colours)
    assert (drawn[5:, :20] == colours[0]).all()
    assert (drawn[5:, 20:] == colours[1]).all()
    hatched = drawn[:5].reshape(-1, 3)
    assert {tuple(pixel) for pixel in hatched.tolist()} == {(70, 70, 70), (150, 150, 150)}


def test_a_class_beyond_the_list_cannot_be_overlooked() -> None:
    drawn = draw_target("classes", np.full((4, 4), 3, np.uint8), NONE, class_colours(NAMES))
    assert (drawn == UNKNOWN_CLASS).all()


def test_more_is_brighter_and_what_is_unknown_is_hatched() -> None:
    depth = half_depth(Path(), 0)
    drawn = draw_target("values", depth, scale_of("values", [depth]), class_colours(()))
    assert drawn[10, 5].sum() < drawn[10, 35].sum()
    assert {tuple(pixel) for pixel in drawn[:5].reshape(-1, 3).tolist()} == {(70, 70, 70), (150, 150, 150)}
    assert (colour_bar(64, 4)[0, 0] == draw_target("values", np.zeros((1, 1)), NONE, class_colours(()))[0, 0]).all()
    assert (np.diff(colour_bar(64, 4)[0].astype(int).sum(1)) >= 0).all()


def test_values_of_three_channels_are_shown_as_they_are() -> None:
    pixels = np.linspace(0, 1, 48, dtype=np.float32).reshape(4, 4, 3)
    drawn = draw_target("values", pixels, NONE, class_colours(()))
    assert np.abs(drawn / 255 - pixels).max() < 0.01


@pytest.mark.parametrize(
    ("flow", "colour"),
    [((4, 0), (255, 0, 0)), ((-4, 0), (0, 255, 255)), ((0, 0), (255, 255, 255)), ((np.nan, 0), UNKNOWN_FLOW)],
)
def test_direction_is_hue_and_length_saturation(flow: tuple[float, float], colour: tuple[int, int, int]) -> None:
    target = np.tile(np.array(flow, np.float32), (3, 3, 1))
    assert (draw_target("flow", target, Scale(0.0, 4.0), class_colours(())) == colour).all()


def test_the_wheel_shows_the_colours_that_flow_is_drawn_in() -> None:
    wheel = colour_wheel(65)
    right = draw_target("flow", np.full((1, 1, 2), (1.0, 0.0)), NONE, class_colours(()))[0, 0]
    down = draw_target("flow", np.full((1, 1, 2), (0.0, 1.0)), NONE, class_colours(()))[0, 0]
    assert (wheel[32, 64] == right).all()
    assert (wheel[64, 32] == down).all()
    assert not (right == down).all()


def test_an_arrow_goes_where_the_point_went() -> None:
    flow = np.zeros((60, 60, 2), np.float32)
    flow[..., 0] = 2
    picture = np.zeros((60, 60, 3), np.uint8)
    scale = Scale(0.0, 8.0)
    drawn = overlay("flow", picture, picture, flow, scale)
    assert (drawn[30, 30 + 4] == (255, 220, 0)).all()
    assert not drawn[30, 30 - 4].any()
    assert not drawn[20].any()
    flow[:] = np.nan
    assert not overlay("flow", picture, picture, flow, scale).any()


def test_small_flow_has_longer_arrows() -> None:
    assert [arrow_factor(Scale(0.0, high)) for high in (0.1, 2, 8, 100)] == [8, 8, 2, 1]


def test_labels_are_shrunk_without_averages() -> None:
    target = np.array([[0, 200], [200, 0]], np.uint8).repeat(50, 0).repeat(50, 1)
    assert set(np.unique(shrink(target, (7, 9)))) == {0, 200}
    assert shrink(target, (7, 9)).shape == (9, 7)
    assert (shrink(target, (2, 2)) == [[0, 200], [200, 0]]).all()
    assert (shrink(target, (200, 200))[:100, :100] == 0).all()


def test_the_words_under_a_target_say_what_it_holds() -> None:
    assert range_text("classes", half_map(Path(), 0), NAMES) == "tree 38%, road 38%, ignored 25%"
    assert range_text("classes", np.full((2, 2), 7), NAMES) == "class 7? 100%"
    assert range_text("values", half_depth(Path(), 0), ()) == "1 to 5, 25% unknown"
    assert range_text("flow", half_flow(Path(), 0), ()) == "up to 3.0 px, 25% unknown"
    assert range_text("values", np.full((2, 2), np.nan), ()) == "nothing known"


@pytest.mark.parametrize("target", [np.full((4, 4), np.nan), np.zeros((4, 4))])
def test_a_target_without_range_still_has_a_scale(target: np.ndarray) -> None:
    scale = scale_of("values", [target])
    assert scale.low < scale.high
    draw_target("values", target, scale, class_colours(()))


# Sheets


@pytest.mark.parametrize("kind", [None, "classes", "values", "flow"])
def test_a_sheet_shows_every_split_and_the_pictures_as_they_are(tmp_path: Path, kind: LabelKind | None) -> None:
    sheet = contact_sheet(halves(tmp_path, kind), "toy")
    for band in _BANDS.values():
        assert share(sheet, band) > 0.005
    assert share(sheet, RED) == pytest.approx(share(sheet, BLUE), rel=0.1)
    assert share(sheet, RED) > 0.01


@pytest.mark.parametrize("kind", [None, "classes", "values", "flow"])
def test_the_same_seed_gives_the_same_sheet(tmp_path: Path, kind: LabelKind | None) -> None:
    dataset = halves(tmp_path, kind)
    first, second, other = (contact_sheet(dataset, "toy", count=3, seed=seed) for seed in (1, 1, 2))
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()


def test_a_target_stands_right_of_its_picture_and_the_overlay_right_of_that(tmp_path: Path) -> None:
    sheet = np.asarray(contact_sheet(halves(tmp_path, "classes"), "toy", count=3))
    rows, columns = np.nonzero((sheet == RED).all(2))
    top, left = int(rows.min()), int(columns.min())
    width, height = _PANEL[0], _PANEL[0] // 2
    road, tree = class_colours(NAMES)[:2]
    assert (sheet[top : top + height, left : left + width // 2] == RED).all()
    target = sheet[top : top + height, left + width + 2 : left + 2 * width + 2]
    assert (target[height // 2, : width // 2] == road).all()
    assert (target[height // 2, width // 2 :] == tree).all()
    over = sheet[top + height // 2, left + 2 * width + 4 + 10]
    assert over.tolist() == pytest.approx((0.5 * np.mean(RED) + 0.5 * road).tolist(), abs=1)


def test_more_samples_make_a_larger_sheet(tmp_path: Path) -> None:
    dataset = halves(tmp_path, "classes")
    small, large = contact_sheet(dataset, count=3), contact_sheet(dataset, count=6)
    assert large.width == small.width
    assert large.height - small.height == 3 * (_PANEL[0] // 2 + LINE + 6)


def test_more_samples_than_there_are_is_all_of_them(tmp_path: Path) -> None:
    dataset = halves(tmp_path, None)
    assert contact_sheet(dataset, count=500).tobytes() == contact_sheet(dataset, count=9).tobytes()


def test_several_frames_stand_side_by_side(tmp_path: Path) -> None:
    sheets = [contact_sheet(halves(tmp_path, None, frames), count=9) for frames in (1, 3)]
    one, three = (round(share(sheet, RED, 0) * sheet.width * sheet.height) for sheet in sheets)
    assert three == 3 * one


def test_samples_are_spread_over_classes_and_splits_begin_with_the_same(tmp_path: Path) -> None:
    dataset = halves(tmp_path, None)
    many = Split(tuple(map(str, range(90))), np.zeros((90, 1), int), np.repeat([0, 1, 2], [80, 9, 1]), np.arange(90))
    drawn = _drawn(dataset, many, 9, 0)
    assert sorted(many.targets[drawn].tolist()) == [0, 1, 2]
    other = _drawn(dataset, dataset.test, 9, 0)
    assert many.targets[drawn].tolist() == dataset.test.targets[other].tolist()
    assert sorted(many.targets[_drawn(dataset, many, 15, 0)].tolist()) == [0, 0, 1, 1, 2]


def test_an_empty_split_is_left_out(tmp_path: Path) -> None:
    dataset = halves(tmp_path, None)
    none = dataset.train.take(np.arange(0))
    sheet = contact_sheet(Dataset(dataset.pool, none, none, dataset.test, NAMES, "toy 1"))
    assert share(sheet, _BANDS["train"]) == 0
    assert share(sheet, _BANDS["test"]) > 0.005


def test_a_target_of_another_size_than_its_picture_is_an_alarm(tmp_path: Path) -> None:
    dataset = halves(tmp_path, "classes")
    assert dataset.labels is not None
    bad = Labels("classes", dataset.labels.ids, dataset.labels.paths, dataset.labels.rows, wrong_size)
    sheet = contact_sheet(
        Dataset(dataset.pool, dataset.train, dataset.val, dataset.test, NAMES, "toy 1", labels=bad), count=3
    )
    assert share(sheet, (200, 0, 0), 0) > 0
    assert share(contact_sheet(dataset, count=3), (200, 0, 0), 0) == 0


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    dataset = halves(tmp_path, None)
    dataset.pool.paths[0].write_text("no picture")
    with pytest.raises(DataError, match=r"00\.png"):
        contact_sheet(dataset, count=9)
