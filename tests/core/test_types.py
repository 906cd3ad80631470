"""The nouns: splits that are cut, joined and limited; pools that notice a changed file; rows that find features."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from virb.core.digest import digest, digest_array, seed_of
from virb.core.errors import DataError
from virb.core.types import Dataset, Features, Pool, Split, unique_rows


def split(count: int, first: int = 0, frames: int = 1, groups: int | None = None, name: str = "s") -> Split:
    """A split of samples with targets 0 1 2 0 1 2, frames that run upwards and groups that come round again."""
    places = np.arange(count)
    return Split(
        tuple(f"{name}{place}" for place in places),
        first + np.arange(count * frames).reshape(count, frames),
        places % 3,
        places % groups if groups else places,
    )


def dataset(train: Split, val: Split, test: Split) -> Dataset:
    images = 1 + max(int(part.index.max(initial=0)) for part in (train, val, test))
    pool = Pool("set", tuple(f"i{row}" for row in range(images)), tuple(Path(f"i{row}.png") for row in range(images)))
    return Dataset(pool, train, val, test, ("a", "b", "c"), rule="set 1: by hand")


def plain() -> Dataset:
    return dataset(split(60, name="train"), split(20, 60, name="val"), split(40, 80, name="test"))


def same(one: Split, two: Split) -> bool:
    arrays = ((one.index, two.index), (one.targets, two.targets), (one.groups, two.groups))
    return one.ids == two.ids and all(np.array_equal(mine, theirs) for mine, theirs in arrays)


def pool_of(folder: Path, count: int = 3) -> Pool:
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / f"{place}.png" for place in range(count))
    for path in paths:
        path.write_bytes(b"picture")
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return Pool("set", tuple(path.stem for path in paths), paths)


# --- Split ----------------------------------------------------------------------------------------------------


def test_taking_rows_moves_id_frames_target_and_group_together() -> None:
    whole = split(10, first=5, frames=2, groups=4)
    part = whole.take(np.array([7, 0, 3]))
    assert part.ids == ("s7", "s0", "s3")
    assert part.index.tolist() == [[19, 20], [5, 6], [11, 12]]
    assert part.targets.tolist() == [1, 0, 0]
    assert part.groups.tolist() == [3, 0, 3]


def test_taking_nothing_keeps_the_number_of_frames() -> None:
    assert split(4, frames=2).take(np.arange(0)).index.shape == (0, 2)


def test_joining_keeps_the_samples_of_both_in_order() -> None:
    one, two = split(4, frames=2, name="a"), split(3, 50, frames=2, name="b")
    both = one.join(two)
    assert len(both) == 7
    assert same(both.take(np.arange(4)), one)
    tail = both.take(np.arange(4, 7))
    assert (tail.ids, tail.index.tolist(), tail.targets.tolist()) == (
        two.ids,
        two.index.tolist(),
        two.targets.tolist(),
    )


def test_groups_of_joined_splits_stay_apart_and_keep_their_members() -> None:
    one, two = split(6, groups=3), split(6, 20, groups=2)
    both = one.join(two.take(np.array([5, 1, 2])))
    assert not set(both.groups[:6].tolist()) & set(both.groups[6:].tolist())
    assert (both.groups[:6, None] == both.groups[:6]).tolist() == (one.groups[:, None] == one.groups).tolist()
    assert both.groups[6] == both.groups[7] != both.groups[8]


def test_joining_an_empty_split_changes_nothing_whichever_side_it_stands_on() -> None:
    whole = split(5, frames=2, groups=2)
    none = whole.take(np.arange(0))
    assert same(whole.join(none), whole)
    assert same(none.join(whole), whole)


def test_a_split_digest_follows_ids_targets_groups_and_order() -> None:
    whole = split(6, groups=3)
    others = [
        Split(("x", *whole.ids[1:]), whole.index, whole.targets, whole.groups),
        Split(whole.ids, whole.index, whole.targets[::-1].copy(), whole.groups),
        Split(whole.ids, whole.index, whole.targets, np.zeros(6, np.int64)),
        whole.take(np.array([1, 0, 2, 3, 4, 5])),
        whole.take(np.arange(5)),
    ]
    assert len({part.digest for part in [whole, *others]}) == 6


def test_a_split_digest_is_blind_to_where_the_images_stand_in_the_pool() -> None:
    whole = split(6)
    assert Split(whole.ids, whole.index + 100, whole.targets, whole.groups).digest == whole.digest


# --- limited ---------------------------------------------------------------------------------------------------


def test_a_limit_keeps_that_many_samples_in_their_old_order() -> None:
    whole = split(50, frames=2, groups=7)
    part = whole.limited(20)
    places = [whole.ids.index(name) for name in part.ids]
    assert len(part) == 20
    assert places == sorted(set(places))
    assert same(part, whole.take(np.array(places)))


def test_a_limit_that_is_no_limit_changes_nothing() -> None:
    whole = split(5)
    assert same(whole.limited(5), whole)
    assert same(whole.limited(900), whole)


def test_a_limit_draws_at_random_and_the_same_samples_every_time() -> None:
    whole = split(200)
    assert same(whole.limited(50), split(200).limited(50))
    assert whole.limited(50).ids != whole.ids[:50], "the first ones are one class where data are sorted"
    assert 60 < np.mean([whole.ids.index(name) for name in whole.limited(50).ids]) < 140


def test_a_smaller_limit_is_part_of_a_larger_one() -> None:
    whole = split(100)
    assert set(whole.limited(10).ids) < set(whole.limited(40).ids)


def test_two_splits_are_limited_by_their_own_seeds() -> None:
    one, two = split(100, name="a"), split(100, name="b")
    assert [name[1:] for name in one.limited(30).ids] != [name[1:] for name in two.limited(30).ids]


def test_a_limited_data_set_has_at_most_that_many_in_each_split_and_the_same_pool() -> None:
    whole = plain()
    part = whole.limited(30)
    assert part.counts == {"train": 30, "val": 20, "test": 30}
    assert part.pool is whole.pool
    assert part.digest != whole.digest
    assert whole.limited(None) is whole
    assert whole.limited(60).digest == whole.digest


def test_a_limit_leaves_the_global_random_state_alone() -> None:
    before = np.random.get_state()[1].tolist()
    plain().limited(7)
    assert np.random.get_state()[1].tolist() == before


# --- merged, rows, digest ---------------------------------------------------------------------------------------


def test_a_merged_data_set_trains_on_train_and_val_and_tests_what_it_did() -> None:
    whole = plain()
    merged = whole.merged()
    assert merged.train.ids == whole.train.ids + whole.val.ids
    assert merged.counts == {"train": 80, "val": 0, "test": 40}
    assert same(merged.test, whole.test)
    assert merged.val.index.shape == (0, 1)
    assert merged.rows.tolist() == whole.rows.tolist()


def test_a_merged_data_set_has_another_digest_even_if_val_was_empty() -> None:
    whole = dataset(split(6), split(0), split(3, 6))
    assert whole.merged().digest != whole.digest
    assert whole.merged().digest == whole.merged().digest


def test_rows_are_the_images_that_samples_need_sorted_and_once() -> None:
    train, val, test = split(3, 10, frames=2), split(2, 14), split(1, 2)
    assert dataset(train, val, test).rows.tolist() == [2, 10, 11, 12, 13, 14, 15]
    assert dataset(train, val, test).limited(1).rows.size == 4


def test_rows_of_several_data_sets_are_united() -> None:
    assert unique_rows(iter([np.array([5, 1]), np.array([1, 9]), np.arange(0)])).tolist() == [1, 5, 9]


def test_a_data_digest_follows_rule_classes_source_and_each_split() -> None:
    whole = plain()
    pool = Pool("another", whole.pool.ids, whole.pool.paths)
    others = [
        Dataset(pool, whole.train, whole.val, whole.test, whole.classes, whole.rule),
        Dataset(whole.pool, whole.val, whole.train, whole.test, whole.classes, whole.rule),
        Dataset(whole.pool, whole.train, whole.test, whole.val, whole.classes, whole.rule),
        Dataset(whole.pool, whole.train, whole.val, whole.test, ("a", "c", "b"), whole.rule),
        Dataset(whole.pool, whole.train, whole.val, whole.test, whole.classes, "set 2: by hand"),
    ]
    assert len({data.digest for data in [whole, *others]}) == 6


def test_notes_and_paths_stay_out_of_the_data_digest() -> None:
    whole = plain()
    pool = Pool("set", whole.pool.ids, tuple(Path("/elsewhere") / path for path in whole.pool.paths))
    other = Dataset(pool, whole.train, whole.val, whole.test, whole.classes, whole.rule, notes=("odd",))
    assert other.digest == whole.digest


# --- Pool.fingerprint --------------------------------------------------------------------------------------------


def test_the_same_files_in_another_folder_have_the_same_fingerprint(tmp_path: Path) -> None:
    assert pool_of(tmp_path / "a").fingerprint == pool_of(tmp_path / "b").fingerprint


def test_a_file_of_another_size_changes_the_fingerprint(tmp_path: Path) -> None:
    before = pool_of(tmp_path).fingerprint
    pool = pool_of(tmp_path)
    pool.paths[1].write_bytes(b"another picture")
    os.utime(pool.paths[1], (1_000_000_000, 1_000_000_000))
    assert pool.fingerprint != before


def test_a_file_of_another_time_changes_the_fingerprint(tmp_path: Path) -> None:
    before = pool_of(tmp_path).fingerprint
    pool = pool_of(tmp_path)
    os.utime(pool.paths[1], ns=(1_000_000_000 * 10**9, 1_000_000_000 * 10**9 + 1_000))
    assert pool.fingerprint != before


def test_the_source_an_id_and_the_order_change_the_fingerprint(tmp_path: Path) -> None:
    pool = pool_of(tmp_path)
    pool.paths[2].write_bytes(b"the longest picture of all")
    others = [
        Pool("another", pool.ids, pool.paths),
        Pool("set", ("0", "1", "two"), pool.paths),
        Pool("set", pool.ids, pool.paths[::-1]),
    ]
    assert len({each.fingerprint for each in [pool, *others]}) == 4


def test_a_vanished_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    pool = pool_of(tmp_path)
    pool.paths[1].unlink()
    with pytest.raises(DataError) as caught:
        _ = pool.fingerprint
    assert str(pool.paths[1]) in caught.value.found
    assert caught.value.remedy


# --- Features.index ----------------------------------------------------------------------------------------------


def test_features_are_found_by_pool_row() -> None:
    rows = np.array([2, 5, 6, 30])
    features = Features(rows, torch.from_numpy(rows * 10.0)[:, None])
    wanted = Split(("a", "b"), np.array([[30, 2], [5, 5]]), np.zeros(2, np.int64), np.arange(2))
    found = features.index(wanted)
    assert found.shape == (2, 2)
    assert features.pooled[torch.from_numpy(found)][..., 0].tolist() == [[300.0, 20.0], [50.0, 50.0]]


@pytest.mark.parametrize("absent", [0, 4, 99])
def test_a_row_that_was_never_encoded_is_an_error_and_not_its_neighbour(absent: int) -> None:
    features = Features(np.array([2, 5, 6]), torch.zeros(3, 1))
    wanted = Split(("a",), np.array([[absent]]), np.zeros(1, np.int64), np.arange(1))
    with pytest.raises((DataError, LookupError, ValueError)):
        features.index(wanted)


# --- digests -----------------------------------------------------------------------------------------------------


def test_a_digest_ignores_key_order_and_list_or_tuple_and_nothing_else() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": (1, 2), "a": 1})
    values = [{"a": 1}, {"a": 1.5}, {"a": "1"}, {"a": None}, {"b": 1}, [["a", 1]], [1, 2], [2, 1], [12], [[1], 2]]
    assert len({digest(value) for value in values}) == len(values)


def test_a_digest_refuses_numbers_that_json_cannot_hold() -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest([float("nan")])


def test_an_array_digest_is_the_same_for_any_byte_order_and_layout() -> None:
    array = np.arange(6, dtype=np.int64).reshape(2, 3)
    assert digest_array(array.astype(">i8")) == digest_array(array)
    assert digest_array(np.asfortranarray(array)) == digest_array(array)
    assert digest_array(np.repeat(array, 2, axis=1)[:, ::2]) == digest_array(array)


def test_an_array_digest_follows_values_shape_and_type() -> None:
    array = np.arange(6, dtype=np.int64)
    others = [array[::-1], array.reshape(2, 3), array.reshape(3, 2), array.astype(np.int32), array.astype(np.float64)]
    assert len({digest_array(each) for each in [array, *others]}) == 6


def test_a_seed_follows_its_text_and_fits_any_generator() -> None:
    assert seed_of("a") == seed_of("a") != seed_of("b")
    assert all(0 <= seed_of(str(number)) < 2**63 for number in range(50))
