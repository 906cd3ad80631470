"""Suite: what the words on the command line select."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest

from virb.cards.encoder_names import encoder_card, encoder_cards
from virb.cards.select import ENCODERS, GROUPS, TASKS, all_tasks, protocol, select_tasks
from virb.core.errors import CardError, UsageError
from virb.core.paths import card_folder

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test in a folder of its own: relative names must not meet the checkout."""
    monkeypatch.chdir(tmp_path)


def own_card(path: Path, **changes: object) -> Path:
    """Write a card that is like the shipped dtd one, under another name."""
    text = (card_folder("tasks") / "dtd.yaml").read_text().replace("name: dtd\n", f"name: {path.stem}\n")
    for key, value in changes.items():
        text, count = re.subn(rf"(?m)^{key}: .*$", f"{key}: {value}", text)
        assert count == 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def usage(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        select_tasks(text)
    assert caught.value.exit_code == 2
    return str(caught.value)


def encoder_usage(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        encoder_card(text)
    assert caught.value.exit_code == 2
    return str(caught.value)


# Tasks


def test_all_selects_every_task_that_is_not_extra_and_names_none() -> None:
    chosen = select_tasks("all")
    assert [task.name for task in chosen.tasks] == [task.name for task in all_tasks() if not task.extra]
    assert {"dtd", "clevr_count", "thor_egomotion"} <= {task.name for task in chosen.tasks}
    assert chosen.named == frozenset()


@pytest.mark.parametrize(
    ("group", "within", "without"),
    [
        ("image-semantic", "dtd", "clevr_count"),
        ("image-structural", "clevr_count", "dtd"),
        ("semantic", "dtd", "thor_egomotion"),
        ("structural", "thor_egomotion", "dtd"),
        ("image", "dtd", None),
        ("open", "clevr_count", None),
    ],
)
def test_a_group_selects_its_members_only(group: str, within: str, without: str | None) -> None:
    names = {task.name for task in select_tasks(group).tasks}
    assert within in names
    assert without not in names


def test_a_group_selects_exactly_the_tasks_that_answer_to_it() -> None:
    for group in GROUPS:
        members = [task.name for task in all_tasks() if group in task.groups]
        if members:
            assert [task.name for task in select_tasks(group).tasks] == members


def test_every_group_of_every_task_can_be_asked_for() -> None:
    for task in all_tasks():
        assert task.groups <= set(GROUPS)


def test_several_names_are_selected_once_each_in_a_stable_order() -> None:
    one, other = select_tasks("thor_egomotion, dtd"), select_tasks("dtd,thor_egomotion,dtd,")
    assert [task.name for task in one.tasks] == [task.name for task in other.tasks] == ["dtd", "thor_egomotion"]
    assert one.named == other.named == {"dtd", "thor_egomotion"}


@pytest.mark.parametrize("text", ["image-semantic,clevr_count", "clevr_count,image-semantic", "all,clevr_count"])
def test_only_what_is_asked_for_by_its_own_name_is_named(text: str) -> None:
    chosen = select_tasks(text)
    assert {"dtd", "clevr_count"} <= {task.name for task in chosen.tasks}
    assert chosen.named == {"clevr_count"}


@pytest.mark.parametrize("suffix", [".yaml", ".yml"])
def test_a_card_file_is_selected_and_named(tmp_path: Path, suffix: str) -> None:
    path = own_card(tmp_path / "cards" / f"mine{suffix}")
    for text in (str(path), f"cards/mine{suffix}"):
        chosen = select_tasks(text)
        assert [task.name for task in chosen.tasks] == ["mine"]
        assert chosen.named == {"mine"}


def test_a_card_file_joins_groups_and_names(tmp_path: Path) -> None:
    own_card(tmp_path / "mine.yaml")
    chosen = select_tasks("image-semantic,mine.yaml,clevr_count")
    assert {"dtd", "mine", "clevr_count"} <= {task.name for task in chosen.tasks}
    assert chosen.named == {"mine", "clevr_count"}


@pytest.mark.parametrize("text", ["all,cards/dtd.yaml", "cards/dtd.yaml,all"])
def test_a_card_file_with_a_shipped_name_is_never_lost_in_silence(tmp_path: Path, text: str) -> None:
    own_card(tmp_path / "cards" / "dtd.yaml", version=99)
    with suppress(UsageError):  # to refuse the clash is as good as to keep the user's card
        assert {task.name: task.version for task in select_tasks(text).tasks}["dtd"] == 99


def test_two_card_files_of_one_name_are_not_merged_in_silence(tmp_path: Path) -> None:
    own_card(tmp_path / "one" / "mine.yaml", version=1)
    own_card(tmp_path / "two" / "mine.yaml", version=2)
    assert "mine" in usage("one/mine.yaml,two/mine.yaml")


def test_an_unknown_task_is_answered_with_the_nearest_name() -> None:
    message = usage("dtdd")
    assert "'dtdd'" in message
    assert "did you mean 'dtd'?" in message
    assert "virb tasks list" in message


def test_a_task_in_capitals_is_answered_with_the_nearest_name() -> None:
    assert "did you mean 'dtd'?" in usage("DTD")


def test_an_unknown_group_is_answered_with_the_nearest_name() -> None:
    assert "did you mean 'image-semantic'?" in usage("image_semantic")


def test_one_unknown_task_among_known_ones_is_an_error() -> None:
    assert "'clever_count'" in usage("dtd,clever_count,all")


def test_a_card_file_that_is_not_there_is_an_error_with_its_path() -> None:
    assert "cards/nope.yaml" in usage("cards/nope.yaml")


def test_a_broken_card_file_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("name: broken\n")
    with pytest.raises(CardError, match=re.escape("broken.yaml")):
        select_tasks("all,broken.yaml")


@pytest.mark.parametrize("text", ["", " ", ",", " , ,"])
def test_an_empty_selection_is_an_error_that_names_the_groups(text: str) -> None:
    message = usage(text)
    assert "image-semantic" in message
    assert "virb tasks list" in message


def test_a_group_without_a_task_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_card(tmp_path / "cards" / "only.yaml")
    monkeypatch.setattr("virb.cards.yaml_files.card_folder", lambda kind: tmp_path / "cards")
    assert [task.name for task in select_tasks("all").tasks] == ["only"]
    assert "'pixel'" in usage("pixel")


def test_a_file_in_the_folder_that_is_no_card_is_not_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_card(tmp_path / "cards" / "only.yaml")
    (tmp_path / "cards" / "README.md").write_text("notes")
    monkeypatch.setattr("virb.cards.yaml_files.card_folder", lambda kind: tmp_path / "cards")
    assert TASKS.names() == ["only"]


# Protocols


@pytest.mark.parametrize("name", ["standard", "quick", "virb2021"])
def test_a_protocol_is_found_by_name(name: str) -> None:
    assert protocol(name).name == name


@pytest.mark.parametrize(("wrong", "hint"), [("qick", "quick"), ("Standard", "standard"), ("virb2020", "virb2021")])
def test_an_unknown_protocol_is_answered_with_the_nearest_name(wrong: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"no protocol '{wrong}'; did you mean '{hint}'"):
        protocol(wrong)


def test_a_protocol_may_be_a_card_file(tmp_path: Path) -> None:
    text = (card_folder("protocols") / "quick.yaml").read_text()
    (tmp_path / "slow.yaml").write_text(text.replace("name: quick", "name: slow").replace("epochs: 30", "epochs: 31"))
    assert protocol("slow.yaml").image.epochs == 31


# Encoders


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("timm:resnet50.a1_in1k", "timm-resnet50.a1_in1k"),
        ("torchvision:resnet50.IMAGENET1K_V1", "torchvision-resnet50.IMAGENET1K_V1"),
        ("random:resnet18", "random-resnet18"),
        ("baseline:color", "baseline-color"),
    ],
)
def test_a_scheme_and_a_name_make_a_card_of_their_own(text: str, name: str) -> None:
    card = encoder_card(text)
    assert (card.name, card.weights) == (name, text)


