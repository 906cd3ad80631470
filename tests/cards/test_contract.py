"""Contract: what every shipped task and protocol card must hold to, and the tables of TASKS.md by hand."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, get_args

import pytest

from virb import heads, sample
from virb.cards import task as task_cards
from virb.cards.protocol import Protocol
from virb.cards.select import ENCODERS, GROUPS, PROTOCOLS, TASKS
from virb.cards.task import Task
from virb.core.errors import CardError, DataError
from virb.core.paths import card_folder
from virb.data import adapter, find_dataset
from virb.data.common import DATASETS
from virb.heads import dense
from virb.metrics import METRICS, PIXEL_METRICS

EVERY_METRIC = {**METRICS, **PIXEL_METRICS}


TASK_NAMES, PROTOCOL_NAMES = TASKS.names(), PROTOCOLS.names()


class Expected(NamedTuple):
    """A row of TASKS.md. Metrics whose name on a card is not settled yet are None; their direction is not."""

    quadrant: str
    open: bool
    metric: str | None
    direction: str
    also: tuple[str, ...] = ()
    frames: int = 1


TABLE = {
    "imagenet": Expected("image-semantic", False, "top1", "higher", ("top5",)),
    "pets": Expected("image-semantic", True, "mean_per_class", "higher", ("top1",)),
    "caltech101": Expected("image-semantic", True, "mean_per_class", "higher", ("top1",)),
    "cifar100": Expected("image-semantic", True, "top1", "higher"),
    "sun397": Expected("image-semantic", False, "top1", "higher"),
    "eurosat": Expected("image-semantic", True, "top1", "higher"),
    "dtd": Expected("image-semantic", True, "top1", "higher"),
    "kinetics400": Expected("image-semantic", False, "top1", "higher", ("top5",), frames=6),
    "clevr_count": Expected("image-structural", True, "top1", "higher", ("mae",)),
    "thor_num_steps": Expected("image-structural", True, "top1", "higher", ("mae",)),
    "thor_egomotion": Expected("image-structural", True, "top1", "higher", ("mean_per_class",), frames=2),
    "nuscenes_egomotion": Expected("image-structural", False, "mean_per_class", "higher", ("top1",), frames=2),
    "pets_seg": Expected("pixel-semantic", True, None, "higher"),
    "cityscapes": Expected("pixel-semantic", False, None, "higher"),
    "egohands": Expected("pixel-semantic", False, None, "higher"),
    "nyu_walkable": Expected("pixel-structural", True, None, "higher"),
    "nyu_depth": Expected("pixel-structural", True, None, "higher"),
    "thor_depth": Expected("pixel-structural", True, None, "lower"),
    "taskonomy_depth": Expected("pixel-structural", False, None, "higher"),
    "kitti_flow": Expected("pixel-structural", False, None, "lower", frames=2),
}


EXTRA = {
    "imagenetv2": Expected("image-semantic", False, "top1", "higher"),
    "clevr_distance": Expected("image-structural", True, "top1", "higher"),
    "coco_panoptic": Expected("pixel-semantic", False, None, "higher"),
    "taskonomy_edges": Expected("pixel-structural", False, None, "lower"),
    "taskonomy_inpainting": Expected("pixel-structural", False, None, "lower"),
}


PUBLISHED = {  # epochs, batch, learning rate: the original's all.yaml and its history
    "dtd": (500, 32, 1e-4),
    "clevr_count": (100, 32, 1e-4),
    "thor_egomotion": (100, 32, 1e-4),
    "cityscapes": (100, 16, 3e-4),
    "egohands": (25, 16, 3e-4),
    "nyu_depth": (250, 16, 3e-4),
    "nyu_walkable": (250, 16, 1e-4),
    "thor_depth": (50, 16, 3e-4),
    "imagenet": (100, 32, 1e-4),
    "pets": (500, 32, 1e-4),
    "caltech101": (500, 32, 1e-4),
    "cifar100": (100, 32, 1e-4),
    "sun397": (250, 32, 1e-4),
    "eurosat": (200, 32, 1e-4),
    "kinetics400": (100, 32, 3e-4),
    "thor_num_steps": (100, 32, 1e-4),
    "nuscenes_egomotion": (100, 32, 1e-4),
    "pets_seg": (100, 16, 1e-4),
}


def read_task(name: str) -> Task:
    return Task.read(TASKS.path(name))


def read_protocol(name: str) -> Protocol:
    return Protocol.read(PROTOCOLS.path(name))


# What the code offers


def test_the_metrics_a_card_may_name_are_those_that_exist() -> None:
    assert set(get_args(task_cards.ImageMetric)) == set(METRICS)
    assert set(get_args(task_cards.PixelMetric)) == set(PIXEL_METRICS)
    assert all(metric.name == name for name, metric in EVERY_METRIC.items())


def test_the_heads_a_card_may_name_are_those_that_exist_and_each_has_a_version() -> None:
    assert set(get_args(task_cards.ImageHead)) == set(heads.STACKS)
    assert {*get_args(task_cards.PixelHead), "dense_linear"} == set(dense.DENSE)
    assert {*heads.STACKS, *dense.DENSE} <= set(heads.VERSIONS)


def test_every_adapter_can_be_imported_and_serves_a_task() -> None:
    for name in DATASETS.names():
        assert callable(adapter(name))
    assert {read_task(name).dataset for name in TASK_NAMES} == set(DATASETS.names())


def test_an_unknown_data_set_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(CardError, match="did you mean 'clevr'"):
        adapter("cleverr")


def test_the_shipped_folders_hold_cards_for_the_walking_skeleton() -> None:
    assert {"dtd", "clevr_count", "thor_egomotion"} <= set(TASK_NAMES)
    assert {"color", "pixels"} <= set(ENCODERS.names())
    assert set(PROTOCOL_NAMES) == {"standard", "quick", "virb2021", "knn", "knn_quick"}


# Every task


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_task_card_is_read_and_carries_its_file_name(name: str) -> None:
    assert read_task(name).name == name


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_task_card_states_its_facts_in_12_to_25_flat_lines(name: str) -> None:
    lines = TASKS.path(name).read_text(encoding="utf-8").splitlines()
    assert 12 <= len(lines) <= 25
    assert max(map(len, lines)) <= 140


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_task_finds_its_adapter_and_the_adapter_knows_its_target(name: str, tmp_path: Path) -> None:
    """An unknown target is a CardError before any file is looked for; an empty folder is a DataError after."""
    task = read_task(name)
    with pytest.raises(DataError):
        adapter(task.dataset)(tmp_path, task.target)
    with pytest.raises(CardError, match="no-such-target"):
        adapter(task.dataset)(tmp_path, "no-such-target")


@pytest.mark.parametrize("name", TASK_NAMES)
def test_the_data_of_a_task_that_are_not_there_are_missed_in_three_parts(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        find_dataset(read_task(name).dataset, tmp_path)
    assert "\nExpected: " in str(caught.value)
    assert "\nWhat to do: " in str(caught.value)


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_task_has_metrics_and_a_head_that_exist(name: str) -> None:
    task = read_task(name)
    assert task.metric in EVERY_METRIC
    assert set(task.also) <= set(EVERY_METRIC)
    assert task.metric not in task.also
    assert len(set(task.also)) == len(task.also)
    assert task.head in {**heads.STACKS, **dense.DENSE}


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_task_has_a_sample_data_set(name: str) -> None:
    assert read_task(name).dataset in sample.DATASETS


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_task_stands_in_a_quadrant_and_in_known_groups(name: str) -> None:
    task = read_task(name)
    quadrants = {"image-semantic", "image-structural", "pixel-semantic", "pixel-structural"}
    assert task.quadrant in quadrants
    assert task.groups <= set(GROUPS)
    if not task.extra:
        assert task.groups & quadrants == {task.quadrant}


def test_the_suite_is_the_table_of_tasks() -> None:
    assert {name for name in TASK_NAMES if not read_task(name).extra} == set(TABLE)


@pytest.mark.parametrize("name", [*TABLE, *EXTRA])
def test_a_task_is_what_the_table_of_tasks_says(name: str) -> None:
    row = {**TABLE, **EXTRA}[name]
    task = read_task(name)
    assert task.extra == (name in EXTRA)
    assert (task.quadrant, task.open, task.frames) == (row.quadrant, row.open, row.frames)
    assert EVERY_METRIC[task.metric].direction == row.direction
    assert set(row.also) <= set(task.also)
    if row.metric is not None:
        assert task.metric == row.metric


@pytest.mark.parametrize("name", [name for name in TASK_NAMES if name in PUBLISHED])
def test_a_task_carries_the_numbers_that_were_published_for_it(name: str) -> None:
    published = read_task(name).published
    assert published is not None
    assert (published.epochs, published.batch, published.learning_rate) == PUBLISHED[name]
    assert published.comparable


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_task_names_its_source_its_licence_and_its_split(name: str) -> None:
    task = read_task(name)
    for text in (task.title, task.paper, task.licence, task.split):
        assert len(text.strip()) > 3
    assert task.split.count("/") == 2 or task.extra, "train / val / test"


def test_no_two_tasks_share_a_digest() -> None:
    assert len({read_task(name).digest() for name in TASK_NAMES}) == len(TASK_NAMES)


def test_no_task_is_called_like_a_group_or_a_card_file() -> None:
    assert not set(TASK_NAMES) & set(GROUPS)
    assert not any("," in name or name.endswith((".yaml", ".yml")) for name in TASK_NAMES)


# Every protocol, against the table of TASKS.md


def test_the_standard_protocol_is_the_one_of_the_table() -> None:
    protocol = read_protocol("standard")
    assert (protocol.size, protocol.choice, protocol.published) == (224, "validation", False)
    assert protocol.image.model_dump() == {
        "optimiser": "adam",
        "batch": 256,
        "epochs": 100,
        "schedule": "cosine",
        "learning_rates": (1e-3, 1e-2),
        "weight_decays": (0.0, 0.003, 0.03, 0.3),
        "standardise": (False, True),
        "seeds": 3,
    }


def test_the_standard_protocol_searches_pixel_heads_on_one_seed_and_trains_the_chosen_on_two_more() -> None:
    pixel = read_protocol("standard").pixel
    assert pixel is not None
    assert pixel.model_dump() == {
        "head": "card",
        "optimiser": "adam",
        "batch": 16,
        "epochs": 30,
        "schedule": "cosine",
        "learning_rates": (1e-4, 3e-4, 1e-3),
        "weight_decays": (0.0,),
        "seeds": 3,
        "search_seeds": 1,
        "augment": False,
        "clip": 1.0,
        "scale_targets": True,
    }


def test_the_quick_protocol_trains_the_light_pixel_head() -> None:
    pixel = read_protocol("quick").pixel
    assert pixel is not None
    assert (pixel.head, pixel.batch, pixel.epochs, pixel.learning_rates) == ("dense_linear", 16, 15, (1e-3, 1e-2))


def test_the_quick_protocol_is_the_one_of_the_table() -> None:
    protocol = read_protocol("quick")
    assert (protocol.size, protocol.choice, protocol.published) == (96, "validation", False)
    assert protocol.image.model_dump() == {
        "optimiser": "adam",
        "batch": 64,
        "epochs": 30,
        "schedule": "cosine",
        "learning_rates": (3e-3,),
        "weight_decays": (0.0, 0.003, 0.03, 0.3),
        "standardise": (True,),
        "seeds": 3,
    }


def test_the_virb2021_protocol_is_the_one_of_the_table() -> None:
    protocol = read_protocol("virb2021")
    assert (protocol.choice, protocol.published) == ("none", True)
    image = protocol.image
    assert (image.seeds, image.standardise, image.weight_decays) == (1, (False,), (0.0,))
    assert (image.optimiser, image.schedule, image.batch, image.learning_rates) == ("adam", "constant", 32, (1e-4,))


def test_the_virb2021_protocol_trains_pixel_heads_as_published() -> None:
    pixel = read_protocol("virb2021").pixel
    assert pixel is not None
    assert (pixel.head, pixel.augment, pixel.clip, pixel.scale_targets) == ("published", True, None, False)
    assert (pixel.seeds, pixel.search_seeds, pixel.weight_decays) == (1, 1, (0.0,))
    assert (pixel.optimiser, pixel.schedule, pixel.batch, pixel.learning_rates) == ("adam", "constant", 16, (1e-4,))


@pytest.mark.parametrize("name", [name for name in TASK_NAMES if name in PUBLISHED])
def test_the_virb2021_protocol_trains_each_task_as_published(name: str) -> None:
    task = read_task(name)
    training = read_protocol("virb2021").training(task)
    assert (training.epochs, training.batch, *training.learning_rates) == PUBLISHED[name]
    assert training.seeds == 1


@pytest.mark.parametrize("name", [name for name in TASK_NAMES if name in PUBLISHED])
def test_the_paper_cropped_two_tasks_and_squashed_the_others(name: str) -> None:
    published = read_task(name).published
    assert published is not None
    assert published.crop == {"cityscapes": 450, "egohands": 513}.get(name)


def test_no_two_protocols_share_a_digest() -> None:
    assert len({read_protocol(name).digest() for name in PROTOCOL_NAMES}) == len(PROTOCOL_NAMES)


@pytest.mark.parametrize("kind", ["tasks", "encoders", "protocols"])
def test_a_folder_of_cards_is_found_and_holds_cards_only(kind: str) -> None:
    folder = card_folder(kind)
    assert folder.is_dir()
    assert {path.suffix for path in folder.iterdir() if path.name != "__pycache__"} == {".yaml"}
