"""Cards: rules between keys, the groups of a task, and digests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from card_texts import KINDS, PROTOCOL, TASK, swap

from virb.cards.card import Card
from virb.cards.encoder import EncoderCard
from virb.cards.protocol import Protocol
from virb.cards.task import Task
from virb.core.errors import CardError, Unsuited
from virb.records.record import comparison_key

# Rules between keys


def test_several_frames_need_the_frames_head_and_one_frame_refuses_it(read: Callable[..., Card]) -> None:
    two = swap(TASK, "head: linear", "head: frames") + "frames: 2\n"
    task = read(two)
    assert isinstance(task, Task)
    assert (task.frames, task.head) == (2, "frames")
    for wrong in (TASK + "frames: 2\n", swap(TASK, "head: linear", "head: frames")):
        with pytest.raises(CardError, match="frames"):
            read(wrong)


@pytest.mark.parametrize(
    ("right", "several"),
    [
        ("[0.001]", "[0.001, 0.01]"),
        ("[0.0]", "[0.0, 0.1]"),
        ("[true]", "[false, true]"),
    ],
)
def test_a_protocol_that_chooses_nothing_allows_one_setting_only(
    read: Callable[..., Card], right: str, several: str
) -> None:
    single = swap(swap(PROTOCOL, "choice: validation", "choice: none"), "[0.001, 0.01]", "[0.001]")
    assert read(single, Protocol).name == "rules"
    with pytest.raises(CardError, match="choice: none allows one setting"):
        read(swap(single, right, several), Protocol)


def test_published_numbers_that_do_not_compare_need_a_reason(read: Callable[..., Card]) -> None:
    bare = swap(TASK, "comparable: true", "comparable: false")
    with pytest.raises(CardError, match="needs a reason"):
        read(bare)
    task = read(swap(bare, "comparable: false", "comparable: false, reason: a picture was scored"))
    assert isinstance(task, Task)
    assert task.published is not None
    assert task.published.reason == "a picture was scored"


def test_a_protocol_trains_every_task_alike_unless_it_follows_the_paper(read: Callable[..., Card]) -> None:
    task, protocol = read(TASK), read(PROTOCOL, Protocol)
    assert isinstance(task, Task)
    assert isinstance(protocol, Protocol)
    assert protocol.training(task) == protocol.image


def test_a_protocol_that_follows_the_paper_takes_the_numbers_of_the_task(read: Callable[..., Card]) -> None:
    task, protocol = read(TASK), read(PROTOCOL + "published: true\n", Protocol)
    assert isinstance(task, Task)
    assert isinstance(protocol, Protocol)
    training = protocol.training(task)
    assert (training.epochs, training.batch, training.learning_rates) == (500, 32, (0.0001,))
    kept = {"epochs", "batch", "learning_rates"}
    assert training.model_dump(exclude=kept) == protocol.image.model_dump(exclude=kept)


def test_a_protocol_that_follows_the_paper_refuses_a_task_that_does_not_compare_and_says_why(
    read: Callable[..., Card],
) -> None:
    protocol = read(PROTOCOL + "published: true\n", Protocol)
    picture = swap(TASK, "comparable: true", "comparable: false, reason: the paper scored a picture")
    silent = "".join(line for line in TASK.splitlines(keepends=True) if not line.startswith("published"))
    assert isinstance(protocol, Protocol)
    for text, reason in ((picture, "the paper scored a picture"), (silent, "leaves")):
        task = read(text)
        assert isinstance(task, Task)
        with pytest.raises(Unsuited) as caught:
            protocol.training(task)
        message = str(caught.value)
        assert reason in message
        assert "rules" in message
        assert "What to do: " in message


# Groups


def groups(**changes: object) -> frozenset[str]:
    facts = {"name": "x", "title": "x", "level": "image", "kind": "structural", "dataset": "x", "target": "x"}
    rest = {"head": "linear", "loss": "cross_entropy", "metric": "top1", "version": 1}
    text = {"split": "x", "paper": "x", "licence": "x"}
    return Task.model_validate({**facts, **rest, **text, **changes}).groups


def test_a_task_answers_to_all_its_level_its_kind_and_its_quadrant() -> None:
    assert groups() == {"all", "image", "structural", "image-structural"}
    assert groups(open=True) == groups() | {"open"}


def test_an_extra_task_stays_out_of_all_and_of_its_quadrant() -> None:
    assert groups(extra=True) == {"extra"}


def test_an_extra_task_that_can_be_downloaded_is_open_too() -> None:
    """TASKS.md gives clevr_distance the groups 'extra, open'."""
    assert groups(extra=True, open=True) == {"extra", "open"}


# Digests


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (Task, "title: Leaf shapes", "title: The shapes of leaves"),
        (Task, "Doe, Leaves, 2020", "J. Doe, Leaves, Journal of Leaves, 2020"),
        (Task, "CC BY 4.0", "Creative Commons Attribution 4.0"),
        (Protocol, "title: Some rules", "title: Other words"),
        (Protocol, "[0.0]", "[0]"),
        (EncoderCard, "title: My encoder", "title: Mine"),
    ],
)
def test_other_words_for_the_same_thing_keep_the_digest(
    read: Callable[..., Card], kind: type[Card], old: str, new: str
) -> None:
    text = KINDS[kind][1]
    assert read(swap(text, old, new), kind).digest() == read(text, kind).digest()


def test_the_order_of_keys_and_spelt_out_defaults_keep_the_digest(read: Callable[..., Card]) -> None:
    turned = "".join(reversed(TASK.splitlines(keepends=True)))
    spelt = TASK + "frames: 1\ngeometry: squash\nalso: []\n"
    assert {read(text).digest() for text in (TASK, turned, spelt)} == {read(TASK).digest()}


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (Task, "version: 1", "version: 2"),
        (Task, "metric: top1", "metric: mean_per_class"),
        (Task, "target: texture", "target: material"),
        (Task, "dataset: dtd", "dataset: clevr"),
        (Task, "head: linear", "head: frames\nframes: 2"),
        (Task, "version: 1", "version: 1\nalso: [mae]"),
        (Protocol, "version: 1", "version: 2"),
        (Protocol, "size: 96", "size: 224"),
        (Protocol, "optimiser: adamw", "optimiser: adam"),
        (Protocol, "batch: 64", "batch: 65"),
        (Protocol, "epochs: 30", "epochs: 31"),
        (Protocol, "schedule: cosine", "schedule: constant"),
        (Protocol, "[0.001, 0.01]", "[0.001, 0.02]"),
        (Protocol, "[0.0]", "[0.1]"),
        (Protocol, "[true]", "[false]"),
        (EncoderCard, "weights: random:resnet18", "weights: random:resnet34"),
        (EncoderCard, "weights: random:resnet18", "weights: random:resnet18\nsize: 64"),
    ],
)
def test_another_meaning_is_another_digest(read: Callable[..., Card], kind: type[Card], old: str, new: str) -> None:
    text = KINDS[kind][1]
    assert read(swap(text, old, new), kind).digest() != read(text, kind).digest()


@pytest.mark.parametrize("change", [("epochs: 500", "epochs: 5"), ("learning_rate: 0.0001", "learning_rate: 0.1")])
def test_published_numbers_that_a_protocol_follows_decide_what_may_be_compared(
    read: Callable[..., Card], change: tuple[str, str]
) -> None:
    """Under such a protocol 5 epochs and 500 are two rules, and must not stand in one ranking."""
    protocol = read(PROTOCOL + "published: true\n", Protocol)
    assert isinstance(protocol, Protocol)
    keys = set()
    for text in (TASK, swap(TASK, *change)):
        task = read(text)
        assert isinstance(task, Task)
        keys.add(comparison_key(task, protocol, "the same data", "real", None))
    assert len(keys) == 2
