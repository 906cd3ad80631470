"""Cards of strangers, and names that are typed: refused in three parts, before they take time or memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from card_texts import ENCODER, KINDS, swap
from fuzzing import refusal as refusal_of

from virb.cards.card import Card
from virb.cards.dataset import DataCard
from virb.cards.encoder import EncoderCard
from virb.cards.encoder_names import encoder_card, encoder_cards
from virb.cards.protocol import Protocol
from virb.cards.select import protocol, select_tasks
from virb.cards.task import Task
from virb.core.errors import VirbError
from virb.encode.architectures import Architecture, check_fits
from virb.encode.load import check_encoder

LONG = 100_000
NUMBERS = ("0x10", "0b11", "010", "1:30", "1_0", "1:1:1", "0x" + "f" * LONG, "9" * LONG, "1:" * 5000 + "1", "9" * 30)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:8])
@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (Task, "version: 1", "version: {}"),
        (Task, "epochs: 500", "epochs: {}"),
        (EncoderCard, "weights: random:resnet18", "weights: random:resnet18\nsize: {}"),
        (EncoderCard, "weights: random:resnet18", "weights: random:resnet18\nmean: [0.5, {}, 0.5]"),
        (EncoderCard, "weights: random:resnet18", "weights: random:resnet18\nimages: {}"),
        (Protocol, "seeds: 3", "seeds: {}"),
        (Protocol, "[0.0]", "[{}]"),
    ],
)
def test_a_number_is_written_in_decimals_and_of_some_digits(
    refusal: Callable[..., str], kind: type[Card], right: str, wrong: str, number: str
) -> None:
    message = refusal(swap(KINDS[kind][1], right, wrong.format(number)), kind)
    assert len(message) < 1500


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (EncoderCard, "weights: random:resnet18", "weights: random:resnet18\nsize: 1000000"),
        (EncoderCard, "weights: random:resnet18", "weights: random:resnet18\nimages: 9999999999999999"),
        (EncoderCard, "weights: random:resnet18", 'weights: "a\\0b.pt"'),
        (EncoderCard, "weights: random:resnet18", 'weights: "https://a/b\\0"'),
        (EncoderCard, "weights: random:resnet18", "weights: https://[::1/b.pt"),
        (EncoderCard, "weights: random:resnet18", "weights: https://a:99999999/b.pt"),
        (EncoderCard, "weights: random:resnet18", f"weights: {'a' * LONG}"),
        (EncoderCard, "weights: random:resnet18", 'weights: "\\ud800.pt"'),
        (EncoderCard, "title: My encoder", 'title: "a\\e[31m"'),
        (EncoderCard, "title: My encoder", 'title: a\n"b\\0c": 1'),
        (EncoderCard, "title: My encoder", 'title: a\nfacts: {"b\\0c": 1}'),
        (EncoderCard, "title: My encoder", 'title: a\nallow_missing: ["b\\0c"]'),
        (Task, "version: 1", "version: !!int ''"),
        (Task, "version: 1", "version: !!int '0x10'"),
        (Task, "version: 1", "version: !!bool maybe"),
        (Task, "version: 1", "version: !!float ''"),
        (Task, "title: Leaf shapes", "title: !!timestamp never"),
        (Task, "title: Leaf shapes", "title: !!binary '===='"),
        (Task, "title: Leaf shapes", "title: !!set {a, b}"),
        (Task, "title: Leaf shapes", "title: !mine a"),
        (Task, "head: linear", "head: linear\nframes: 1000000000"),
        (Task, "batch: 32", "batch: 1000000000000"),
        (Task, "level: image", f"level: {'a' * LONG}"),
        (Task, "level: image", "".join(f"unknown{place}: 1\n" for place in range(4000)) + "level: image"),
        (Protocol, "seeds: 3", "seeds: 1000000000"),
        (Protocol, "batch: 64", "batch: 1000000000000"),
        (Protocol, "[0.001, 0.01]", "[" + "0.001, " * 5000 + "0.01]"),
        (Protocol, "size: 96", "size: 100000"),
    ],
    ids=lambda part: part[:40] if isinstance(part, str) else part.__name__,
)
def test_a_value_that_could_only_fail_later_is_refused_in_a_few_words(
    refusal: Callable[..., str], kind: type[Card], right: str, wrong: str
) -> None:
    message = refusal(swap(KINDS[kind][1], right, wrong), kind)
    assert "What to do: " in message
    assert len(message) < 6000


def test_an_address_of_an_archive_must_be_one(read: Callable[..., Card]) -> None:
    from virb.core.paths import card_folder

    path = card_folder("datasets") / "dtd.yaml"
    text = path.read_text(encoding="utf-8")
    url = next(line for line in text.splitlines() if "url: http" in line)
    assert read(text, DataCard, "dtd").name == "dtd"
    with pytest.raises(VirbError, match="no address"):
        read(text.replace(url, url.partition("http")[0] + "https://[::1/dtd"), DataCard, "dtd")


GIANTS = (
    "resnet50(layers=(16384,16384,16384,16384))",
    "resnet50(layers=(1,1,1,256))",
    "vit_tiny_patch16_224(depth=16384)",
    "vit_tiny_patch16_224(depth=256, embed_dim=16384, num_heads=1, mlp_ratio=64)",
    "vit_tiny_patch16_224(mlp_ratio=16384)",
    "vit_tiny_patch16_224(patch_size=16384)",
    "vit_tiny_patch16_224(img_size=16384)",
    "vit_tiny_patch16_224(img_size=(16384, 16384))",
    "swin_tiny_patch4_window7_224(window_size=16384)",
    "resnet50(cardinality=16384, base_width=16384)",
    "resnet50(stem_width=16384, stem_type='deep', base_width=16000)",
)
ODD = (
    "resnet50(layers=())",
    "resnet50(layers=(0,0,0,0))",
    "resnet50(layers=3)",
    "resnet50(stem_type=3)",
    "resnet50(stem='other', widen=3.5)",
    "vit_tiny_patch16_224(depth=0, embed_dim=0)",
    "vit_tiny_patch16_224(depth='many')",
    "vit_tiny_patch16_224(depth=2.5)",
    "vit_tiny_patch16_224(img_size=())",
    "vit_tiny_patch16_224(patch_size=0)",
    "vit_tiny_patch16_224(num_heads=0)",
    "vit_tiny_patch16_224(num_heads=7)",
    "vit_tiny_patch16_224(global_pool='none of them')",
    "vit_tiny_patch16_224(" + "(" * 300 + ")",
    "vit_tiny_patch16_224(depth=" + "9" * 400 + ")",
    "resnet50(layers=(3,4,6,3)" + " " * LONG + ")",
    "a" * LONG,
)


@pytest.mark.parametrize("arch", GIANTS)
def test_a_network_larger_than_any_is_refused_before_it_is_built(arch: str) -> None:
    with pytest.raises(VirbError) as caught:
        check_encoder(encoder_card(f"random:{arch}"))
    assert "memory" in caught.value.found or "the most is" in caught.value.found


@pytest.mark.parametrize("arch", ODD, ids=lambda arch: arch[:60])
def test_options_that_do_not_go_together_are_an_error_of_the_user(arch: str) -> None:
    refused = refusal_of(lambda: check_fits(arch))
    assert refused is None or (refused.expected and len(str(refused)) < 1500)


def test_the_largest_networks_that_there_are_stay_within_the_bounds() -> None:
    for text in ("vit_huge_patch14_224(img_size=518)", "resnet200(widen=4)", "vit_giant_patch14_224(reg_tokens=16)"):
        assert str(Architecture.parse(text))
        check_fits(text)


@pytest.mark.parametrize(
    "text",
    [
        "a\0b",
        "random:resnet18\0",
        "random:resnet18@²",
        "random:resnet18@" + "9" * 5000,
        "random:resnet18@99999999999999999999",
        "random:resnet18@-1",
        "timm:resnet50(depth=3)",
        "timm:" + "a" * 4000,
        "torchvision:resnet50.\0",
        "a" * 300,
        "a" * LONG,
        "/" + "a" * 300 + "/b.pt",
        "~nobody-of-this-name/a.pt",
        "~nobody-of-this-name/a.yaml",
        "~nobody-of-this-name/a.py",
        "~nobody-of-this-name/*.pt",
        "\udcff.pt",
        "a\0.py:Name",
        "a" * 300 + ".py",
        "*\0*",
        "https://[::1/a.pt",
        "https://a:b/a.pt",
        "[" * 200,
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_what_may_stand_behind_encoder_is_a_card_or_an_error_in_three_parts(text: str) -> None:
    refused = refusal_of(lambda: [check_encoder(card) for card in encoder_cards([text])])
    assert refused is not None
    assert refused.found
    assert refused.expected
    assert refused.remedy
    assert len(str(refused)) < 6000


@pytest.mark.parametrize("text", ["a\0b", "a\0.yaml", "a" * 300 + ".yaml", "~nobody-of-this-name/a.yaml", "a" * LONG])
def test_names_of_tasks_and_protocols_are_cards_or_errors_in_three_parts(text: str) -> None:
    for choose in (select_tasks, protocol):
        with pytest.raises(VirbError) as caught:
            choose(text)
        assert caught.value.expected
        assert len(str(caught.value)) < 6000


def test_planning_with_a_card_of_a_giant_ends_soon_and_shows_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(swap(ENCODER, "random:resnet18", "random:resnet50(layers=(16384,16384,16384,16384))"))
    command = [sys.executable, "-m", "virb", "plan", "--encoder", str(path), "--tasks", "dtd", "--sample"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "layers is (16384" in done.stderr
