"""What adapters share: finding folders, counting what is missing, carving, looking classes up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from virb.cards.dataset import DataCard
from virb.core.errors import CardError, DataError, MissingData
from virb.data import find_dataset, read_dataset
from virb.data.common import (
    DATASETS,
    carve_groups,
    carve_per_class,
    carve_stratified,
    check_target,
    class_list,
    class_of,
    compare_counts,
    list_pictures,
    locate,
    make_pool,
    make_split,
    read_lines,
    refuse_part,
    taken,
)

CARD = DataCard(
    name="set",
    title="The set",
    home="somewhere",
    licence="free",
    access="registration",
    size="small",
    folders=("set_v1", "set/set_v1", "other"),
    proof=("labels/list.txt",),
    steps="fetch it",
)


def find(root: Path) -> Path:
    return locate(root, CARD)


def pictures(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2)).save(folder / name)
    return folder


def refused(found: pytest.ExceptionInfo[DataError]) -> str:
    assert type(found.value) is DataError, "half-present data is no gap that a group may skip"
    return found.value.found


def test_the_first_folder_that_holds_the_proof_is_taken(tmp_path: Path) -> None:
    for name in ("other", "set/set_v1"):
        (tmp_path / name / "labels").mkdir(parents=True)
        (tmp_path / name / "labels" / "list.txt").write_text("x")
    (tmp_path / "set_v1").mkdir()
    assert find(tmp_path) == tmp_path / "set/set_v1"


def test_an_absent_folder_and_an_absent_root_are_missing_data_with_a_remedy(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(MissingData) as caught:
            find(root)
        assert caught.value.remedy.startswith("fetch it; or add --sample")
        assert str(root) in caught.value.found


def test_an_empty_folder_is_a_data_set_that_nobody_has_fetched(tmp_path: Path) -> None:
    (tmp_path / "set_v1").mkdir()
    with pytest.raises(MissingData):
        find(tmp_path)


@pytest.mark.parametrize("name", CARD.folders)
def test_a_folder_with_something_in_it_but_without_its_labels_is_half_present(tmp_path: Path, name: str) -> None:
    pictures(tmp_path / name, "images/one.png")
    with pytest.raises(DataError) as caught:
        find(tmp_path)
    assert "labels/list.txt" in refused(caught)


def test_an_empty_folder_does_not_hide_a_half_present_one(tmp_path: Path) -> None:
    (tmp_path / "set_v1").mkdir()
    pictures(tmp_path / "other", "images/one.png")
    with pytest.raises(DataError) as caught:
        find(tmp_path)
    assert "labels/list.txt" in refused(caught)


def test_lines_come_stripped_without_blanks_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"b 1 \r\n\n  a 2\n\t\nno line end")
    assert read_lines(path, "The set", "") == ["b 1", "a 2", "no line end"]


def test_a_pool_is_sorted_unique_and_knows_its_paths(tmp_path: Path) -> None:
    pictures(tmp_path, "b/2.png", "a/10.png", "a/9.png", "top.png", "unlisted.png")
    pool = make_pool("set", tmp_path, ["b/2.png", "a/9.png", "a/10.png", "top.png", "b/2.png"], "")
    assert pool.ids == ("a/10", "a/9", "b/2", "top")
    assert pool.paths == tuple(tmp_path / f"{name}.png" for name in pool.ids)
    assert len(pool) == 4


def test_the_pool_does_not_depend_on_the_order_of_the_list(tmp_path: Path) -> None:
    names = [f"{letter}/{number}.png" for letter in "xyz" for number in range(4)]
    pictures(tmp_path, *names)
    assert make_pool("set", tmp_path, names, "") == make_pool("set", tmp_path, names[::-1], "")


def test_missing_images_are_counted_among_the_listed_ones_and_the_first_is_named(tmp_path: Path) -> None:
    pictures(tmp_path, "a/1.png", "a/2.png")
    with pytest.raises(DataError) as caught:
        make_pool("set", tmp_path, ["a/1.png", "a/2.png", "c/3.png", "a/4.png", "a/4.png"], "fetch it")
    assert "2 of 4" in refused(caught)
    assert "a/4.png" in caught.value.found
    assert caught.value.remedy == "fetch it"


def test_a_name_that_differs_in_its_ending_alone_is_missing(tmp_path: Path) -> None:
    pictures(tmp_path, "a/1.png")
    with pytest.raises(DataError, match="1 of 1"):
        make_pool("set", tmp_path, ["a/1.jpg"], "")


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "..", "/etc/passwd"])
def test_a_name_that_leads_out_of_the_folder_is_refused_even_if_the_file_exists(tmp_path: Path, name: str) -> None:
    pictures(tmp_path, "in/a/1.png", "x.png")
    with pytest.raises(DataError, match="outside"):
        make_pool("set", tmp_path / "in", ["a/1.png", name], "")


@pytest.mark.parametrize("line", ["<html>" * 60 + "/x.png", "a\0b/x.png"], ids=["web page", "zero bytes"])
def test_a_list_that_holds_no_file_names_at_all_is_a_data_error(tmp_path: Path, line: str) -> None:
    """A login page saved as the list, or a list full of zeros after a crash, must not end in a traceback."""
    with pytest.raises(DataError):
        make_pool("set", tmp_path, [line], "")


def test_two_images_that_would_share_an_id_are_refused(tmp_path: Path) -> None:
    """A sample of the one would silently be shown the other."""
    pictures(tmp_path, "a/1.png", "a/1.jpg")
    with pytest.raises(DataError):
        make_pool("set", tmp_path, ["a/1.png", "a/1.jpg"], "")


def test_a_split_points_into_the_pool_by_id_and_not_by_order(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{letter}.png" for letter in "abcd"))
    pool = make_pool("set", tmp_path, [f"{letter}.png" for letter in "abcd"], "")
    split = make_split(pool, ["s0", "s1"], [["d", "a"], ["c", "c"]], [5, 2], ["kitchen", "bath"])
    assert split.index.tolist() == [[3, 0], [2, 2]]
    assert split.targets.tolist() == [5, 2]
    assert split.ids == ("s0", "s1")
    assert split.index.dtype == split.targets.dtype == split.groups.dtype == np.int64


def test_samples_share_a_group_exactly_if_they_name_the_same_one(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png")
    pool = make_pool("set", tmp_path, ["a.png"], "")
    names = ["z", "b", "z", "a", "b"]
    split = make_split(pool, list("12345"), [["a"]] * 5, [0] * 5, names)
    assert (split.groups[:, None] == split.groups).tolist() == [[one == two for two in names] for one in names]
    alone = make_split(pool, list("12345"), [["a"]] * 5, [0] * 5)
    assert len(set(alone.groups.tolist())) == 5


def test_carving_takes_whole_groups_and_the_share_that_was_asked_for() -> None:
    groups = [f"scene{number % 30}" for number in range(600)]
    held = carve_groups(groups, 0.1, "set")
    chosen = {group for group, taken in zip(groups, held, strict=True) if taken}
    assert len(chosen) == 3
    assert held.sum() == 60
    assert not chosen & {group for group, taken in zip(groups, held, strict=True) if not taken}


def test_carving_is_the_same_for_any_order_and_for_any_number_of_samples_per_group() -> None:
    groups = [f"scene{number:02d}" for number in range(40)]
    chosen = {group for group, taken in zip(groups, carve_groups(groups, 0.2, "set"), strict=True) if taken}
    turned = groups[::-1] + groups[:7]
    again = {group for group, taken in zip(turned, carve_groups(turned, 0.2, "set"), strict=True) if taken}
    assert chosen == again
    assert len(chosen) == 8


def test_carving_follows_its_seed_alone_and_leaves_the_global_random_state_alone() -> None:
    groups = [f"scene{number}" for number in range(50)]
    before = np.random.get_state()[1].tolist()
    one, two = carve_groups(groups, 0.2, "one"), carve_groups(groups, 0.2, "two")
    assert (one != two).any()
    assert (one == carve_groups(groups, 0.2, "one")).all()
    assert np.random.get_state()[1].tolist() == before


@pytest.mark.parametrize("share", [0.0, 0.001, 0.999, 1.0])
def test_carving_never_takes_nothing_and_never_everything(share: float) -> None:
    held = carve_groups(["a", "b", "c", "a"], share, "set")
    assert 0 < held.sum() < 4


def test_one_group_cannot_be_carved() -> None:
    with pytest.raises(DataError, match="1 group"):
        carve_groups(["a", "a"], 0.5, "set")


def test_a_class_is_its_place_in_the_fixed_list_and_an_unknown_label_is_an_error() -> None:
    assert class_of("cat", ("dog", "cat"), "set", "1.png") == 1
    with pytest.raises(DataError) as caught:
        class_of("Cat", ("dog", "cat"), "set", "1.png")
    assert "'Cat'" in refused(caught)
    assert "1.png" in caught.value.found
    assert "dog, cat" in caught.value.expected


def test_usual_counts_are_silent_and_others_are_one_note_that_names_each() -> None:
    usual = {"train": 1880, "test": 10}
    assert compare_counts("set", {"train": 1880, "test": 10}, usual) == ()
    (note,) = compare_counts("set", {"train": 1880, "test": 9}, usual)
    assert "test 9 (usually 10)" in note
    assert "train" not in note


def test_an_unknown_target_is_answered_with_the_nearest_one() -> None:
    check_target("set", "depth", ("depth", "edges"))
    with pytest.raises(CardError, match="did you mean 'edges'"):
        check_target("set", "edge", ("depth", "edges"))


def test_an_unknown_data_set_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="did you mean 'clevr'"):
        read_dataset("clever", tmp_path, "count")


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_adapter_says_that_its_data_are_missing_and_where_to_get_them(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingData) as caught:
        find_dataset(name, tmp_path)
    assert caught.value.expected
    assert len(caught.value.remedy) > 20


def classes_of(sizes: dict[int, int]) -> tuple[list[str], list[int]]:
    """Samples of each class, named so that the order of names is not that of classes."""
    names = [f"{number:03d}-{label}" for label, size in sizes.items() for number in range(size)]
    return names, [int(name.partition("-")[2]) for name in names]


def test_a_stratified_draw_takes_its_share_of_every_class() -> None:
    names, targets = classes_of({0: 100, 5: 30, 7: 11})
    held = carve_stratified(names, targets, 0.1, "set")
    assert np.bincount(np.array(targets)[held], minlength=8).tolist() == [10, 0, 0, 0, 0, 3, 0, 1]


def test_a_stratified_draw_takes_one_of_a_small_class_and_never_all_of_it() -> None:
    names, targets = classes_of({0: 2, 1: 1, 2: 3})
    assert np.bincount(np.array(targets)[carve_stratified(names, targets, 0.01, "set")]).tolist() == [1, 0, 1]
    assert np.bincount(np.array(targets)[carve_stratified(names, targets, 0.99, "set")]).tolist() == [1, 0, 2]


def test_a_stratified_draw_goes_by_name_and_one_class_does_not_change_another() -> None:
    names, targets = classes_of({0: 40, 1: 40})
    chosen = set(taken(names, carve_stratified(names, targets, 0.2, "set")))
    assert set(taken(names[::-1], carve_stratified(names[::-1], targets[::-1], 0.2, "set"))) == chosen
    only = [name for name in names if name.endswith("-1")]
    assert set(taken(only, carve_stratified(only, [1] * 40, 0.2, "set"))) == {name for name in chosen if name in only}


def test_a_stratified_draw_follows_its_seed_alone() -> None:
    names, targets = classes_of({0: 50, 1: 50})
    one, two = (carve_stratified(names, targets, 0.2, seed) for seed in ("one", "two"))
    assert (one != two).any()
    assert (one == carve_stratified(names, targets, 0.2, "one")).all()


def test_a_draw_from_nothing_is_nothing() -> None:
    assert carve_stratified([], [], 0.1, "set").shape == (0,)


def test_a_draw_per_class_takes_the_same_number_of_each_and_leaves_the_rest() -> None:
    names, targets = classes_of({0: 40, 2: 31})
    parts = carve_per_class(names, targets, (25, 5), "set", ("a", "b", "c"))
    assert [np.bincount(np.array(targets)[parts == part], minlength=3).tolist() for part in range(3)] == [
        [25, 0, 25], [5, 0, 5], [10, 0, 1],
    ]  # fmt: skip
    again = carve_per_class(names[::-1], targets[::-1], (25, 5), "set", ("a", "b", "c"))
    assert (again[::-1] == parts).all()


def test_a_class_that_a_draw_would_use_up_is_an_error_that_names_it() -> None:
    names, targets = classes_of({0: 40, 2: 30})
    with pytest.raises(DataError, match="class c holds 30"):
        carve_per_class(names, targets, (25, 5), "set", ("a", "b", "c"))


def test_pictures_are_listed_by_name_without_what_else_lies_there(tmp_path: Path) -> None:
    pictures(tmp_path, "b.jpg", "a.png", "c.JPEG", "inner/d.jpg")
    for name in ("._a.png", "tmp", "x.mat", "list.txt", ".hidden.jpg"):
        (tmp_path / name).touch()
    assert list_pictures(tmp_path) == ["a.png", "b.jpg", "c.JPEG"]
    assert list_pictures(tmp_path / "nowhere") == []


def test_a_long_class_list_holds_a_class_per_line() -> None:
    assert len(class_list("imagenet_wnids")) == 1000
    assert all(name == name.strip() and name for name in class_list("kinetics400"))


def test_less_than_99_percent_is_a_part_and_a_few_lost_ones_are_not() -> None:
    refuse_part("set", {"test": 99, "train": 5}, {"test": 100}, "fetch it")
    with pytest.raises(DataError) as caught:
        refuse_part("set", {"test": 98}, {"test": 100}, "fetch it")
    assert "98 of 100" in refused(caught)
