"""What a second run can know beside the score: how the weights file was read, and what was held out for the choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from virb.cards.encoder import EncoderCard
from virb.cards.encoder_names import encoder_card, encoder_cards, read_as
from virb.cards.select import protocol, select_tasks
from virb.core.errors import VirbError
from virb.run.harness import run
from virb.run.options import Asked, Options
from virb.submit.make import Wish, make_bundle
from virb.submit.verdict import Verdict, as_text
from virb.submit.verify import Trial, verify

LOST = "layer4.1.bn2.bias"
FACTS = {"method": "none", "pretraining": "none", "paper": "unpublished", "licence": "MIT", "title": "Damaged"}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> tuple[EncoderCard, Path]:
    """Return the card of a weights file that lacks a tensor, as the command line makes it, and the file."""
    torch.manual_seed(0)
    state = timm.create_model("resnet18", num_classes=0).state_dict()
    del state[LOST]
    file = tmp_path_factory.mktemp("damaged") / "damaged.pt"
    torch.save(state, file)
    (card,) = read_as([encoder_card(str(file))], None, None, ["layer4.*"])
    return card, file


@pytest.fixture(scope="module")
def packed(
    damaged: tuple[EncoderCard, Path], tiny_options: Options, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Trial]:
    """Return the bundle of its records, whose card says nothing of what was missing, and what runs it again."""
    card, file = damaged
    options = replace(tiny_options, out=tmp_path_factory.mktemp("damaged") / "results")
    report = run([card], select_tasks("dtd,pets_seg"), options)
    assert not report.failures
    plain = card.model_copy(update={**FACTS, "allow_missing": ()})
    made = make_bundle(plain, options.out, options.out / "b.zip", Wish(pixel_heads=True))
    return made.path, Trial(options, weights=file, share=0.2, seed=3)


def of(forged: Any, task: str = "dtd") -> str:
    return next(str(name) for name in forged.records if f"/{task}." in name)


def why(verdict: Verdict) -> str:
    return "; ".join([*verdict.reasons, *(reason for record in verdict.records for reason in record.reasons)])


def test_a_bundle_says_by_name_what_was_allowed_to_be_missing_and_is_verified(
    packed: tuple[Path, Trial], forging: Callable[[Path], Any]
) -> None:
    path, check = packed
    verdict = verify(path, check)
    assert verdict.verdict == "verified", as_text(verdict)
    assert why(verdict).count("validation score") == 2
    card = next(text for name, text in forging(path).files.items() if name.startswith("encoder/"))
    assert f"- {LOST}".encode() in card


def forged_everywhere(forged: Any, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change what every record of a bundle says of its encoder."""
    for name in forged.records:
        record = forged.record(name)
        change(record)
        forged.put_record(name, record)
    return Path(forged.write())


def allowed(record: dict[str, Any]) -> None:
    record["encoder"]["checkpoint"]["allowed"] = []


def other_allowed(record: dict[str, Any]) -> None:
    record["encoder"]["checkpoint"]["allowed"] = ["layer4.1.bn2.weight"]


def dropped(record: dict[str, Any]) -> None:
    record["encoder"]["checkpoint"]["dropped"] = {"fc": 2}


def prefix(record: dict[str, Any]) -> None:
    record["encoder"]["checkpoint"]["prefix"] = "module.encoder_q."


def architecture(record: dict[str, Any]) -> None:
    record["encoder"]["arch"] = "resnet50"


@pytest.mark.parametrize("change", [allowed, other_allowed, dropped, prefix, architecture])
def test_what_a_record_says_of_its_weights_file_has_to_be_so(
    packed: tuple[Path, Trial], forging: Callable[[Path], Any], change: Callable[[dict[str, Any]], None]
) -> None:
    path, check = packed
    verdict = verify(forged_everywhere(forging(path), change), check)
    assert verdict.verdict == "broken", as_text(verdict)


def test_weights_do_not_fill_an_encoder_of_which_nothing_was_missing(
    packed: tuple[Path, Trial], forging: Callable[[Path], Any]
) -> None:
    """Where card and records agree on the lie, the file itself says otherwise."""
    forged = forging(packed[0])
    name = next(name for name in forged.files if name.startswith("encoder/"))
    forged.files[name] = forged.files[name].replace(f"allow_missing:\n- {LOST}\n".encode(), b"")
    path = forged_everywhere(forged, allowed)
    assert verify(path).verdict == "consistent"
    with pytest.raises(VirbError, match="weights cannot be used"):
        verify(path, packed[1])


