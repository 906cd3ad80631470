"""Tiles: where boxes lie, what pieces hold, and that pictures put together from tiles are whole."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiling import owner

from virb.core.errors import DataError
from virb.core.store import Store
from virb.core.target import ANYWHERE, Draw
from virb.core.types import IGNORED, Dataset, LabelKind, Labels, Pool, Split
from virb.data import tiles
from virb.data.boxes import Box, draw, grid
from virb.data.images import read_image, squash
from virb.data.targets import load_targets, read_target
from virb.data.tiles import Mosaic, cut

CPU = torch.device("cpu")
TILED = ["cityscapes", "egohands", "kitti_flow"]
SHAPES = [(96, 96), (97, 200), (128, 256), (61, 204), (30, 40), (375, 1242), (150, 95), (1024, 2048)]


# Where boxes lie


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
def test_every_pixel_of_a_picture_is_in_the_middle_of_exactly_one_tile(shape: tuple[int, int], overlap: float) -> None:
    size = 96
    seen = np.zeros(shape, int)
    for tile in grid(*shape, size, overlap):
        top, left, side, _ = tile.box
        assert side == size
        assert top <= tile.top < tile.bottom <= top + side
        assert left <= tile.left < tile.right <= left + side
        for start, length in ((top, shape[0]), (left, shape[1])):
            assert 0 <= start <= max(0, length - size), "a tile lies inside, or holds all there is"
        seen[tile.top : tile.bottom, tile.left : tile.right] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_neighbours_share_as_much_as_was_asked_for_and_no_tile_is_too_many(shape: tuple[int, int]) -> None:
    size, overlap = 96, 0.25
    found = grid(*shape, size, overlap)
    for place, length in ((0, shape[0]), (1, shape[1])):
        starts = sorted({tile.box[place] for tile in found})
        assert all(one + size - other >= 24 for one, other in itertools.pairwise(starts))
        fewer = len(starts) - 1
        assert fewer == 0 or size + (fewer - 1) * 72 < length, "with one less they could not cover it"


def test_a_picture_of_cityscapes_takes_the_tiles_that_were_counted_by_hand() -> None:
    found = grid(1024, 2048, 224, 0.25)  # steps of 168: 6 down (1 + 800 / 168), 12 across (1 + 1824 / 168)
    assert len(found) == 6 * 12
    assert len(grid(375, 1242, 224, 0.25)) == 2 * 8
    assert len(grid(200, 100, 224, 0.25)) == 1


def test_training_boxes_lie_inside_and_reach_every_corner() -> None:
    random = np.random.default_rng(0)
    boxes = [draw(random, 100, 130, 96, ANYWHERE) for _ in range(800)]
    assert {box.top for box in boxes} == set(range(5))
    assert {box.left for box in boxes} == set(range(35))
    assert {(box.side, box.flipped) for box in boxes} == {(96, False)}
    assert {draw(random, 50, 60, 96, ANYWHERE) for _ in range(9)} == {Box(0, 0, 96)}


def test_an_enlarged_picture_is_cut_where_the_enlarged_one_is_too() -> None:
    """The paper drew corners from the size before enlarging, and so cut enlarged pictures at their upper left."""
    random, rule = np.random.default_rng(0), Draw(zoom=(0.5, 2.0), flips=True)
    boxes = [draw(random, 1024, 2048, 450, rule) for _ in range(2000)]
    sides = np.array([box.side for box in boxes])
    assert (sides.min(), sides.max()) == pytest.approx((225, 900), abs=3)
    zooms = 450 / sides
    assert zooms.mean() == pytest.approx(1.25, abs=0.03), "factors are as likely as each other, sides are not"
    assert all(box.top + box.side <= 1024 and box.left + box.side <= 2048 for box in boxes)
    near = [box for box in boxes if box.side < 300]
    assert max(box.left for box in near) > 1600
    assert max(box.top for box in near) > 650
    assert np.mean([box.flipped for box in boxes]) == pytest.approx(0.5, abs=0.05)


def test_a_box_is_drawn_again_until_it_holds_what_is_looked_for_at_most_ten_times() -> None:
    asked: list[Box] = []

    def third(box: Box) -> bool:
        asked.append(box)
        return len(asked) % 3 == 0

    random = np.random.default_rng(0)
    assert draw(random, 500, 500, 96, Draw(tries=10), third) == asked[-1]
    assert len(asked) == 3
    asked.clear()
    found = draw(random, 500, 500, 96, Draw(tries=10), lambda box: bool(asked.append(box)))  # type: ignore[func-returns-value]
    assert found == asked[-1]
    assert len(asked) == 10


# What pieces hold


class World:
    """Pictures of several sizes, in pairs, with labels that say where each pixel is."""

    def __init__(self, folder: Path, kind: LabelKind, shapes: list[tuple[int, int]], frames: int = 1) -> None:
        random = np.random.default_rng(0)
        self.pictures = [random.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes for _ in range(frames)]
        paths = tuple(folder / f"{number}.png" for number in range(len(self.pictures)))
        for path, picture in zip(paths, self.pictures, strict=True):
            Image.fromarray(picture).save(path)
        self.labels = [self._label(kind, shape, random) for shape in shapes]
        count = len(shapes)
        ids = tuple(f"s{number}" for number in range(count))
        index = np.arange(count * frames).reshape(count, frames)
        whole = Split(ids, index, np.arange(count), np.arange(count) // 2)
        parts = [whole.take(np.array(rows, int)) for rows in (range(count - 3), [count - 3], [count - 2, count - 1])]
        labels = Labels(kind, ids, paths[::frames], tuple(range(count)), Told(self.labels))
        pool = Pool("test", tuple(f"p{number}" for number in range(len(paths))), paths)
        classes = ("none", "one", "two") if kind == "classes" else ()
        self.dataset = Dataset(pool, *parts, classes, "test 1", labels=labels)

    @staticmethod
    def _label(kind: LabelKind, shape: tuple[int, int], random: np.random.Generator) -> np.ndarray:
        if kind == "classes":
            return random.integers(0, 3, shape).astype(np.uint8)
        down, across = np.meshgrid(*map(np.arange, shape), indexing="ij")
        return np.stack([across, down], -1).astype(np.float32) if kind == "flow" else down.astype(np.float32)


class Told:
    """A reader of labels that are in memory."""

    def __init__(self, labels: list[np.ndarray]) -> None:
        self.labels = labels

    def __call__(self, path: Path, row: int) -> np.ndarray:
        return self.labels[row]


MIXED = [(40, 50), (33, 90), (20, 64), (70, 70), (45, 31), (20, 30)]


@pytest.mark.parametrize("kind", ["classes", "values", "flow"])
def test_a_piece_is_that_part_of_its_picture_and_of_its_target(tmp_path: Path, kind: LabelKind) -> None:
    world = World(tmp_path, kind, MIXED, frames=2)
    made = cut(world.dataset, 32, 0.25, 3, ANYWHERE).dataset
    assert made.labels is not None
    nothing = IGNORED if kind == "classes" else np.nan
    for split in (made.train, made.val, made.test):
        for row, name in enumerate(split.ids):
            sample, _, box = name.partition("#")
            left, top, side = map(int, box.split(","))
            number = int(sample[1:])
            for frame, piece in enumerate(split.index[row]):
                whole = np.pad(world.pictures[2 * number + frame], ((0, 40), (0, 40), (0, 0)), mode="edge")
                found = read_image(made.pool, int(piece)).permute(1, 2, 0).numpy()
                assert np.array_equal(found, whole[top : top + side, left : left + side])
            target = world.labels[number].astype(np.float64)
            room = ((0, 40), (0, 40)) + ((0, 0),) * (target.ndim - 2)
            wanted = np.pad(target, room, constant_values=nothing)[top : top + side, left : left + side]
            read = made.labels.read(int(split.targets[row]))
            assert np.array_equal(read, wanted, equal_nan=True), "flow of a piece stays in pixels of the picture"
            assert read.dtype == world.labels[number].dtype


def test_a_sample_has_its_crops_one_after_another_and_they_follow_from_its_name(tmp_path: Path) -> None:
    world = World(tmp_path, "classes", [(60, 90), (20, 20), (50, 80), *MIXED[:3]])
    one, again = (cut(world.dataset, 32, 0.25, 4, ANYWHERE).dataset.train for _ in range(2))
    assert [name.partition("#")[0] for name in one.ids] == [f"s{number}" for number in range(3) for _ in range(4)]
    assert one.digest == again.digest
    assert len(set(one.ids[:4])) > 1
    assert len(set(one.ids[4:8])) == 1, "a small picture has one piece"
    assert len(set(one.index[4:8].ravel().tolist())) == 1, "which is encoded once"
    part = cut(world.dataset.limited(2), 32, 0.25, 4, ANYWHERE).dataset.train
    assert set(part.ids) <= set(one.ids)


def test_a_flipped_and_enlarged_piece_is_what_torch_makes_of_it(tmp_path: Path) -> None:
    world = World(tmp_path, "flow", [(80, 90), *MIXED[:3]])
    rule = Draw(zoom=(2.0, 2.0), flips=True)
    made = cut(world.dataset, 32, 0.25, 8, rule).dataset
    assert made.labels is not None
    turned = [name.endswith("flipped") for name in made.train.ids]
    assert 0 < sum(turned) < 8
    for row, name in enumerate(made.train.ids):
        left, top, side = map(int, name.partition("#")[2].split(",")[:3])
        assert side == 16
        part = torch.from_numpy(world.pictures[0][top : top + side, left : left + side]).permute(2, 0, 1)
        flow = world.labels[0][top : top + side, left : left + side]
        if turned[row]:
            part, flow = part.flip(2), flow[:, ::-1] * np.array([-1, 1])
        shown = squash(read_image(made.pool, int(made.train.index[row, 0])), 32)
        assert torch.equal(shown, squash(part.contiguous(), 32))
        target = read_target(made, int(made.train.targets[row]), int(made.train.index[row, 0]), 32)
        assert np.array_equal(target, np.repeat(np.repeat(flow, 2, 0), 2, 1).transpose(2, 0, 1))


def test_other_processes_can_be_handed_the_readers_of_pieces(tmp_path: Path) -> None:
    made = cut(World(tmp_path, "classes", MIXED).dataset, 32, 0.25, 2, ANYWHERE).dataset
    assert made.labels is not None
    read_image(made.pool, 0)
    pool, labels = pickle.loads(pickle.dumps((made.pool, made.labels)))
    assert torch.equal(read_image(pool, 3), read_image(made.pool, 3))
    assert np.array_equal(labels.read(3), made.labels.read(3))


def test_tiles_of_a_picture_are_cut_from_one_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = cut(World(tmp_path, "classes", [(100, 100)] * 4).dataset, 32, 0.25, 2, ANYWHERE).dataset
    reads: list[int] = []
    original = tiles.read_image
    monkeypatch.setattr(tiles, "read_image", lambda pool, row: (reads.append(row), original(pool, row))[1])
    for row in made.test.index.ravel():
        read_image(made.pool, int(row))
    assert reads == [2, 3]
    assert len(made.test) == 2 * 16


# Put together


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_a_picture_put_together_has_every_pixel_from_the_tile_that_sees_most_around_it(
    tmp_path: Path, batch: int
) -> None:
    size = 32
    mosaic = cut(
        World(tmp_path, "classes", [(50, 31), (77, 100), (33, 20), (96, 40)] * 2).dataset, size, 0.25, 1, ANYWHERE
    ).test
    random = torch.Generator().manual_seed(0)
    count = len(mosaic.split)
    heads = [
        torch.randint(0, 9, (count, size, size), generator=random),
        torch.randn(count, 2, size, size, generator=random),
    ]
    wanted = torch.randint(0, 9, (count, size, size), generator=random).to(torch.uint8)

    def batches() -> Iterator[tuple[list[torch.Tensor], torch.Tensor]]:
        for start in range(0, count, batch):
            yield [head[start : start + batch] for head in heads], wanted[start : start + batch]

    found = list(mosaic.joined(batches()))
    assert len(found) == len(mosaic) == 2
    first = 0
    for (predictions, target), (height, width), boxes in zip(found, mosaic.sizes, mosaic.tiles, strict=True):
        tops, lefts = (sorted({tile.box[place] for tile in boxes}) for place in (0, 1))
        assert [tuple(one.shape) for one in predictions] == [(1, height, width), (1, 2, height, width)]
        for y in range(height):
            for x in range(width):
                down, across = owner(y, tops, size), owner(x, lefts, size)
                tile, at = first + down * len(lefts) + across, (y - tops[down], x - lefts[across])
                assert predictions[0][0, y, x] == heads[0][tile, at[0], at[1]]
                assert torch.equal(predictions[1][0, :, y, x], heads[1][tile, :, at[0], at[1]])
                assert target[0, y, x] == wanted[tile, at[0], at[1]]
        first += len(boxes)


def test_some_pictures_of_a_mosaic_are_those_pictures(tmp_path: Path) -> None:
    pieces = cut(World(tmp_path, "classes", [(50, 90), (77, 100), (33, 20), (96, 40)]).dataset, 32, 0.25, 1, ANYWHERE)
    both: Mosaic = pieces.test
    second = both.take(np.array([1]))
    assert second.pictures.ids == ("s3",)
    assert len(second.split) == len(second.tiles[0])
    assert set(second.split.ids) == {name for name in both.split.ids if name.startswith("s3#")}
    assert len(both.take(np.arange(0))) == 0


def test_a_target_of_another_size_than_its_large_picture_is_named(tmp_path: Path) -> None:
    world = World(tmp_path, "classes", MIXED)
    world.labels[2] = world.labels[2][:-1]
    made = cut(world.dataset, 32, 0.25, 2, ANYWHERE).dataset
    with pytest.raises(DataError, match=r"64 x 19 pixels, its picture 64 x 20") as caught:
        load_targets(made, 32, Store(tmp_path / "cache", 1 << 30))
    assert "2.png" in caught.value.found