def test_a_shipped_encoder_is_found_by_name() -> None:
    card = encoder_card("color")
    assert (card.name, card.weights, card.method) == ("color", "baseline:color", "baseline")


@pytest.mark.parametrize("name", ["color", "pixels"])
def test_a_shipped_name_is_not_hidden_by_a_file_of_that_name(tmp_path: Path, name: str) -> None:
    """`virb encoders` would otherwise list whatever lies in the present folder; `./color` is there for the file."""
    (tmp_path / name).write_bytes(b"something else")
    assert encoder_card(name).weights == f"baseline:{name}"


def test_a_weights_file_is_a_card_with_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs" / "moco_v2.pt"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    monkeypatch.setenv("HOME", str(tmp_path))
    for text in (str(path), "runs/moco_v2.pt", "./runs/../runs/moco_v2.pt", "~/runs/moco_v2.pt"):
        card = encoder_card(text)
        assert card.name == "moco_v2"
        assert card.title == "moco_v2.pt"
        assert Path(card.weights) == path.resolve()


def test_a_weights_file_without_an_ending_is_found(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_bytes(b"weights")
    assert Path(encoder_card("checkpoint").weights) == (tmp_path / "checkpoint").resolve()


@pytest.mark.parametrize(
    "name",
    [
        "my weights (v2).pt",
        "ünïcödé.pt",
        "重み.pt",
        "_private.pt",
        "__init__.pt",
        "+plus.pt",
        "-rf.pt",
        ".hidden.pt",
        "...pt",
        "a" * 240 + ".pt",
        "-" * 120 + "b.pt",
        "$(touch pwned);`x`.pt",
        "line\nbreak.pt",
        "100%|%s{0}.pt",
        "epoch=9-step=100.ckpt",
    ],
)
def test_any_file_name_becomes_a_name_that_is_safe_in_paths(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"weights")
    card = encoder_card(str(path))
    assert SAFE.fullmatch(card.name), card.name
    assert Path(card.weights) == path.resolve()


@pytest.mark.parametrize("text", ["timm:../../x", "random:resnet18@7", "timm:hf-hub:org/name", "random:_x", "timm:é"])
def test_any_scheme_string_becomes_a_name_that_is_safe_in_paths(text: str) -> None:
    card = encoder_card(text)
    assert SAFE.fullmatch(card.name), card.name
    assert card.weights == text


@pytest.mark.parametrize("weights", ["weights/model.pt", "../model.pt"])
def test_relative_weights_of_a_card_file_lie_beside_the_card(tmp_path: Path, weights: str) -> None:
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "mine.yaml").write_text(f"name: mine\ntitle: Mine\nweights: {weights}\n")
    card = encoder_card("cards/mine.yaml")
    assert (card.name, card.title) == ("mine", "Mine")
    assert Path(card.weights) == (tmp_path / "cards" / weights).resolve()