def test_a_card_that_lets_more_be_missing_than_was_is_seen_without_weights(
    packed: tuple[Path, Trial], forging: Callable[[Path], Any]
) -> None:
    for change in ((b"allow_missing:\n", b"allow_missing:\n- layer1.*\n"), (f"- {LOST}".encode(), b"- layer4.0.*")):
        forged = forging(packed[0])
        name = next(name for name in forged.files if name.startswith("encoder/"))
        forged.files[name] = forged.files[name].replace(*change)
        assert "lets other tensors be missing" in why(verify(forged.write()))


def test_a_record_that_does_not_say_how_its_file_was_read_is_not_verified(
    packed: tuple[Path, Trial], forging: Callable[[Path], Any]
) -> None:
    path, check = packed

    def silent(record: dict[str, Any]) -> None:
        record["encoder"]["checkpoint"] = None

    def reworded(record: dict[str, Any]) -> None:
        record["encoder"]["checkpoint"]["notes"] = ["everything matched"]

    for change, word in ((silent, "does not say how"), (reworded, "puts notes otherwise")):
        verdict = verify(forged_everywhere(forging(path), change), check)
        assert verdict.verdict == "consistent", as_text(verdict)
        assert word in why(verdict)


@pytest.mark.parametrize("task", ["dtd", "pets_seg"])
def test_a_validation_score_that_the_heads_do_not_give_is_seen(
    bundle: Path, forger: Callable[[], Any], tiny_options: Options, task: str
) -> None:
    check = Trial(tiny_options, share=0.05, seed=3)
    forged = forger()
    record = forged.record(name := of(forged, task))
    place = record["settings"].index(record["setting"])
    higher = (record["setting"]["validation"] + 1) / 2
    record["setting"]["validation"] = record["settings"][place]["validation"] = higher
    record["curves"]["val_score"][-1] = higher
    forged.put_record(name, record)
    path = forged.write()
    assert verify(path).verdict == "consistent"
    assert "it says validation score" in why(verify(path, check))


def test_a_setting_that_does_plainly_better_on_validation_would_have_been_chosen(forger: Callable[[], Any]) -> None:
    forged = forger()
    record = forged.record(name := of(forged))
    other = next(one for one in record["settings"] if one != record["setting"])
    other["validation"] = 0.99
    forged.put_record(name, record)
    assert "another setting has 0.99 on validation" in why(verify(forged.write()))


def test_a_curve_that_ends_otherwise_than_the_heads_is_seen(forger: Callable[[], Any], tiny_options: Options) -> None:
    forged = forger()
    record = forged.record(name := of(forged))
    record["curves"]["val_loss"][-1] *= 0.9
    forged.put_record(name, record)
    path = forged.write()
    assert verify(path).verdict == "consistent"
    assert "validation loss at its end" in why(verify(path, Trial(tiny_options, share=0.05, seed=3)))


def test_a_record_names_the_weights_that_its_card_names(forger: Callable[[], Any]) -> None:
    path = forged_everywhere(forger(), lambda record: record["encoder"].update(weights="timm:vit_large_patch14_dinov2"))
    assert "its card says the weights are baseline:color" in why(verify(path))


def test_a_verdict_says_what_no_second_run_can_know(bundle: Path, tiny_options: Options) -> None:
    told = as_text(verify(bundle, Trial(tiny_options, share=0.05, seed=3)))
    for word in (
        "device",
        "versions",
        "seconds",
        "curves",
        "other settings' validation scores",
        "the card says in words",
    ):
        assert word in told


def test_a_task_that_borrows_heads_or_neighbours_is_held_to_its_owners_data(card: Any, tmp_path: Path) -> None:
    """The protocol is the record's, whichever the options of whoever verifies have."""
    from virb.sample import ensure

    root = ensure(["imagenet", "imagenetv2"], folder=tmp_path / "world", size=0.12, workers=1)
    given = replace(Asked(data=root, workers=0, save_heads=True).options(), out=tmp_path / "results")
    for name in ("quick", "knn_quick"):
        report = run(
            encoder_cards(["baseline:color"]),
            select_tasks("imagenet,imagenetv2"),
            replace(given, protocol=protocol(name)),
        )
        assert len(report.records) == 2
    verdict = verify(make_bundle(card, given.out, tmp_path / "b.zip").path, Trial(given, share=1.0))
    assert verdict.verdict == "verified", as_text(verdict)
    assert len(verdict.records) == 4
