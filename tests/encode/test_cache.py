"""Cache: made once, shared, and made again whenever anything about it is doubtful."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from virb.cards.encoder_names import encoder_card
from virb.core import store as store_module
from virb.core.errors import DamagedEntry, DataError, OutputError
from virb.core.paths import temporary_beside
from virb.core.types import Images, Numerics, Pool, View
from virb.encode.cache import Cache
from virb.encode.encoder import Encoder
from virb.encode.features import Pass
from virb.encode.load import load_encoder

VIEW = View("squash", 32, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
CPU = torch.device("cpu")
NUMERICS = Numerics("cpu", "float32", folded=True, chunk=4)
LIMIT = 1 << 30


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    random = np.random.default_rng(0)
    paths = []
    for number in range(10):
        path = tmp_path / "images" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
        paths.append(path)
    return Pool("test", tuple(str(number) for number in range(10)), tuple(paths))


@pytest.fixture
def encoder() -> Encoder:
    return load_encoder(encoder_card("baseline:pixels"))


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the number of images of each encoder pass."""
    seen: list[int] = []
    original = Pass.chunks

    def counted(one: Pass) -> object:
        seen.append(len(one.images))
        return original(one)

    monkeypatch.setattr(Pass, "chunks", counted)
    return seen


def everything(pool: Pool) -> np.ndarray:
    return np.arange(len(pool))


def over(
    encoder: Encoder, pool: Pool, rows: np.ndarray, view: View, numerics: Numerics, kept: tuple[int, ...] = ()
) -> Pass:
    return Pass(encoder, Images(pool, rows, view, numerics, kept), CPU)


def entry(store: Cache) -> Path:
    return store.store.entries()[0].folder


def test_features_are_encoded_once_and_read_after(
    tmp_path: Path, pool: Pool, encoder: Encoder, passes: list[int]
) -> None:
    store = Cache(tmp_path / "cache", LIMIT)
    first = store.features(over(encoder, pool, everything(pool), VIEW, NUMERICS))
    again = Cache(tmp_path / "cache", LIMIT).features(over(encoder, pool, everything(pool), VIEW, NUMERICS))
    assert passes == [10]
    assert first.pooled.shape == (10, 768)
    assert torch.equal(first.pooled, again.pooled)
    assert store.holds(encoder, Images(pool, everything(pool), VIEW, NUMERICS))


def test_a_part_is_read_from_the_whole_when_that_is_there(
    tmp_path: Path, pool: Pool, encoder: Encoder, passes: list[int]
) -> None:
    store = Cache(tmp_path / "cache", LIMIT)
    rows = np.array([2, 5, 7])
    part = store.features(over(encoder, pool, rows, VIEW, NUMERICS))
    whole = store.features(over(encoder, pool, everything(pool), VIEW, NUMERICS))
    same = store.features(over(encoder, pool, rows, VIEW, NUMERICS))
    assert passes == [3, 10]
    assert part.rows.tolist() == [2, 5, 7]
    torch.testing.assert_close(part.pooled, whole.pooled[rows])
    assert len(same.rows) == 10


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "pooled.f32").write_bytes((folder / "pooled.f32").read_bytes()[:-4]),
        lambda folder: (folder / "pooled.f32").write_bytes(b"\1" + (folder / "pooled.f32").read_bytes()[1:]),
        lambda folder: (folder / "pooled.f32").unlink(),
        lambda folder: (folder / "pooled.f32").write_bytes(b""),
        lambda folder: (folder / "pooled.crc").unlink(),
        lambda folder: (folder / "pooled.crc").write_bytes((folder / "pooled.crc").read_bytes()[4:]),
        lambda folder: (folder / "entry.json").unlink(),
        lambda folder: (folder / "entry.json").write_text("{"),
        lambda folder: (folder / "entry.json").write_text(json.dumps({"arrays": {"pooled.f32": 0}})),
        lambda folder: (folder / "entry.json").write_text("[]"),
    ],
)
def test_a_damaged_or_unfinished_entry_is_noticed_and_made_again(
    tmp_path: Path, pool: Pool, encoder: Encoder, passes: list[int], harm: Callable[[Path], object]
) -> None:
    store = Cache(tmp_path / "cache", LIMIT)
    wanted = store.features(over(encoder, pool, everything(pool), VIEW, NUMERICS)).pooled.clone()
    harm(entry(store))
    found = store.features(over(encoder, pool, everything(pool), VIEW, NUMERICS))
    assert passes == [10, 10]
    assert torch.equal(found.pooled, wanted)