def test_relative_weights_of_a_card_found_by_name_lie_beside_the_card_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The README puts `encoders/my_encoder.yaml` with `weights: my_encoder.pt` beside the shipped cards."""
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "mine.yaml").write_text("name: mine\ntitle: Mine\nweights: mine.pt\n")
    monkeypatch.setattr("virb.cards.yaml_files.card_folder", lambda kind: tmp_path / "cards")
    assert Path(encoder_card("mine").weights) == (tmp_path / "cards" / "mine.pt").resolve()


@pytest.mark.parametrize("weights", ["/somewhere/model.pt", "random:resnet18", "timm:resnet50"])
def test_absolute_weights_and_schemes_of_a_card_file_stay_as_they_are(tmp_path: Path, weights: str) -> None:
    (tmp_path / "mine.yaml").write_text(f"name: mine\ntitle: Mine\nweights: {weights}\n")
    assert encoder_card("mine.yaml").weights == weights


@pytest.mark.parametrize(("wrong", "hint"), [("colour", "color"), ("dino_resnet5", "dino_resnet50")])
def test_an_unknown_encoder_is_answered_with_the_nearest_name(wrong: str, hint: str) -> None:
    message = encoder_usage(wrong)
    assert f"'{wrong}'" in message
    assert f"did you mean '{hint}'?" in message
    assert "virb encoders list" in message


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("tmm:resnet18", "timm:"),
        ("tmm:vit_base_patch16_224.augreg", "timm:"),
        ("Random:resnet18", "random:"),
        ("torch_vision:resnet50", "torchvision:"),
    ],
)
def test_an_unknown_scheme_is_answered_with_the_nearest_scheme(wrong: str, hint: str) -> None:
    message = encoder_usage(wrong)
    assert "did you mean" in message
    assert hint in message.partition("did you mean")[2].partition("?")[0]


@pytest.mark.parametrize("text", ["", "random:", "timm:"])
def test_an_encoder_without_a_name_is_an_error(text: str) -> None:
    encoder_usage(text)


@pytest.mark.parametrize("text", ["nope.pt", "runs/nope", "/nowhere/nope.safetensors"])
def test_a_weights_file_that_is_not_there_is_an_error_with_its_path(text: str) -> None:
    message = encoder_usage(text)
    assert f"no encoder file {text}" in message
    assert "What to do: " in message


@pytest.mark.parametrize("text", ["runs.d", "runs", "./runs", "runs/", "deep/runs"])
def test_a_folder_in_place_of_a_weights_file_is_called_a_folder(tmp_path: Path, text: str) -> None:
    (tmp_path / text).mkdir(parents=True)
    message = encoder_usage(text)
    assert text.rstrip("/") in message
    assert "folder" in message.replace(str(tmp_path), "")


def test_a_card_file_that_is_not_there_is_an_error_with_the_path_of_the_encoder() -> None:
    with pytest.raises(UsageError, match=re.escape("cards/nope.yaml")):
        encoder_card("cards/nope.yaml")


def test_the_same_encoder_given_twice_runs_once() -> None:
    assert [card.name for card in encoder_cards(["color", "pixels", "color"])] == ["color", "pixels"]


def test_no_encoder_at_all_is_an_error() -> None:
    with pytest.raises(UsageError, match="no encoder"):
        encoder_cards([])


def test_two_different_files_of_one_name_do_not_share_a_card_name(tmp_path: Path) -> None:
    """`run1/model.pt` and `run2/model.pt` are the usual case; their rows must be told apart, or be refused."""
    for folder in ("run1", "run2"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.pt").write_bytes(folder.encode())
    with suppress(UsageError):
        assert len({card.name for card in encoder_cards(["run1/model.pt", "run2/model.pt"])}) == 2


def test_every_shipped_encoder_is_found_by_its_name() -> None:
    assert {"color", "pixels"} <= set(ENCODERS.names())
    for name in ENCODERS.names():
        assert encoder_card(name).name == name
