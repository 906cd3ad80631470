"""Cards: what a task, encoder or protocol file may say, and how a wrong one is answered."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from card_texts import ENCODER, KINDS, PROTOCOL, TASK, swap
from pydantic import ValidationError

from virb.cards.card import Card
from virb.cards.encoder import EncoderCard
from virb.cards.protocol import Protocol
from virb.cards.task import Task
from virb.core.errors import CardError, nearest

# What is read


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_good_card_is_read(read: Callable[..., Card], kind: type[Card]) -> None:
    name, text = KINDS[kind]
    assert read(text, kind).name == name


def test_a_card_with_windows_line_ends_and_a_byte_order_mark_is_read(read: Callable[..., Card]) -> None:
    assert read(TASK.replace("\n", "\r\n").encode("utf-8-sig")) == read(TASK)


def test_lists_of_a_card_become_tuples(read: Callable[..., Card]) -> None:
    protocol = read(PROTOCOL, Protocol)
    assert isinstance(protocol, Protocol)
    assert protocol.image.learning_rates == (0.001, 0.01)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_card_is_frozen(read: Callable[..., Card], kind: type[Card]) -> None:
    card = read(KINDS[kind][1], kind)
    with pytest.raises(ValidationError, match="frozen"):
        card.title = "another"


def test_the_inner_parts_of_a_card_are_frozen_too(read: Callable[..., Card]) -> None:
    task, protocol = read(TASK), read(PROTOCOL, Protocol)
    assert isinstance(task, Task)
    assert isinstance(protocol, Protocol)
    assert task.published is not None
    with pytest.raises(ValidationError, match="frozen"):
        task.published.epochs = 1
    with pytest.raises(ValidationError, match="frozen"):
        protocol.image.seeds = 1


# What is refused, and in which words


@pytest.mark.parametrize(
    ("right", "wrong", "hint"),
    [
        ("metric: top1", "metrc: top1", "metric"),
        ("licence: CC", "license: CC", "licence"),
        ("dataset: dtd", "data_set: dtd", "dataset"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_one(
    refusal: Callable[..., str], right: str, wrong: str, hint: str
) -> None:
    message = refusal(swap(TASK, right, wrong))
    assert f"unknown key '{wrong.partition(':')[0]}'" in message
    assert f"did you mean '{hint}'?" in message


@pytest.mark.parametrize(
    ("kind", "right", "wrong", "place", "hint"),
    [
        (Task, "epochs: 500", "epoch: 500", "published.epoch", "epochs"),
        (Task, "learning_rate:", "learning_rates:", "published.learning_rates", "learning_rate"),
        (Protocol, "learning_rates:", "learning_rate:", "image.learning_rate", "learning_rates"),
        (Protocol, "optimiser:", "optimizer:", "image.optimizer", "optimiser"),
    ],
)
def test_an_unknown_inner_key_is_answered_with_the_nearest_inner_one(
    refusal: Callable[..., str], kind: type[Card], right: str, wrong: str, place: str, hint: str
) -> None:
    message = refusal(swap(KINDS[kind][1], right, wrong), kind)
    assert f"unknown key '{place}'" in message
    assert f"did you mean '{hint}'?" in message


@pytest.mark.parametrize("key", ["title", "metric", "version", "dataset", "licence"])
def test_a_missing_key_is_named(refusal: Callable[..., str], key: str) -> None:
    text = "".join(line for line in TASK.splitlines(keepends=True) if not line.startswith(f"{key}:"))
    assert f"missing key '{key}'" in refusal(text)


def test_a_missing_inner_key_is_named_with_its_place(refusal: Callable[..., str]) -> None:
    assert "missing key 'published.batch'" in refusal(swap(TASK, "batch: 32, ", ""))


@pytest.mark.parametrize(
    ("kind", "right", "wrong", "place"),
    [
        (Task, "version: 1", "version: one", "version"),
        (Task, "version: 1", "version: 0", "version"),
        (Task, "version: 1", "version: true", "version"),
        (Task, "version: 1", "version: 1.5", "version"),
        (Task, "metric: top1", "metric: [top1]", "metric"),
        (Task, "title: Leaf shapes", "title:", "title"),
        (Task, "name: leaves", "name: ../leaves", "name"),
        (Task, "name: leaves", "name: no", "name"),
        (Task, "comparable: true", "comparable: 'true'", "published.comparable"),
        (Task, "epochs: 500", "epochs: -500", "published.epochs"),
        (Protocol, "size: 96", "size: 3", "size"),
        (Protocol, "[0.0]", "[]", "image.weight_decays"),
        (Protocol, "[0.0]", "[-0.1]", "image.weight_decays.0"),
        (Protocol, "[0.0]", "0.0", "image.weight_decays"),
        (Protocol, "[0.001, 0.01]", "[0.001, 0.0]", "image.learning_rates.1"),
        (Protocol, "[0.001, 0.01]", "[.nan]", "image.learning_rates.0"),
        (Protocol, "[true]", "[maybe]", "image.standardise.0"),
        (EncoderCard, "weights: random:resnet18", "weights: random:resnet18\nsha256: abc", "sha256"),
        (EncoderCard, "weights: random:resnet18", "weights: random:resnet18\nmean: [0.5, 0.5]", "mean"),
    ],
)
def test_a_wrong_value_is_refused_with_the_place_where_it_stands(
    refusal: Callable[..., str], kind: type[Card], right: str, wrong: str, place: str
) -> None:
    message = refusal(swap(KINDS[kind][1], right, wrong), kind)
    assert f"{KINDS[kind][0]}.yaml has " in message
    assert f"  - {place}" in message


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (Protocol, "[0.0]", "[.inf]"),
        (Protocol, "[0.0]", "[.nan]"),
        (EncoderCard, "weights: random:resnet18", "weights: random:resnet18\nmean: [.nan, 0.5, 0.5]"),
        (EncoderCard, "weights: random:resnet18", "weights: random:resnet18\nstd: [.inf, 0.5, 0.5]"),
        (EncoderCard, "weights: random:resnet18", "weights: random:resnet18\nstd: [0.0, 0.5, 0.5]"),
        (EncoderCard, "weights: random:resnet18", "weights: ''"),
    ],
)
def test_a_number_or_text_that_can_only_fail_later_is_refused_at_once(
    refusal: Callable[..., str], kind: type[Card], right: str, wrong: str
) -> None:
    refusal(swap(KINDS[kind][1], right, wrong), kind)


@pytest.mark.parametrize(
    ("right", "wrong", "hint"),
    [
        ("metric: top1", "metric: top-1", "top1"),
        ("kind: semantic", "kind: semantics", "semantic"),
        ("loss: cross_entropy", "loss: crossentropy", "cross_entropy"),
    ],
)
def test_a_value_from_a_list_is_answered_with_the_nearest_one(
    refusal: Callable[..., str], right: str, wrong: str, hint: str
) -> None:
    assert f"did you mean '{hint}'?" in refusal(swap(TASK, right, wrong))


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [("adamW", ["adam", "adamw"], "adamw"), ("DTD", ["clevr_count", "dtd"], "dtd"), ("Color", ["color"], "color")],
)
def test_the_nearest_spelling_does_not_mind_capitals(name: str, known: list[str], hint: str) -> None:
    assert nearest(name, known) == f"did you mean '{hint}'?"


def test_nothing_is_guessed_where_nothing_is_near() -> None:
    assert nearest("qqqq", ["dtd", "color"]) == ""


@pytest.mark.parametrize(
    ("kind", "right", "wrong", "place"),
    [
        (Task, "learning_rate: 0.0001", "learning_rate: 1e-4", "published.learning_rate"),
        (Protocol, "[0.001, 0.01]", "[1e-4, 0.01]", "image.learning_rates.0"),
    ],
)
def test_a_number_that_yaml_reads_as_text_is_explained(
    refusal: Callable[..., str], kind: type[Card], right: str, wrong: str, place: str
) -> None:
    message = refusal(swap(KINDS[kind][1], right, wrong), kind)
    assert place in message
    assert "YAML reads 1e-4 as text: write 0.0001" in message


def test_all_problems_of_a_file_stand_in_one_message_with_its_path(refusal: Callable[..., str], tmp_path: Path) -> None:
    text = swap(swap(swap(TASK, "metric: top1", "metrc: top1"), "version: 1", "version: x"), "batch: 32, ", "")
    message = refusal(swap(text, "kind: semantic", "kind: semantik"))
    assert f"{tmp_path / 'leaves.yaml'} has 5 problems" in message
    for part in ("'metrc'", "missing key 'metric'", "version", "missing key 'published.batch'", "kind"):
        assert part in message


def test_a_name_that_differs_from_the_file_name_is_refused(refusal: Callable[..., str]) -> None:
    message = refusal(TASK, stem="trees")
    assert "trees.yaml" in message
    assert "'trees'" in message
    assert "leaves" in message


def test_a_wrong_name_stands_beside_the_other_problems_of_the_file(refusal: Callable[..., str]) -> None:
    message = refusal(TASK + "colour: green\n", stem="trees")
    assert "unknown key 'colour'" in message
    assert "the file's own name" in message or "leaves" in message


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (TASK + "version: 2\n", "version"),
        (swap(TASK, "{epochs: 500,", "{epochs: 500, epochs: 3,"), "epochs"),
        (TASK + '"version": 2\n', "version"),
    ],
)
def test_a_key_that_stands_twice_is_refused(refusal: Callable[..., str], text: str, key: str) -> None:
    message = refusal(text)
    assert f"'{key}'" in message
    assert "twice" in message
    assert "line" in message


@pytest.mark.parametrize("whole", [True, False])
def test_a_python_tag_is_refused_and_nothing_runs(refusal: Callable[..., str], tmp_path: Path, whole: bool) -> None:
    proof = tmp_path / "proof"
    evil = f"!!python/object/apply:os.system ['touch {proof}']\n"
    message = refusal(evil if whole else TASK + "extra: " + evil)
    assert "leaves.yaml" in message
    assert not proof.exists()


@pytest.mark.parametrize("tag", ["!!python/name:os.system", "!!python/tuple [1]", "!!python/module:os", "!own {a: 1}"])
def test_a_tag_beyond_plain_yaml_is_refused(refusal: Callable[..., str], tag: str) -> None:
    refusal(TASK + f"extra: {tag}\n")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null\n",
        b"- a\n- b\n",
        b"just words\n",
        b"1: a\n",
        b"name: [leaves\n",
        b"name: leaves\n\ttitle: x\n",
        b"a: 1\n---\nb: 2\n",
        b"title: caf\xe9\n",
        TASK.encode("utf-16"),
        b"name: a\x00b\n",
        b"\x89PNG\r\n\x1a\n\x00\x00",
        b"version: " + b"9" * 5000 + b"\n",
    ],
    ids="empty null list words number-key open-list tab two-documents latin-1 utf-16 nul png huge-number".split(),
)
def test_a_file_that_is_no_card_is_refused_by_name(refusal: Callable[..., str], content: bytes) -> None:
    assert "leaves.yaml" in refusal(content)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Task, "? [a, b]\n: 1\n"),
        (Task, TASK + "? {a: 1}\n: 1\n"),
        (EncoderCard, ENCODER + "facts: {[a, b]: 1}\n"),
        (EncoderCard, ENCODER + "facts: &a {b: *a}\n"),
        (Task, TASK + "also: &a [*a]\n"),
    ],
    ids="list-key mapping-key inner-list-key mapping-in-itself list-in-itself".split(),
)
def test_an_odd_key_or_a_value_inside_itself_is_refused(
    refusal: Callable[..., str], kind: type[Card], text: str
) -> None:
    assert f"{KINDS[kind][0]}.yaml" in refusal(text, kind)


def test_a_missing_file_and_a_folder_are_refused_by_path(tmp_path: Path) -> None:
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    for path in (tmp_path / "absent.yaml", folder):
        with pytest.raises(CardError, match=path.name):
            Task.read(path)


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{step}: &a{step} [{', '.join([f'*a{step - 1}'] * 9)}]\n" for step in range(1, 10)
)


MERGE_BOMB = "a0: &a0 {k: x}\n" + "".join(
    f"a{step}: &a{step} {{<<: [{', '.join([f'*a{step - 1}'] * 9)}]}}\n" for step in range(1, 10)
)


@pytest.mark.parametrize(
    "text",
    [BOMB, MERGE_BOMB, "name: " + "[" * 3000 + "]" * 3000, "name: " + "[" * 100_000 + "]" * 100_000],
    ids=["alias-bomb", "merge-bomb", "3000-deep", "100000-deep"],
)
def test_a_hostile_card_neither_hangs_nor_kills_the_reader(tmp_path: Path, text: str) -> None:
    """In a process of its own, with 3 GiB and a few seconds: a crash or a hang must not take the test run along."""
    (tmp_path / "leaves.yaml").write_text(text)
    code = """
