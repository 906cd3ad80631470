"""Suite: many encoders at once: patterns of checkpoint files, names that are told apart, and the list of cards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from virb.cards.encoder_names import encoder_card, encoder_cards, expand
from virb.cli import main
from virb.core.errors import CardError, UsageError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_a_pattern_stands_for_its_files_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    touch(tmp_path, "step_100.pt", "step_20.pt", "step_3.pt", "step_20.txt")
    (tmp_path / "step_1.pt").mkdir()
    cards = encoder_cards([str(tmp_path / "step_*.pt")])
    assert [card.name for card in cards] == ["step_3", "step_20", "step_100"]


def test_a_pattern_and_its_members_count_once(tmp_path: Path) -> None:
    touch(tmp_path, "a.pt", "b.pt")
    assert len(expand([str(tmp_path / "*.pt"), str(tmp_path / "a.pt")])) == 2


def test_a_file_with_brackets_in_its_name_is_a_file(tmp_path: Path) -> None:
    touch(tmp_path, "lr[1e-3].pt", "lr1.pt")
    assert expand([str(tmp_path / "lr[1e-3].pt")]) == [str(tmp_path / "lr[1e-3].pt")]


def test_a_pattern_that_matches_nothing_is_an_error_in_three_parts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--encoder", "nowhere/*.pt", "--sample"]) == 2
    said = capsys.readouterr().err
    assert "matches no file" in said
    assert "Expected:" in said
    assert "What to do:" in said


def test_files_of_one_name_in_several_folders_are_called_after_their_folders(tmp_path: Path) -> None:
    touch(tmp_path, "one/last.pt", "two/last.pt", "two/first.pt")
    cards = encoder_cards([str(tmp_path / "**" / "*.pt")])
    assert sorted(card.name for card in cards) == ["first", "one-last", "two-last"]


def test_as_many_folders_are_named_as_tell_files_apart(tmp_path: Path) -> None:
    touch(tmp_path, "a/run/last.pt", "b/run/last.pt")
    assert [card.name for card in encoder_cards([str(tmp_path / "*/run/last.pt")])] == ["a-run-last", "b-run-last"]


def test_two_endings_of_one_stem_are_still_two_names_that_clash(tmp_path: Path) -> None:
    touch(tmp_path, "last.pt", "last.pth")
    with pytest.raises(UsageError, match="two encoders are called"):
        encoder_cards([str(tmp_path / "last.*")])


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("m18.pth.tar", "m18"), ("m18.pth", "m18"), ("m18.tar", "m18"), ("lr.0.1.ckpt", "lr.0.1"),
        ("lr.0.1.ckpt.tar", "lr.0.1"), ("model.safetensors.index.json", "model"), ("pytorch_model.bin.index.json",
        "pytorch_model"), ("weights", "weights"), ("index.json", "index"),
    ],
)  # fmt: skip
def test_a_file_is_called_without_its_endings(tmp_path: Path, file: str, name: str) -> None:
    touch(tmp_path, file)
    assert encoder_card(str(tmp_path / file)).name == name


def test_a_mistyped_file_is_answered_with_the_nearest_beside_it(tmp_path: Path) -> None:
    touch(tmp_path, "mocov2_r50.pth", "notes.txt")
    with pytest.raises(UsageError, match=r"did you mean 'mocov2_r50\.pth'"):
        encoder_card(str(tmp_path / "mocov2_r5.pth"))
    with pytest.raises(UsageError, match="there is no encoder file"):
        encoder_card(str(tmp_path / "nowhere" / "mocov2_r5.pth"))


@pytest.mark.parametrize("weights", ["python:/tmp/evil.py:Evil", "evil.py", "evil.py:Evil", "plugin:evil"])
def test_a_card_never_starts_code(tmp_path: Path, weights: str) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')\n")
    (tmp_path / "card.yaml").write_text(f"name: card\ntitle: Card\nweights: '{weights}'\n")
    with pytest.raises(CardError, match="never starts any"):
        encoder_card(str(tmp_path / "card.yaml"))


def test_the_list_of_encoders_is_grouped_and_filtered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encoders", "list", "--method", "swav", "--pretraining", "imagenet"]) == 0
    out = capsys.readouterr().out
    assert "SwAV (4)" in out
    assert "MoCo" not in out
    assert all(len(line) <= 120 for line in out.splitlines())
    assert main(["encoders", "list", "--by", "family", "--json", "--family", "masked"]) == 0
    assert {card["family"] for card in json.loads(capsys.readouterr().out)} == {"masked"}


def test_a_filter_that_nothing_fits_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encoders", "list", "--pretraining", "imagenett"]) == 2
    assert "did you mean 'imagenet'?" in capsys.readouterr().err
    assert main(["encoders", "list", "--by", "colour"]) == 2
    assert "method, pretraining, family" in capsys.readouterr().err
