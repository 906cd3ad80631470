"""Schemes: one place takes a weights text apart, and each scheme has one module that checks and loads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from virb.cards.encoder import EncoderCard
from virb.cards.weights import FORMS, SCHEMES, Weights, meant
from virb.core.errors import CardError
from virb.encode import schemes


def card(weights: str) -> EncoderCard:
    return EncoderCard(name="one", title="One", weights=weights)


@pytest.mark.parametrize(
    ("text", "scheme", "name", "architecture", "shown"),
    [
        ("timm:resnet18.a1_in1k", "timm", "resnet18.a1_in1k", "resnet18", "timm:resnet18.a1_in1k"),
        ("timm:hf-hub:org/name", "timm", "hf-hub:org/name", "hf-hub:org/name", "timm:hf-hub:org/name"),
        ("torchvision:resnet50.V1", "torchvision", "resnet50.V1", "resnet50", "torchvision:resnet50.V1"),
        ("random:resnet18@7", "random", "resnet18@7", "resnet18", "random:resnet18@7"),
        ("baseline:color", "baseline", "color", "", "baseline:color"),
        ("python:/home/me/mine.py:Mine", "python", "/home/me/mine.py:Mine", "", "python:mine.py:Mine"),
        ("python:/home/me/mine.py:", "python", "/home/me/mine.py:", "", "python:mine.py"),
        ("plugin:lab", "plugin", "lab", "", "plugin:lab"),
        ("https://example.org/a/b.pt", "", "https://example.org/a/b.pt", "", "https://example.org/a/b.pt"),
        ("/home/me/resnet50.pt", "", "/home/me/resnet50.pt", "", "resnet50.pt"),
        ("random", "", "random", "", "random"),
        ("Random:resnet18", "", "Random:resnet18", "", "Random:resnet18"),
    ],
)
def test_a_weights_text_is_a_scheme_and_a_name_or_a_file(
    text: str, scheme: str, name: str, architecture: str, shown: str
) -> None:
    said = Weights.parse(text)
    assert (said.text, said.scheme, said.name) == (text, scheme, name)
    assert (said.architecture, said.shown) == (architecture, shown)
    assert card(text).names_file == (scheme == "")
    assert said.typed == (scheme in ("timm", "torchvision", "random", "baseline"))
    assert said.address == (text if text.startswith("https:") else None)


def test_messages_name_the_schemes_that_may_be_typed() -> None:
    assert FORMS == ("timm:NAME", "torchvision:NAME", "random:ARCH", "baseline:NAME")
    assert meant("tim:resnet18") == "did you mean 'timm:resnet18'?"
    assert meant("timm:") == meant("nothing:like") == ""


@pytest.mark.parametrize("weights", ["python:mine.py:Mine", "plugin:lab", "mine.py", "mine.py:Mine"])
def test_a_card_never_names_code(weights: str, tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(f"name: one\ntitle: One\nweights: {weights}\n")
    with pytest.raises(CardError, match="is code, and a card never starts any"):
        EncoderCard.read(path)


def test_every_scheme_has_its_module_and_every_module_its_scheme() -> None:
    modules = {path.stem for path in Path(schemes.__file__).parent.glob("from_*.py")}
    assert modules == {f"from_{scheme}" for scheme in (*SCHEMES, "file")}
    for scheme in SCHEMES:
        found = schemes.scheme_of(card(f"{scheme}:x"))
        assert type(found).__module__ == f"virb.encode.schemes.from_{scheme}"
    assert type(schemes.scheme_of(card("weights.pt"))).__name__ == "File"