import resource, sys
from pathlib import Path
from virb.core.errors import CardError
from virb.cards.task import Task
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
try:
    Task.read(Path(sys.argv[1]))
except CardError as error:
    assert "leaves.yaml" in str(error)
    print("refused", len(str(error)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "leaves.yaml")], capture_output=True, text=True, timeout=6
    )
    assert done.returncode == 0, done.stderr[-600:]
    assert done.stdout.startswith("refused")
    assert int(done.stdout.split()[1]) < 2000, "the message repeats the hostile file"


@pytest.mark.parametrize(
    ("kind", "text", "stem"),
    [
        (Task, TASK + "colour: green\n", None),
        (Task, TASK, "trees"),
        (Task, TASK + "version: 2\n", None),
        (Task, "- a\n", None),
        (Protocol, swap(PROTOCOL, "choice: validation", "choice: none"), None),
    ],
    ids=["unknown-key", "other-name", "key-twice", "list", "rule"],
)
def test_a_broken_card_is_answered_in_three_parts(
    refusal: Callable[..., str], kind: type[Card], text: str, stem: str | None
) -> None:
    message = refusal(text, kind, stem)
    assert "\nExpected: " in message
    assert "\nWhat to do: " in message


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Task, TASK + "frames: 2\n"),
        (Task, swap(TASK, "head: linear", "head: frames")),
        (Protocol, swap(PROTOCOL, "choice: validation", "choice: none")),
    ],
    ids=["frames", "head", "choice"],
)
def test_a_broken_rule_between_keys_is_told_without_printing_the_whole_card(
    refusal: Callable[..., str], kind: type[Card], text: str
) -> None:
    message = refusal(text, kind)
    assert "Leaf shapes" not in message
    assert "Some rules" not in message
    assert "value error" not in message, "that is pydantic's word, not the reader's"
