"""Contract and gap: what `virb check` says of cards and encoders, and what `evaluate --check` says of weights."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import timm
import torch
import typer

from virb.cards.encoder import EncoderCard
from virb.cards.encoder_names import encoder_card
from virb.cards.select import TASKS
from virb.cards.yaml_files import Registry
from virb.checks import gap as gaps
from virb.checks.contract import check_path
from virb.cli import app, main
from virb.core.errors import CardError, Unsuited, UsageError
from virb.core.paths import card_folder
from virb.data import adapter
from virb.data.common import DATASETS
from virb.encode.load import load_encoder
from virb.run.options import Asked
from virb.submit.card import complete

GOOD = "class Good:\n    def embed(self, images):\n        return images.mean((2, 3))\n"


def failed(text: str) -> dict[str, str]:
    return {one.name: one.problem for one in check_path(text) if not one.holds}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("return images.mean((2, 3)) + torch.rand(1)", "the same pictures give the same answer"),
        ("return images.mean((2, 3)) - images.mean((0, 2, 3))", "a picture's answer does not depend on its batch"),
        ("return torch.ones(len(images), 3)", "pictures are told apart"),
        ("return images.mean((2, 3)) / 0", "numbers are finite"),
    ],
)
def test_a_class_that_breaks_the_contract_is_told_where(tmp_path: Path, body: str, name: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"import torch\nclass Mine:\n    def embed(self, images):\n        {body}\n")
    assert name in failed(str(file))


def test_a_class_whose_weights_move_is_found_out(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\nclass Mine:\n    def __init__(self):\n        self.norm = torch.nn.BatchNorm2d(3)\n"
        "    def embed(self, images):\n        self.norm.running_mean += 1\n        return images.mean((2, 3))\n"
    )
    assert set(failed(str(file))) == {"its weights stay as they are"}


def test_a_good_class_and_a_good_card_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "good.py"
    file.write_text(GOOD)
    assert main(["check", str(file)]) == 0
    assert "FAILED" not in capsys.readouterr().out
    assert not failed(str(TASKS.path("dtd").parent.parent / "encoders" / "color.yaml"))


def test_a_file_without_the_class_fails_with_a_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    assert main(["check", str(tmp_path / "empty.py"), "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert not row["ok"]
    assert row["remedy"]


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("target: texture", "target: colour", "the sample data are read for its target"),
        ("dataset: dtd", "dataset: dtdd", "its data set has an adapter"),
        ("name: mine", "name: mine2", "the card is read"),
        ("metric: top1", "metric: topone", "the card is read"),
    ],
)
def test_a_task_card_that_does_not_fit_its_data_is_told_where(
    sample_root: Path, tmp_path: Path, old: str, new: str, name: str
) -> None:
    text = TASKS.path("dtd").read_text().replace("name: dtd", "name: mine")
    (tmp_path / "mine.yaml").write_text(text)
    assert not failed(str(tmp_path / "mine.yaml"))
    (tmp_path / "mine.yaml").write_text(text.replace(old, new))
    assert name in failed(str(tmp_path / "mine.yaml"))


def test_an_encoder_card_may_not_take_a_shipped_name(tmp_path: Path) -> None:
    (tmp_path / "PIRL.yaml").write_text("name: PIRL\ntitle: x\nweights: random:resnet18\n")
    assert {"the name is free", "it says what plots group by"} <= set(failed(str(tmp_path / "PIRL.yaml")))


@pytest.mark.parametrize("card", ["tasks/dtd.yaml", "encoders/color.yaml"])
def test_a_shipped_card_keeps_its_name_wherever_its_copy_lies(sample_root: Path, tmp_path: Path, card: str) -> None:
    kind, name = card.split("/")
    text = (card_folder(kind) / name).read_text()
    (tmp_path / name).write_text(text)
    assert not failed(str(tmp_path / name))
    (tmp_path / name).write_text(text.replace("title: ", "title: Another "))
    assert "the name is free" in failed(str(tmp_path / name))


@pytest.mark.parametrize("name", DATASETS.names())
def test_the_card_of_a_data_set_is_checked_too(name: str) -> None:
    assert not failed(str(DATASETS.path(name)))


def test_the_card_of_a_new_data_set_is_told_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = DATASETS.path("dtd").read_text().replace("name: dtd", "name: stripes")
    (tmp_path / "stripes.yaml").write_text(text)
    assert set(failed(str(tmp_path / "stripes.yaml"))) == {"it lies where virb looks"}
    shutil.copytree(card_folder("datasets"), tmp_path / "datasets")
    shutil.move(tmp_path / "stripes.yaml", tmp_path / "datasets" / "stripes.yaml")
    before = card_folder
    monkeypatch.setattr(
        "virb.cards.yaml_files.card_folder", lambda kind: tmp_path / kind if kind == "datasets" else before(kind)
    )
    problems = failed(str(tmp_path / "datasets" / "stripes.yaml"))
    assert set(problems) == {"an adapter reads it", "it has a stand-in"}
    assert "nothing reads it" in problems["an adapter reads it"]
    with pytest.raises(CardError) as caught:
        adapter("stripes")
    assert "virb/data/sets/stripes.py" in caught.value.expected
    with pytest.raises(CardError) as caught:
        adapter("strips")
    assert "virb/cards/datasets/strips.yaml" in caught.value.remedy


def test_readmes_encoder_card_says_what_a_submission_needs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "README.md").read_text()
    (text,) = re.findall(r"```yaml\n(name: my_encoder\n.*?)```", page, re.DOTALL)
    (tmp_path / "my_encoder.yaml").write_text(text)
    torch.save(timm.create_model("resnet18", num_classes=0).state_dict(), tmp_path / "my_encoder.pt")
    said = [one.name for one in check_path(str(tmp_path / "my_encoder.yaml")) if one.holds]
    assert "it can be submitted" in said
    card = encoder_card(str(tmp_path / "my_encoder.yaml"))
    assert complete(card, None) == card
    (tmp_path / "my_encoder.yaml").write_text(re.sub(r"(paper|licence): .*\n", "", text))
    said = [one.name for one in check_path(str(tmp_path / "my_encoder.yaml")) if one.holds]
    assert "it can be submitted once it says paper, licence too" in said
    with pytest.raises(UsageError, match="paper, licence"):
        complete(encoder_card(str(tmp_path / "my_encoder.yaml")), None)


def commands(group: typer.Typer = app, name: str = "virb") -> set[str]:
    """Return every command and group of the command line, as it is typed."""
    found = {name}
    for one in group.registered_commands:
        found.add(f"{name} {(one.name or one.callback.__name__).replace('_', '-')}")  # type: ignore[union-attr]
    for inner in group.registered_groups:
        found |= commands(inner.typer_instance, f"{name} {inner.name}")  # type: ignore[arg-type]
    return found


def test_every_command_that_a_message_or_a_page_names_is_there() -> None:
    root = Path(__file__).parents[2]
    groups = {f"virb {group.name}" for group in app.registered_groups}
    known, named = commands(), set()
    for path in [*(root / "virb").rglob("*.py"), root / "README.md", root / "CONTRIBUTING.md"]:
        for words in re.findall(r"['`](virb [a-z]+(?: [a-z]+)?)", path.read_text()):
            first = " ".join(words.split()[:2])
            named.add(words if first in groups else first)
    assert len(named) > 20
    assert named - known == set()
    for kind in ("tasks", "encoders", "protocols", "datasets"):
        with pytest.raises(UsageError) as caught:
            Registry(kind).path("nothing")
        assert set(re.findall(r"'(virb \w+(?: \w+)?)'", caught.value.remedy)) <= known


def test_what_is_neither_card_nor_python_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "weights.pt"]) == 2
    assert "neither a card nor a python file" in capsys.readouterr().err


# The random-init gap


@pytest.mark.slow
def test_random_weights_in_a_file_are_found_to_be_random(
    sample_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["evaluate", "-e", "random:resnet18", "--tasks", "dtd", "--sample", "--probe", "knn", "--limit", "40"]
    assert main([*line, "--check", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert "random-init gap" in said
    assert "WARNING: random-resnet18 is not better" in said
    assert not list(tmp_path.rglob("untrained*")), "what the check measures is no result of the user's"


@pytest.mark.slow
def test_trained_weights_pass_and_the_same_file_untrained_is_warned_of(
    sample_root: Path, trained_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(5)
    fresh = timm.create_model("resnet18", num_classes=0, zero_init_last=False).state_dict()
    torch.save(fresh, tmp_path / "untrained.pt")
    line = ["--tasks", "dtd", "--sample", "--probe", "knn", "--limit", "40", "--check", "--out", str(tmp_path / "out")]
    assert main(["evaluate", "-e", str(trained_file), "-e", str(tmp_path / "untrained.pt"), *line]) == 0
    said = capsys.readouterr().err
    print(said)
    assert "random-init gap" in said
    assert "WARNING: untrained is not better" in said
    assert "WARNING: trained_r18" not in said
    gap = gaps.random_gap(load_encoder(encoder_card(str(trained_file))), Asked(sample=True).options())
    assert gap.difference.low > 0


@pytest.mark.slow
def test_the_gap_is_the_paired_difference_of_two_scores(sample_root: Path) -> None:
    options = Asked(sample=True).options()
    gap = gaps.random_gap(load_encoder(encoder_card("random:resnet18")), options)
    assert gap.difference.value == pytest.approx(gap.score - gap.untrained)
    assert gap.difference.low < gap.difference.value < gap.difference.high
    assert gap == gaps.random_gap(load_encoder(encoder_card("random:resnet18")), options), "measured once, then read"


def test_the_twin_has_the_view_and_not_the_weights(tmp_path: Path) -> None:
    torch.save(timm.create_model("resnet18", num_classes=0).state_dict(), tmp_path / "mine.pt")
    card = EncoderCard(name="mine", title="", weights=str(tmp_path / "mine.pt"), mean=(0.1, 0.2, 0.3))
    encoder = load_encoder(card)
    twin = gaps.untrained(encoder)
    assert (twin.arch, twin.mean, twin.std) == (encoder.arch, encoder.mean, encoder.std)
    assert twin.weights_hash != encoder.weights_hash


def test_what_timm_does_not_know_has_no_twin(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(GOOD)
    with pytest.raises(Unsuited, match="no architecture"):
        gaps.random_gap(load_encoder(encoder_card(str(tmp_path / "good.py"))), Asked(sample=True).options())