def test_a_replaced_image_makes_the_entry_stale(
    tmp_path: Path, pool: Pool, encoder: Encoder, passes: list[int]
) -> None:
    store = Cache(tmp_path / "cache", LIMIT)
    store.features(over(encoder, pool, everything(pool), VIEW, NUMERICS))
    Image.new("RGB", (40, 50), "red").save(pool.paths[3])
    fresh = Pool(pool.source, pool.ids, pool.paths)
    found = store.features(over(encoder, fresh, everything(pool), VIEW, NUMERICS))
    assert passes == [10, 10]
    assert found.pooled[3].view(3, 256)[0].min() > 0.99


@pytest.mark.parametrize("place", [0, 9], ids=["already read", "not yet read"])
def test_pictures_replaced_while_they_are_encoded_are_told_and_never_cached(
    tmp_path: Path, pool: Pool, encoder: Encoder, passes: list[int], place: int
) -> None:
    store = Cache(tmp_path / "cache", LIMIT)

    def replaced(count: int) -> None:
        Image.new("RGB", (40, 50), "red").save(pool.paths[place])

    for _ in range(2):  # the second encoder of a run finds the pool stamped before
        with pytest.raises(DataError, match=rf"{place}\.png changed while it was read"):
            store.features(over(encoder, pool, everything(pool), VIEW, NUMERICS), replaced)
    assert store.store.entries() == []
    fresh = Pool(pool.source, pool.ids, pool.paths)
    assert store.features(over(encoder, fresh, everything(pool), VIEW, NUMERICS)).pooled[place][:256].min() > 0.99
    assert passes == [10, 10, 10]


def test_the_key_changes_with_everything_that_shapes_the_numbers(pool: Pool, encoder: Encoder) -> None:
    other = load_encoder(encoder_card("baseline:color"))
    rows = everything(pool)
    keys = {
        Cache.key(encoder, Images(pool, rows, VIEW, NUMERICS)),
        Cache.key(other, Images(pool, rows, VIEW, NUMERICS)),
        Cache.key(encoder, Images(pool, rows[:-1], VIEW, NUMERICS)),
        Cache.key(encoder, Images(pool, rows, View("squash", 33, VIEW.mean, VIEW.std), NUMERICS)),
        Cache.key(encoder, Images(pool, rows, View("squash", 32, (0.5, 0.5, 0.5), VIEW.std), NUMERICS)),
        Cache.key(encoder, Images(pool, rows, VIEW, Numerics("cuda", "float32", folded=True, chunk=4))),
        Cache.key(encoder, Images(pool, rows, VIEW, Numerics("cpu", "float16", folded=True, chunk=4))),
        Cache.key(encoder, Images(pool, rows, VIEW, Numerics("cpu", "float32", folded=True, chunk=8))),
    }
    assert len(keys) == 8


def test_the_least_recently_used_entry_goes_first(tmp_path: Path, pool: Pool, encoder: Encoder) -> None:
    size = 3 * 768 * 4
    store = Cache(tmp_path / "cache", int(2.5 * size))
    for start in (0, 3, 6):
        rows = np.arange(start, start + 3)
        if start == 6:
            first = store.key(encoder, Images(pool, np.arange(3), VIEW, NUMERICS))
            os.utime(store.store.folder / first / "entry.json", (9e9, 9e9))
        store.features(over(encoder, pool, rows, VIEW, NUMERICS))
    kept = {found.key for found in store.store.entries()}
    assert kept == {store.key(encoder, Images(pool, np.arange(start, start + 3), VIEW, NUMERICS)) for start in (0, 6)}


