"""Stream: maps made batch by batch are those of the cache; changed pictures follow from epoch and picture alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from virb.cards.encoder_names import encoder_cards
from virb.cards.select import select_tasks
from virb.core.errors import DataError
from virb.core.progress import Silent
from virb.core.types import Images, Numerics, Pool, View
from virb.encode import stream
from virb.encode.cache import Cache
from virb.encode.encoder import Encoder
from virb.encode.features import Pass, choose_numerics
from virb.encode.load import load_encoder
from virb.encode.stream import Pictures, StreamedMaps, jittered
from virb.run import harness
from virb.run.options import Asked

CPU = torch.device("cpu")
SIZE, COUNT = 64, 11
KEPT = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(encoder_cards(["random:resnet18"])[0])


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    names = [f"{number}.png" for number in range(COUNT)]
    for number, name in enumerate(names):
        colours = random.integers(0, 256, (6, 5, 3), np.uint8)
        Image.fromarray(colours).resize((80 + number, 70)).save(folder / name)
    return Pool("test", tuple(names), tuple(folder / name for name in names))


def view(encoder: Encoder) -> View:
    return View("squash", SIZE, encoder.mean, encoder.std)


def numerics() -> Numerics:
    return replace(choose_numerics(CPU, SIZE), chunk=4)


def over(encoder: Encoder, pool: Pool, rows: np.ndarray, workers: int = 0) -> Pass:
    return Pass(encoder, Images(pool, rows, view(encoder), numerics(), KEPT), CPU, workers)


def streamed(encoder: Encoder, pool: Pool, augment: bool = False, workers: int = 0) -> StreamedMaps:
    rows = np.arange(len(pool))
    return StreamedMaps(over(encoder, pool, rows, workers), augment=augment)


def test_streamed_maps_are_to_the_bit_those_of_the_cache(encoder: Encoder, pool: Pool, tmp_path: Path) -> None:
    rows = np.arange(1, COUNT)
    stored = Cache(tmp_path, 1 << 30).features(over(encoder, pool, rows))
    assert stored.maps is not None
    maps = StreamedMaps(over(encoder, pool, rows))
    for wanted in (np.array([0]), np.array([9, 2, 2, 5, 0, 1]), np.arange(10)):
        made = maps.take(wanted)
        assert made.dtype == torch.float16
        assert torch.equal(made, stored.maps.take(wanted))
    exact = StreamedMaps(over(encoder, pool, rows), exact=True).take(np.arange(10))
    assert exact.dtype == torch.float32
    assert torch.equal(exact.half(), made), "what is stored is what is made, rounded once"


def test_maps_that_nothing_changes_are_the_same_in_every_epoch(encoder: Encoder, pool: Pool) -> None:
    maps = streamed(encoder, pool)
    assert maps.drawn("t/0") is maps


def test_changed_pictures_follow_from_epoch_and_picture_whatever_the_batch(encoder: Encoder, pool: Pool) -> None:
    maps = streamed(encoder, pool, augment=True)
    before = torch.get_rng_state()
    first = maps.drawn("t/0").take(np.arange(COUNT))
    assert torch.equal(before, torch.get_rng_state())
    again = streamed(encoder, pool, augment=True).drawn("t/0").take(np.array([7, 3, 10]))
    assert torch.equal(again, first[[7, 3, 10]])
    assert (maps.drawn("t/1").take(np.arange(COUNT)) != first).any(1).all()
    plain = maps.take(np.arange(COUNT))
    assert (plain != first).any(1).all(), "outside training pictures are what they are"
    assert torch.equal(plain, streamed(encoder, pool).take(np.arange(COUNT)))


class Told:
    """A source of randomness that answers what it was told to."""

    def __init__(self, factors: list[float], hue: float, order: list[int], grey: float) -> None:
        self.answers, self.order, self.grey = [np.array(factors), hue], np.array(order), grey

    def uniform(self, low: float, high: float, size: int | None = None) -> object:
        return self.answers.pop(0)

    def permutation(self, count: int) -> np.ndarray:
        return self.order

    def random(self) -> float:
        return self.grey


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
@pytest.mark.parametrize("grey", [0.19, 0.21])
def test_a_change_of_colours_is_torchvisions_with_the_same_draws(
    order: list[int], grey: float, monkeypatch: pytest.MonkeyPatch, generator: torch.Generator
) -> None:
    picture = torch.randint(256, (3, 20, 30), generator=generator).to(torch.uint8)
    factors, hue = [0.7, 1.3, 1.1], -0.15
    jitter = v2.ColorJitter(0.4, 0.4, 0.4, 0.2)
    names = ("brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")
    draws = dict(zip(names, [*factors, hue], strict=True)) | {"fn_idx": torch.tensor(order)}
    monkeypatch.setattr(jitter, "make_params", lambda inputs: draws)
    wanted = jitter(picture)
    if grey < 0.2:
        wanted = v2.Grayscale(3)(wanted)
    assert torch.equal(jittered(picture, Told(factors, hue, order, grey)), wanted)  # type: ignore[arg-type]


def test_a_fifth_of_changed_pictures_is_grey_and_all_stay_within_the_range() -> None:
    picture = torch.zeros(3, 2, 2, dtype=torch.uint8)
    picture[0], picture[1] = 100, 60
    changed = torch.stack([jittered(picture, np.random.default_rng(seed)) for seed in range(1000)])
    grey = (changed == changed[:, :1]).flatten(1).all(1)
    assert 0.16 < grey.float().mean() < 0.24
    bright = changed.amax((1, 2, 3))
    assert 100 * 0.6 * 0.6 * 0.6 - 5 < int(bright.min()) < 75
    assert 150 < int(bright.max()) < 100 * 1.4 * 1.4 * 1.4 + 5


def test_pictures_are_read_once_as_far_as_memory_goes(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = stream.read_image
    monkeypatch.setattr(stream, "read_image", lambda pool, row: (read.append(row), original(pool, row))[1])
    pictures = Pictures(pool, SIZE, memory=4 * 3 * SIZE * SIZE)
    first = pictures.take(np.arange(6))
    second = pictures.take(np.array([5, 0, 1, 5]))
    assert read == [0, 1, 2, 3, 4, 5, 5]
    assert all(torch.equal(first[row], one) for row, one in zip([5, 0, 1, 5], second, strict=True))
    assert len(pictures.held) == 4


def test_pictures_read_side_by_side_are_the_same(pool: Pool) -> None:
    rows = np.arange(COUNT)
    pairs = zip(Pictures(pool, SIZE, workers=3).take(rows), Pictures(pool, SIZE).take(rows), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_picture_that_is_cut_short_is_named(encoder: Encoder, pool: Pool, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(pool.paths[0].read_bytes()[:60])
    other = Pool("test", ("whole", "broken"), (pool.paths[1], broken))
    with pytest.raises(DataError, match=r"broken\.png"):
        streamed(encoder, other, workers=2).take(np.array([0, 1]))


class Heard(Silent):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_a_run_whose_maps_the_cache_cannot_hold_streams_them_and_ends_where_the_other_ends(
    small_world: Path, tmp_path: Path
) -> None:
    options = replace(Asked(sample=True).options(), root=small_world, workers=0)
    pixel = options.protocol.pixel
    assert pixel is not None
    short = options.protocol.model_copy(update={"pixel": pixel.model_copy(update={"epochs": 2}), "size": 64})
    options = replace(options, protocol=short)
    records = []
    for out, limit, said in (("one", 1 << 30, 0), ("two", 1 << 20, 1)):
        progress = Heard()
        given = replace(options, out=tmp_path / out, cache=tmp_path / f"cache {out}", cache_limit=limit)
        report = harness.run(encoder_cards(["random:resnet18"]), select_tasks("nyu_walkable"), given, progress)
        assert not report.failures
        records += report.records
        about = [line for line in progress.lines if "batch by batch" in line]
        assert len(about) == said
        assert all("--cache-size" in line for line in about)
        assert len(list((tmp_path / f"cache {out}").rglob("maps.f16"))) == 1 - said
    kept, made = records
    assert kept.keys == made.keys
    assert kept.numerics == made.numerics
    assert (kept.score, kept.curves, kept.train_loss) == (made.score, made.curves, made.train_loss)
    assert kept.frozen == "fully"
