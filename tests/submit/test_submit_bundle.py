"""Bundles: what goes in, that the same goes in each time, and what a card must say before."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from virb.cards.encoder import EncoderCard
from virb.cards.encoder_names import encoder_card
from virb.cards.submission import missing
from virb.core.errors import OutputError, UsageError, VirbError
from virb.records.record import read_record
from virb.submit import make
from virb.submit.bundle import open_bundle
from virb.submit.card import complete
from virb.submit.container import MANIFEST
from virb.submit.make import Wish, make_bundle


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_same_inputs_give_the_same_bytes_at_any_hour_and_place(
    results: Path, card: EncoderCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_bundle(card, results, tmp_path / "one.zip").path.read_bytes()
    copy = shutil.copytree(results, tmp_path / "elsewhere")
    for path in copy.rglob("*"):
        path.chmod(0o700)
        os.utime(path, (1, 1))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 90_000_000)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert make_bundle(card, copy, tmp_path / "two.zip").path.read_bytes() == first


def test_a_bundle_holds_what_was_asked_for_and_lists_its_hash(results: Path, card: EncoderCard, tmp_path: Path) -> None:
    plain = make_bundle(card, results, tmp_path / "plain.zip")
    assert names(plain.path)[:2] == [MANIFEST, "encoder/baseline-color.yaml"]
    heads = [name for name in names(plain.path) if name.endswith(".safetensors")]
    assert {name.split("/")[2].split(".")[0] for name in heads} == {"dtd", "pets", "thor_egomotion"}
    every = make_bundle(card, results, tmp_path / "every.zip", Wish(pixel_heads=True))
    assert sum(name.endswith(".safetensors") for name in names(every.path)) == 4
    with open_bundle(plain.path) as bundle, zipfile.ZipFile(plain.path) as archive:
        assert bundle.card == card
        assert set(bundle.manifest.tasks) == {"dtd", "pets", "pets_seg", "thor_egomotion"}
        assert set(bundle.manifest.protocols) == {"quick"}
        for name, entry in bundle.manifest.files.items():
            content = archive.read(name)
            assert (hashlib.sha256(content).hexdigest(), len(content)) == (entry.sha256, entry.bytes)


def test_records_take_the_words_of_the_card_and_no_number_of_it(
    results: Path, card: EncoderCard, tmp_path: Path
) -> None:
    path = make_bundle(card, results, tmp_path / "b.zip").path
    with open_bundle(path) as bundle:
        for member in bundle.members:
            before = read_record(results / member.file)
            assert member.record.encoder.title == "Histogram of colours" != before.encoder.title
            assert member.record.score == before.score
            assert member.record.encoder.fingerprint == before.encoder.fingerprint


def test_a_damaged_record_is_not_submitted_and_every_one_is_named(
    results: Path, card: EncoderCard, tmp_path: Path
) -> None:
    copy = shutil.copytree(results, tmp_path / "results")
    first, second, *_ = sorted(copy.rglob("*.npz"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    with pytest.raises(VirbError) as caught:
        make_bundle(card, copy, tmp_path / "b.zip")
    assert first.name in str(caught.value)
    assert second.name in str(caught.value)
    assert not (tmp_path / "b.zip").exists()


def test_an_unknown_encoder_is_answered_with_the_names_that_have_records(
    results: Path, card: EncoderCard, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="did you mean 'baseline-color'"):
        make_bundle(card.model_copy(update={"name": "baseline-colour"}), results, tmp_path / "b.zip")
    with pytest.raises(UsageError, match="weights: baseline:pixels"):
        make_bundle(card.model_copy(update={"weights": "baseline:pixels"}), results, tmp_path / "b.zip")
    with pytest.raises(UsageError, match="--fingerprint"):
        make_bundle(card, results, tmp_path / "b.zip", Wish(fingerprint="0000"))


def test_code_is_no_part_of_a_bundle(results: Path, card: EncoderCard, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is code"):
        make_bundle(card.model_copy(update={"weights": "python:x.py:f"}), results, tmp_path / "b.zip")


def test_a_full_disk_leaves_the_old_bundle_and_no_temporary_file(
    results: Path, card: EncoderCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_bundle(card, results, tmp_path / "b.zip").path
    before = path.read_bytes()
    copies: Iterator[int] = iter(range(3))

    def full(self: zipfile.ZipFile, *args: object, **options: object) -> None:
        next(copies, None)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OutputError, match="No space left"):
        make_bundle(card, results, path, Wish(pixel_heads=True))
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("b.zip", before)]


def test_weights_are_pinned_by_hash_and_lose_their_folder(tmp_path: Path) -> None:
    file = tmp_path / "mine.pt"
    torch.save({"a": torch.zeros(1)}, file)
    card = encoder_card(str(file))
    found = make._weights(card, Wish(weights_url="https://example.org/mine.pt"))
    assert found is not None
    shown = make._shown_card(card, found[0])
    assert (shown.weights, shown.sha256) == ("mine.pt", hashlib.sha256(file.read_bytes()).hexdigest())
    assert found[0].address == "https://example.org/mine.pt"
    with pytest.raises(UsageError, match="the card says"):
        make._weights(card.model_copy(update={"sha256": "0" * 64}), Wish())


# The card


def test_everything_that_is_missing_is_listed_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        complete(encoder_card("timm:resnet18"), None)
    for name in ("title", "method", "pretraining", "images", "epochs", "paper", "licence"):
        assert f"  {name}: ..." in caught.value.expected
    assert "timm-resnet18.yaml" in caught.value.remedy


def test_weights_that_never_saw_an_image_need_no_number_of_them(card: EncoderCard) -> None:
    assert missing(card) == []
    assert missing(card.model_copy(update={"pretraining": "imagenet"})) == ["images", "epochs"]


def test_on_a_terminal_what_is_missing_is_asked_for_until_it_is_there(card: EncoderCard) -> None:
    answers = iter(["", "imagenet", " 1281167 ", "200"])
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return next(answers)

    done = complete(card.model_copy(update={"pretraining": ""}), ask)
    assert (done.pretraining, done.images, done.epochs) == ("imagenet", 1281167, 200)
    assert len(asked) == 4


def test_an_answer_that_cannot_stand_on_a_card_is_an_error_that_says_so(card: EncoderCard) -> None:
    with pytest.raises(UsageError, match="'many' cannot stand on the card"):
        complete(card.model_copy(update={"pretraining": "imagenet"}), lambda question: "many")