def test_an_interrupted_pass_leaves_nothing_behind(
    tmp_path: Path, pool: Pool, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Cache(tmp_path / "cache", LIMIT)
    original = Pass.chunks

    def stopped(one: Pass) -> object:
        yield next(iter(original(one)))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Pass, "chunks", stopped)
        with pytest.raises(KeyboardInterrupt):
            store.features(over(encoder, pool, everything(pool), VIEW, NUMERICS))
    assert list(store.store.folder.iterdir()) == []
    assert len(store.features(over(encoder, pool, everything(pool), VIEW, NUMERICS)).pooled) == 10


def test_what_a_killed_run_left_is_swept_up(tmp_path: Path, pool: Pool, encoder: Encoder) -> None:
    store = Cache(tmp_path / "cache", LIMIT)
    mine = temporary_beside(store.store.folder / "0123")
    dead = mine.with_name(mine.name.replace(f"-{os.getpid()}-", "-4194999-"))
    foreign = store.store.folder / f".0123.{'0' * 8}-4194999-aabbccdd.tmp"  # another machine on a shared disk
    for folder in (dead, mine, foreign):
        folder.mkdir(parents=True)
    store.features(over(encoder, pool, everything(pool), VIEW, NUMERICS))
    assert not dead.exists()
    assert mine.exists()
    assert foreign.exists()


def test_a_cache_that_cannot_be_written_says_where(tmp_path: Path, pool: Pool, encoder: Encoder) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError, match="cache"):
        Cache(tmp_path / "cache", LIMIT).features(over(encoder, pool, everything(pool), VIEW, NUMERICS))


def test_an_image_that_vanished_is_named(tmp_path: Path, pool: Pool, encoder: Encoder) -> None:
    pool.paths[4].unlink()
    with pytest.raises(DataError, match=r"4\.png"):
        Cache(tmp_path / "cache", LIMIT).features(over(encoder, pool, everything(pool), VIEW, NUMERICS))


def test_clearing_removes_everything_and_tells_how_much(tmp_path: Path, pool: Pool, encoder: Encoder) -> None:
    store = Cache(tmp_path / "cache", LIMIT)
    store.features(over(encoder, pool, everything(pool), VIEW, NUMERICS))
    assert store.store.clear() >= 10 * 768 * 4
    assert store.store.entries() == []
    assert store.store.clear() == 0


def test_maps_are_stored_beside_pooled_features_and_only_those_that_are_wanted(
    tmp_path: Path, pool: Pool, encoder: Encoder, passes: list[int]
) -> None:
    store = Cache(tmp_path / "cache", LIMIT)
    both = store.features(over(encoder, pool, everything(pool), VIEW, NUMERICS, kept=(1, 3)))
    again = store.features(over(encoder, pool, everything(pool), VIEW, NUMERICS, kept=(1, 3)))
    plain = store.features(over(encoder, pool, everything(pool), VIEW, NUMERICS))
    assert passes == [10, 10]
    assert plain.maps is None
    assert torch.equal(plain.pooled, both.pooled)
    every = encoder.levels(VIEW.size)
    assert both.levels == (every[1], every[3])
    assert both.maps is not None
    assert again.maps is not None
    found = both.maps.take(np.array([3, 1]))
    assert found.shape == (2, every[1].size + every[3].size)
    assert torch.equal(found, again.maps.take(np.array([3, 1])))


def test_a_damaged_row_of_large_maps_is_noticed_when_it_is_read(
    tmp_path: Path, pool: Pool, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_WHOLE", 0)
    store = Cache(tmp_path / "cache", LIMIT)
    maps = store.features(over(encoder, pool, everything(pool), VIEW, NUMERICS, kept=(0, 1, 2, 3))).maps
    assert maps is not None
    file = entry(store) / "maps.f16"
    content = bytearray(file.read_bytes())
    content[len(content) // 10 * 7] ^= 1  # in the eighth of ten rows
    file.write_bytes(content)
    again = store.features(over(encoder, pool, everything(pool), VIEW, NUMERICS, kept=(0, 1, 2, 3))).maps
    assert again is not None
    again.take(np.arange(7))
    with pytest.raises(DamagedEntry, match="damaged"):
        again.take(np.array([7]))
    assert store.store.entries() == []
